#include "accel/jit/stepper.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "accel/jit/jit_cpuid.h"
#include "accel/jit/jit_state.h"
#include "tests/unit/accel/jit/bare_machine.h"

namespace machina::jit {
namespace {

/// Memory that an instruction may be kept from.
class Guarded : public BareMachine {
 public:
  std::uint64_t closed = ~std::uint64_t{0};  ///< page that nobody may write
  std::uint64_t registers = ~std::uint64_t{0};
  void announce_write(std::uint64_t physical) override {
    if ((physical & kPageMask) == closed) throw NotHere{};
  }
  HostPage page(std::uint64_t physical) override {
    return physical == registers ? HostPage{} : BareMachine::page(physical);
  }
  std::uint64_t read_physical(std::uint64_t physical, unsigned width) override {
    if ((physical & kPageMask) == registers) throw NotHere{};
    return BareMachine::read_physical(physical, width);
  }
};

class JitStepper : public testing::Test {
 protected:
  JitStepper() : cpuid(supported_cpuid()), stepper(machine, blocks, cpuid) {
    machine.long_64();
    machine.cpu().vector.mxcsr = 0x1f80;
    store_state(machine.cpu(), state);
  }
  using Outcome = Stepper::Outcome;
  /// Carries out the bytes as one instruction, and leaves what comes of it in `state`.
  Outcome step(std::initializer_list<std::uint8_t> code) {
    machine.put_code(state.rip, std::span(code.begin(), code.size()));
    stepper.load(state);
    const Outcome outcome = stepper.step();
    if (outcome != Outcome::Declined) stepper.store(state);
    return outcome;
  }

