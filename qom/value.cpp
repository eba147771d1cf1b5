#include "qom/value.h"

#include <fmt/format.h>

namespace machina::qom {

namespace {

struct Printer {
  std::string operator()(std::monostate) const { return ""; }
  std::string operator()(bool v) const { return v ? "on" : "off"; }
  std::string operator()(std::int64_t v) const { return fmt::format("{}", v); }
  std::string operator()(std::uint64_t v) const { return fmt::format("{}", v); }
  std::string operator()(double v) const { return fmt::format("{}", v); }
  std::string operator()(const std::string& v) const { return v; }
  std::string operator()(const ValueList& v) const {
    std::string text;
    for (const Value& item : v) text += (text.empty() ? "" : ", ") + item.to_string();
    return "[" + text + "]";
  }
  std::string operator()(const ValueMap& v) const {
    std::string text;
    for (const auto& [key, item] : v) text += (text.empty() ? "" : ", ") + key + ": " + item.to_string();
    return "{" + text + "}";
  }
};

}  // namespace

std::string Value::to_string() const { return std::visit(Printer{}, v_); }

bool operator==(const Value& a, const Value& b) {
  // 5 read from JSON is signed, 5 declared for a uint32 is unsigned: one number all the same.
  const auto* as = a.get_if<std::int64_t>();
  const auto* bs = b.get_if<std::int64_t>();
  const auto* au = a.get_if<std::uint64_t>();
  const auto* bu = b.get_if<std::uint64_t>();
  if (as && bu) return *as >= 0 && static_cast<std::uint64_t>(*as) == *bu;
  if (au && bs) return *bs >= 0 && static_cast<std::uint64_t>(*bs) == *au;
  return a.v_ == b.v_;
}

}  // namespace machina::qom
