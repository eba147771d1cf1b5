#include "accel/kvm/kvm_debug.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>

#include "accel/kvm/kvm_api.h"
#include "core/error.h"
#include "core/machine_lock.h"
#include "core/memory/memory_region.h"

namespace machina::kvm {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Why = DebugStop::Why;

Breakpoint software(std::uint64_t linear) { return {BreakpointKind::Software, linear, 1}; }
Breakpoint hardware(std::uint64_t linear) { return {BreakpointKind::Hardware, linear, 1}; }
Breakpoint watch(std::uint64_t linear, std::uint64_t size, BreakpointKind kind = BreakpointKind::Write) {
  return {kind, linear, size};
}
DebugRequest request(std::vector<Breakpoint> breakpoints) {
  DebugRequest r;
  r.breakpoints = std::move(breakpoints);
  return r;
}
std::string refusal(const std::function<void()>& what) {
  try {
    what();
  } catch (const Error& e) {
    return e.what();
  }
  return "none";
}

// --- which breakpoint goes where ---

TEST(KvmDebugRegisters, SoftwareBreakpointsHaveThemWhileTheyLast) {
  const DebugAssignment a =
      assign_debug_registers(request({software(1), software(2), software(3), software(4), software(5), software(6)}));
  EXPECT_THAT(a.address, ElementsAre(1, 2, 3, 4));
  EXPECT_EQ(a.dr7, 0x4aaU);
  EXPECT_THAT(a.patched, ElementsAre(5, 6));
}

TEST(KvmDebugRegisters, HardwareOnesAndWatchesComeFirst) {
  const DebugAssignment a =
      assign_debug_registers(request({software(1), software(2), hardware(3), watch(0x1004, 4), software(5)}));
  EXPECT_THAT(a.address, ElementsAre(3, 0x1004, 1, 2));
  EXPECT_THAT(a.registers, ElementsAre(2, 3, 0, 1));
  EXPECT_EQ(a.dr7, 0x4aaU | 0xd00000U) << "four bytes, writes";
  EXPECT_THAT(a.patched, ElementsAre(5));
}

// SDM vol. 3, 18.2.5.
TEST(KvmDebugRegisters, AWatchIsCutIntoAlignedPieces) {
  const DebugAssignment a = assign_debug_registers(request({watch(0x1003, 11, BreakpointKind::Access)}));
  EXPECT_THAT(a.address, ElementsAre(0x1003, 0x1004, 0x1008, 0x100c));
  // 1, 4, 4 and 2 bytes, reads and writes
  EXPECT_EQ(a.dr7, 0x4aaU | 0x3U << 16 | 0xfU << 20 | 0xfU << 24 | 0x7U << 28);
  const DebugAssignment eight = assign_debug_registers(request({watch(0x1008, 8)}));
  EXPECT_EQ(eight.dr7, 0x402U | 0x9U << 16);
}

TEST(KvmDebugRegisters, SaysWhatTheyCannotDo) {
  EXPECT_THAT(refusal([] { assign_debug_registers(request({watch(1, 17)})); }), HasSubstr("only four debug registers"));
  EXPECT_THAT(refusal([] {
                assign_debug_registers(request({hardware(1), hardware(2), hardware(3), hardware(4), hardware(5)}));
              }),
              HasSubstr("only four debug registers"));
  EXPECT_THAT(refusal([] { assign_debug_registers(request({watch(1, 1, BreakpointKind::Read)})); }),
              HasSubstr("cannot watch reads alone"));
  EXPECT_THAT(refusal([] { assign_debug_registers(request({watch(1, 0)})); }), HasSubstr("no bytes"));
}

// --- int3 in memory ---

class KvmDebugMemory : public testing::Test {
 protected:
  static constexpr std::uint64_t kRom = 0x100000, kSize = 0x4000;
  KvmDebugMemory() {
    const MachineLock::Guard guard(lock);
    ram = RamBlock::create("ram", kSize);
    rom = RamBlock::create("rom", kSize);
    std::memset(ram->host(), 0x90, kSize);
    ram_region = std::make_unique<RamRegion>("ram", ram, false);
    rom_region = std::make_unique<RamRegion>("rom", rom, true);
    const MemoryTransaction transaction;
    root.add(0, *ram_region);
    root.add(kRom, *rom_region);
  }
  std::uint8_t at(std::uint64_t physical) const { return ram->host()[physical]; }

