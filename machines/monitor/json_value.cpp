#include "machines/monitor/json_value.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <set>

#include "qom/error.h"

namespace machina {
namespace {

using qom::Value;
using qom::ValueList;
using qom::ValueMap;

class Writer {
 public:
  explicit Writer(std::string& text, bool indented = false, unsigned depth = 0)
      : out_(text), pretty_(indented), level_(depth) {}

  void operator()(std::monostate) const { out_ += "null"; }
  void operator()(bool v) const { out_ += v ? "true" : "false"; }
  void operator()(std::int64_t v) const { out_ += fmt::format("{}", v); }
  void operator()(std::uint64_t v) const { out_ += fmt::format("{}", v); }
  void operator()(double v) const { out_ += nlohmann::json(v).dump(); }
  void operator()(const std::string& v) const {
    out_ += nlohmann::json(v).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
  }
  void operator()(const ValueList& v) const {
    if (v.empty()) {
      out_ += "[]";
      return;
    }
    out_ += '[';
    for (std::size_t i = 0; i < v.size(); ++i) {
      separate(i);
      std::visit(inner(), v[i].get());
    }
    end(']');
  }
  void operator()(const ValueMap& v) const {
    if (v.empty()) {
      out_ += "{}";
      return;
    }
    out_ += '{';
    for (std::size_t i = 0; i < v.size(); ++i) {
      separate(i);
      (*this)(v[i].first);
      out_ += ": ";
      std::visit(inner(), v[i].second.get());
    }
    end('}');
  }

 private:
  Writer inner() const { return Writer(out_, pretty_, level_ + 1); }
  void separate(std::size_t i) const {
    if (i > 0) out_ += pretty_ ? "," : ", ";
    if (pretty_) out_ += "\n" + std::string(4 * (level_ + 1), ' ');
  }
  void end(char bracket) const {
    if (pretty_) out_ += "\n" + std::string(4 * level_, ' ');
    out_ += bracket;
  }

  std::string& out_;
  bool pretty_;
  unsigned level_;
};

/// Builds a Value from the events of the library's parser.
class Reader final : public nlohmann::json_sax<nlohmann::json> {
 public:
  Value take() { return std::move(result_); }

  bool null() override { return add({}); }
  bool boolean(bool v) override { return add(v); }
  bool number_integer(number_integer_t v) override { return add(Value(static_cast<std::int64_t>(v))); }
  bool number_unsigned(number_unsigned_t v) override {
    const bool fits = v <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    return add(fits ? Value(static_cast<std::int64_t>(v)) : Value(static_cast<std::uint64_t>(v)));
  }
  bool number_float(number_float_t v, const string_t&) override { return add(Value(v)); }
  bool string(string_t& v) override { return add(Value(std::move(v))); }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return open(true); }
  bool start_array(std::size_t) override { return open(false); }
  bool key(string_t& name) override {
    if (!open_.back().names.insert(name).second) throw Error(fmt::format("JSON parse error, duplicate key '{}'", name));
    open_.back().members.emplace_back(std::move(name), Value());
    return true;
  }
  bool end_object() override {
    ValueMap members = std::move(open_.back().members);
    open_.pop_back();
    return add(Value(std::move(members)));
  }
  bool end_array() override {
    ValueList items = std::move(open_.back().items);
    open_.pop_back();
    return add(Value(std::move(items)));
  }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& e) override {
    // "[json.exception.parse_error.101] parse error at line 1, column 5: syntax error while …"
    const std::string_view what = e.what();
    const std::size_t from = what.find("syntax error");
    throw Error(fmt::format("JSON parse error at byte {}{}{}", position, from == std::string_view::npos ? "" : ", ",
                            from == std::string_view::npos ? std::string_view() : what.substr(from)));
  }

 private:
  struct Open {
    bool is_object;
    ValueMap members;
    std::set<std::string> names;  // of the members
    ValueList items;
  };
  bool open(bool is_object) {
    if (open_.size() >= kMaxJsonDepth) throw Error("JSON nesting too deep");
    open_.push_back({is_object, {}, {}, {}});
    return true;
  }
  bool add(Value value) {
    if (open_.empty()) {
      result_ = std::move(value);
    } else if (open_.back().is_object) {
      open_.back().members.back().second = std::move(value);
    } else {
      open_.back().items.push_back(std::move(value));
    }
    return true;
  }

  std::vector<Open> open_;
  Value result_;
};

}  // namespace

std::string to_json(const Value& value) {
  std::string text;
  std::visit(Writer(text), value.get());
  return text;
}

std::string to_pretty_json(const Value& value) {
  std::string text;
  std::visit(Writer(text, true), value.get());
  return text;
}

Value parse_json(std::string_view text) {
  Reader reader;
  nlohmann::json::sax_parse(text, &reader);
  return reader.take();
}

const Value* member(const Value& object, std::string_view name) {
  const auto* members = object.get_if<ValueMap>();
  if (!members) return nullptr;
  for (const auto& [key, value] : *members)
    if (key == name) return &value;
  return nullptr;
}

}  // namespace machina
