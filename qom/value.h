#pragma once
/// The value of a property, whatever its type: what introspection and the monitor read and write.

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace machina::qom {

class Value;
using ValueList = std::vector<Value>;
using ValueMap = std::vector<std::pair<std::string, Value>>;  ///< in the order of declaration

class Value {
 public:
  using Variant =
      std::variant<std::monostate, bool, std::int64_t, std::uint64_t, double, std::string, ValueList, ValueMap>;

  Value() = default;
  Value(bool v) : v_(v) {}                                       // NOLINT: values convert silently, as in a variant
  Value(int v) : v_(static_cast<std::int64_t>(v)) {}             // NOLINT
  Value(unsigned v) : v_(static_cast<std::uint64_t>(v)) {}       // NOLINT
  Value(long v) : v_(static_cast<std::int64_t>(v)) {}            // NOLINT
  Value(unsigned long v) : v_(static_cast<std::uint64_t>(v)) {}  // NOLINT
  Value(double v) : v_(v) {}                                     // NOLINT
  Value(const char* v) : v_(std::string(v)) {}                   // NOLINT
  Value(std::string v) : v_(std::move(v)) {}                     // NOLINT
  Value(ValueList v) : v_(std::move(v)) {}                       // NOLINT
  Value(ValueMap v) : v_(std::move(v)) {}                        // NOLINT

  const Variant& get() const { return v_; }
  bool empty() const { return std::holds_alternative<std::monostate>(v_); }
  template <class T>
  const T* get_if() const {
    return std::get_if<T>(&v_);
  }

  /// As the user would type it; lists as "[a, b]".
  std::string to_string() const;

  friend bool operator==(const Value& a, const Value& b);

 private:
  Variant v_;
};

}  // namespace machina::qom
