#pragma once
/// Properties: declared once in class_init, next to the class that they describe. Help, introspection, board checking
/// and documentation are all made from these declarations.

#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "qom/error.h"
#include "qom/value.h"

namespace machina::qom {

class Object;

/// A number of bytes; written with a suffix: 64M, 3584M, 1T.
struct Size {
  std::uint64_t bytes = 0;
  friend bool operator==(Size, Size) = default;
};

enum class PropertyKind { Bool, Int, UInt, Size, String, Enum, Link, Child, List };

struct Property {
  std::string name;
  std::string
      type;  ///< QEMU's spelling: bool, uint16, int64, size, str, link<isa-bus>, child<device>, or the enum's name
  PropertyKind kind = PropertyKind::String;
  Value default_value;
  std::string description;
  bool live = false;  ///< may change after realize
  bool read_only = false;
  bool required = false;                                           ///< realize refuses while it is unset
  std::vector<std::string> enum_values;                            ///< legal spellings, for Enum
  std::int64_t min = std::numeric_limits<std::int64_t>::min();     ///< for Int
  std::uint64_t umin = 0;                                          ///< for UInt and Size
  std::uint64_t umax = std::numeric_limits<std::uint64_t>::max();  ///< for Int (as int64), UInt and Size
  std::string link_type;  ///< for Link and Child: type or interface that the target must be of
  std::function<Value(const Object&)> get;
  std::function<void(Object&, const Value&)> set;
  std::function<void(Object&, Object*)> set_link;  ///< for Link
  std::function<void(const Value&)> check;         ///< throws Error when a value of the right type is refused

  // What class_init writes behind a declaration: c.property(…).doc("…").range(0, 7)
  Property& doc(std::string text) {
    description = std::move(text);
    return *this;
  }
  Property& may_change() {
    live = true;
    return *this;
  }
  Property& must_be_set() {
    required = true;
    return *this;
  }
  Property& range(std::uint64_t low, std::uint64_t high) {
    umin = low;
    umax = high;
    return *this;
  }
  Property& checked(std::function<void(const Value&)> f) {
    check = std::move(f);
    return *this;
  }

  /// `text` as a user typed it, as a value of this property's type. Throws Error: what was expected, the nearest name.
  Value parse(std::string_view text) const;
  /// `value` (JSON, YAML, C++) made exactly this property's type and range. Throws Error.
  Value convert(const Value& value) const;
  /// What a legal value looks like, for messages and help: "a number from 0 to 65535", "one of a, b".
  std::string expected() const;
};

/// Numbers as users write them: 10, 0x1f, 0b101, -3. Throws Error.
std::int64_t parse_int(std::string_view text);
std::uint64_t parse_uint(std::string_view text);
/// Bytes with an optional suffix b K M G T P E (powers of 1024), fractions as 1.5G. Throws Error.
std::uint64_t parse_size(std::string_view text);
/// on/off, true/false, yes/no. Throws Error.
bool parse_bool(std::string_view text);
/// 65536 -> "64K", 100 -> "100".
std::string format_size(std::uint64_t bytes);

/// Specialise with `static constexpr const char* name` and `static constexpr std::pair<E, const char*> values[]`
/// to make an enum a property type.
template <class E>
struct EnumNames;

/// How a C++ field becomes a property: type name, kind, and conversions.
template <class F, class = void>
struct PropertyTraits;

template <>
struct PropertyTraits<bool> {
  static void describe(Property& p) { p.type = "bool", p.kind = PropertyKind::Bool; }
  static Value to_value(bool f) { return f; }
  static bool from_value(const Value& v) { return std::get<bool>(v.get()); }
};

template <class I>
struct PropertyTraits<I, std::enable_if_t<std::is_integral_v<I> && !std::is_same_v<I, bool>>> {
  static void describe(Property& p) {
    p.type = (std::is_signed_v<I> ? "int" : "uint") + std::to_string(sizeof(I) * 8);
    p.kind = std::is_signed_v<I> ? PropertyKind::Int : PropertyKind::UInt;
    if constexpr (std::is_signed_v<I>) p.min = std::numeric_limits<I>::min();
    p.umax = static_cast<std::uint64_t>(std::numeric_limits<I>::max());
  }
  static Value to_value(I f) {
    if constexpr (std::is_signed_v<I>) return Value(static_cast<std::int64_t>(f));
    return Value(static_cast<std::uint64_t>(f));
  }
  static I from_value(const Value& v) {
    if constexpr (std::is_signed_v<I>) return static_cast<I>(std::get<std::int64_t>(v.get()));
    return static_cast<I>(std::get<std::uint64_t>(v.get()));
  }
};

template <>
struct PropertyTraits<Size> {
  static void describe(Property& p) { p.type = "size", p.kind = PropertyKind::Size; }
  static Value to_value(Size f) { return f.bytes; }
  static Size from_value(const Value& v) { return {std::get<std::uint64_t>(v.get())}; }
};

template <>
struct PropertyTraits<std::string> {
  static void describe(Property& p) { p.type = "str", p.kind = PropertyKind::String; }
  static Value to_value(const std::string& f) { return f; }
  static std::string from_value(const Value& v) { return std::get<std::string>(v.get()); }
};

template <>
struct PropertyTraits<std::vector<std::string>> {
  static void describe(Property& p) { p.type = "list<str>", p.kind = PropertyKind::List; }
  static Value to_value(const std::vector<std::string>& f) { return ValueList(f.begin(), f.end()); }
  static std::vector<std::string> from_value(const Value& v) {
    std::vector<std::string> list;
    for (const Value& item : std::get<ValueList>(v.get())) list.push_back(item.to_string());
    return list;
  }
};

template <class E>
struct PropertyTraits<E, std::enable_if_t<std::is_enum_v<E>>> {
  static void describe(Property& p) {
    p.type = EnumNames<E>::name, p.kind = PropertyKind::Enum;
    for (const auto& [value, name] : EnumNames<E>::values) p.enum_values.emplace_back(name);
  }
  static Value to_value(E f) {
    for (const auto& [value, name] : EnumNames<E>::values)
      if (value == f) return name;
    return std::string();
  }
  static E from_value(const Value& v) {
    for (const auto& [value, name] : EnumNames<E>::values)
      if (std::get<std::string>(v.get()) == name) return value;
    throw Error("no such value: '" + v.to_string() + "'");
  }
};

}  // namespace machina::qom