  MachineLock lock;
  ContainerRegion root{"root", MemoryRegion::kWholeSpace};
  AddressSpace memory{"memory", root, lock};
  std::shared_ptr<RamBlock> ram, rom;
  std::unique_ptr<RamRegion> ram_region, rom_region;
  PatchedMemory patches{memory};
};

TEST_F(KvmDebugMemory, Int3IsThereWhileTheMachineRuns) {
  patches.add(0x10);
  EXPECT_EQ(at(0x10), 0x90);
  patches.running(true);
  EXPECT_EQ(at(0x10), 0xcc);
  patches.running(false);
  EXPECT_EQ(at(0x10), 0x90);
  patches.running(true);
  patches.remove(0x10);
  EXPECT_EQ(at(0x10), 0x90) << "taken out while it runs";
  patches.add(0x11);
  EXPECT_EQ(at(0x11), 0xcc);
}

TEST_F(KvmDebugMemory, SeveralVcpusShareOne) {
  patches.add(0x10);
  patches.add(0x10);
  patches.running(true);
  patches.remove(0x10);
  EXPECT_EQ(at(0x10), 0xcc);
  patches.remove(0x10);
  EXPECT_EQ(at(0x10), 0x90);
  patches.remove(0x10);  // of nobody
}

TEST_F(KvmDebugMemory, WhatTheGuestWritesOverItStays) {
  patches.add(0x10);
  patches.running(true);
  ram->host()[0x10] = 0x55;
  patches.running(false);
  EXPECT_EQ(at(0x10), 0x55);
  patches.running(true);
  EXPECT_EQ(at(0x10), 0xcc) << "and is what it stops at next time";
  patches.running(false);
  EXPECT_EQ(at(0x10), 0x55);
}

TEST_F(KvmDebugMemory, NeverInRomNorInNothing) {
  EXPECT_THAT(refusal([&] { patches.add(kRom + 5); }), HasSubstr("is in ROM"));
  EXPECT_THAT(refusal([&] { patches.add(0x50000); }), HasSubstr("no RAM at 0x50000"));
}

TEST_F(KvmDebugMemory, RamThatIsGoneMeanwhileIsNotTouched) {
  patches.add(0x10);
  {
    const MachineLock::Guard guard(lock);
    const MemoryTransaction transaction;
    root.remove(*ram_region);
  }
  patches.running(true);
  EXPECT_EQ(at(0x10), 0x90);
  patches.running(false);
}

// --- one vCPU ---

/// The calls of a vCPU that a debugger leads to. Linear addresses up to 64 KiB are mapped, to themselves.
class VcpuCalls final : public Calls {
 public:
  std::vector<kvm_guest_debug> told;
  std::vector<kvm_vcpu_events> given_back;
  std::uint32_t event_flags = KVM_VCPUEVENT_VALID_PAYLOAD;
  std::uint64_t rip = 0, cs_base = 0;

