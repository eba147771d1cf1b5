#include "accel/jit/task.h"

#include <gtest/gtest.h>

#include "tests/unit/accel/jit/descriptor_tables.h"

// Task switches: SDM vol. 3, 7.3, with the TSS of figure 7-2.

namespace machina::jit {
namespace {

constexpr std::uint64_t kCode = BareMachine::kCode, kStack = BareMachine::kStack;
using Tables = DescriptorTables;

struct Task : testing::Test {
  static constexpr std::uint64_t kNew = 0x5000, kEntry = 0x11000, kNewStack = 0x60000;
  static constexpr std::uint16_t kTask = Tables::kFree, kGate = Tables::kFree + 8;

  Task() : tables((m.protected_32(), m)) {
    tables.stop_at_every_vector();
    tables.segment(kTask, 0x89, kNew, 0x67);
    tables.call_gate(kGate, 0, 0x85, kTask);
    field(0x20, kEntry);
    field(0x24, kCf | 2);
    for (unsigned i = 0; i < 8; ++i) field(0x28 + 4 * i, 0x1000 + i);
    field(0x28 + 16, kNewStack);
    for (unsigned i = 0; i < 6; ++i) field(0x48 + 4 * i, i == kCs ? Tables::kCode0 : Tables::kData0);
    field(0x60, 0);
    field(0x64, 0);
    m.put<std::uint8_t>(kEntry, 0xf4);
  }
  void field(unsigned offset, std::uint64_t value) {
    m.put<std::uint32_t>(kNew + offset, static_cast<std::uint32_t>(value));
  }
  std::uint32_t old(unsigned offset) const { return m.get<std::uint32_t>(Tables::kTss + offset); }

