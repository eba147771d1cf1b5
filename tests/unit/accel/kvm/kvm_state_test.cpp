#include "accel/kvm/kvm_state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "core/error.h"
#include "core/log.h"
#include "tests/support/fake_kvm.h"

namespace machina::kvm {
namespace {

using test::FakeKvm;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class KvmState : public testing::Test {
 protected:
  void SetUp() override {
    log::reset();
    log::set_sink([this](log::Level, bool, std::string_view line) { lines.emplace_back(line); });
  }
  void TearDown() override {
    log::set_sink({});
    log::reset();
  }
  StateSupport support() {
    StateSupport s = StateSupport::find_out(
        [this](unsigned number) { return fd.call(KVM_CHECK_EXTENSION, std::uintptr_t{number}); });
    s.payload = s.triple_fault = true;
    return s;
  }

  /// A state in which every field that KVM carries has a value of its own.
  static X86State odd_state() {
    X86State s = X86State::at_reset(0x12345, true);
    for (unsigned i = 0; i < 16; ++i) s.gpr[i] = 0x0101010101010101U * (i + 1);
    s.rip = 0x123456789a;
    s.rflags = 0x246;
    for (unsigned i = 0; i < 6; ++i) {
      s.segment[i].selector = static_cast<std::uint16_t>(8 * (i + 1));
      s.segment[i].base = 0x1000 * (i + 1);
      s.segment[i].limit = 0xffffffff;
      s.segment[i].g = true;
      s.segment[i].dpl = 3;
      s.segment[i].db = i % 2 != 0;
      s.segment[i].avl = true;
    }
    s.gdt = {0x7000, 0x7f};
    s.idt = {0x8000, 0xfff};
    s.cr0 = 0x80050033;
    s.cr2 = 0xdeadb000;
    s.cr3 = 0x1000;
    s.cr4 = 0x20;
    s.cr8 = 5;
    s.pdptr = {1, 0x2001, 0x3001, 0x4001};
    s.pdptr_valid = true;
    s.xcr0 = 7;
    s.dr = {1, 2, 3, 4};
    s.dr6 = 0xffff0ff1;
    s.dr7 = 0x401;
    s.set_msr(0x174, 0x10);
    s.set_msr(0xc0000082, 0xffffffff81000000);
    s.events.nmi_masked = true;
    s.events.exception_pending = true;
    s.events.exception_vector = 14;
    s.events.exception_has_error_code = true;
    s.events.exception_error_code = 2;
    s.events.exception_has_payload = true;
    s.events.exception_payload = 0xdeadb000;
    s.events.interrupt_shadow = 1;
    s.mp_state = MpState::Halted;
    for (std::size_t i = 160; i < 416; ++i) s.xsave[i] = static_cast<std::uint8_t>(i);
    return s;
  }

  FakeKvm fake;
  Fd fd{fake, fake.open_device()};
  std::vector<std::string> lines;
};

TEST_F(KvmState, WholeStateComesBack) {
  MsrSet msrs(fd);
  msrs.learn(fd);
  StateTransfer t(fd, support(), msrs);
  const X86State s = odd_state();
  t.load(s);
  EXPECT_THAT(t.verify(s), IsEmpty());
  X86State back;
  t.store(back);
  EXPECT_EQ(back.gpr, s.gpr);
  EXPECT_EQ(back.segment, s.segment);
  EXPECT_EQ(back.pdptr, s.pdptr);
  EXPECT_EQ(back.events, s.events);
  EXPECT_EQ(back.mp_state, MpState::Halted);
  EXPECT_EQ(back.msr(0xc0000082), 0xffffffff81000000);
  EXPECT_THAT(lines, IsEmpty());
}

TEST_F(KvmState, OldKernelsCarryWhatTheyCan) {
  for (const unsigned missing : {KVM_CAP_SREGS2, KVM_CAP_XSAVE, KVM_CAP_XSAVE2, KVM_CAP_XCRS, KVM_CAP_DEBUGREGS,
                                 KVM_CAP_VCPU_EVENTS, KVM_CAP_INTR_SHADOW})
    fake.capabilities[missing] = 0;
  MsrSet msrs(fd);
  msrs.learn(fd);
  StateSupport s = support();
  s.payload = s.triple_fault = false;
  StateTransfer t(fd, s, msrs);
  fake.requests.clear();
  X86State state = odd_state();
  t.load(state);
  for (const unsigned long never :
       {KVM_SET_SREGS2, KVM_SET_XSAVE, KVM_SET_XCRS, KVM_SET_DEBUGREGS, KVM_SET_VCPU_EVENTS})
    EXPECT_EQ(fake.count(never), 0U) << std::hex << never;
  EXPECT_EQ(fake.count(KVM_SET_FPU), 1U);
  state.pdptr_valid = false;
  EXPECT_THAT(t.verify(state), IsEmpty());
}

TEST_F(KvmState, PartsAreLoadedInTheirOrder) {
  MsrSet msrs(fd);
  msrs.learn(fd);
  StateTransfer t(fd, support(), msrs);
  fake.requests.clear();
  t.load(odd_state());
  const auto at = [this](unsigned long request) {
    return std::find(fake.requests.begin(), fake.requests.end(), request) - fake.requests.begin();
  };
  EXPECT_LT(at(KVM_SET_SREGS2), at(KVM_SET_LAPIC)) << "the APIC's mode comes before its registers";
  EXPECT_LT(at(KVM_SET_LAPIC), at(KVM_SET_MSRS)) << "the deadline needs the timer's mode";
  EXPECT_LT(at(KVM_SET_REGS), at(KVM_SET_VCPU_EVENTS)) << "KVM_SET_REGS drops a pending exception";
  EXPECT_EQ(fake.requests.back(), static_cast<unsigned long>(KVM_SET_VCPU_EVENTS));
  const std::vector<std::uint32_t> order = msrs.indices();
  EXPECT_EQ(order.front(), kMsrTsc);
}

TEST_F(KvmState, LossIsFoundByReadingBack) {
  fake.drop_dr7 = true;
  MsrSet msrs(fd);
  msrs.learn(fd);
  StateTransfer t(fd, support(), msrs);
  const X86State s = odd_state();
  t.load(s);
  EXPECT_THAT(t.verify(s), ElementsAre("dr7: 0x401 / 0x400"));
}

TEST_F(KvmState, RefusedMsrIsNamedOnceAndLeftOut) {
  fake.refused_msrs = {0x175, 0x1a0};
  MsrSet msrs(fd);
  msrs.learn(fd);
  StateTransfer t(fd, support(), msrs);
  t.load(X86State::at_reset(0x12345, true));
  EXPECT_THAT(lines, IsEmpty()) << "they have these values already";
  X86State s = odd_state();
  s.set_msr(0x175, 0x1234);
  s.set_msr(0x1a0, 0x801);
  t.load(s);
  t.load(s);
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_THAT(lines[0], HasSubstr("IA32_SYSENTER_ESP (0x175)"));
  EXPECT_THAT(lines[1], HasSubstr("IA32_MISC_ENABLE (0x1a0)"));
  EXPECT_EQ(fake.msrs[0x174], 0x10U) << "the one before it";
  EXPECT_EQ(fake.msrs[0xc0000082], 0xffffffff81000000) << "the ones behind it";
  EXPECT_THAT(t.verify(s), IsEmpty()) << "what was refused is not compared";
}

TEST_F(KvmState, MsrsThatAStateDoesNotHaveGoBackToPowerOn) {
  MsrSet msrs(fd);
  msrs.learn(fd);
  StateTransfer t(fd, support(), msrs);
  t.load(odd_state());
  EXPECT_EQ(fake.msrs[0x174], 0x10U);
  t.load(X86State::at_reset(0, true));
  EXPECT_EQ(fake.msrs[0x174], 0U);
}

TEST_F(KvmState, UnreadableMsrIsNoStateAndNoError) {
  fake.unreadable_msrs = {0x176};
  MsrSet msrs(fd);
  msrs.learn(fd);
  EXPECT_THAT(msrs.indices(), testing::Not(testing::Contains(0x176U)));
  EXPECT_THAT(msrs.indices(), testing::Contains(0xc0000082U));
}

TEST_F(KvmState, WritingBackWhatWasReadDoesNotTurnTheTscBack) {
  MsrSet msrs(fd);
  msrs.learn(fd);
  StateTransfer t(fd, support(), msrs);
  fake.msrs[0x10] = 1000;
  X86State s;
  t.store(s);
  fake.msrs[0x10] = 2000;  // time goes on
  s.gpr[0] = 1;
  t.load(s);
  EXPECT_EQ(fake.msrs[0x10], 2000U);
  s.set_msr(0x10, 500);
  t.load(s);
  EXPECT_EQ(fake.msrs[0x10], 500U);
}

TEST_F(KvmState, RefusalOfAWholePartIsAnError) {
  MsrSet msrs(fd);
  msrs.learn(fd);
  StateTransfer t(fd, support(), msrs);
  fake.errors[KVM_SET_SREGS2] = EINVAL;
  try {
    t.load(odd_state());
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.message(), "KVM_SET_SREGS2 failed");
  }
}

TEST_F(KvmState, XsaveThatDoesNotFitIsAnError) {
  MsrSet msrs(fd);
  msrs.learn(fd);
  StateTransfer t(fd, support(), msrs);
  X86State s = odd_state();
  s.xsave.resize(8192);
  EXPECT_NO_THROW(t.load(s));
  s.xsave[5000] = 1;
  EXPECT_THROW(t.load(s), Error);
}

TEST_F(KvmState, FeatureMsrThatIsRefusedCostsItsCpuidBitAndOneLine) {
  fake.feature_msrs = {{0x10a, 0x400000000c000069}};
  fake.refused_msrs = {0x10a};
  MsrSet msrs(fd);
  CpuidTable table;
  table.set({7, 0, true, 0, 0, 4, 0x20000010});
  EXPECT_TRUE(load_feature_msrs(fd, fd, msrs, table, true));
  EXPECT_EQ(table.find(7).edx, 0x10U);
  EXPECT_EQ(table.find(7).ecx, 4U);
  CpuidTable second;
  second.set({7, 0, true, 0, 0, 4, 0x20000010});
  EXPECT_TRUE(load_feature_msrs(fd, fd, msrs, second, true)) << "the next CPU is like the first";
  CpuidTable third;
  third.set({7, 0, true, 0, 0, 4, 0x20000010});
  drop_refused_features(msrs, third);
  EXPECT_EQ(third.leaves(), second.leaves()) << "known beforehand: its CPUID is set once";
  EXPECT_FALSE(load_feature_msrs(fd, fd, msrs, third, true));
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_THAT(lines[0], HasSubstr("IA32_ARCH_CAPABILITIES (0x10a)"));
  EXPECT_THAT(lines[0], HasSubstr("without the CPU feature 'arch-capabilities'"));
}

TEST_F(KvmState, FeatureMsrThatIsNotListedCostsItsCpuidBitToo) {
  MsrSet msrs(fd);
  CpuidTable table;
  table.set({1, 0, false, 0, 0, 1U << 15 | 1, 0});
  EXPECT_TRUE(load_feature_msrs(fd, fd, msrs, table, false));
  EXPECT_EQ(table.find(1).ecx, 1U);
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_THAT(lines[0], HasSubstr("has no value of MSR IA32_PERF_CAPABILITIES (0x345)"));
}

TEST_F(KvmState, KernelsWithoutFeatureMsrsAreFine) {
  fake.errors[KVM_GET_MSR_FEATURE_INDEX_LIST] = EINVAL;
  MsrSet msrs(fd);
  CpuidTable table;
  EXPECT_FALSE(load_feature_msrs(fd, fd, msrs, table, true));
  EXPECT_THAT(lines, IsEmpty());
}

TEST_F(KvmState, OnlyTheHostsProcessorHasItsMicrocodeRevision) {
  fake.feature_msrs = {{0x8b, 0x01000065}, {0x10a, 0x69}};
  MsrSet msrs(fd);
  CpuidTable table;  // advertises nothing
  EXPECT_FALSE(load_feature_msrs(fd, fd, msrs, table, false));
  EXPECT_FALSE(fake.msrs.contains(0x8b));
  EXPECT_FALSE(load_feature_msrs(fd, fd, msrs, table, true));
  EXPECT_EQ(fake.msrs[0x8b], 0x01000065U);
  EXPECT_FALSE(fake.msrs.contains(0x10a)) << "not advertised";
  // Nobody advertises it, so a refusal changes nothing but what the guest reads.
  fake.refused_msrs = {0x8b};
  EXPECT_FALSE(load_feature_msrs(fd, fd, msrs, table, true));
  EXPECT_FALSE(load_feature_msrs(fd, fd, msrs, table, true));
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_THAT(lines[0], HasSubstr("IA32_BIOS_SIGN_ID (0x8b)"));
}

TEST_F(KvmState, FeatureMsrThatIsTakenKeepsItsBit) {
  fake.feature_msrs = {{0x10a, 0x69}};
  MsrSet msrs(fd);
  CpuidTable table;
  table.set({7, 0, true, 0, 0, 0, 0x20000000});
  drop_refused_features(msrs, table);
  EXPECT_FALSE(load_feature_msrs(fd, fd, msrs, table, false));
  EXPECT_EQ(table.find(7).edx, 0x20000000U);
  EXPECT_EQ(fake.msrs[0x10a], 0x69U);
  EXPECT_THAT(lines, IsEmpty());
}

}  // namespace
}  // namespace machina::kvm