  int ioctl(int, unsigned long number, void* argument) override {
    switch (number) {
      case KVM_SET_GUEST_DEBUG:
        told.push_back(*static_cast<kvm_guest_debug*>(argument));
        return 0;
      case KVM_TRANSLATE: {
        auto* t = static_cast<kvm_translation*>(argument);
        t->valid = t->linear_address < 0x10000;
        t->physical_address = t->linear_address;
        return 0;
      }
      case KVM_GET_VCPU_EVENTS: {
        kvm_vcpu_events events{};
        events.flags = event_flags;
        *static_cast<kvm_vcpu_events*>(argument) = events;
        return 0;
      }
      case KVM_SET_VCPU_EVENTS:
        given_back.push_back(*static_cast<kvm_vcpu_events*>(argument));
        return 0;
      case KVM_GET_REGS: {
        kvm_regs regs{};
        regs.rip = rip;
        *static_cast<kvm_regs*>(argument) = regs;
        return 0;
      }
      case KVM_GET_SREGS: {
        kvm_sregs sregs{};
        sregs.cs.base = cs_base;
        *static_cast<kvm_sregs*>(argument) = sregs;
        return 0;
      }
      default:
        errno = EINVAL;
        return -1;
    }
  }
  int open_device() override { return 3; }
  void* map(int, std::size_t) override { return nullptr; }
  void unmap(void*, std::size_t) override {}
  void close(int) override {}
};

class KvmDebugVcpu : public KvmDebugMemory {
 protected:
  static kvm_run debug_exit(std::uint32_t exception, std::uint64_t pc, std::uint64_t dr6 = 0) {
    kvm_run run{};
    run.exit_reason = KVM_EXIT_DEBUG;
    run.debug.arch = {exception, 0, pc, dr6, 0};
    return run;
  }
  VcpuCalls calls;
  Fd fd{calls, 5};
  GuestDebug debug{fd, patches, KVM_GUESTDBG_BLOCKIRQ};
  DebugRequest many = request({software(0x10), software(0x11), software(0x12), software(0x13), software(0x14)});
};

TEST_F(KvmDebugVcpu, TellsKvmOnceForEachRequestAndState) {
  debug.tell();
  EXPECT_TRUE(calls.told.empty()) << "nobody has asked";
  debug.set(request({software(0x10), watch(0x20, 2)}));
  debug.tell();
  debug.tell();
  ASSERT_EQ(calls.told.size(), 1U);
  EXPECT_EQ(calls.told[0].control, static_cast<std::uint32_t>(KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP));
  EXPECT_EQ(calls.told[0].arch.debugreg[0], 0x20U);
  EXPECT_EQ(calls.told[0].arch.debugreg[1], 0x10U);
  EXPECT_EQ(calls.told[0].arch.debugreg[7], 0x5040aU);
  debug.state_loaded();
  debug.tell();
  EXPECT_EQ(calls.told.size(), 2U);
  debug.set({});
  debug.tell();
  ASSERT_EQ(calls.told.size(), 3U);
  EXPECT_EQ(calls.told[2].control, 0U);
}

TEST_F(KvmDebugVcpu, StepsWithInterruptsHeldWhereKvmCan) {
  DebugRequest step;
  step.single_step = step.hold_interrupts = true;
  debug.set(step);
  debug.tell();
  EXPECT_EQ(calls.told.at(0).control,
            static_cast<std::uint32_t>(KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP | KVM_GUESTDBG_BLOCKIRQ));
  EXPECT_TRUE(debug.holds_interrupts());
  GuestDebug old(fd, patches, 0);
  old.set(step);
  old.tell();
  EXPECT_EQ(calls.told.at(1).control, static_cast<std::uint32_t>(KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP));
}

TEST_F(KvmDebugVcpu, Int3OfOursStopsAndTheGuestsIsGivenBack) {
  debug.set(many);
  debug.tell();
  EXPECT_TRUE(calls.told.at(0).control & KVM_GUESTDBG_USE_SW_BP);
  ASSERT_TRUE(debug.stops(debug_exit(3, 0x14)));
  EXPECT_EQ(debug.stop().why, Why::Breakpoint);
  EXPECT_EQ(debug.stop().linear, 0x14U);
  EXPECT_TRUE(calls.given_back.empty());
  EXPECT_FALSE(debug.stops(debug_exit(3, 0x99)));
  ASSERT_EQ(calls.given_back.size(), 1U);
  EXPECT_EQ(calls.given_back[0].exception.nr, 3);
  EXPECT_TRUE(calls.given_back[0].exception.injected);
}

TEST_F(KvmDebugVcpu, Dr6SaysWhichRegisterIsMeant) {
  debug.set(request({hardware(0x10), watch(0x20, 1, BreakpointKind::Access)}));
  ASSERT_TRUE(debug.stops(debug_exit(1, 0x10, 1)));
  EXPECT_EQ(debug.stop().why, Why::Breakpoint);
  EXPECT_EQ(debug.stop().kind, BreakpointKind::Hardware);
  ASSERT_TRUE(debug.stops(debug_exit(1, 0x55, 2)));
  EXPECT_EQ(debug.stop().why, Why::Watchpoint);
  EXPECT_EQ(debug.stop().kind, BreakpointKind::Access);
  EXPECT_EQ(debug.stop().linear, 0x20U);
}

TEST_F(KvmDebugVcpu, TheGuestsOwnStepsAreGivenBack) {
  debug.set(request({hardware(0x10)}));
  EXPECT_FALSE(debug.stops(debug_exit(1, 0x55, 0x4000)));
  ASSERT_EQ(calls.given_back.size(), 1U);
  EXPECT_EQ(calls.given_back[0].exception.nr, 1);
  EXPECT_TRUE(calls.given_back[0].exception.pending);
  EXPECT_EQ(calls.given_back[0].exception_payload, 0x4000U);
  calls.event_flags = 0;  // a KVM without payloads
  EXPECT_FALSE(debug.stops(debug_exit(1, 0x55, 0x4000)));
  EXPECT_TRUE(calls.given_back[1].exception.injected);
  DebugRequest step;
  step.single_step = true;
  debug.set(step);
  EXPECT_TRUE(debug.stops(debug_exit(1, 0x56, 0x4000)));
  EXPECT_EQ(debug.stop().why, Why::Step);
  EXPECT_EQ(debug.stop().linear, 0x56U);
}

// A KVM that emulates kernel mode has no idea of int3.
TEST_F(KvmDebugVcpu, AnEmulatorThatGivesUpAtOurInt3HasStopped) {
  EXPECT_FALSE(debug.stops_at_patch());
  debug.set(many);
  calls.cs_base = 0x10;
  calls.rip = 4;
  EXPECT_TRUE(debug.stops_at_patch());
  EXPECT_EQ(debug.stop().linear, 0x14U);
  calls.rip = 5;
  EXPECT_FALSE(debug.stops_at_patch());
}

TEST_F(KvmDebugVcpu, AHaltEndsAStep) {
  EXPECT_FALSE(debug.stops_halted());
  DebugRequest step;
  step.single_step = true;
  debug.set(step);
  EXPECT_TRUE(debug.stops_halted());
  EXPECT_TRUE(debug.stop().halted);
}

TEST_F(KvmDebugVcpu, ARefusalLeavesTheRequestBefore) {
  patches.running(true);
  debug.set(many);
  EXPECT_EQ(at(0x14), 0xcc);
  DebugRequest more = many;
  more.breakpoints.push_back(software(0x15));
  more.breakpoints.push_back(software(0x20000));
  EXPECT_THAT(refusal([&] { debug.set(more); }), HasSubstr("no memory is mapped at 0x20000 now"));
  EXPECT_EQ(debug.request(), many);
  EXPECT_EQ(at(0x14), 0xcc);
  EXPECT_EQ(at(0x15), 0x90);
  debug.set({});
  EXPECT_EQ(at(0x14), 0x90);
}

TEST_F(KvmDebugVcpu, ItsInt3GoWithIt) {
  patches.running(true);
  {
    GuestDebug second(fd, patches, 0);
    second.set(many);
    EXPECT_EQ(at(0x14), 0xcc);
  }
  EXPECT_EQ(at(0x14), 0x90);
}

}  // namespace
}  // namespace machina::kvm
