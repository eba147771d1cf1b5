#include "machines/monitor/monitor_schema.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "core/error.h"
#include "machines/monitor/json_value.h"
#include "machines/monitor/qmp_error.h"

namespace machina {

using qom::Value;
using qom::ValueList;
using qom::ValueMap;
using Kind = SchemaType::Kind;

const SchemaType::Member* SchemaType::member(std::string_view wanted) const {
  for (const Member& m : members)
    if (m.name == wanted) return &m;
  return nullptr;
}

const SchemaType* SchemaType::case_of(std::string_view value) const {
  for (const Case& c : cases)
    if (c.value == value) return c.type;
  return nullptr;
}

// --- reading the definitions ----------------------------------------------------------------------------------------

/// A word is anything but space and the marks {}:,*[].
class MonitorSchema::Parser {
 public:
  Parser(MonitorSchema& schema, std::string_view text) : schema_(schema), rest_(text) { next(); }

  bool at_end() const { return token_.empty(); }

  void definition() {
    const std::string kind = word(), name = word();
    SchemaType& type = schema_.entry(name);
    if (type.kind != Kind::Undefined) throw Error(fmt::format("schema type '{}' is defined twice", name));
    expect("{");
    if (kind == "enum") {
      type.kind = Kind::Enum;
      for (; token_ != "}"; comma()) type.values.push_back(word());
    } else if (kind == "alternate") {
      type.kind = Kind::Alternate;
      for (; token_ != "}"; comma()) type.members.push_back({{}, &type_name(), false});
    } else if (kind == "struct" || kind == "union") {
      type.kind = Kind::Object;
      members(type);
    } else {
      throw Error(fmt::format("schema: '{}' is no kind of type", kind));
    }
    expect("}");
    if (kind != "union") return;
    if (word() != "by") throw Error(fmt::format("schema: union '{}' needs 'by TAG'", name));
    type.tag = word();
    expect("{");
    for (; token_ != "}"; comma()) {
      SchemaType::Case c;
      c.value = word();
      expect(":");
      c.type = &type_name();
      type.cases.push_back(std::move(c));
    }
    expect("}");
  }

  void members(SchemaType& type) {
    for (; !at_end() && token_ != "}"; comma()) {
      if (token_ == "...") {
        next();
        type.open = true;
        continue;
      }
      SchemaType::Member m;
      if (token_ == "*") m.optional = true, next();
      m.name = word();
      expect(":");
      m.type = &type_name();
      type.members.push_back(std::move(m));
    }
  }

 private:
  void next() {
    rest_.remove_prefix(std::min(rest_.find_first_not_of(" \n\t"), rest_.size()));
    constexpr std::string_view kMarks = "{}:,*[]";
    std::size_t length = 0;
    if (!rest_.empty() && kMarks.find(rest_[0]) != std::string_view::npos) {
      length = 1;
    } else {
      while (length < rest_.size() && !std::isspace(static_cast<unsigned char>(rest_[length])) &&
             kMarks.find(rest_[length]) == std::string_view::npos)
        ++length;
    }
    token_ = rest_.substr(0, length);
    rest_.remove_prefix(length);
  }
  std::string word() {
    if (token_.empty() || std::string_view("{}:,*[]").find(token_[0]) != std::string_view::npos)
      throw Error(fmt::format("schema: expected a name, found '{}'", token_));
    std::string w(token_);
    next();
    return w;
  }
  void expect(std::string_view mark) {
    if (token_ != mark) throw Error(fmt::format("schema: expected '{}', found '{}'", mark, token_));
    next();
  }
  void comma() {
    if (token_ == ",") next();
  }
  const SchemaType& type_name() {
    if (token_ != "[") return schema_.type(word());
    next();
    const SchemaType& element = type_name();
    expect("]");
    return schema_.type("[" + element.name + "]");
  }

