/// What is made from the declarations: query-qmp-schema and the page of all commands.

#include <fmt/format.h>

#include <set>

#include "machines/monitor/human_command.h"

namespace machina {
namespace {

using qom::Value;
using qom::ValueList;
using qom::ValueMap;
using Kind = SchemaType::Kind;

/// How a type is called in the introspection: all integers are "int" there, whatever their range.
std::string public_name(const SchemaType& type) {
  if (type.kind == Kind::Array) return "[" + public_name(*type.element) + "]";
  return type.kind == Kind::Builtin && type.json == "int" ? "int" : type.name;
}

/// Types in the order in which they are met, from what commands and events refer to.
class Introspection {
 public:
  explicit Introspection(const MonitorTable& table) {
    for (const QmpCommand& c : table.commands()) {
      list_.emplace_back(ValueMap{{"name", std::string(c.name)},
                                  {"ret-type", name_of(*c.return_type)},
                                  {"meta-type", "command"},
                                  {"arg-type", name_of(*c.argument_type)}});
    }
    for (const MonitorEvent& e : table.events()) {
      list_.emplace_back(
          ValueMap{{"name", std::string(e.name)}, {"meta-type", "event"}, {"arg-type", name_of(*e.data_type)}});
    }
    // Describing a type may meet more of them.
    for (std::size_t i = 0; i < met_.size(); ++i) list_.push_back(describe(*met_[i]));
  }
  ValueList take() { return std::move(list_); }

 private:
  std::string name_of(const SchemaType& type) {
    std::string name = public_name(type);
    if (seen_.insert(name).second) met_.push_back(&type);
    return name;
  }

  Value describe(const SchemaType& type) {
    ValueMap info{{"name", public_name(type)}};
    switch (type.kind) {
      case Kind::Builtin:
        info.emplace_back("json-type", type.json);
        info.emplace_back("meta-type", "builtin");
        break;
      case Kind::Enum: {
        ValueList members;
        for (const std::string& v : type.values) members.emplace_back(ValueMap{{"name", v}});
        info.emplace_back("members", std::move(members));
        info.emplace_back("meta-type", "enum");
        info.emplace_back("values", ValueList(type.values.begin(), type.values.end()));
        break;
      }
      case Kind::Array:
        info.emplace_back("element-type", name_of(*type.element));
        info.emplace_back("meta-type", "array");
        break;
      case Kind::Alternate:
      case Kind::Object: {
        const bool alternate = type.kind == Kind::Alternate;
        ValueList members;
        for (const SchemaType::Member& m : type.members) {
          ValueMap one;
          if (!alternate) one.emplace_back("name", m.name);
          if (m.optional) one.emplace_back("default", Value());
          one.emplace_back("type", name_of(*m.type));
          members.emplace_back(std::move(one));
        }
        info.emplace_back("members", std::move(members));
        info.emplace_back("meta-type", alternate ? "alternate" : "object");
        if (!type.tag.empty()) {
          ValueList variants;
          for (const SchemaType::Case& c : type.cases)
            variants.emplace_back(ValueMap{{"case", c.value}, {"type", name_of(*c.type)}});
          info.emplace_back("tag", type.tag);
          info.emplace_back("variants", std::move(variants));
        }
        break;
      }
      case Kind::Undefined:
        throw Error(fmt::format("schema type '{}' is not defined", type.name));
    }
    return info;
  }

  ValueList list_;
  std::vector<const SchemaType*> met_;
  std::set<std::string> seen_;
};

std::string members_text(const SchemaType& type) {
  std::string text;
  for (const SchemaType::Member& m : type.members) {
    text += fmt::format("{}`{}`{} {}", text.empty() ? "" : ", ", m.name, m.optional ? "?" : "",
                        m.type == &type ? type.name : describe_type(*m.type));
  }
  if (type.open) text += fmt::format("{}properties", text.empty() ? "" : ", ");
  return text;
}

/// In a cell of a table '|' would end it.
std::string cell(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '|') out += '\\';
    out += c;
  }
  return out;
}

}  // namespace

Value schema_introspection(const MonitorTable& table) { return Introspection(table).take(); }

std::string monitor_commands_markdown(const MonitorTable& table) {
  std::string text;
  std::string_view family;
  for (const QmpCommand& c : table.commands()) {
    if (c.family != family) {
      family = c.family;
      text += fmt::format("\n### {}\n\n| command | arguments | returns | what it does |\n| --- | --- | --- | --- |\n",
                          family);
    }
    std::string what(c.doc);
    if (c.when) what += fmt::format("; legal {}", c.when->text);
    text += fmt::format("| `{}` | {} | {} | {} |\n", c.name, members_text(*c.argument_type),
                        c.returns.empty() ? "" : c.returns, cell(what));
  }
  text += "\n## Events\n\n| event | data | when |\n| --- | --- | --- |\n";
  for (const MonitorEvent& e : table.events())
    text += fmt::format("| `{}` | {} | {} |\n", e.name, members_text(*e.data_type), cell(e.doc));
  text += "\n## Human monitor\n" + human_commands_markdown();
  return text;
}

}  // namespace machina
