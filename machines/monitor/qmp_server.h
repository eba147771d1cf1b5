#pragma once
/// The machine protocol of the monitor (QMP) on a character backend: -qmp. One client at a time, several servers at
/// once.
///
/// An object of the machine's tree. Everything runs on the main thread under the machine lock; a vCPU that runs goes on
/// running, unless the command says otherwise.

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/chardev/char_backend.h"
#include "core/chardev/output_queue.h"
#include "machines/monitor/json_stream.h"
#include "machines/monitor/qmp_command.h"

namespace machina {

class QmpServer final : public qom::Object, private CharFrontend, private MonitorSession {
 public:
  static constexpr const char* kType = "qmp";
  static void class_init(qom::ObjectClass& c);
  ~QmpServer() override;

  /// Input that waits while a command is carried out.
  static constexpr std::size_t kInputLimit = 64 * 1024;
  /// While so much waits for a client that does not read, its commands wait too.
  static constexpr std::size_t kOutputHigh = 64 * 1024;
  /// Events beyond this are dropped and counted.
  static constexpr std::size_t kOutputLimit = std::size_t{1} << 20;
  /// Of an event that a guest can cause as often as it likes a client hears at most one in so long, and the last one.
  static constexpr std::int64_t kEventPeriodNs = 1'000'000'000;

  std::uint64_t dropped_events() const { return dropped_events_; }

 protected:
  void realize() override;
  void unrealize() override;

 private:
  // CharFrontend
  std::size_t can_receive() override;
  void receive(std::span<const std::byte> bytes) override;
  void event(Event event) override;
  void writable() override;

  // MonitorSession
  Machine& machine() override { return *machine_; }
  bool negotiated() const override { return negotiated_; }
  void negotiate() override { negotiated_ = true; }
  void later(std::int64_t virtual_ns, std::function<void()> work) override {
    tasks_.add(machine_->system().clock, virtual_ns, std::move(work));
  }
  OwnedFd take_fd() override { return OwnedFd(chardev_->take_fd()); }

  void carry_out();
  void answer(const JsonStream::Item& item);
  qom::Value execute(const qom::Value& request);
  void send(const qom::Value& message);
  void machine_event(const Machine::EventData& data);
  void send_event(const qom::Value& message);

  // configuration
  qom::Link<CharBackend> chardev_;
  bool pretty_ = false;

  // run time
  Machine* machine_ = nullptr;
  int observer_ = 0;
  OutputQueue output_;
  std::string input_;  ///< not looked at yet
  JsonStream stream_;
  bool negotiated_ = false;
  bool busy_ = false;
  unsigned connection_ = 0;
  std::uint64_t dropped_events_ = 0;
  struct Limited {
    std::string_view name;
    std::unique_ptr<Timer> timer{};       ///< armed: one was sent less than a period ago
    std::optional<qom::Value> waiting{};  ///< the last one since
  };
  std::array<Limited, 2> limited_{{{"RTC_CHANGE"}, {"WATCHDOG"}}};  // as QEMU limits them
  MonitorTasks tasks_;
};

}  // namespace machina
