#pragma once
/// The human monitor on a character backend: -monitor. Reads lines, carries them out, prints what comes of it.
///
/// An object of the machine's tree; everything runs on the main thread under the machine lock.

#include <string>

#include "core/chardev/char_backend.h"
#include "core/chardev/output_queue.h"
#include "machines/monitor/human_command.h"
#include "machines/monitor/line_editor.h"
#include "machines/monitor/monitor_trace.h"

namespace machina {

class HumanMonitor final : public qom::Object, private CharFrontend, private MonitorSession {
 public:
  static constexpr const char* kType = "monitor";
  static void class_init(qom::ObjectClass& c);
  HumanMonitor();
  ~HumanMonitor() override;

  /// Bytes that wait while a command is carried out.
  static constexpr std::size_t kInputLimit = 64 * 1024;
  /// While so much waits for somebody who does not read, commands wait too.
  static constexpr std::size_t kOutputHigh = 64 * 1024;

 protected:
  void realize() override;
  void unrealize() override;

 private:
  // CharFrontend
  std::size_t can_receive() override;
  void receive(std::span<const std::byte> bytes) override;
  void event(Event event) override;
  void writable() override;
  void focused(bool here) override;

  // MonitorSession
  Machine& machine() override { return *machine_; }
  void later(std::int64_t virtual_ns, std::function<void()> work) override {
    tasks_.add(machine_->system().clock, virtual_ns, std::move(work));
  }
  MonitorTrace* trace() override;
  OwnedFd take_fd() override { return OwnedFd(chardev_->take_fd()); }

  void carry_out();
  void print(std::string_view text);
  bool show_trace(std::string_view lines);

  // configuration
  qom::Link<CharBackend> chardev_;
  // run time
  Machine* machine_ = nullptr;
  OutputQueue output_;
  std::string input_;  ///< not looked at yet
  LineEditor editor_;
  MonitorTasks tasks_;
  std::unique_ptr<MonitorTrace> trace_;  ///< once it is asked for
  bool busy_ = false;
  unsigned connection_ = 0;
};

}  // namespace machina
