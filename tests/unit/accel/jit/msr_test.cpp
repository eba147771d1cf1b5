#include "accel/jit/msr.h"

#include <gtest/gtest.h>

#include "accel/jit/fault.h"
#include "accel/jit/features.h"
#include "accel/jit/msr_table.h"
#include "tests/unit/accel/jit/bare_machine.h"

namespace machina::jit {
namespace {

struct JitMsr : testing::Test {
  JitMsr() { m.long_64(); }
  bool write(std::uint32_t index, std::uint64_t value) {
    try {
      return write_msr(m.cpu(), index, value, MsrOrigin::Guest);
    } catch (const GuestFault&) {
      return false;
    }
  }
  std::uint64_t read(std::uint32_t index) {
    std::uint64_t value = 0;
    EXPECT_TRUE(read_msr(m.cpu(), index, value, MsrOrigin::Guest)) << std::hex << index;
    return value;
  }
  bool there(std::uint32_t index) {
    std::uint64_t value = 0;
    return read_msr(m.cpu(), index, value, MsrOrigin::Guest);
  }
  void become_amd() {
    table.set({0, 0, false, 1, 0x68747541, 0x444d4163, 0x69746e65});
    m.cpu().cpuid = &table;
  }
  CpuidTable table;
  BareMachine m;
};

TEST_F(JitMsr, TableIsSortedAndDoesNotOverlap) {
  std::uint64_t end = 0;
  for (const MsrRow& row : msr_rows()) {
    EXPECT_GE(row.first, end) << row.name;
    end = std::uint64_t{row.first} + row.count;
  }
}

TEST_F(JitMsr, InstructionsMoveEdxEax) {
  Cpu& c = m.cpu();
  c.gpr[kRcx] = 0xffffffff00000000 | 0xc0000081;  // RCX bits 63 to 32 are ignored
  c.gpr[kRax] = 0xdead0000'11223344;
  c.gpr[kRdx] = 0xdead0000'55667788;
  m.run({0x0f, 0x30, 0x31, 0xc0, 0x31, 0xd2, 0x0f, 0x32, 0xf4});  // wrmsr; xor eax,eax; xor edx,edx; rdmsr
  EXPECT_EQ(c.msrs.star, 0x5566778811223344U);
  EXPECT_EQ(c.gpr[kRax], 0x11223344U);
  EXPECT_EQ(c.gpr[kRdx], 0x55667788U);
  c.gpr[kRcx] = 0x12345;
  EXPECT_EQ(m.run({0x0f, 0x32, 0xf4}), VcpuExit::Shutdown) << "no such register";
}

TEST_F(JitMsr, AddressesMustBeCanonical) {
  for (const std::uint32_t index : {0xc0000082U, 0xc0000083U, 0xc0000100U, 0xc0000101U, 0xc0000102U, 0x175U, 0x176U}) {
    EXPECT_FALSE(write(index, std::uint64_t{1} << 56)) << std::hex << index;
    EXPECT_TRUE(write(index, std::uint64_t{1} << 47)) << "the model has 57 bits, though CR4.LA57 is clear";
    EXPECT_TRUE(write(index, 0xffff8000'00001234));
    EXPECT_EQ(read(index), 0xffff8000'00001234U);
  }
  EXPECT_EQ(m.cpu().segment_base[kFs], 0xffff8000'00001234U);
}

TEST_F(JitMsr, AddressesHave48BitsWithoutLa57) {
  m.cpu().features[kWord7Ecx] &= ~(1U << feature::kLa57.bit);
  for (const std::uint32_t index : {0xc0000082U, 0xc0000083U, 0xc0000100U, 0xc0000101U, 0xc0000102U, 0x175U, 0x176U}) {
    EXPECT_FALSE(write(index, std::uint64_t{1} << 47)) << std::hex << index;
    EXPECT_TRUE(write(index, 0xffff8000'00001234));
  }
}

// SDM vol. 3, table 12-10: types 2 and 3 do not exist.
TEST_F(JitMsr, PatHasValidTypes) {
  EXPECT_EQ(read(0x277), 0x0007040600070406U);
  EXPECT_FALSE(write(0x277, 0x0007040600070402));
  EXPECT_FALSE(write(0x277, 0x0307040600070406));
  EXPECT_TRUE(write(0x277, 0x0007040600070105));
}

// SDM vol. 3, 12.11.2.
TEST_F(JitMsr, MemoryTypeRangesAreChecked) {
  EXPECT_EQ(read(0xfe) & 0x1ff, 0x108U);
  EXPECT_FALSE(write(0xfe, 0)) << "read-only";
  EXPECT_TRUE(write(0x200, 0x80000006));
  EXPECT_FALSE(write(0x200, 0x80000002));
  EXPECT_FALSE(write(0x200, 0x80000106));
  EXPECT_TRUE(write(0x20f, 0xff80000800));
  EXPECT_FALSE(write(0x20f, 0xff80000801));
  EXPECT_FALSE(write(0x20f, std::uint64_t{1} << m.cpu().physical_bits));
  EXPECT_FALSE(there(0x210));
  EXPECT_TRUE(write(0x26f, 0x0606060606060606));
  EXPECT_EQ(m.cpu().msrs.mtrr_fixed[10], 0x0606060606060606U);
  EXPECT_FALSE(write(0x258, 7));
  EXPECT_TRUE(write(0x2ff, 0xc06));
  EXPECT_FALSE(write(0x2ff, 0x1006));
}

TEST_F(JitMsr, EferHasTheBitsOfTheModel) {
  EXPECT_TRUE(write(0xc0000080, 0xd01));
  EXPECT_EQ(read(0xc0000080), 0xd01U);
  EXPECT_TRUE(write(0xc0000080, 0x901)) << "LMA is not written";
  EXPECT_EQ(read(0xc0000080), 0xd01U);
  EXPECT_FALSE(write(0xc0000080, 0x1d01)) << "SVME";
  EXPECT_TRUE(write(0xc0000080, 0x200d01)) << "automatic IBRS";
  set_feature(m.cpu().features, "auto-ibrs", false);
  EXPECT_FALSE(write(0xc0000080, 0x200d01));
  set_feature(m.cpu().features, "nx", false);
  EXPECT_FALSE(write(0xc0000080, 0xd01));
}

// SDM vol. 3, 18.17.3.
TEST_F(JitMsr, TscAndItsAdjustmentMoveTogether) {
  m.time_stamp = 1000;
  EXPECT_TRUE(write(0x10, 5000));
  EXPECT_EQ(read(0x3b), 4000U);
  EXPECT_TRUE(write(0x3b, 1));
  EXPECT_EQ(m.time_stamp, 1001U);
  EXPECT_EQ(read(0x10), 1001U);
}

TEST_F(JitMsr, TheLocalApicHasItsOwn) {
  m.msrs[0x830] = 0;
  m.msrs[0x1b] = 0xfee00900;
  EXPECT_TRUE(write(0x830, 0x4000000fb));
  EXPECT_EQ(m.msrs[0x830], 0x4000000fbU);
  EXPECT_EQ(read(0x1b), 0xfee00900U);
  EXPECT_FALSE(there(0x802)) << "which the APIC refuses";
  set_feature(m.cpu().features, "x2apic", false);
  EXPECT_FALSE(write(0x830, 0));
}

TEST_F(JitMsr, VendorsHaveTheirOwn) {
  EXPECT_TRUE(there(0x17));
  EXPECT_FALSE(there(0xc0010010));
  become_amd();
  EXPECT_FALSE(there(0x17));
  EXPECT_TRUE(there(0xc0010010));
  EXPECT_TRUE(there(0xc0010015));
  EXPECT_EQ(read(0x8b), 0x01000065U);
}

TEST_F(JitMsr, MachineCheckBanks) {
  EXPECT_EQ(read(0x179), 0x10aU);
  EXPECT_TRUE(write(0x401, 0));
  EXPECT_FALSE(write(0x401, 1)) << "a status is only cleared";
  EXPECT_FALSE(write(0x400, 5));
  EXPECT_TRUE(write(0x400, ~std::uint64_t{0}));
  EXPECT_FALSE(there(0x428)) << "ten banks";
  become_amd();
  EXPECT_TRUE(write(0xc0010015, 1U << 18));
  EXPECT_TRUE(write(0x401, 1)) << "HWCR.McStatusWrEn";
}

TEST_F(JitMsr, AStateGoesOutAndIn) {
  write(0xc0000082, 0x1234000);
  write(0x277, 0x0007040600070105);
  write(0x201, 0xff80000800);
  write(0x3b, 77);
  m.cpu().smbase = 0xa0000;
  X86State state;
  store_msrs(m.cpu(), state);
  EXPECT_EQ(state.msr(0xc0000082), 0x1234000U);
  EXPECT_EQ(state.msr(0x9e), 0xa0000U);
  EXPECT_EQ(state.msr(0x10), m.time_stamp);
  BareMachine other;
  other.long_64();
  other.time_stamp = 5;
  EXPECT_TRUE(load_msrs(other.cpu(), state).empty());
  X86State again;
  store_msrs(other.cpu(), again);
  EXPECT_EQ(again.msrs, state.msrs);
  EXPECT_EQ(other.cpu().msrs.tsc_adjust, 77U);
  // One that the state does not have gets its value at power-on.
  EXPECT_TRUE(load_msrs(other.cpu(), X86State{}).empty());
  EXPECT_EQ(other.cpu().msrs.pat, 0x0007040600070406U);
  EXPECT_EQ(other.cpu().smbase, 0x30000U);
  EXPECT_EQ(other.cpu().msrs.lstar, 0U);
}

}  // namespace
}  // namespace machina::jit
