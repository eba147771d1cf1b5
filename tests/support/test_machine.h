#pragma once
/// A machine for device tests: no CPU, no board file, virtual time that moves only by step(). What a test writes to
/// ports and memory goes the way a vCPU's accesses go.

#include <gtest/gtest.h>

#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "core/guest_alarms.h"
#include "core/system.h"
#include "hw/base/bus.h"
#include "hw/base/device.h"
#include "hw/base/reset.h"

namespace machina::test {

/// The object at the root of the test's tree, and what the device asked of it.
class MachineObject final : public qom::Object, public SystemHolder, public RunControl, public GuestAlarms {
 public:
  static constexpr const char* kType = "test-machine";

  System& system() override { return system_; }
  RunState run_state() const override { return state; }
  void request_reset(ShutdownCause cause) override { resets.push_back(cause); }
  void request_shutdown(ShutdownCause cause, int code) override { shutdowns.emplace_back(cause, code); }
  void request_stop(RunState why) override { state = why; }
  void request_suspend() override { ++suspends; }
  void request_wakeup(std::string_view reason) override { wakeups.emplace_back(reason); }

  void guest_panicked() override { ++panics; }
  void guest_crash_loaded() override { ++crash_loads; }
  void watchdog_expired() override { ++expiries; }

  RunState state = RunState::Running;
  std::vector<ShutdownCause> resets;
  std::vector<std::pair<ShutdownCause, int>> shutdowns;
  unsigned suspends = 0;
  unsigned panics = 0, crash_loads = 0, expiries = 0;
  std::vector<std::string> wakeups;

 private:
  System system_{*this};
};

class TestMachine {
 public:
  using Properties = std::initializer_list<std::pair<const char*, std::string>>;

  /// `ram` bytes are mapped at address 0; none when 0. Host time starts at `epoch_ns`.
  explicit TestMachine(std::uint64_t ram = 0, std::int64_t epoch_ns = 0);
  ~TestMachine();

  MachineObject& object() { return *machine_; }
  System& system() { return machine_->system(); }

  /// Creates a device as /machine/<id>, sets properties (links by id), puts it on `bus` (an id) when it needs one; if
  /// no bus is named, on the first that fits. Not realized yet.
  Device& add(const char* type, const char* id, Properties properties = {}, const char* bus = nullptr);
  template <class T>
  T& add(const char* id, Properties properties = {}, const char* bus = nullptr) {
    return dynamic_cast<T&>(add(T::kType, id, properties, bus));
  }
  /// An isa-bus with 16 lines that end in `line(n)`, as /machine/isa.0, for devices that need no real bridge.
  Bus& add_isa_bus();
  /// Level of line `n` of that bus, and how often it rose.
  bool line(unsigned n) const { return lines_.at(n).level; }
  unsigned rises(unsigned n) const { return lines_.at(n).rises; }

  /// Realizes what was added, in that order, and resets the machine; starts nothing. Throws Error.
  void start();
  void reset();

  std::uint8_t inb(std::uint16_t port) { return static_cast<std::uint8_t>(in(port, 1)); }
  std::uint16_t inw(std::uint16_t port) { return static_cast<std::uint16_t>(in(port, 2)); }
  std::uint32_t inl(std::uint16_t port) { return static_cast<std::uint32_t>(in(port, 4)); }
  void outb(std::uint16_t port, std::uint8_t v) { out(port, 1, v); }
  void outw(std::uint16_t port, std::uint16_t v) { out(port, 2, v); }
  void outl(std::uint16_t port, std::uint32_t v) { out(port, 4, v); }
  std::uint64_t read(std::uint64_t address, Width width);
  void write(std::uint64_t address, Width width, std::uint64_t value);

  std::int64_t now() { return system().clock.now_ns(); }
  /// Moves virtual and host time; timers run on the way.
  void step(std::int64_t ns);
  /// To the next timer of virtual time; returns how far that was, 0 when there is none.
  std::int64_t step_to_next_timer();

 private:
  std::uint64_t in(std::uint16_t port, Width width);
  void out(std::uint16_t port, Width width, std::uint64_t value);

  struct Line {
    bool level = false;
    unsigned rises = 0;
  };
  qom::Ref<qom::Object> root_;
  MachineObject* machine_ = nullptr;
  std::vector<Line> lines_{16};
  std::unique_ptr<IrqInBank> line_bank_;
  std::unique_ptr<RamRegion> ram_;
  std::unique_ptr<MemoryDispatch> io_, memory_;
  std::vector<Device*> added_;
};

}  // namespace machina::test
