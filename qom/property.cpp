#include "qom/property.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <charconv>
#include <cmath>

namespace machina::qom {

namespace {

struct Digits {
  std::string_view text;
  int base;
  bool negative;
};

Digits split_number(std::string_view text) {
  Digits d{text, 10, false};
  if (!d.text.empty() && (d.text[0] == '-' || d.text[0] == '+')) {
    d.negative = d.text[0] == '-';
    d.text.remove_prefix(1);
  }
  if (d.text.size() > 2 && d.text[0] == '0') {
    const char c = d.text[1];
    if (c == 'x' || c == 'X') d.base = 16;
    if (c == 'b' || c == 'B') d.base = 2;
    if (d.base != 10) d.text.remove_prefix(2);
  }
  return d;
}

std::uint64_t parse_magnitude(const Digits& d, std::string_view whole) {
  std::uint64_t v = 0;
  const auto [end, error] = std::from_chars(d.text.data(), d.text.data() + d.text.size(), v, d.base);
  if (error == std::errc::result_out_of_range) throw Error(fmt::format("number out of range: '{}'", whole));
  if (error != std::errc() || end != d.text.data() + d.text.size())
    throw Error(fmt::format("not a number: '{}'", whole));
  return v;
}

}  // namespace

std::uint64_t parse_uint(std::string_view text) {
  const Digits d = split_number(text);
  const std::uint64_t v = parse_magnitude(d, text);
  if (d.negative && v != 0) throw Error(fmt::format("must not be negative: '{}'", text));
  return v;
}

std::int64_t parse_int(std::string_view text) {
  const Digits d = split_number(text);
  const std::uint64_t v = parse_magnitude(d, text);
  constexpr auto kMax = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (v > kMax + (d.negative ? 1 : 0)) throw Error(fmt::format("number out of range: '{}'", text));
  return d.negative ? static_cast<std::int64_t>(0 - v) : static_cast<std::int64_t>(v);
}

std::uint64_t parse_size(std::string_view text) {
  static constexpr std::string_view kSuffixes = "bkmgtpe";
  std::string_view digits = text;
  unsigned shift = 0;
  // In a hexadecimal number b and e are digits, so hexadecimal sizes take no suffix of those two.
  const bool hex = digits.size() > 2 && digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X');
  if (!digits.empty()) {
    const char last = static_cast<char>(std::tolower(static_cast<unsigned char>(digits.back())));
    const std::size_t index = kSuffixes.find(last);
    if (index != std::string_view::npos && !(hex && (last == 'b' || last == 'e'))) {
      shift = 10 * static_cast<unsigned>(index);
      digits.remove_suffix(1);
    }
  }
  const auto refuse = [&](const char* what) {
    return Error(fmt::format("{}: '{}'", what, text)).hint("sizes are written as 4096, 640K, 64M, 1.5G or 1T");
  };
  if (digits.empty()) throw refuse("not a size");
  if (digits[0] == '-') throw refuse("a size must not be negative");
  if (digits.find('.') != std::string_view::npos) {
    double v = 0;
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), v, std::chars_format::fixed);
    if (error != std::errc() || end != digits.data() + digits.size()) throw refuse("not a size");
    v = std::floor(std::ldexp(v, static_cast<int>(shift)));
    if (v >= 18446744073709551616.0) throw refuse("size out of range");
    return static_cast<std::uint64_t>(v);
  }
  std::uint64_t v = 0;
  try {
    v = parse_uint(digits);
  } catch (const Error&) {
    throw refuse("not a size");
  }
  if (shift && v > (std::numeric_limits<std::uint64_t>::max() >> shift)) throw refuse("size out of range");
  return v << shift;
}

bool parse_bool(std::string_view text) {
  if (text == "on" || text == "true" || text == "yes" || text == "y") return true;
  if (text == "off" || text == "false" || text == "no" || text == "n") return false;
  throw Error(fmt::format("not a switch: '{}'", text)).hint("write on or off");
}

std::string format_size(std::uint64_t bytes) {
  static constexpr const char* kUnits[] = {"", "K", "M", "G", "T", "P", "E"};
  unsigned unit = 0;
  while (bytes != 0 && bytes % 1024 == 0 && unit < 6) bytes /= 1024, ++unit;
  return fmt::format("{}{}", bytes, kUnits[unit]);
}

