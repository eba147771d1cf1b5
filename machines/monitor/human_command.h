#pragma once
/// Commands of the human monitor: read from a line, carried out, explained and completed. All made from the
/// declarations in qmp_command.h; a QMP command that has a name for people is one of them.

#include <fmt/core.h>

#include <string>
#include <string_view>
#include <vector>

#include "machines/monitor/qmp_command.h"

namespace machina {

/// What a command of the human monitor sees and prints to.
class HumanContext {
 public:
  explicit HumanContext(MonitorSession& session, const std::vector<std::string>* history = nullptr)
      : session_(session), history_(history) {}

  MonitorSession& session() { return session_; }
  Machine& machine() { return session_.machine(); }
  qom::Object& root() { return session_.root(); }
  const std::vector<std::string>* history() const { return history_; }
  /// Runs a QMP command and returns its answer, for what only prints it differently. Throws QmpError, Error.
  qom::Value query(std::string_view command, const qom::Value& arguments = qom::ValueMap{});

  template <class... Args>
  void print(fmt::format_string<Args...> format, const Args&... args) {
    text_ += fmt::vformat(format, fmt::make_format_args(args...));
  }
  void write(std::string_view text) { text_ += text; }
  std::string take() { return std::move(text_); }

 private:
  MonitorSession& session_;
  const std::vector<std::string>* history_;
  std::string text_;
};

/// Carries out one line; what it prints, errors too. Never throws.
std::string run_human_command(MonitorSession& session, std::string_view line,
                              const std::vector<std::string>* history = nullptr);

/// What the last word of `line` may become. `from` is where that word begins.
struct HumanCompletion {
  std::size_t from = 0;
  std::vector<std::string> candidates;  ///< sorted; none is the word alone
};
HumanCompletion complete_human_command(MonitorSession& session, std::string_view line);

/// "stop|s  -- stop emulation", of all commands or of one, as `help` prints it. Empty when there is none.
std::string human_help(std::string_view name = {});
/// The tables of docs/monitor-commands.md.
std::string human_commands_markdown();

/// A QMP answer as indented lines, for commands without a printer of their own.
std::string describe_value(const qom::Value& value, unsigned indent = 0);

// --- for completion ---
std::vector<std::string> children_of(qom::Object& root, std::string_view container);

}  // namespace machina
