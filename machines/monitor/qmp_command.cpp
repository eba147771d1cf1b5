#include "machines/monitor/qmp_command.h"

#include <fmt/format.h>

#include <algorithm>

#include "machines/monitor/json_value.h"

namespace machina {

using qom::Value;
using qom::ValueList;
using qom::ValueMap;

const char* qmp_error_class_name(QmpErrorClass error_class) {
  switch (error_class) {
    case QmpErrorClass::CommandNotFound:
      return "CommandNotFound";
    case QmpErrorClass::DeviceNotFound:
      return "DeviceNotFound";
    case QmpErrorClass::DeviceNotActive:
      return "DeviceNotActive";
    case QmpErrorClass::GenericError:
      break;
  }
  return "GenericError";
}

void generic_error(std::string description) { throw QmpError{QmpErrorClass::GenericError, std::move(description)}; }

void device_not_found(std::string_view id) {
  throw QmpError{QmpErrorClass::DeviceNotFound, fmt::format("Device '{}' not found", id)};
}

void require_identifier(std::string_view id) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  const auto other = [](char c) { return (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_'; };
  if (id.empty() || !letter(id[0]) || !std::all_of(id.begin(), id.end(), [&](char c) { return letter(c) || other(c); }))
    generic_error("Parameter 'id' expects an identifier");
}

// --- arguments ------------------------------------------------------------------------------------------------------

bool QmpArguments::has(std::string_view name) const { return member(object_, name) != nullptr; }

const Value& QmpArguments::value(std::string_view name) const {
  const Value* found = member(object_, name);
  if (!found) generic_error(fmt::format("Parameter '{}' is missing", name));
  return *found;
}

const std::string& QmpArguments::string(std::string_view name) const {
  return std::get<std::string>(value(name).get());
}

std::string QmpArguments::string_or(std::string_view name, std::string_view otherwise) const {
  return has(name) ? string(name) : std::string(otherwise);
}

std::int64_t QmpArguments::integer(std::string_view name) const {
  const Value& v = value(name);
  if (const auto* large = v.get_if<std::uint64_t>()) return static_cast<std::int64_t>(*large);
  return std::get<std::int64_t>(v.get());
}

std::int64_t QmpArguments::integer_or(std::string_view name, std::int64_t otherwise) const {
  return has(name) ? integer(name) : otherwise;
}

std::uint64_t QmpArguments::unsigned_integer(std::string_view name) const {
  return static_cast<std::uint64_t>(integer(name));
}

bool QmpArguments::boolean_or(std::string_view name, bool otherwise) const {
  return has(name) ? std::get<bool>(value(name).get()) : otherwise;
}

const ValueList& QmpArguments::list(std::string_view name) const { return std::get<ValueList>(value(name).get()); }

// --- the table ------------------------------------------------------------------------------------------------------

const MonitorCondition kWhileNegotiating{"before negotiation", [](MonitorSession& s) { return !s.negotiated(); },
                                         "Capabilities negotiation is already complete, command ignored"};

void MonitorTable::command(QmpCommand c) {
  // A space ends no name of a type: these belong to commands alone and cannot meet those that are written down.
  const bool named = !c.arguments.empty() && c.arguments.find_first_of(":.") == std::string_view::npos;
  c.argument_type = named ? &schema.type(c.arguments) : &schema.object(fmt::format("{}-arg", c.name), c.arguments);
  c.return_type = c.returns.empty() ? &schema.type("Empty") : &schema.type(c.returns);
  c.family = family_;
  if (!by_name_.emplace(c.name, commands_.size()).second)
    throw Error(fmt::format("monitor command '{}' is declared twice", c.name));
  commands_.push_back(c);
}

void MonitorTable::human(HumanCommand c) {
  c.family = family_;
  human_.push_back(c);
}

void MonitorTable::event(MonitorEvent e) {
  e.data_type = &schema.object(fmt::format("{}-data", e.name), e.data);
  events_.push_back(e);
}

const QmpCommand* MonitorTable::find(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : &commands_[found->second];
}

namespace {

struct Family {
  std::string_view title;
  void (*add)(MonitorTable&);
};

std::vector<Family>& families() {
  static std::vector<Family> all;  // filled before main, in any order
  return all;
}

}  // namespace

MonitorFamily::MonitorFamily(std::string_view title, void (*add)(MonitorTable&)) { families().push_back({title, add}); }

const MonitorTable& monitor_table() {
  static const std::unique_ptr<const MonitorTable> table = [] {
    auto made = std::make_unique<MonitorTable>();
    made->schema.define("struct Empty {}");
    std::vector<Family> sorted = families();
    std::stable_sort(sorted.begin(), sorted.end(), [](const Family& a, const Family& b) { return a.title < b.title; });
    for (const Family& f : sorted) {
      made->family_ = f.title;
      f.add(*made);
    }
    return made;
  }();
  return *table;
}

Value run_command(const QmpCommand& command, MonitorSession& session, const Value& arguments) {
  if (command.when && !command.when->holds(session)) {
    const bool unknown = command.when == &kWhileNegotiating;
    throw QmpError{unknown ? QmpErrorClass::CommandNotFound : QmpErrorClass::GenericError,
                   std::string(command.when->refusal)};
  }
  check_members(*command.argument_type, arguments);
  Value answer = command.run(session, QmpArguments(arguments));
  return answer.empty() ? Value(ValueMap{}) : answer;
}

std::string one_line(const Error& error) {
  std::string text = error.message();
  if (!error.cause().empty()) text += ": " + error.cause();
  if (!error.advice().empty()) text += " (" + error.advice() + ")";
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

}  // namespace machina