  BareMachine m;
  Tables tables;
};

TEST_F(Task, JumpSavesOneAndLoadsTheOther) {
  m.cpu().gpr[kRax] = 0xaaaa;
  m.cpu().set_eflags(kZf);
  m.cpu().dr7 = 0x555;
  m.run({0xea, 0, 0, 0, 0, kTask, 0});
  EXPECT_EQ(m.cpu().rip, kEntry + 1);
  EXPECT_EQ(m.cpu().gpr[kRax], 0x1000U);
  EXPECT_EQ(m.cpu().gpr[kRdi], 0x1007U);
  EXPECT_EQ(m.cpu().gpr[kRsp], kNewStack);
  EXPECT_EQ(m.cpu().eflags(), kCf | 2U);
  EXPECT_EQ(m.cpu().tr.selector, kTask);
  EXPECT_EQ(tables.rights_byte(kTask), 0x8b);
  EXPECT_EQ(tables.rights_byte(Tables::kTssSelector), 0x89);
  EXPECT_TRUE(m.cpu().cr0 & kCr0Ts);
  EXPECT_EQ(m.cpu().dr7, 0x400U) << "local breakpoints are the task's";
  EXPECT_EQ(old(0x20), kCode + 7);
  EXPECT_EQ(old(0x24), kZf | 2U);
  EXPECT_EQ(old(0x28), 0xaaaaU);
  EXPECT_EQ(old(0x38), kStack);
  EXPECT_EQ(old(0x4c) & 0xffff, Tables::kCode0);
}

TEST_F(Task, CallNestsAndIretComesBack) {
  m.put<std::uint8_t>(kEntry, 0xcf);
  m.cpu().gpr[kRax] = 0xaaaa;
  m.run({0x9a, 0, 0, 0, 0, kGate, 0, 0xf4});  // by a task gate
  EXPECT_EQ(m.cpu().rip, kCode + 8);
  EXPECT_EQ(m.cpu().gpr[kRax], 0xaaaaU);
  EXPECT_EQ(m.cpu().tr.selector, Tables::kTssSelector);
  EXPECT_EQ(m.get<std::uint16_t>(kNew), Tables::kTssSelector) << "the back link";
  EXPECT_EQ(tables.rights_byte(kTask), 0x89);
  EXPECT_EQ(tables.rights_byte(Tables::kTssSelector), 0x8b);
  EXPECT_EQ(m.get<std::uint32_t>(kNew + 0x24), kCf | 2U) << "NT is clear in what IRET leaves";
  EXPECT_EQ(m.get<std::uint32_t>(kNew + 0x20), kEntry + 1);
  EXPECT_FALSE(m.cpu().system_flags & kNt);
}

TEST_F(Task, AnInterruptByATaskGate) {
  tables.gate(13, 0, 0x85, kTask);
  m.cpu().gpr[kRax] = 0x1f8;
  m.run({0x8e, 0xd8});  // mov ds, ax: #GP(1f8h)
  EXPECT_EQ(m.cpu().rip, kEntry + 1);
  EXPECT_EQ(m.cpu().gpr[kRsp], kNewStack - 4);
  EXPECT_EQ(m.get<std::uint32_t>(kNewStack - 4), 0x1f8U);
  EXPECT_TRUE(m.cpu().system_flags & kNt);
  EXPECT_EQ(old(0x20), kCode);
  EXPECT_EQ(old(0x24), kRf | 2U) << "RF is set for a fault";
  EXPECT_EQ(tables.rights_byte(Tables::kTssSelector), 0x8b);
}

TEST_F(Task, ADoubleFaultByATaskGateRescuesABadStack) {
  tables.gate(8, 0, 0x85, kTask);
  m.cpu().set_segment(kSs, {.selector = Tables::kData0, .rights = 0x4093, .limit = 0xfff, .base = 0});
  m.cpu().update_mode();
  m.run({0x50});  // push eax: #SS(0), whose handler has no stack either
  EXPECT_EQ(m.cpu().rip, kEntry + 1);
  EXPECT_EQ(m.get<std::uint32_t>(kNewStack - 4), 0U);
  EXPECT_EQ(old(0x20), kCode);
}

TEST_F(Task, DescriptorsAreChecked) {
  const auto faults = [&](std::uint16_t selector, Vector vector, std::uint32_t error) {
    m.protected_32();
    m.run({0xea, 0, 0, 0, 0, static_cast<std::uint8_t>(selector), 0});
    EXPECT_EQ(tables.stopped_at(), static_cast<int>(vector));
    EXPECT_EQ(tables.stacked(0), error);
    EXPECT_EQ(tables.stacked(1), kCode) << "the task that jumps";
    EXPECT_EQ(m.cpu().tr.selector, Tables::kTssSelector);
  };
  faults(Tables::kTssSelector, Vector::GeneralProtection, Tables::kTssSelector);  // busy
  tables.segment(kTask, 0x09, kNew, 0x67);
  faults(kTask, Vector::SegmentNotPresent, kTask);
  faults(kGate, Vector::SegmentNotPresent, kTask);
  tables.segment(kTask, 0x89, kNew, 0x66);
  faults(kTask, Vector::InvalidTss, kTask);
  tables.call_gate(kGate, 0, 0x85, Tables::kCode0);
  faults(kGate, Vector::GeneralProtection, Tables::kCode0);
  tables.call_gate(kGate, 0, 0x05, kTask);
  faults(kGate, Vector::SegmentNotPresent, kGate);
}

TEST_F(Task, SegmentsOfTheNewTaskFaultInIt) {
  const auto faults = [&](Vector vector, std::uint32_t error) {
    m.protected_32();
    m.cpu().tr = {.selector = Tables::kTssSelector, .rights = 0x8b, .limit = 0x67, .base = Tables::kTss};
    tables.segment(kTask, 0x89, kNew, 0x67);
    // The handler has a task of its own: the new one may have no stack.
    tables.gate(static_cast<std::uint8_t>(vector), 0, 0x85, Tables::kFree + 16);
    tables.segment(Tables::kFree + 16, 0x89, 0x6000, 0x67);
    std::memcpy(m.ram() + 0x6000, m.ram() + kNew, 0x68);
    m.put<std::uint32_t>(0x6020, 0x12000);
    m.put<std::uint32_t>(0x6038, kNewStack - 0x1000);
    m.put<std::uint32_t>(0x604c, Tables::kCode0);
    m.put<std::uint32_t>(0x6050, Tables::kData0);
    m.put<std::uint32_t>(0x6054, Tables::kData0);
    m.put<std::uint32_t>(0x6060, 0);
    m.put<std::uint8_t>(0x12000, 0xf4);
    m.run({0xea, 0, 0, 0, 0, kTask, 0});
    EXPECT_EQ(m.cpu().rip, 0x12001U);
    EXPECT_EQ(m.get<std::uint32_t>(kNewStack - 0x1004), error);
    EXPECT_EQ(m.get<std::uint16_t>(0x6000), kTask) << "it is the new task that was interrupted";
    EXPECT_EQ(m.get<std::uint32_t>(kNew + 0x20), kEntry);
  };
  field(0x60, Tables::kData0);
  faults(Vector::InvalidTss, Tables::kData0);  // LDT
  field(0x60, 0);
  field(0x48 + 4 * kCs, Tables::kData0);
  faults(Vector::InvalidTss, Tables::kData0);
  field(0x48 + 4 * kCs, Tables::kCode0);
  field(0x48 + 4 * kSs, Tables::kData3);
  faults(Vector::InvalidTss, Tables::kData3 & ~3U);
  field(0x48 + 4 * kSs, Tables::kData0);
  tables.segment(Tables::kFree + 24, 0xc013);
  field(0x48 + 4 * kDs, Tables::kFree + 24);
  faults(Vector::SegmentNotPresent, Tables::kFree + 24);
}

TEST_F(Task, TheTrapBitRaisesDebugBeforeTheFirstInstruction) {
  field(0x64, 1);
  m.run({0xea, 0, 0, 0, 0, kTask, 0});
  EXPECT_EQ(tables.stopped_at(), 1);
  EXPECT_EQ(tables.stacked(0), kEntry);
  EXPECT_EQ(m.cpu().dr6 & 0xe000, 0x8000U);
}

TEST_F(Task, SwitchesToVirtual8086) {
  field(0x20, 0x10);
  field(0x24, kVm | kIopl | 2);
  field(0x48 + 4 * kCs, 0x3000);
  field(0x48 + 4 * kSs, 0x4000);
  field(0x28 + 16, 0x100);
  m.put_code(0x30010, std::array<std::uint8_t, 2>{0x0f, 0x0b});
  m.put<std::uint32_t>(kNew + 4, Tables::kInnerStack);
  m.put<std::uint32_t>(kNew + 8, Tables::kData0);
  m.run({0xea, 0, 0, 0, 0, kTask, 0});
  EXPECT_EQ(tables.stopped_at(), 6);
  EXPECT_EQ(tables.stacked(1), 0x3000U);
  EXPECT_EQ(tables.stacked(4), 0x4000U);
}

TEST_F(Task, Of16Bits) {
  tables.segment(kTask, 0x81, kNew, 0x2b);
  tables.segment(Tables::kFree + 16, 0x009b, 0x10000, 0xffff);
  tables.segment(Tables::kFree + 24, 0x0093, 0x60000, 0xffff);
  const auto word = [&](unsigned offset, unsigned value) {
    m.put<std::uint16_t>(kNew + offset, static_cast<std::uint16_t>(value));
  };
  word(0x0e, 0x1000);
  word(0x10, 2);
  for (unsigned i = 0; i < 8; ++i) word(0x12 + 2 * i, 0x100 + i);
  word(0x1a, 0x8000);
  word(0x22, 0);
  word(0x24, Tables::kFree + 16);
  word(0x26, Tables::kFree + 24);
  word(0x28, 0);
  word(0x2a, 0);
  m.put_code(0x11000, std::array<std::uint8_t, 2>{0x50, 0xcf});  // push ax; iret
  m.run({0x9a, 0, 0, 0, 0, kTask, 0, 0xf4});
  EXPECT_EQ(m.cpu().rip, kCode + 8);
  EXPECT_EQ(m.get<std::uint16_t>(0x67ffe), 0x100);
  EXPECT_EQ(m.get<std::uint16_t>(kNew + 0x0e), 0x1002);
  EXPECT_EQ(m.get<std::uint16_t>(kNew + 0x1a), 0x7ffe);
}

// The accessed bit that the switch sets lies in the block whose last instruction switches: nothing may start over then.
TEST_F(Task, MayMarkADescriptorThatLiesInItsOwnCode) {
  constexpr std::uint16_t kOwn = Tables::kFree + 16;
  m.cpu().gdt.base = kCode - kOwn;
  for (std::uint16_t at = 0; at < kOwn; at += 8)
    m.put<std::uint64_t>(m.cpu().gdt.base + at, m.get<std::uint64_t>(Tables::kGdt + at));
  field(0x48 + 4 * kDs, kOwn);
  // mov eax, FFh; xchg eax, edx; inc eax; nop: also a descriptor of writable data that has not been accessed
  EXPECT_EQ(m.run({0xb8, 0xff, 0, 0, 0, 0x92, 0x40, 0x90, 0xea, 0, 0, 0, 0, kTask, 0}), VcpuExit::HaltedMasked);
  EXPECT_EQ(m.cpu().rip, kEntry + 1);
  EXPECT_EQ(m.cpu().segment[kDs].selector, kOwn);
  EXPECT_EQ(m.get<std::uint8_t>(kCode + 5), 0x93);
}

}  // namespace
}  // namespace machina::jit
