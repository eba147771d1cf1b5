// The CPU object and its thread, under an accelerator that does what the test says: parking, sleeping, INIT and SIPI,
// and what becomes of exits.

#include "hw/x86/x86_cpu.h"

#include <chrono>
#include <condition_variable>
#include <mutex>

#include "tests/support/test_machine.h"

namespace machina::test {
namespace {

using std::chrono::milliseconds;
constexpr auto kLimit = std::chrono::seconds(20);
/// Long enough for a thread that wrongly runs to show it.
constexpr milliseconds kMoment{20};

/// Guest code is a queue of exits: run() gives them one by one and, when there is none, stays until it is kicked.
class ScriptedVcpu final : public Vcpu {
 public:
  VcpuExit run() override {
    std::unique_lock lock(mutex_);
    ++runs_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return kicked_ || !exits_.empty(); });
    if (exits_.empty() || kicked_) {
      kicked_ = false;
      return VcpuExit::Interrupted;
    }
    const VcpuExit exit = exits_.front();
    exits_.pop_front();
    return exit;
  }
  void kick() override {
    const std::lock_guard lock(mutex_);
    kicked_ = true;
    changed_.notify_all();
  }
  void load_state(const X86State& state) override {
    const std::lock_guard lock(mutex_);
    if (broken_) throw Error("the state does not fit");
    state_ = state;
  }
  void store_state(X86State& state) override {
    const std::lock_guard lock(mutex_);
    state = state_;
  }

  // --- for the test; any thread, without the machine lock ---
  void exit(VcpuExit exit) {
    const std::lock_guard lock(mutex_);
    exits_.push_back(exit);
    changed_.notify_all();
  }
  /// True once run() has been entered `count` times in all.
  bool wait_for_runs(unsigned count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kLimit, [&] { return runs_ >= count; });
  }
  unsigned runs() {
    const std::lock_guard lock(mutex_);
    return runs_;
  }
  void break_state(bool on) {
    const std::lock_guard lock(mutex_);
    broken_ = on;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<VcpuExit> exits_;
  bool kicked_ = false, broken_ = false;
  unsigned runs_ = 0;
  X86State state_;
};

class ScriptedAccelerator final : public Accelerator {
 public:
  static constexpr const char* kType = "test-scripted-accel";
  static void class_init(qom::ObjectClass& c) { c.description = "Runs what a test says"; }
  Probe probe() override { return {true, 0, "for tests"}; }
  void init_machine(System&, unsigned) override {}
  std::unique_ptr<Vcpu> create_vcpu(X86Cpu&) override {
    auto vcpu = std::make_unique<ScriptedVcpu>();
    vcpus.push_back(vcpu.get());
    return vcpu;
  }
  std::vector<ScriptedVcpu*> vcpus;
};

class VcpuThread : public testing::Test {
 protected:
  VcpuThread() {
    accelerator_ = qom::create<ScriptedAccelerator>();
    for (const char* id : {"cpu0", "cpu1"}) {
      auto& cpu = machine_.add<X86Cpu>(id, {{"index", id + 3}, {"apic-id", id + 3}});
      cpu.set_accelerator(*accelerator_);
      cpus_.push_back(&cpu);
    }
    intr_.connect(*cpus_[0]->input("intr", 0));
    machine_.start();
  }

  MachineLock& lock() { return machine_.system().lock; }
  ScriptedVcpu& vcpu(unsigned n) { return *accelerator_->vcpus.at(n); }
  void unpark(unsigned n) {
    const MachineLock::Guard guard(lock());
    cpus_[n]->unpark();
  }
  template <class F>
  void locked(F f) {
    const MachineLock::Guard guard(lock());
    f();
  }
  /// Waits until `condition`, looked at under the machine lock, is true.
  template <class F>
  bool wait_until(F condition) {
    const auto end = std::chrono::steady_clock::now() + kLimit;
    while (std::chrono::steady_clock::now() < end) {
      {
        const MachineLock::Guard guard(lock());
        if (condition()) return true;
      }
      std::this_thread::sleep_for(milliseconds(1));
    }
    return false;
  }
  /// What an interrupt controller does to the INTR pin of CPU 0.
  void set_intr(bool level) {
    const MachineLock::Guard guard(lock());
    intr_.set(level);
  }
  bool park(unsigned n) {
    locked([&] { cpus_[n]->request_park(); });
    return wait_until([&] { return cpus_[n]->parked(); });
  }
  /// No guest code runs although nothing holds the CPU back but its own state.
  bool stays_asleep(unsigned n) {
    const unsigned before = vcpu(n).runs();
    std::this_thread::sleep_for(kMoment);
    return vcpu(n).runs() == before;
  }

