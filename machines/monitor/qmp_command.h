#pragma once
/// What a command of the monitor is: declared once, in a table, from which argument checking, query-commands and the
/// documentation derive. Names, arguments, answers and error classes are those of QEMU's monitor protocol.

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "machines/machine.h"
#include "qom/value.h"

namespace machina {

/// Classes of errors that a client may tell apart. QEMU has two more, DeviceNotActive and KVMMissingCap, for features
/// that are not here.
enum class QmpErrorClass { GenericError, CommandNotFound, DeviceNotFound };
const char* qmp_error_class_name(QmpErrorClass error_class);

struct QmpError {
  QmpErrorClass error_class;
  std::string description;
};

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
  bool boolean_or(std::string_view name, bool otherwise) const;

 private:
  const qom::Value& object_;
};

/// The connection that a command came by.
class QmpSession {
 public:
  virtual ~QmpSession() = default;
  virtual Machine& machine() = 0;
  virtual qom::Object& root() = 0;
  virtual bool negotiated() const = 0;
  virtual void negotiate() = 0;
  /// A task of the monitor's own that goes on after the command; done at once if the client leaves.
  virtual void later(std::int64_t virtual_ns, std::function<void()> work) = 0;
};

struct QmpArgument {
  enum class Type { String, Integer, Boolean, Array, Any };
  std::string_view name;
  Type type;
  bool optional = false;
};

struct QmpCommand {
  std::string_view name;
  std::vector<QmpArgument> arguments;
  std::string_view returns;  ///< QEMU's name of the type, "nothing", "[X]" for a list
  std::string_view doc;
  /// Once capabilities are negotiated; qmp_capabilities itself also before.
  bool before_negotiation = false;
  qom::Value (*run)(QmpSession& session, const QmpArguments& arguments);
};

/// All commands, by group and in the order of the documentation.
const std::vector<QmpCommand>& qmp_commands();
const QmpCommand* find_qmp_command(std::string_view name);
/// Throws QmpError: a member that is missing, unknown or of the wrong type.
void check_qmp_arguments(const QmpCommand& command, const qom::Value& arguments);
/// The table of docs/qmp.md.
std::string qmp_commands_markdown();

/// The parts of the table; each adds its own commands.
void add_session_commands(std::vector<QmpCommand>& table);
void add_machine_commands(std::vector<QmpCommand>& table);
void add_object_commands(std::vector<QmpCommand>& table);
void add_backend_commands(std::vector<QmpCommand>& table);
void add_input_commands(std::vector<QmpCommand>& table);

/// {"qemu": {"micro": …}, "package": …}: in the greeting and from query-version.
qom::Value qmp_version();
/// An Error as one line.
std::string one_line(const Error& error);

}  // namespace machina
