#include "accel/jit/jit_accelerator.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include "core/units.h"
#include "hw/intc/apic.h"
#include "hw/x86/x86_cpu.h"
#include "tests/support/test_machine.h"

namespace machina::test {
namespace {

TEST(JitProbe, SaysWhyAHostDoesNotDo) {
  const auto jit = qom::create<JitAccelerator>();
  EXPECT_TRUE(jit->probe().usable);
  // No file may grow. (A limit of descriptors would do, too, but sanitizers need some to look at memory with.)
  const auto handler = signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  const rlimit none{0, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &none);
  const Accelerator::Probe probe = jit->probe();
  setrlimit(RLIMIT_FSIZE, &before);
  signal(SIGXFSZ, handler);
  EXPECT_FALSE(probe.usable);
  EXPECT_NE(probe.reason.find("ftruncate: File too large"), std::string::npos) << probe.reason;
}

/// A CPU that stays parked, so that the test may have its state.
class JitMachine : public testing::Test {
 protected:
  JitMachine() : machine_(1 << 20), jit_(qom::create<JitAccelerator>()) {
    {
      const MachineLock::Guard guard(lock());
      jit_->init_machine(machine_.system(), 1);
    }
    machine_.add<ApicBus>("apic-bus");
    cpu_ = &machine_.add<X86Cpu>("cpu0", {{"index", "0"}, {"apic-id", "0"}, {"apic-bus", "apic-bus"}});
    cpu_->set_accelerator(*jit_);
    machine_.start();
  }
  ~JitMachine() override {  // the CPU before its accelerator, and that before the memory that it listens to
    const MachineLock::Guard guard(lock());
    qom::unrealize_tree(*cpu_);
  }
  MachineLock& lock() { return machine_.system().lock; }

  TestMachine machine_;
  qom::Ref<JitAccelerator> jit_;
  X86Cpu* cpu_ = nullptr;
};

TEST_F(JitMachine, MemoryThatIsGoneStaysUntilNoCpuKnowsItAndTakesItsBlocksAlong) {
  const MachineLock::Guard guard(lock());
  auto region = std::make_unique<RamRegion>("extra", RamBlock::create("extra", 1 << 16));
  const std::weak_ptr<RamBlock> ram = region->block();
  const auto host = reinterpret_cast<std::uintptr_t>(region->block()->host());
  jit::BlockCache& blocks = jit_->blocks();
  const auto decode = [&] {  // as a CPU does
    auto block = std::make_unique<jit::Block>();
    block->host = host;
    block->size = 1;
    if (blocks.claim(host)) blocks.settled(host);
    blocks.insert(std::move(block), [](const jit::Block&) { return true; });
    blocks.release(host);
  };
  machine_.system().memory_root.add(0x1000000, *region, 0);
  const X86State state = cpu_->state();
  cpu_->set_state(state);
  decode();
  region->block()->mark_dirty(0, 1);
  EXPECT_EQ(blocks.find(host, 0), nullptr) << "devices' writes are watched";
  decode();

  machine_.system().memory_root.remove(*region);
  region.reset();
  EXPECT_EQ(blocks.find(host, 0), nullptr);
  EXPECT_FALSE(ram.expired());
  decode();  // by translations of before
  cpu_->set_state(state);
  EXPECT_EQ(blocks.find(host, 0), nullptr);
  EXPECT_TRUE(ram.expired());
}

TEST_F(JitMachine, MemoryThatShowsElsewhereIsStillWatched) {
  const MachineLock::Guard guard(lock());
  const std::shared_ptr<RamBlock> ram = RamBlock::create("extra", 1 << 16);
  RamRegion first("first", ram), second("second", ram);
  ContainerRegion& root = machine_.system().memory_root;
  root.add(0x1000000, first, 0);
  root.add(0x2000000, second, 0);
  EXPECT_TRUE(ram->writes_matter());
  root.remove(first);
  EXPECT_TRUE(ram->writes_matter());
  root.remove(second);
  EXPECT_FALSE(ram->writes_matter());
}

TEST_F(JitMachine, ADeadlineIsPartOfItsState) {
  const MachineLock::Guard guard(lock());
  Apic& apic = *cpu_->local_apic();
  apic.mmio_write(0xf0, 4, 0x1ff);
  apic.mmio_write(0x320, 4, 0x40040);                                                        // TSC-deadline mode
  const std::uint64_t deadline = cpu_->state().msr(0x10) + 2 * std::uint64_t{kNsPerSecond};  // at 1 GHz
  ASSERT_TRUE(apic.msr_write(0x6e0, deadline));
  const X86State state = cpu_->state();
  EXPECT_EQ(state.msr(0x6e0), deadline);
  machine_.reset();
  std::uint64_t value = 1;
  EXPECT_TRUE(apic.msr_read(0x6e0, value));
  EXPECT_EQ(value, 0U);
  cpu_->set_state(state);
  EXPECT_TRUE(apic.msr_read(0x6e0, value));
  EXPECT_EQ(value, deadline);
  EXPECT_FALSE(apic.interrupt_pending());
  machine_.step(2'000'000'001);
  EXPECT_TRUE(apic.interrupt_pending());
}

// As a task switch leaves it while its CPU is stopped from outside.
TEST_F(JitMachine, ATrapThatIsDueIsPartOfItsState) {
  const MachineLock::Guard guard(lock());
  X86State state = cpu_->state();
  EXPECT_FALSE(state.events.exception_pending);
  state.events.exception_pending = state.events.exception_has_payload = true;
  state.events.exception_vector = 1;
  state.events.exception_payload = 0x8000;
  cpu_->set_state(state);
  const X86State back = cpu_->state();
  EXPECT_TRUE(back.events.exception_pending);
  EXPECT_EQ(back.events.exception_payload, 0x8000U);
}

// KVM takes a vector and an NMI from their controllers before it delivers them; a state may have them.
TEST_F(JitMachine, EventsThatAnotherAcceleratorHadTakenArePartOfItsState) {
  const MachineLock::Guard guard(lock());
  X86State state = cpu_->state();
  state.events.interrupt_injected = state.events.smi_pending = true;
  state.events.interrupt_vector = 0x41;
  state.events.nmi_injected = true;
  cpu_->set_state(state);
  X86State back = cpu_->state();
  EXPECT_TRUE(back.events.interrupt_injected);
  EXPECT_EQ(back.events.interrupt_vector, 0x41);
  EXPECT_TRUE(back.events.nmi_injected);
  EXPECT_FALSE(back.events.nmi_pending) << "it is one";
  EXPECT_TRUE(back.events.smi_pending);
  back.events = {};
  cpu_->set_state(back);
  EXPECT_FALSE(cpu_->state().events.interrupt_injected);
  EXPECT_FALSE(cpu_->state().events.nmi_injected);
}

TEST_F(JitMachine, AnExceptionThatWaitedIsDelivered) {
  const MachineLock::Guard guard(lock());
  X86State state = cpu_->state();
  state.events.exception_pending = state.events.exception_has_payload = state.events.exception_has_error_code = true;
  state.events.exception_vector = 14;
  state.events.exception_error_code = 2;
  state.events.exception_payload = 0x123000;
  cpu_->set_state(state);
  const X86State back = cpu_->state();
  EXPECT_TRUE(back.events.exception_injected);
  EXPECT_EQ(back.events.exception_vector, 14);
  EXPECT_EQ(back.events.exception_error_code, 2U);
}

}  // namespace
}  // namespace machina::test