  qom::Ref<ScriptedAccelerator> accelerator_;
  TestMachine machine_;
  std::vector<X86Cpu*> cpus_;
  IrqOut intr_;
};

TEST_F(VcpuThread, WaitsParkedFromItsBirth) {
  EXPECT_TRUE(cpus_[0]->parked());
  EXPECT_GT(cpus_[0]->thread_id(), 0);
  EXPECT_NE(cpus_[0]->thread_id(), cpus_[1]->thread_id());
  EXPECT_TRUE(stays_asleep(0));
  EXPECT_EQ(vcpu(0).runs(), 0U);
}

TEST_F(VcpuThread, ParksAndGoesOnAThousandTimes) {
  for (unsigned i = 0; i < 1'000; ++i) {
    const unsigned before = vcpu(0).runs();
    unpark(0);
    ASSERT_TRUE(vcpu(0).wait_for_runs(before + 1)) << i;
    ASSERT_TRUE(park(0)) << i;
  }
}

TEST_F(VcpuThread, HaltedCpuSleepsUntilAnInterrupt) {
  unpark(0);
  ASSERT_TRUE(vcpu(0).wait_for_runs(1));
  vcpu(0).exit(VcpuExit::Halted);
  std::this_thread::sleep_for(kMoment);
  EXPECT_TRUE(stays_asleep(0));
  ASSERT_TRUE(park(0));
  EXPECT_EQ(cpus_[0]->state().mp_state, MpState::Halted);
  unpark(0);
  EXPECT_TRUE(stays_asleep(0)) << "a pause does not end HLT";
  const unsigned before = vcpu(0).runs();
  set_intr(true);
  EXPECT_TRUE(vcpu(0).wait_for_runs(before + 1));
}

TEST_F(VcpuThread, HaltedWithInterruptsOffWakesForNmiOnly) {
  unpark(0);
  ASSERT_TRUE(vcpu(0).wait_for_runs(1));
  vcpu(0).exit(VcpuExit::HaltedMasked);
  std::this_thread::sleep_for(kMoment);
  set_intr(true);
  EXPECT_TRUE(stays_asleep(0));
  const unsigned before = vcpu(0).runs();
  locked([&] { cpus_[0]->raise_nmi(); });
  EXPECT_TRUE(vcpu(0).wait_for_runs(before + 1));
  EXPECT_TRUE(cpus_[0]->take_nmi());
  EXPECT_FALSE(cpus_[0]->take_nmi());
  locked([&] {
    for (int i = 0; i < 3; ++i) cpus_[0]->raise_nmi();
  });
  EXPECT_TRUE(cpus_[0]->take_nmi()) << "that which is taken";
  EXPECT_TRUE(cpus_[0]->take_nmi()) << "and one that waits meanwhile";
  EXPECT_FALSE(cpus_[0]->take_nmi());
  locked([&] {
    for (int i = 0; i < 3; ++i) cpus_[0]->raise_nmi();
  });
  cpus_[0]->merge_nmis();
  EXPECT_TRUE(cpus_[0]->take_nmi());
  EXPECT_FALSE(cpus_[0]->take_nmi()) << "those that arrive while they are blocked are one";
}

TEST_F(VcpuThread, ApplicationProcessorWaitsForItsSipi) {
  unpark(1);
  EXPECT_TRUE(stays_asleep(1));
  EXPECT_EQ(vcpu(1).runs(), 0U);
  locked([&] { cpus_[1]->raise_init(); });
  EXPECT_TRUE(stays_asleep(1));
  locked([&] { cpus_[1]->raise_sipi(0x9a); });
  ASSERT_TRUE(vcpu(1).wait_for_runs(1));
  ASSERT_TRUE(park(1));
  const X86State s = cpus_[1]->state();
  EXPECT_EQ(s.segment[kCs].selector, 0x9a00);
  EXPECT_EQ(s.segment[kCs].base, 0x9a000U);
  EXPECT_EQ(s.rip, 0U);
}