  Guarded machine;
  BlockCache blocks;
  CpuidTable cpuid;
  Stepper stepper;
  X86State state;
};

TEST_F(JitStepper, OneInstructionChangesTheStateAndMemory) {
  state.gpr[kRax] = 1, state.gpr[kRdx] = 2, state.gpr[kRbx] = 3, state.gpr[kRcx] = 4, state.gpr[kRdi] = 0x20000;
  machine.put<std::uint64_t>(0x20000, 1);
  machine.put<std::uint64_t>(0x20008, 2);
  const std::uint64_t start = state.rip;
  EXPECT_EQ(step({0xf0, 0x48, 0x0f, 0xc7, 0x0f}), Outcome::Done);  // lock cmpxchg16b [rdi]
  EXPECT_EQ(state.rip, start + 5);
  EXPECT_NE(state.rflags & 0x40, 0U);
  EXPECT_EQ(machine.get<std::uint64_t>(0x20000), 3U);
  EXPECT_EQ(machine.get<std::uint64_t>(0x20008), 4U);
}

TEST_F(JitStepper, OnlyOneIsCarriedOut) {
  const std::uint64_t start = state.rip;
  state.gpr[kRax] = 5;
  step({0x48, 0xff, 0xc0, 0x48, 0xff, 0xc0});  // inc rax, twice
  EXPECT_EQ(state.gpr[kRax], 6U);
  EXPECT_EQ(state.rip, start + 3);
}

TEST_F(JitStepper, ADebuggerMeetsDataAndSteps) {
  DebugRequest watch;
  watch.breakpoints = {{BreakpointKind::Write, 0x20008, 4}};
  stepper.set_debug(watch);
  state.gpr[kRdi] = 0x20000;
  EXPECT_EQ(step({0x0f, 0x10, 0x07}), Outcome::Done);   // movups xmm0, [rdi]
  EXPECT_EQ(step({0x0f, 0x11, 0x07}), Outcome::Debug);  // movups [rdi], xmm0
  EXPECT_EQ(stepper.debug_stop().why, DebugStop::Why::Watchpoint);
  EXPECT_EQ(stepper.debug_stop().linear, 0x20008U);

  DebugRequest single;
  single.single_step = true;
  stepper.set_debug(single);
  const std::uint64_t start = state.rip;
  EXPECT_EQ(step({0x90}), Outcome::Debug);
  EXPECT_EQ(stepper.debug_stop().why, DebugStop::Why::Step);
  EXPECT_EQ(state.rip, start + 1);
  EXPECT_FALSE(stepper.debug_stop().halted);
  EXPECT_EQ(step({0xf4}), Outcome::Debug);  // hlt
  EXPECT_TRUE(stepper.debug_stop().halted);

  stepper.set_debug({});
  EXPECT_EQ(step({0x0f, 0x11, 0x07}), Outcome::Done);
}

TEST_F(JitStepper, CodeThatOthersWriteIsSeenAtOnce) {
  const std::uint64_t start = state.rip;
  state.gpr[kRax] = 5;
  step({0x48, 0xff, 0xc0});  // inc rax
  state.rip = start;
  machine.ram()[start + 2] = 0xc8;  // dec rax, and nobody was told
  stepper.load(state);
  EXPECT_EQ(stepper.step(), Outcome::Done);
  stepper.store(state);
  EXPECT_EQ(state.gpr[kRax], 5U);
  EXPECT_EQ(blocks.statistics().blocks, 0U);
}

TEST_F(JitStepper, AWriteThatIsRefusedLeavesEverythingAsItWas) {
  const X86State before = [&] {
    step({0xdb, 0xe3});  // fninit
    step({0xd9, 0xe8});  // fld1
    return state;
  }();
  machine.closed = 0x21000;
  machine.put<std::uint32_t>(0x21000, 0x55555555);
  state.gpr[kRdi] = 0x21000;
  EXPECT_EQ(step({0xdb, 0x1f}), Outcome::Declined);  // fistp dword [rdi]
  stepper.store(state);
  EXPECT_EQ(state.rip, before.rip);
  EXPECT_EQ(canonical_xsave(state.xsave), canonical_xsave(before.xsave)) << "nothing was popped";
  EXPECT_EQ(machine.get<std::uint32_t>(0x21000), 0x55555555U);

  // Across two pages, the second of which is closed.
  state.gpr[kRdi] = 0x20ffe;
  EXPECT_EQ(step({0xdb, 0x1f}), Outcome::Declined);
  EXPECT_EQ(machine.get<std::uint16_t>(0x20ffe), 0U);

  machine.closed = ~std::uint64_t{0};
  EXPECT_EQ(step({0xdb, 0x1f}), Outcome::Done);
  EXPECT_EQ(machine.get<std::uint32_t>(0x20ffe), 1U);
}

TEST_F(JitStepper, ARefusedReadLeavesRegistersAlone) {
  machine.registers = 0x300000;
  state.gpr[kRsi] = 0x300000;
  state.gpr[kRax] = 7;
  const std::uint64_t start = state.rip;
  EXPECT_EQ(step({0x48, 0xad}), Outcome::Declined);  // lodsq
  stepper.store(state);
  EXPECT_EQ(state.gpr[kRax], 7U);
  EXPECT_EQ(state.gpr[kRsi], 0x300000U);
  EXPECT_EQ(state.rip, start);
}

TEST_F(JitStepper, AFaultIsDelivered) {
  // Vector 3 leads to 70000h.
  constexpr std::uint64_t kIdt = 0x40000, kGdt = 0x41000, kHandler = 0x70000;
  machine.put<std::uint64_t>(kGdt + 8, 0x00af9b000000ffff);
  machine.put<std::uint64_t>(kGdt + 16, 0x00cf93000000ffff);
  machine.put<std::uint64_t>(kIdt + 3 * 16, (kHandler & 0xffff) | 8U << 16 | 0x8eULL << 40 | (kHandler >> 16) << 48);
  state.gdt = {kGdt, 0x17};
  state.idt = {kIdt, 0xfff};
  state.segment[kCs].selector = 8;
  const std::uint64_t start = state.rip;
  EXPECT_EQ(step({0xcc}), Outcome::Done);  // int3
  EXPECT_EQ(state.rip, kHandler);
  EXPECT_EQ(machine.get<std::uint64_t>(state.gpr[kRsp]), start + 1);

  // An exception that waits for its delivery comes before the instruction.
  state.events.exception_injected = true;
  state.events.exception_vector = 3;
  machine.put_code(state.rip, std::array<std::uint8_t, 1>{0x90});
  stepper.load(state);
  EXPECT_EQ(stepper.step(), Outcome::Done);
  stepper.store(state);
  EXPECT_EQ(state.rip, kHandler);
  EXPECT_FALSE(state.events.exception_injected);
}

TEST_F(JitStepper, ShutdownAndHaltAreTold) {
  EXPECT_EQ(step({0xf4}), Outcome::Halted);
  state.idt = {0, 0};
  EXPECT_EQ(step({0x0f, 0x0b}), Outcome::Shutdown);  // ud2 without a handler
}

TEST_F(JitStepper, StateOfOthersSurvives) {
  state.events.nmi_pending = true;
  state.events.sipi_vector = 0x12;
  state.lapic_valid = true;
  state.lapic[0x20] = 9;
  state.set_msr(0x4b564d01, 0x1234);  // no register of an instruction
  state.set_msr(0x10, 99);
  state.xsave.resize(4096);
  state.xsave[512] |= 0x20;  // a component that this CPU does not have
  state.xsave[1100] = 0xab;
  step({0xdb, 0xe3});  // fninit
  EXPECT_TRUE(state.events.nmi_pending);
  EXPECT_EQ(state.events.sipi_vector, 0x12U);
  EXPECT_EQ(state.lapic[0x20], 9);
  EXPECT_EQ(state.msr(0x4b564d01), 0x1234U);
  EXPECT_EQ(state.msr(0x10), 99U);
  ASSERT_EQ(state.xsave.size(), 4096U);
  EXPECT_EQ(state.xsave[512] & 0x20, 0x20);
  EXPECT_EQ(state.xsave[1100], 0xab);
}

TEST_F(JitStepper, MsrsOfInstructionsAreUsedAndChanged) {
  state.set_msr(0xc0000103, 0x77);
  step({0x0f, 0x01, 0xf9});  // rdtscp
  EXPECT_EQ(state.gpr[kRcx], 0x77U);
  state.set_msr(0xc0000102, 0x123400);
  state.segment[kGs].base = 0x56700;
  step({0x0f, 0x01, 0xf8});  // swapgs
  EXPECT_EQ(state.segment[kGs].base, 0x123400U);
  EXPECT_EQ(state.msr(0xc0000102), 0x56700U);
}

TEST_F(JitStepper, FeaturesDoNotDependOnCpuid) {
  CpuidTable plain = cpuid;
  FeatureSet set = features_of(plain);
  set_feature(set, "popcnt", false);
  put_features(plain, set);
  Stepper other(machine, blocks, plain);
  machine.put_code(state.rip, std::array<std::uint8_t, 5>{0xf3, 0x48, 0x0f, 0xb8, 0xc3});  // popcnt rax, rbx
  state.gpr[kRbx] = 0xff;
  other.load(state);
  EXPECT_EQ(other.step(), Outcome::Done);
  other.store(state);
  EXPECT_EQ(state.gpr[kRax], 8U);
}

}  // namespace
}  // namespace machina::jit
