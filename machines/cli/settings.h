#pragma once
/// The options that are neither devices nor back ends: -boot, -rtc, -name, -uuid, -display, -trace, -d, -D, -pidfile.

#include <string>
#include <vector>

#include "machines/cli/command_line.h"
#include "machines/firmware_data.h"
#include "machines/machine.h"

namespace machina {

/// Throw Error pointing at the option, each of them.
BootOptions boot_of(const CommandLine& cl);
void apply_identity(const CommandLine& cl, Machine& machine);  ///< -name, -uuid; names the process if -name says so
/// -rtc, as a -global of the RTC's type, so that any board with one takes it.
void apply_rtc(CommandLine& cl);
enum class DisplayKind { None, Text };
/// Without -display: this terminal, if there is one and nothing else wants it.
DisplayKind display_of(const CommandLine& cl, bool stdio_taken);
/// -d, -D and -trace. Main thread, before the machine is built.
void apply_logging(const CommandLine& cl);

/// The process id in a file, removed with the object. Throws Error.
class PidFile {
 public:
  explicit PidFile(const ConfigValue& path);
  ~PidFile();
  PidFile(const PidFile&) = delete;
  PidFile& operator=(const PidFile&) = delete;

 private:
  std::string path_;
};

}  // namespace machina
