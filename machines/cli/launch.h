#pragma once
/// From a command line to a running machine, and back to nothing.

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/display/text_display.h"
#include "core/display/vnc_display.h"
#include "machines/board/board.h"
#include "machines/cli/backends.h"
#include "machines/cli/command_line.h"
#include "machines/cli/settings.h"
#include "machines/machine.h"

namespace machina {

class Launch {
 public:
  /// Builds and powers on the whole machine, all or nothing. Throws Error.
  explicit Launch(CommandLine cl);
  ~Launch();
  Launch(const Launch&) = delete;
  Launch& operator=(const Launch&) = delete;

  Machine& machine() { return *machine_; }
  /// Runs to the end of the machine; returns the exit status of the process.
  int run();

 private:
  void build();
  void connect_consoles();
  /// An object of `type` that serves clients on the backend that `spec` names, once the machine is there.
  void add_server(const char* type, const ConfigValue& spec, const std::string& id);
  qom::Object& add_server_on(const char* type, CharBackend& chardev, const std::string& id, const Origin& origin);
  void add_monitors();
  void open_servers();
  void power_on(const Board& board, const BoardRequest& request, const RamConfig& ram, const CpuConfig& cpus,
                qom::Ref<Accelerator> accelerator, const std::vector<Device*>& devices);
  void open_display();
  /// -vnc, -display vnc=: objects first, which listen once the machine is there.
  /// To what its users type.
  bool machine_listens() const;
  void add_vnc();
  void open_vnc();
  void find_firmware(const std::vector<std::string>& first);
  void take_down();

  CommandLine cl_;
  qom::Ref<qom::Object> root_;
  Machine* machine_ = nullptr;
  DisplayKind display_kind_ = DisplayKind::None;
  std::unique_ptr<Backends> backends_;
  std::vector<std::pair<qom::Object*, Origin>> servers_;  ///< monitors and qtest servers
  std::unique_ptr<TextDisplay> display_;
  struct VncServer {
    VncDisplay* display;
    VncSpec spec;
    Origin origin;
  };
  std::vector<VncServer> vnc_;
  std::unique_ptr<EventLoop::Watch> signals_;
  std::optional<PidFile> pidfile_;
};

/// The process: parses, answers help requests, launches, runs. Returns the exit status; prints every Error.
int machine_run(const std::vector<std::string>& arguments);

}  // namespace machina
