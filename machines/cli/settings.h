#pragma once
/// The options that are neither devices nor back ends: -boot, -rtc, -name, -uuid, -display, -trace, -d, -D, -pidfile.

#include <string>
#include <vector>

#include "core/chardev/fd_stream.h"
#include "machines/cli/command_line.h"
#include "machines/firmware_data.h"
#include "machines/machine.h"

namespace machina {

/// Throw Error pointing at the option, each of them.
BootOptions boot_of(const CommandLine& cl);
/// -name and -uuid; names the process, and leaves threads without names of their own, if -name says so.
void apply_identity(const CommandLine& cl, Machine& machine);
/// -rtc, as a -global of the RTC's type, so that any board with one takes it.
void apply_rtc(CommandLine& cl);
enum class DisplayKind { None, Text };
/// Without -display: this terminal, if there is one and nothing else wants it. VNC is apart: it may be beside either.
DisplayKind display_of(const CommandLine& cl, bool stdio_taken);
/// -d and -trace lifecycle. Main thread, before the machine is built.
void apply_logging(const CommandLine& cl);
/// -add-fd.
void take_descriptors(const CommandLine& cl);
/// -D: makes the file; and what else -trace says, whose lines may go there. Throws Error.
void open_log(const CommandLine& cl);

/// The process id in a file, removed with the object. While it is there the file is locked, so that a second machine of
/// the same -pidfile is refused.
class PidFile {
 public:
  /// Throws Error.
  explicit PidFile(const ConfigValue& path);
  ~PidFile();
  PidFile(const PidFile&) = delete;
  PidFile& operator=(const PidFile&) = delete;

 private:
  void remove() const;

  std::string path_;  // absolute: a machine in the background leaves the folder that it was started in
  OwnedFd fd_;
  bool regular_ = false;  // not /dev/null, which stays
};

}  // namespace machina