std::string Property::expected() const {
  switch (kind) {
    case PropertyKind::Bool:
      return "on or off";
    case PropertyKind::Int:
      return fmt::format("a number from {} to {}", min, static_cast<std::int64_t>(umax));
    case PropertyKind::UInt:
      if (umin == 0 && umax == std::numeric_limits<std::uint64_t>::max()) return "a number of 64 bits";
      return fmt::format("a number from {} to {}", umin, umax);
    case PropertyKind::Size:
      return "a size such as 4096, 64M or 1.5G";
    case PropertyKind::String:
      return "a text";
    case PropertyKind::Enum:
      return fmt::format("one of {}", fmt::join(enum_values, ", "));
    case PropertyKind::Link:
      return fmt::format("the id or path of a '{}'", link_type);
    case PropertyKind::Child:
      return "nothing: a child is part of its parent";
    case PropertyKind::List:
      return "a list";
  }
  return {};
}

Value Property::parse(std::string_view text) const {
  switch (kind) {
    case PropertyKind::Bool:
      return convert(parse_bool(text));
    case PropertyKind::Int:
      return convert(parse_int(text));
    case PropertyKind::UInt:
      return convert(parse_uint(text));
    case PropertyKind::Size:
      return convert(parse_size(text));
    case PropertyKind::List: {
      ValueList list;
      while (!text.empty()) {
        const std::size_t colon = text.find(':');
        list.emplace_back(std::string(text.substr(0, colon)));
        text = colon == std::string_view::npos ? std::string_view() : text.substr(colon + 1);
      }
      return convert(list);
    }
    case PropertyKind::String:
    case PropertyKind::Enum:
    case PropertyKind::Link:
    case PropertyKind::Child:
      break;
  }
  return convert(std::string(text));
}

Value Property::convert(const Value& value) const {
  const auto wrong_type = [&] {
    return Error(fmt::format("property '{}' does not take '{}'", name, value.to_string()))
        .hint("expected " + expected());
  };
  const auto in_range = [&](bool ok) {
    if (!ok)
      throw Error(fmt::format("value of '{}' is out of range: {}", name, value.to_string()))
          .hint("expected " + expected());
  };
  Value made = value;
  switch (kind) {
    case PropertyKind::Bool:
      if (!value.get_if<bool>()) throw wrong_type();
      break;
    case PropertyKind::Int:
      if (const auto* u = value.get_if<std::uint64_t>()) {
        in_range(*u <= umax);
        made = static_cast<std::int64_t>(*u);
      } else if (const auto* i = value.get_if<std::int64_t>()) {
        in_range(*i >= min && *i <= static_cast<std::int64_t>(umax));
      } else {
        throw wrong_type();
      }
      break;
    case PropertyKind::UInt:
    case PropertyKind::Size: {
      std::uint64_t v = 0;
      if (const auto* u = value.get_if<std::uint64_t>()) {
        v = *u;
      } else if (const auto* i = value.get_if<std::int64_t>()) {
        in_range(*i >= 0);
        v = static_cast<std::uint64_t>(*i);
      } else {
        throw wrong_type();
      }
      in_range(v >= umin && v <= umax);
      made = v;
      break;
    }
    case PropertyKind::String:
    case PropertyKind::Link:
      if (!value.get_if<std::string>()) throw wrong_type();
      break;
    case PropertyKind::Enum: {
      const auto* s = value.get_if<std::string>();
      if (!s) throw wrong_type();
      bool known = false;
      for (const std::string& legal : enum_values) known = known || legal == *s;
      if (!known) {
        Error e(fmt::format("property '{}' has no value '{}'", name, *s));
        const std::string near = did_you_mean(*s, enum_values);
        throw e.hint(near.empty() ? "expected " + expected() : near + " (" + expected() + ")");
      }
      break;
    }
    case PropertyKind::List:
      if (!value.get_if<ValueList>()) throw wrong_type();
      break;
    case PropertyKind::Child:
      throw wrong_type();
  }
  if (check) check(made);
  return made;
}

}  // namespace machina::qom