  MonitorSchema& schema_;
  std::string_view rest_, token_;
};

MonitorSchema::MonitorSchema() {
  for (const auto& [name, json] : {std::pair{"str", "string"},
                                   {"int", "int"},
                                   {"uint64", "int"},
                                   {"number", "number"},
                                   {"bool", "boolean"},
                                   {"null", "null"},
                                   {"any", "value"}}) {
    SchemaType& builtin = entry(name);
    builtin.kind = Kind::Builtin;
    builtin.json = json;
  }
}

SchemaType& MonitorSchema::entry(std::string_view name) {
  const auto found = types_.find(name);
  if (found != types_.end()) return found->second;
  SchemaType& made = types_[std::string(name)];
  made.name = name;
  return made;
}

const SchemaType& MonitorSchema::type(std::string_view name) {
  SchemaType& found = entry(name);
  if (found.kind == Kind::Undefined && name.starts_with('[') && name.ends_with(']')) {
    found.kind = Kind::Array;
    found.element = &type(name.substr(1, name.size() - 2));
  }
  return found;
}

void MonitorSchema::define(std::string_view text) {
  for (Parser parser(*this, text); !parser.at_end();) parser.definition();
}

void MonitorSchema::define_enum(std::string name, std::vector<std::string> values) {
  SchemaType& made = entry(name);
  if (made.kind != Kind::Undefined) throw Error(fmt::format("schema type '{}' is defined twice", name));
  made.kind = Kind::Enum;
  made.values = std::move(values);
}

const SchemaType& MonitorSchema::object(std::string name, std::string_view members) {
  SchemaType& made = entry(name);
  if (made.kind != Kind::Undefined) throw Error(fmt::format("schema type '{}' is defined twice", name));
  made.kind = Kind::Object;
  Parser parser(*this, members);
  parser.members(made);
  if (!parser.at_end()) throw Error(fmt::format("schema: more than members in '{}'", members));
  return made;
}

std::vector<std::string> MonitorSchema::undefined() const {
  std::vector<std::string> names;
  for (const auto& [name, type] : types_)
    if (type.kind == Kind::Undefined) names.push_back(name);
  return names;
}

// --- checking values ------------------------------------------------------------------------------------------------

namespace {

[[noreturn]] void wrong_type(const std::string& name, std::string_view expected) {
  throw QmpError{QmpErrorClass::GenericError,
                 fmt::format("Invalid parameter type for '{}', expected: {}", name, expected)};
}

bool is_integer(const Value& v) { return v.get_if<std::int64_t>() || v.get_if<std::uint64_t>(); }

void check_builtin(const SchemaType& type, const Value& value, const std::string& name) {
  if (type.name == "str") {
    if (!value.get_if<std::string>()) wrong_type(name, "string");
  } else if (type.name == "int") {
    const auto* large = value.get_if<std::uint64_t>();
    if (!value.get_if<std::int64_t>() && !(large && *large <= static_cast<std::uint64_t>(INT64_MAX)))
      wrong_type(name, "integer");
  } else if (type.name == "uint64") {
    // Clients that know signed numbers alone write the upper half of the range as negative ones, as QEMU lets them.
    if (!is_integer(value)) wrong_type(name, "uint64");
  } else if (type.name == "number") {
    if (!is_integer(value) && !value.get_if<double>()) wrong_type(name, "number");
  } else if (type.name == "bool") {
    if (!value.get_if<bool>()) wrong_type(name, "boolean");
  } else if (type.name == "null") {
    if (!value.empty()) wrong_type(name, "null");
  }
}

/// An alternate's branches differ in what JSON calls them.
bool fits(const SchemaType& type, const Value& value) {
  switch (type.kind) {
    case Kind::Builtin:
      if (type.name == "str") return value.get_if<std::string>();
      if (type.name == "bool") return value.get_if<bool>();
      if (type.name == "null") return value.empty();
      if (type.name == "number") return is_integer(value) || value.get_if<double>();
      if (type.json == "int") return is_integer(value);
      return true;
    case Kind::Enum:
      return value.get_if<std::string>();
    case Kind::Array:
      return value.get_if<ValueList>();
    case Kind::Object:
      return value.get_if<ValueMap>();
    case Kind::Alternate:
    case Kind::Undefined:
      break;
  }
  return false;
}

std::string join(const std::string& prefix, const std::string& name) {
  return prefix.empty() ? name : prefix + "." + name;
}

/// An enum's fault names the member alone, and one in a list has no name.
std::string last_name(const std::string& name) {
  return name.ends_with(']') ? "null" : name.substr(name.rfind('.') + 1);  // npos + 1 is 0
}

void check_present(const SchemaType& object, const Value& value, const std::string& prefix) {
  for (const SchemaType::Member& m : object.members) {
    const Value* given = member(value, m.name);
    if (given) {
      check_value(*m.type, *given, join(prefix, m.name));
    } else if (!m.optional) {
      throw QmpError{QmpErrorClass::GenericError, fmt::format("Parameter '{}' is missing", join(prefix, m.name))};
    }
  }
}

}  // namespace

void check_members(const SchemaType& object, const Value& value, const std::string& prefix) {
  check_present(object, value, prefix);
  const SchemaType* branch = nullptr;
  if (!object.tag.empty()) {
    const Value* tag = member(value, object.tag);
    if (tag) branch = object.case_of(tag->to_string());
    if (branch) check_present(*branch, value, prefix);
  }
  if (object.open || (branch && branch->open)) return;
  const auto* members = value.get_if<ValueMap>();
  if (!members) return;
  for (const auto& [name, item] : *members) {
    if (!object.member(name) && !(branch && branch->member(name)))
      throw QmpError{QmpErrorClass::GenericError, fmt::format("Parameter '{}' is unexpected", join(prefix, name))};
  }
}

void check_value(const SchemaType& type, const Value& value, const std::string& name) {
  switch (type.kind) {
    case Kind::Builtin:
      return check_builtin(type, value, name);
    case Kind::Enum: {
      const auto* text = value.get_if<std::string>();
      if (!text) wrong_type(name, "string");
      if (std::find(type.values.begin(), type.values.end(), *text) == type.values.end())
        throw QmpError{QmpErrorClass::GenericError,
                       fmt::format("Parameter '{}' does not accept value '{}'", last_name(name), *text)};
      return;
    }
    case Kind::Array: {
      const auto* items = value.get_if<ValueList>();
      if (!items) wrong_type(name, "array");
      for (std::size_t i = 0; i < items->size(); ++i)
        check_value(*type.element, (*items)[i], fmt::format("{}[{}]", name, i));
      return;
    }
    case Kind::Object:
      if (!value.get_if<ValueMap>()) wrong_type(name, "object");
      return check_members(type, value, name);
    case Kind::Alternate:
      for (const SchemaType::Member& m : type.members)
        if (fits(*m.type, value)) return check_value(*m.type, value, name);
      wrong_type(name, type.name);
    case Kind::Undefined:
      break;
  }
  throw Error(fmt::format("schema type '{}' is not defined", type.name));
}

std::string describe_type(const SchemaType& type) {
  switch (type.kind) {
    case Kind::Array:
      return "[" + describe_type(*type.element) + "]";
    case Kind::Builtin:
      return type.name == "str"    ? "string"
             : type.name == "int"  ? "integer"
             : type.name == "bool" ? "boolean"
                                   : type.name;
    default:
      return type.name;
  }
}

}  // namespace machina
