#include "accel/kvm/kvm_syscall.h"

#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <vector>

#include "accel/kvm/kvm_api.h"
#include "tests/support/fake_kvm.h"

namespace machina::kvm {
namespace {

constexpr std::uint64_t kEntry = 0xffffffff81c00080;

class KvmSyscall : public testing::Test {
 protected:
  KvmSyscall() {
    fake.msrs[0xc0000081] = 0x0023001000000000;
    fake.msrs[0xc0000082] = kEntry;
    fake.msrs[0xc0000084] = 0x47700;
    regs.rip = kEntry;
    regs.rcx = 0x46110d;
    regs.r11 = 0x246;
    regs.rflags = 2;
    sregs.cs.selector = 0x33;
    sregs.cs.dpl = 3;
    sregs.cs.l = 1;
    sregs.ss.selector = 0x2b;
    sregs.ss.dpl = 3;
  }
  bool finish() {
    vcpu.must(KVM_SET_REGS, &regs, "KVM_SET_REGS");
    vcpu.must(KVM_SET_SREGS, &sregs, "KVM_SET_SREGS");
    const bool done = finish_syscall(vcpu);
    vcpu.must(KVM_GET_SREGS, &sregs, "KVM_GET_SREGS");
    return done;
  }

  test::FakeKvm fake;
  Fd vcpu{fake, fake.open_device()};
  kvm_regs regs{};
  kvm_sregs sregs{};
};

TEST_F(KvmSyscall, OneThatStoppedHalfwayGetsTheKernelsSegments) {
  ASSERT_TRUE(finish());
  EXPECT_EQ(sregs.cs.selector, 0x10);
  EXPECT_EQ(sregs.cs.dpl, 0);
  EXPECT_EQ(sregs.cs.l, 1);
  EXPECT_EQ(sregs.cs.type, 11);
  EXPECT_EQ(sregs.ss.selector, 0x18);
  EXPECT_EQ(sregs.ss.dpl, 0);
  EXPECT_EQ(sregs.ss.db, 1);
  EXPECT_FALSE(finish()) << "it is in the kernel now";
}

// The fetch from the kernel that it could not make is none of the kernel's.
TEST_F(KvmSyscall, ItsPageFaultIsWithdrawn) {
  kvm_vcpu_events events{};
  events.exception.nr = 14;
  events.exception.has_error_code = 1;
  events.exception.error_code = 0x15;
  events.nmi.pending = 1;
  for (const bool injected : {true, false}) {
    SCOPED_TRACE(injected);
    events.exception.injected = injected;
    events.exception.pending = !injected;
    vcpu.must(KVM_SET_VCPU_EVENTS, &events, "KVM_SET_VCPU_EVENTS");
    sregs.cs.dpl = 3;
    ASSERT_TRUE(finish());
    kvm_vcpu_events after{};
    vcpu.must(KVM_GET_VCPU_EVENTS, &after, "KVM_GET_VCPU_EVENTS");
    EXPECT_EQ(after.exception.injected, 0);
    EXPECT_EQ(after.exception.pending, 0);
    EXPECT_EQ(after.nmi.pending, 1) << "others wait on";
  }
}

// A program that jumps there has its fault.
TEST_F(KvmSyscall, WhatAProgramCanDoIsLeftAlone) {
  regs.rflags = 0x202;
  EXPECT_FALSE(finish());
  regs.rflags = 2;
  regs.rip = kEntry + 3;
  EXPECT_FALSE(finish());
  regs.rip = kEntry;
  fake.msrs[0xc0000084] = 0;
  EXPECT_FALSE(finish()) << "an entry with interrupts on cannot be told from a jump";
  EXPECT_EQ(sregs.cs.selector, 0x33);
}

constexpr std::uint64_t kIdt = 0x4000, kHandler = 0x5000, kLowEntry = 0x6000, kStack = 0x7000, kProgram = 0x8000;
constexpr std::uint64_t kUserStack = 0x9000, kMsrLstar = 0xc0000082;

/// The first instruction of the handler of a #PF that a user program's SYSCALL has come to.
class KvmSyscallFault : public testing::Test {
 protected:
  KvmSyscallFault() {
    put(0x1000, 0x2007), put(0x2000, 0x3007), put(0x3000, 0x87);  // 2 MiB where they are
    put(kIdt + 14 * 16, 0x00008e0000100000 | kHandler), put(kIdt + 14 * 16 + 8, 0);
    for (const std::uint64_t value :
         {std::uint64_t{0x15}, kLowEntry, std::uint64_t{0x33}, std::uint64_t{0x10002}, kUserStack, std::uint64_t{0x2b}})
      push(value);
    put(kProgram, 0x050f);
    state.cr0 = 0x80000011;
    state.cr2 = kLowEntry;
    state.cr3 = 0x1000;
    state.cr4 = 0x20;
    state.efer = 0x501;
    state.idt = {kIdt, 0xfff};
    state.rip = kHandler;
    state.rflags = 2;
    state.segment[kCs].selector = 0x10;
    state.segment[kCs].l = true;
    state.segment[kSs].selector = 0;
    state.gpr[kRsp] = kStack;
    state.gpr[kRcx] = kProgram + 2;
    state.gpr[kR11] = 0x247;
    state.set_msr(0xc0000081, 0x0023001000000000);
    state.set_msr(kMsrLstar, kLowEntry);
    state.set_msr(0xc0000084, 0x47700);
  }
  void put(std::uint64_t at, std::uint64_t value) { std::memcpy(memory.data() + at, &value, sizeof value); }
  void push(std::uint64_t value) { put(kStack + 8 * pushed++, value); }
  bool complete() {
    return complete_faulted_syscall(state, [this](std::uint64_t at, std::span<std::uint8_t> to) {
      if (at > memory.size() || to.size() > memory.size() - at) return false;
      std::memcpy(to.data(), memory.data() + at, to.size());
      return true;
    });
  }

