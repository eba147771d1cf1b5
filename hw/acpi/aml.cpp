#include "hw/acpi/aml.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"

namespace machina::aml {

namespace {

/// 20.3: AML byte stream byte values. Those above 5B00h are two bytes: ExtOpPrefix and another one.
enum Op : unsigned {
  kZero = 0x00,
  kOne = 0x01,
  kName = 0x08,
  kByte = 0x0a,
  kWord = 0x0b,
  kDWord = 0x0c,
  kString = 0x0d,
  kQWord = 0x0e,
  kScope = 0x10,
  kBuffer = 0x11,
  kPackage = 0x12,
  kMethod = 0x14,
  kDualName = 0x2e,
  kMultiName = 0x2f,
  kLocal0 = 0x60,
  kArg0 = 0x68,
  kStore = 0x70,
  kAdd = 0x72,
  kShiftLeft = 0x79,
  kAnd = 0x7b,
  kOr = 0x7d,
  kNotify = 0x86,
  kIndex = 0x88,
  kCreateDWordField = 0x8a,
  kLNot = 0x92,
  kLEqual = 0x93,
  kLLess = 0x95,
  kIf = 0xa0,
  kElse = 0xa1,
  kWhile = 0xa2,
  kReturn = 0xa4,
  kMutex = 0x5b01,
  kAcquire = 0x5b23,
  kRelease = 0x5b27,
  kOpRegion = 0x5b80,
  kField = 0x5b81,
  kDevice = 0x5b82,
};

constexpr std::size_t kMaxPackage = (std::size_t{1} << 28) - 1;
constexpr unsigned kForever = 0xffff;

Code op(unsigned value) {
  Code code;
  if (value > 0xff) code.u8(value >> 8);
  return code.u8(value & 0xff);
}

Code operation(unsigned value, const Terms& operands) {
  Code code = op(value);
  for (const Code& operand : operands) code.append(operand);
  return code;
}

/// An operator, the length of what follows, and that.
Code sized(unsigned value, const Code& content) {
  return op(value).append(package_length(content.size())).append(content);
}

Code with_target(unsigned value, const Code& a, const Code& b, const Code& target) {
  static const Code kNull(std::vector<std::uint8_t>{0});  // NullName: no target
  return operation(value, {a, b, target.size() ? target : kNull});
}

bool is_lead(char c) { return (c >= 'A' && c <= 'Z') || c == '_'; }

void append_segment(Code& code, std::string_view segment, std::string_view whole) {
  const bool well =
      !segment.empty() && segment.size() <= 4 && is_lead(segment[0]) &&
      std::all_of(segment.begin(), segment.end(), [](char c) { return is_lead(c) || (c >= '0' && c <= '9'); });
  if (!well) throw Error(fmt::format("'{}' is no name of ACPI", whole));
  for (std::size_t i = 0; i < 4; ++i) code.u8(static_cast<unsigned char>(i < segment.size() ? segment[i] : '_'));
}

Code encode_length(std::size_t value, unsigned bytes) {
  Code code;
  if (bytes == 1) return code.u8(static_cast<unsigned>(value));
  code.u8(static_cast<unsigned>((bytes - 1) << 6 | (value & 0xf)));
  for (unsigned i = 1; i < bytes; ++i) code.u8(static_cast<unsigned>(value >> (8 * i - 4) & 0xff));
  return code;
}

/// How many bytes a length takes: six bits in one byte, four and eight for each further one in more.
unsigned length_bytes(std::size_t value) {
  if (value > kMaxPackage) throw Error("a package of AML has at most 256 MiB");
  return value < 1U << 6 ? 1 : value < 1U << 12 ? 2 : value < 1U << 20 ? 3 : 4;
}

}  // namespace

Code& Code::append(std::span<const std::uint8_t> bytes) {
  bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  return *this;
}

Code& Code::little_endian(std::uint64_t value, unsigned count) {
  for (unsigned i = 0; i < count; ++i) bytes_.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
  return *this;
}

Code join(const Terms& terms) {
  Code code;
  for (const Code& term : terms) code.append(term);
  return code;
}

Code package_length(std::size_t size) {
  // The length includes itself, and may become longer by that.
  unsigned bytes = length_bytes(size);
  if (length_bytes(size + bytes) > bytes) ++bytes;
  return encode_length(size + bytes, bytes);
}

Code encoded_length(std::size_t value) { return encode_length(value, length_bytes(value)); }

Code path(std::string_view text) {
  Code code;
  std::string_view rest = text;
  while (!rest.empty() && (rest[0] == '\\' || rest[0] == '^')) {
    code.u8(static_cast<unsigned char>(rest[0]));
    rest.remove_prefix(1);
  }
  if (rest.empty() && !text.empty()) return code.u8(0);  // NullName behind the prefix
  std::vector<std::string_view> segments;
  for (;;) {
    const std::size_t dot = rest.find('.');
    segments.push_back(rest.substr(0, dot));
    if (dot == std::string_view::npos) break;
    rest.remove_prefix(dot + 1);
  }
  if (segments.size() > 255) throw Error(fmt::format("'{}' is no name of ACPI", text));
  if (segments.size() == 2) code.u8(kDualName);
  if (segments.size() > 2) code.u8(kMultiName).u8(static_cast<unsigned>(segments.size()));
  for (const std::string_view segment : segments) append_segment(code, segment, text);
  return code;
}

Code integer(std::uint64_t value) {
  if (value <= 1) return op(static_cast<unsigned>(value));
  if (value <= 0xff) return op(kByte).u8(static_cast<unsigned>(value));
  if (value <= 0xffff) return op(kWord).u16(static_cast<unsigned>(value));
  if (value <= 0xffffffff) return op(kDWord).u32(static_cast<std::uint32_t>(value));
  return op(kQWord).u64(value);
}

Code string(std::string_view ascii) {
  Code code = op(kString);
  for (const char c : ascii) {
    if (c <= 0) throw Error("a string of AML is ASCII without zeros");
    code.u8(static_cast<unsigned char>(c));
  }
  return code.u8(0);
}

Code buffer(std::span<const std::uint8_t> bytes) {
  Code content = integer(bytes.size());
  return sized(kBuffer, content.append(bytes));
}

Code package(const Terms& elements) {
  if (elements.size() > 255) throw Error("a package of AML has at most 255 elements");
  Code content;
  content.u8(static_cast<unsigned>(elements.size()));
  return sized(kPackage, content.append(join(elements)));
}

Code eisa_id(std::string_view id) {
  const auto hex = [&](char c) -> unsigned {
    if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
    if (c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A' + 10);
    throw Error(fmt::format("'{}' is no EISA ID", id));
  };
  if (id.size() != 7 || !std::all_of(id.begin(), id.begin() + 3, [](char c) { return c >= 'A' && c <= 'Z'; }))
    throw Error(fmt::format("'{}' is no EISA ID", id));
  unsigned vendor = 0, product = 0;
  for (const char c : id.substr(0, 3)) vendor = vendor << 5 | static_cast<unsigned>(c - '@');
  for (const char c : id.substr(3)) product = product << 4 | hex(c);
  return integer(__builtin_bswap32(vendor << 16 | product));  // 19.6.36: the bytes are in order
}

Code name(std::string_view where, const Code& value) { return operation(kName, {path(where), value}); }

Code scope(std::string_view where, const Terms& terms) { return sized(kScope, path(where).append(join(terms))); }

Code device(std::string_view where, const Terms& terms) { return sized(kDevice, path(where).append(join(terms))); }

Code method(std::string_view where, unsigned arguments, Serialize serialize, const Terms& body) {
  if (arguments > 7) throw Error("a method has at most seven arguments");
  return sized(kMethod, path(where).u8(arguments | (serialize == Serialize::Yes ? 8U : 0U)).append(join(body)));
}

Code mutex(std::string_view where) { return operation(kMutex, {path(where)}).u8(0); }

Code operation_region(std::string_view where, Space space, std::uint64_t offset, std::uint64_t length) {
  Code code = op(kOpRegion).append(path(where));
  return code.u8(static_cast<unsigned>(space)).append(integer(offset)).append(integer(length));
}

Code field(std::string_view region, Access access, Update update, const std::vector<FieldUnit>& units) {
  Code content = path(region);
  content.u8(static_cast<unsigned>(access) | static_cast<unsigned>(update) << 5);
  for (const FieldUnit& unit : units) {
    if (unit.name.empty()) {
      content.u8(0);
    } else {
      append_segment(content, unit.name, unit.name);
    }
    content.append(encoded_length(unit.bits));
  }
  return sized(kField, content);
}

Code arg(unsigned n) {
  if (n > 6) throw Error("a method has at most seven arguments");
  return op(kArg0 + n);
}

Code local(unsigned n) {
  if (n > 7) throw Error("a method has eight local objects");
  return op(kLocal0 + n);
}

Code store(const Code& value, const Code& target) { return operation(kStore, {value, target}); }
Code return_value(const Code& value) { return operation(kReturn, {value}); }
Code if_true(const Code& condition, const Terms& then) {
  Code content = condition;
  return sized(kIf, content.append(join(then)));
}
Code otherwise(const Terms& terms) { return sized(kElse, join(terms)); }
Code while_true(const Code& condition, const Terms& body) {
  Code content = condition;
  return sized(kWhile, content.append(join(body)));
}
Code equal(const Code& a, const Code& b) { return operation(kLEqual, {a, b}); }
Code less(const Code& a, const Code& b) { return operation(kLLess, {a, b}); }
Code logical_not(const Code& a) { return operation(kLNot, {a}); }
Code add(const Code& a, const Code& b, const Code& target) { return with_target(kAdd, a, b, target); }
Code bit_and(const Code& a, const Code& b, const Code& target) { return with_target(kAnd, a, b, target); }
Code bit_or(const Code& a, const Code& b, const Code& target) { return with_target(kOr, a, b, target); }
Code shift_left(const Code& a, const Code& count, const Code& target) {
  return with_target(kShiftLeft, a, count, target);
}
Code create_dword_field(const Code& buffer, const Code& offset, std::string_view where) {
  return operation(kCreateDWordField, {buffer, offset, path(where)});
}
Code index(const Code& object, const Code& n) { return operation(kIndex, {object, n}).u8(0); }
Code notify(std::string_view object, const Code& value) { return operation(kNotify, {path(object), value}); }
Code acquire(std::string_view mutex) { return operation(kAcquire, {path(mutex)}).u16(kForever); }
Code release(std::string_view mutex) { return operation(kRelease, {path(mutex)}); }
Code call(std::string_view method, const Terms& arguments) { return path(method).append(join(arguments)); }

}  // namespace machina::aml
