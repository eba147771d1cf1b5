#include "accel/kvm/kvm_syscall.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace machina::kvm
