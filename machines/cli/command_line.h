#pragma once
/// The command line, read and sorted but not yet acted upon. Each value knows the option it came from.

#include <optional>
#include <string>
#include <vector>

#include "core/config/config_tree.h"
#include "core/config/option_groups.h"
#include "core/config/option_string.h"

namespace machina {

struct CommandLine {
  /// Options by group: machine, device, drive, chardev, netdev, nic, object, accel, smp-opts, memory, rtc, boot-opts,
  /// name, trace, mon, add-fd, action, vnc.
  ConfigTree groups;
  std::vector<GlobalOption> globals;
  std::vector<SetOption> sets;

  std::optional<ConfigValue> gdb, cpu, bios, kernel, initrd, append, uuid, display, log_items, log_file, pidfile,
      run_dir;
  std::vector<ConfigValue> serials, parallels, monitors, qmps, debugcons, qtests, plugins, directories;

  bool nodefaults = false, nographic = false, no_reboot = false, no_shutdown = false, stopped = false, snapshot = false;
  bool daemonize = false;
  bool help = false, version = false;

  /// Reads `arguments` (without the program's name), -readconfig files included. Throws Error: unknown option (with the
  /// nearest), missing argument, an argument of wrong form.
  static CommandLine parse(const std::vector<std::string>& arguments);
};

}  // namespace machina