  std::vector<std::uint8_t> memory = std::vector<std::uint8_t>(0x10000);
  unsigned pushed = 0;
  X86State state;
};

TEST_F(KvmSyscallFault, BecomesAWholeOne) {
  ASSERT_TRUE(complete());
  EXPECT_EQ(state.rip, kLowEntry);
  EXPECT_EQ(state.gpr[kRsp], kUserStack);
  EXPECT_EQ(state.gpr[kRcx], kProgram + 2);
  EXPECT_EQ(state.gpr[kR11], 0x247U);
  EXPECT_EQ(state.rflags, 0x47U) << "IF is in IA32_FMASK";
  const X86Segment& cs = state.segment[kCs];
  EXPECT_EQ(cs.selector, 0x10);
  EXPECT_TRUE(cs.l && !cs.db && cs.g && cs.s && cs.present);
  EXPECT_EQ(cs.dpl, 0);
  EXPECT_EQ(cs.type, 11);
  const X86Segment& ss = state.segment[kSs];
  EXPECT_EQ(ss.selector, 0x18);
  EXPECT_EQ(ss.dpl, 0);
  EXPECT_EQ(ss.type, 3);
  EXPECT_EQ(ss.limit, 0xffffffffU);
}

TEST_F(KvmSyscallFault, WithoutNxAFetchIsARead) {
  put(kStack, 5);
  EXPECT_TRUE(complete());
}

// Whatever else a page fault is, it stays one.
TEST_F(KvmSyscallFault, OtherFaultsStayFaults) {
  const X86State whole = state;
  const std::vector<std::uint8_t> bytes = memory;
  const std::pair<const char*, std::function<void()>> changes[] = {
      {"further in the handler", [this] { state.rip += 3; }},
      {"another address", [this] { state.cr2 = kLowEntry + 1; }},
      {"another entry point", [this] { state.set_msr(kMsrLstar, kLowEntry + 16); }},
      {"SYSCALL is switched off", [this] { state.efer = 0x500; }},
      {"a write", [this] { put(kStack, 7); }},
      {"a page that is not there", [this] { put(kStack, 0x14); }},
      {"a fetch of the kernel's", [this] { put(kStack, 0x11); }},
      {"somewhere else in the program", [this] { put(kStack + 8, kProgram); }},
      {"the kernel's code segment", [this] { put(kStack + 16, 0x10); }},
      {"RCX is not behind a SYSCALL", [this] { state.gpr[kRcx] = kProgram + 3; }},
      {"RCX is nowhere", [this] { state.gpr[kRcx] = 0x7fff00000000; }},
      {"RFLAGS with an IOPL that it did not have", [this] { state.gpr[kR11] = 0x3247; }},
      {"RFLAGS without IF", [this] { state.gpr[kR11] = 0x47; }},
      {"the IDT is not mapped", [this] { state.idt.base = 0x80000000; }},
  };
  for (const auto& [what, change] : changes) {
    state = whole;
    memory = bytes;
    change();
    const X86State before = state;
    EXPECT_FALSE(complete()) << what;
    EXPECT_EQ(state.rip, before.rip) << what;
    EXPECT_EQ(state.gpr, before.gpr) << what;
  }
}

}  // namespace
}  // namespace machina::kvm
