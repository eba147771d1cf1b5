/// Commands about the connection itself.

#include <fmt/format.h>

#include <charconv>

#include "machines/monitor/json_value.h"
#include "machines/monitor/qmp_command.h"

namespace machina {
namespace {

using qom::Value;
using qom::ValueList;
using qom::ValueMap;

Value qmp_capabilities(QmpSession& session, const QmpArguments& arguments) {
  if (session.negotiated())
    throw QmpError{QmpErrorClass::CommandNotFound, "Capabilities negotiation is already complete, command ignored"};
  if (arguments.has("enable")) {
    const auto& wanted = std::get<ValueList>(arguments.value("enable").get());
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      const auto* name = wanted[i].get_if<std::string>();
      if (!name)
        throw QmpError{QmpErrorClass::GenericError,
                       fmt::format("Invalid parameter type for 'enable[{}]', expected: string", i)};
      if (*name == "oob") throw QmpError{QmpErrorClass::GenericError, "This monitor does not support OOB"};
      throw QmpError{QmpErrorClass::GenericError,
                     fmt::format("Parameter 'enable[{}]' does not accept value '{}'", i, *name)};
    }
  }
  session.negotiate();
  return ValueMap{};
}

Value query_version(QmpSession&, const QmpArguments&) { return qmp_version(); }

Value query_commands(QmpSession&, const QmpArguments&) {
  ValueList list;
  for (const QmpCommand& c : qmp_commands()) list.emplace_back(ValueMap{{"name", std::string(c.name)}});
  return list;
}

}  // namespace

Value qmp_version() {
  // "0.1.0"
  std::int64_t numbers[3] = {};
  std::string_view text = MACHINA_VERSION;
  for (std::int64_t& n : numbers) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    if (text.starts_with('.')) text.remove_prefix(1);
    if (error != std::errc()) break;
  }
  return ValueMap{{"qemu", ValueMap{{"micro", numbers[2]}, {"minor", numbers[1]}, {"major", numbers[0]}}},
                  {"package", "Machina " MACHINA_VERSION}};
}

void add_session_commands(std::vector<QmpCommand>& table) {
  using T = QmpArgument::Type;
  table.push_back({"qmp_capabilities",
                   {{"enable", T::Array, true}},
                   "nothing",
                   "ends the negotiation: all other commands are legal from now on, and this one no longer",
                   true,
                   qmp_capabilities});
  table.push_back({"query-version",
                   {},
                   "VersionInfo",
                   "Machina's own version, in the members that QEMU uses",
                   false,
                   query_version});
  table.push_back({"query-commands", {}, "[CommandInfo]", "the names in this table", false, query_commands});
}

}  // namespace machina
