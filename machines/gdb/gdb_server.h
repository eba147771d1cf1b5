#pragma once
/// The gdb stub on a character backend: -gdb, -s, and `gdbserver` of the human monitor. One client at a time.
///
/// An object of the machine's tree; everything runs on the main thread under the machine lock.

#include <deque>
#include <memory>
#include <string>
#include <string_view>

#include "core/chardev/char_backend.h"
#include "core/chardev/output_queue.h"
#include "machines/gdb/packet.h"
#include "machines/gdb/session.h"
#include "machines/monitor/monitor_session.h"

namespace machina {

class GdbServer final : public qom::Object, private CharFrontend, public MonitorSession, public GdbSession::Client {
 public:
  static constexpr const char* kType = "gdbserver";
  static void class_init(qom::ObjectClass& c);
  GdbServer();
  ~GdbServer() override;

  /// While so much waits for a client that does not read, its packets wait too.
  static constexpr std::size_t kOutputHigh = 256 * 1024;

 protected:
  void realize() override;
  void unrealize() override;

 private:
  // CharFrontend
  std::size_t can_receive() override;
  void receive(std::span<const std::byte> bytes) override;
  void event(Event event) override;
  void writable() override;

  // MonitorSession: `monitor` of gdb
  Machine& machine() override { return *machine_; }
  void later(std::int64_t virtual_ns, std::function<void()> work) override {
    tasks_.add(machine_->system().clock, virtual_ns, std::move(work));
  }

  // GdbSession::Client
  void send(std::string_view data) override;
  void end_acknowledging() override;
  std::string monitor_command(std::string_view line) override;
  void choose_cpu(unsigned index) override { set_cpu_index(index); }
  std::string why_not_run() override;

  void carry_out();
  void take(const GdbPacketReader::Item& item);
  void pass_on();
  void acknowledged();

  // configuration
  qom::Link<CharBackend> chardev_;

  // run time
  Machine* machine_ = nullptr;
  int observer_ = 0;
  std::unique_ptr<GdbSession> session_;
  MonitorTasks tasks_;
  OutputQueue output_;
  std::string input_;  ///< not looked at yet
  GdbPacketReader reader_;
  std::deque<std::string> packets_;  ///< of ours; the first has been sent and is not acknowledged yet
  bool first_sent_ = false;
  bool acknowledge_ = true, ending_acknowledging_ = false;
  bool busy_ = false;
  unsigned connection_ = 0;
};

}  // namespace machina