// Left pending, it would keep "has work" true and "can run" false for ever, with the machine lock taken each time.
TEST_F(VcpuThread, ASipiThatNobodyWaitsForIsLost) {
  unpark(0);
  ASSERT_TRUE(vcpu(0).wait_for_runs(1));
  locked([&] { cpus_[0]->raise_sipi(0x10); });
  vcpu(0).exit(VcpuExit::Halted);
  std::this_thread::sleep_for(kMoment);
  EXPECT_TRUE(stays_asleep(0));
  ASSERT_TRUE(park(0));
  EXPECT_EQ(cpus_[0]->state().segment[kCs].selector, 0xf000) << "as at reset";
}

TEST_F(VcpuThread, InitOfTheBootProcessorStartsItAtTheResetVector) {
  unpark(0);
  ASSERT_TRUE(vcpu(0).wait_for_runs(1));
  ASSERT_TRUE(park(0));
  X86State s = cpus_[0]->state();
  s.rip = 0x1234;
  s.segment[kCs].selector = 0;
  s.segment[kCs].base = 0;
  cpus_[0]->set_state(s);
  locked([&] { cpus_[0]->raise_init(); });
  const unsigned before = vcpu(0).runs();
  unpark(0);
  ASSERT_TRUE(vcpu(0).wait_for_runs(before + 1));
  ASSERT_TRUE(park(0));
  EXPECT_EQ(cpus_[0]->state().rip, 0xfff0U);
  EXPECT_EQ(cpus_[0]->state().segment[kCs].base, 0xffff0000U);
}

TEST_F(VcpuThread, TripleFaultAsksForAResetAndSleepsUntilIt) {
  unpark(0);
  vcpu(0).exit(VcpuExit::Shutdown);
  EXPECT_TRUE(wait_until([&] { return machine_.object().resets == std::vector{ShutdownCause::GuestReset}; }));
  EXPECT_TRUE(stays_asleep(0));
  ASSERT_TRUE(park(0));
  machine_.reset();
  const unsigned before = vcpu(0).runs();
  unpark(0);
  EXPECT_TRUE(vcpu(0).wait_for_runs(before + 1));
}

TEST_F(VcpuThread, InternalErrorStopsTheMachine) {
  unpark(0);
  vcpu(0).exit(VcpuExit::InternalError);
  EXPECT_TRUE(wait_until([&] { return machine_.object().state == RunState::InternalError; }));
  EXPECT_TRUE(stays_asleep(0));
}

TEST_F(VcpuThread, AStateThatTheAcceleratorRefusesStopsTheMachineOnly) {
  unpark(1);
  vcpu(1).break_state(true);
  locked([&] { cpus_[1]->raise_init(); });
  EXPECT_TRUE(wait_until([&] { return machine_.object().state == RunState::InternalError; }));
  vcpu(1).break_state(false);
  ASSERT_TRUE(park(1));
  machine_.reset();
  unpark(1);
  locked([&] { cpus_[1]->raise_sipi(1); });
  EXPECT_TRUE(vcpu(1).wait_for_runs(1)) << "a reset makes it good";
}

TEST_F(VcpuThread, DebugExitStopsForTheDebugger) {
  unpark(0);
  vcpu(0).exit(VcpuExit::Debug);
  EXPECT_TRUE(wait_until([&] { return machine_.object().state == RunState::Debug; }));
}

TEST_F(VcpuThread, WorkIsDoneOnTheThreadBetweenGuestCode) {
  unpark(0);
  ASSERT_TRUE(vcpu(0).wait_for_runs(1));
  std::atomic<int> where{0};
  locked([&] { cpus_[0]->run_on_thread([&] { where = gettid(); }); });
  EXPECT_TRUE(wait_until([&] { return where == cpus_[0]->thread_id(); }));
  vcpu(0).exit(VcpuExit::Halted);
  std::this_thread::sleep_for(kMoment);
  where = 0;
  locked([&] { cpus_[0]->run_on_thread([&] { where = gettid(); }); });
  EXPECT_TRUE(wait_until([&] { return where == cpus_[0]->thread_id(); })) << "while it sleeps in HLT too";
}

// Each way to end: the fixture unrealizes both CPUs while one runs, sleeps, or is parked.
TEST_F(VcpuThread, EndsWhileRunning) {
  unpark(0);
  EXPECT_TRUE(vcpu(0).wait_for_runs(1));
}

TEST_F(VcpuThread, EndsWhileAsleep) {
  unpark(0);
  unpark(1);
  vcpu(0).exit(VcpuExit::HaltedMasked);
  std::this_thread::sleep_for(kMoment);
}

}  // namespace

MACHINA_TYPE(ScriptedAccelerator, Accelerator);

}  // namespace machina::test
