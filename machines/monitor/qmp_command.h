#pragma once
/// What a command of the monitor is: declared once, from which argument checking, query-commands, query-qmp-schema,
/// the human monitor's help and docs/monitor-commands.md are made. Names, arguments, answers and error classes are
/// those of QEMU's monitor protocol.
///
/// A family of commands is a file that says
///
///     void add_my_commands(MonitorTable& t) {
///       t.schema.define("struct MyInfo { count: int }");
///       t.command({.name = "query-my", .returns = "MyInfo", .doc = "…", .run = query_my});
///       t.human({.name = "info my", .doc = "…", .run = info_my});
///     }
///     const MonitorFamily kMyFamily{"My things", add_my_commands};
///
/// and nothing else has to know of it.

#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "machines/monitor/monitor_schema.h"
#include "machines/monitor/monitor_session.h"
#include "machines/monitor/qmp_error.h"
#include "qom/value.h"

namespace machina {

/// Arguments of a command, once checked: each is there unless it is optional, and of its type.
class QmpArguments {
 public:
  explicit QmpArguments(const qom::Value& object) : object_(object) {}
  bool has(std::string_view name) const;
  /// Throws QmpError when it is missing: a mistake of the table.
  const qom::Value& value(std::string_view name) const;
  const std::string& string(std::string_view name) const;
  std::string string_or(std::string_view name, std::string_view otherwise) const;
  std::int64_t integer(std::string_view name) const;
  std::int64_t integer_or(std::string_view name, std::int64_t otherwise) const;
  /// Of an uint64, or the bits of an int.
  std::uint64_t unsigned_integer(std::string_view name) const;
  bool boolean_or(std::string_view name, bool otherwise) const;
  const qom::ValueList& list(std::string_view name) const;
  const qom::Value& all() const { return object_; }

 private:
  const qom::Value& object_;
};

/// When a command is legal, beyond 'always'.
struct MonitorCondition {
  std::string_view text;  ///< "while the machine is suspended"
  bool (*holds)(MonitorSession& session);
  std::string_view refusal;  ///< what a client is told otherwise
};
/// Before the capabilities are negotiated; the only command that is.
extern const MonitorCondition kWhileNegotiating;
/// Guest memory must not change while dump-guest-memory writes it.
extern const MonitorCondition kWithoutDump;

class HumanContext;
/// What a word of the given argument may be, for completion.
using CompleteArgument = std::vector<std::string> (*)(MonitorSession& session, std::string_view argument);

struct QmpCommand {
  std::string_view name;
  std::string_view arguments{};  ///< "filename: str, *head: int"; see MonitorSchema. Or the name of a type
  std::string_view returns{};    ///< a type; nothing: an empty object
  std::string_view doc{};        ///< one line
  qom::Value (*run)(MonitorSession& session, const QmpArguments& arguments) = nullptr;
  const MonitorCondition* when = nullptr;  ///< null: always
  /// Names of the same command in the human monitor, "stop|s", where its arguments are given in their order. A flag
  /// ("-f format") may replace the place of an optional one: "eject -f=force".
  std::string_view human{};
  CompleteArgument complete = nullptr;  ///< of the human monitor

  const SchemaType* argument_type = nullptr;  ///< made from the above
  const SchemaType* return_type = nullptr;
  std::string_view family{};
};

struct HumanCommand {
  std::string_view name;  ///< "print|p", "info mtree"
  /// Comma-separated, '*' before what may be left out: "name: TYPE" with TYPE one of str, int (an expression), bool
  /// (on/off), rest (of the line), format ("/4xb"); "-f" is a flag, "-f format: str" one with a value.
  std::string_view arguments{};
  std::string_view doc{};
  void (*run)(HumanContext& context, const QmpArguments& arguments) = nullptr;
  CompleteArgument complete = nullptr;
  std::string_view family{};
};

struct MonitorEvent {
  std::string_view name;
  std::string_view data{};  ///< members
  std::string_view doc{};
  const SchemaType* data_type = nullptr;
};

class MonitorTable {
 public:
  MonitorSchema schema;

  void command(QmpCommand command);
  void human(HumanCommand command);
  void event(MonitorEvent event);

  /// By family, and in the order of declaration there.
  const std::vector<QmpCommand>& commands() const { return commands_; }
  const std::vector<HumanCommand>& human_commands() const { return human_; }
  const std::vector<MonitorEvent>& events() const { return events_; }
  const QmpCommand* find(std::string_view name) const;

 private:
  friend const MonitorTable& monitor_table();
  std::vector<QmpCommand> commands_;
  std::vector<HumanCommand> human_;
  std::vector<MonitorEvent> events_;
  std::unordered_map<std::string_view, std::size_t> by_name_;
  std::string_view family_;
};

/// Registers a family before main; families are ordered by their titles.
class MonitorFamily {
 public:
  MonitorFamily(std::string_view title, void (*add)(MonitorTable& table));
};

/// Everything, made on first use.
const MonitorTable& monitor_table();

/// Checks the arguments, and whether the command is legal now, and runs it. Throws QmpError, Error.
qom::Value run_command(const QmpCommand& command, MonitorSession& session, const qom::Value& arguments);

/// What query-qmp-schema answers.
qom::Value schema_introspection(const MonitorTable& table);
/// The tables of docs/monitor-commands.md.
std::string monitor_commands_markdown(const MonitorTable& table);

/// {"qemu": {"micro": …}, "package": …}: in the greeting and from query-version.
qom::Value qmp_version();
/// An Error as one line.
std::string one_line(const Error& error);

[[noreturn]] void generic_error(std::string description);
[[noreturn]] void device_not_found(std::string_view id);
/// What is made by a monitor has an id that paths and command lines can name: a letter, then letters, digits, '-', '.'
/// and '_'. Throws QmpError.
void require_identifier(std::string_view id);

}  // namespace machina
