/// Commands about the connection, and about what the monitor knows.

#include <fmt/format.h>

#include <charconv>

#include "machines/cli/option_table.h"
#include "machines/monitor/human_command.h"
#include "machines/monitor/qmp_command.h"

namespace machina {
namespace {

using qom::Value;
using qom::ValueList;
using qom::ValueMap;

Value qmp_capabilities(MonitorSession& session, const QmpArguments& arguments) {
  if (arguments.has("enable") && !arguments.list("enable").empty()) generic_error("Capability oob not available");
  session.negotiate();
  return {};
}

Value query_version(MonitorSession&, const QmpArguments&) { return qmp_version(); }

Value query_commands(MonitorSession&, const QmpArguments&) {
  ValueList list;
  for (const QmpCommand& c : monitor_table().commands()) list.emplace_back(ValueMap{{"name", std::string(c.name)}});
  return list;
}

Value query_qmp_schema(MonitorSession&, const QmpArguments&) { return schema_introspection(monitor_table()); }

/// A person's command, with a default CPU of its own.
class OtherCpu {
 public:
  OtherCpu(MonitorSession& session, const QmpArguments& arguments) : session_(session), before_(session.cpu_index()) {
    if (!arguments.has("cpu-index")) return;
    const std::int64_t index = arguments.integer("cpu-index");
    if (index >= 0 && index <= UINT32_MAX) session.set_cpu_index(static_cast<unsigned>(index));
    if (index < 0 || !session.cpu()) {
      session.set_cpu_index(before_);
      generic_error("Parameter 'cpu-index' expects a CPU number");
    }
  }
  ~OtherCpu() { session_.set_cpu_index(before_); }
  OtherCpu(const OtherCpu&) = delete;
  OtherCpu& operator=(const OtherCpu&) = delete;

 private:
  MonitorSession& session_;
  unsigned before_;
};

Value human_monitor_command(MonitorSession& session, const QmpArguments& arguments) {
  const OtherCpu cpu(session, arguments);
  std::string text = run_human_command(session, arguments.string("command-line"));
  // As on a terminal.
  std::string lines;
  for (const char c : text) {
    if (c == '\n') lines += '\r';
    lines += c;
  }
  return lines;
}

/// "what[,key=VALUE…]" of an option's help, as parameters: on|off is a switch, N a number, SIZE a size.
ValueList parameters_of(const OptionSpec& option) {
  ValueList parameters;
  std::string_view text = option.argument ? option.argument : "";
  for (std::size_t at = text.find('='); at != std::string_view::npos; at = text.find('=', at + 1)) {
    std::size_t from = at;
    while (from > 0 &&
           (std::isalnum(static_cast<unsigned char>(text[from - 1])) || text[from - 1] == '-' || text[from - 1] == '_'))
      --from;
    if (from == at) continue;
    const std::string_view value = text.substr(at + 1);
    const char* type = value.starts_with("on")     ? "boolean"
                       : value.starts_with("N")    ? "number"
                       : value.starts_with("SIZE") ? "size"
                                                   : "string";
    parameters.emplace_back(ValueMap{{"name", std::string(text.substr(from, at - from))}, {"type", type}});
  }
  return parameters;
}

Value query_command_line_options(MonitorSession&, const QmpArguments& arguments) {
  const std::string wanted = arguments.string_or("option", "");
  ValueList list;
  for (const OptionSpec& option : option_table()) {
    if (!wanted.empty() && wanted != option.name) continue;
    list.emplace_back(ValueMap{{"parameters", parameters_of(option)}, {"option", option.name}});
  }
  if (list.empty()) generic_error(fmt::format("invalid option name: {}", wanted));
  return list;
}

void help(HumanContext& c, const QmpArguments& arguments) {
  const std::string name = arguments.string_or("cmd", "");
  const std::string text = human_help(name);
  c.write(text.empty() ? fmt::format("unknown command: '{}'\n", name) : text);
}

void info_version(HumanContext& c, const QmpArguments&) { c.print("{}\n", MACHINA_VERSION); }

void info_history(HumanContext& c, const QmpArguments&) {
  if (!c.history()) return;
  unsigned n = 0;
  for (const std::string& line : *c.history()) c.print("{}: '{}'\n", n++, line);
}

void add(MonitorTable& t) {
  t.schema.define(R"(
    enum QMPCapability { oob }
    struct VersionTriple { major: int, minor: int, micro: int }
    struct VersionInfo { qemu: VersionTriple, package: str }
    struct CommandInfo { name: str }
    enum SchemaMetaType { builtin, enum, array, object, alternate, command, event }
    enum JSONType { string, number, int, boolean, null, object, array, value }
    struct SchemaInfoBuiltin { json-type: JSONType }
    struct SchemaInfoEnumMember { name: str, *features: [str] }
    struct SchemaInfoEnum { members: [SchemaInfoEnumMember], values: [str] }
    struct SchemaInfoArray { element-type: str }
    struct SchemaInfoObjectMember { name: str, type: str, *default: any, *features: [str] }
    struct SchemaInfoObjectVariant { case: str, type: str }
    struct SchemaInfoObject { members: [SchemaInfoObjectMember], *tag: str, *variants: [SchemaInfoObjectVariant] }
    struct SchemaInfoAlternateMember { type: str }
    struct SchemaInfoAlternate { members: [SchemaInfoAlternateMember] }
    struct SchemaInfoCommand { arg-type: str, ret-type: str, *allow-oob: bool }
    struct SchemaInfoEvent { arg-type: str }
    union SchemaInfo { name: str, meta-type: SchemaMetaType, *features: [str] } by meta-type {
      builtin: SchemaInfoBuiltin, enum: SchemaInfoEnum, array: SchemaInfoArray, object: SchemaInfoObject,
      alternate: SchemaInfoAlternate, command: SchemaInfoCommand, event: SchemaInfoEvent }
    enum CommandLineParameterType { string, boolean, number, size }
    struct CommandLineParameterInfo { name: str, type: CommandLineParameterType, *help: str, *default: str }
    struct CommandLineOptionInfo { option: str, parameters: [CommandLineParameterInfo] }
  )");
  t.command({.name = "qmp_capabilities",
             .arguments = "*enable: [QMPCapability]",
             .doc = "ends the negotiation: all other commands are legal from now on, and this one no longer",
             .run = qmp_capabilities,
             .when = &kWhileNegotiating});
  t.command({.name = "query-version",
             .returns = "VersionInfo",
             .doc = "Machina's own version, in the members that QEMU uses",
             .run = query_version});
  t.command({.name = "query-commands",
             .returns = "[CommandInfo]",
             .doc = "the names of all commands",
             .run = query_commands});
  t.command({.name = "query-qmp-schema",
             .returns = "[SchemaInfo]",
             .doc = "commands, events and the types of what they take and give",
             .run = query_qmp_schema});
  t.command({.name = "query-command-line-options",
             .arguments = "*option: str",
             .returns = "[CommandLineOptionInfo]",
             .doc = "options of the command line and their parameters",
             .run = query_command_line_options});
  t.command({.name = "human-monitor-command",
             .arguments = "command-line: str, *cpu-index: int",
             .returns = "str",
             .doc = "what a command of the human monitor prints",
             .run = human_monitor_command});
  t.human({.name = "help|?",
           .arguments = "*cmd: rest",
           .doc = "explains a command, or lists them all; 'help info' lists what info can show",
           .run = help});
  t.human({.name = "info version", .doc = "version of Machina", .run = info_version});
  t.human({.name = "info history", .doc = "lines that were typed here", .run = info_history});
}

const MonitorFamily kFamily{"Connection", add};

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

}  // namespace machina
