#include "machines/monitor/qmp_command.h"

#include <fmt/format.h>

#include <algorithm>

#include "machines/monitor/json_value.h"

namespace machina {
namespace {

using Type = QmpArgument::Type;

const char* expected_name(Type type) {
  switch (type) {
    case Type::String:
      return "string";
    case Type::Integer:
      return "integer";
    case Type::Boolean:
      return "boolean";
    case Type::Array:
      return "array";
    case Type::Any:
      break;
  }
  return "any";
}

bool is_of(const qom::Value& value, Type type) {
  switch (type) {
    case Type::String:
      return value.get_if<std::string>() != nullptr;
    case Type::Integer:
      return value.get_if<std::int64_t>() != nullptr;
    case Type::Boolean:
      return value.get_if<bool>() != nullptr;
    case Type::Array:
      return value.get_if<qom::ValueList>() != nullptr;
    case Type::Any:
      break;
  }
  return true;
}

}  // namespace

const char* qmp_error_class_name(QmpErrorClass error_class) {
  switch (error_class) {
    case QmpErrorClass::CommandNotFound:
      return "CommandNotFound";
    case QmpErrorClass::DeviceNotFound:
      return "DeviceNotFound";
    case QmpErrorClass::GenericError:
      break;
  }
  return "GenericError";
}

bool QmpArguments::has(std::string_view name) const { return member(object_, name) != nullptr; }

const qom::Value& QmpArguments::value(std::string_view name) const {
  const qom::Value* found = member(object_, name);
  if (!found) throw QmpError{QmpErrorClass::GenericError, fmt::format("Parameter '{}' is missing", name)};
  return *found;
}

const std::string& QmpArguments::string(std::string_view name) const {
  return std::get<std::string>(value(name).get());
}

std::string QmpArguments::string_or(std::string_view name, std::string_view otherwise) const {
  return has(name) ? string(name) : std::string(otherwise);
}

std::int64_t QmpArguments::integer(std::string_view name) const { return std::get<std::int64_t>(value(name).get()); }

bool QmpArguments::boolean_or(std::string_view name, bool otherwise) const {
  return has(name) ? std::get<bool>(value(name).get()) : otherwise;
}

const std::vector<QmpCommand>& qmp_commands() {
  static const std::vector<QmpCommand> table = [] {
    std::vector<QmpCommand> all;
    add_session_commands(all);
    add_machine_commands(all);
    add_object_commands(all);
    add_backend_commands(all);
    add_input_commands(all);
    return all;
  }();
  return table;
}

const QmpCommand* find_qmp_command(std::string_view name) {
  const auto& all = qmp_commands();
  const auto found = std::find_if(all.begin(), all.end(), [&](const QmpCommand& c) { return c.name == name; });
  return found == all.end() ? nullptr : &*found;
}

void check_qmp_arguments(const QmpCommand& command, const qom::Value& arguments) {
  for (const QmpArgument& a : command.arguments) {
    const qom::Value* given = member(arguments, a.name);
    if (!given) {
      if (a.optional) continue;
      throw QmpError{QmpErrorClass::GenericError, fmt::format("Parameter '{}' is missing", a.name)};
    }
    if (!is_of(*given, a.type))
      throw QmpError{QmpErrorClass::GenericError,
                     fmt::format("Invalid parameter type for '{}', expected: {}", a.name, expected_name(a.type))};
  }
  if (const auto* members = arguments.get_if<qom::ValueMap>()) {
    for (const auto& [name, value] : *members) {
      const std::string& given = name;
      if (std::none_of(command.arguments.begin(), command.arguments.end(),
                       [&](const QmpArgument& a) { return a.name == given; }))
        throw QmpError{QmpErrorClass::GenericError, fmt::format("Parameter '{}' is unexpected", name)};
    }
  }
}

std::string qmp_commands_markdown() {
  std::string text = "| command | arguments | returns | what it does |\n| --- | --- | --- | --- |\n";
  for (const QmpCommand& c : qmp_commands()) {
    std::string arguments;
    for (const QmpArgument& a : c.arguments)
      arguments += fmt::format("{}`{}`{} {}", arguments.empty() ? "" : ", ", a.name, a.optional ? "?" : "",
                               expected_name(a.type));
    text += fmt::format("| `{}` | {} | {} | {} |\n", c.name, arguments, c.returns, c.doc);
  }
  return text;
}

std::string one_line(const Error& error) {
  std::string text = error.message();
  if (!error.cause().empty()) text += ": " + error.cause();
  if (!error.advice().empty()) text += " (" + error.advice() + ")";
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

}  // namespace machina
