#pragma once
/// A machine whose CPUs do what a test says, with a gdb stub and its client: for tests of the stub without guest code.

#include <gtest/gtest.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "machines/gdb/gdb_server.h"
#include "machines/machine.h"
#include "tests/support/test_chardev.h"

namespace machina::test {

/// Guest code is a queue of reasons to stop: run() takes one, and when there is none stays until it is kicked.
class DebuggedVcpu final : public Vcpu {
 public:
  VcpuExit run() override;
  void kick() override;
  void load_state(const X86State& state) override { state_ = state; }
  void store_state(X86State& state) override { state = state_; }
  void set_debug(const DebugRequest& request) override;
  DebugStop debug_stop() const override { return stop_; }

  // --- for the test ---
  /// The next time that it runs, or now. Any thread.
  void stop_with(const DebugStop& stop);
  /// Is it in guest mode? Any thread.
  bool inside();
  const DebugRequest& request() const { return request_; }
  X86State& state() { return state_; }
  unsigned changes = 0;  ///< of the request
  bool refuses = false;  ///< requests that are not empty

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<DebugStop> stops_;
  bool kicked_ = false, inside_ = false;
  DebugStop stop_;
  DebugRequest request_;
  X86State state_;
};

class DebuggedAccelerator final : public Accelerator {
 public:
  static constexpr const char* kType = "test-debugged-accel";
  static void class_init(qom::ObjectClass& c) { c.description = "Stops when a test says"; }
  Probe probe() override { return {true, 0, "for tests"}; }
  void init_machine(System& /*system*/, unsigned /*max_cpus*/) override {}
  std::unique_ptr<Vcpu> create_vcpu(X86Cpu& cpu) override;
};

class GdbTest : public testing::Test {
 protected:
  static constexpr unsigned kCpus = 3;
  static constexpr std::uint64_t kRam = 1 << 20, kRom = 0xf0000000, kRomSize = 0x2000, kDevice = 0xe0000000;

  GdbTest();
  ~GdbTest() override;

  System& system() { return machine_->system(); }
  DebuggedVcpu& vcpu(unsigned n) { return dynamic_cast<DebuggedVcpu&>(*machine_->cpus().cpus().at(n)->vcpu()); }
  void start();
  void raw(std::string_view bytes);
  void send(std::string_view data);
  /// The data of all packets that have come since the last call.
  std::vector<std::string> packets();
  /// Of the one packet that comes next, waiting for it.
  std::string next();
  /// The answer that is there at once.
  std::string ask(std::string_view data);
  /// Runs the event loop until `condition`, looked at under the machine lock, holds.
  bool wait_until(const std::function<bool()>& condition);
  void connect(bool on);
  template <class F>
  void locked(F work) {
    const MachineLock::Guard guard(system().lock);
    work();
  }

  qom::Ref<qom::Object> root_;
  Machine* machine_ = nullptr;
  TestChardev* chardev_ = nullptr;
  GdbServer* server_ = nullptr;
  std::unique_ptr<RamRegion> rom_;
  std::unique_ptr<IoRegion> device_;
  unsigned device_reads_ = 0;
};

}  // namespace machina::test
