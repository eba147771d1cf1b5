#include <gtest/gtest.h>

#include "accel/x86_inspect.h"
#include "tests/support/sparse_memory.h"

namespace machina {
namespace {

using test::long_mode;
using test::SparseMemory;

TEST(X86Translate, TranslatesLongMode) {
  const X86State s = long_mode();
  SparseMemory m;
  const std::uint64_t linear = 0xffff800000201234;
  m.put(0x1000 + (linear >> 39 & 0x1ff) * 8, 0x2003, 8);
  m.put(0x2000 + (linear >> 30 & 0x1ff) * 8, 0x3003, 8);
  m.put(0x3000 + (linear >> 21 & 0x1ff) * 8, 0x4003, 8);
  m.put(0x4000 + (linear >> 12 & 0x1ff) * 8, 0x8000000000055003, 8);  // NX is not part of the address
  EXPECT_EQ(translate(s, linear, m.reader()), 0x55234U);
  m.put(0x3000 + (linear >> 21 & 0x1ff) * 8, 0x40000083, 8);  // 2 MiB
  EXPECT_EQ(translate(s, linear, m.reader()), 0x40001234U);
  m.put(0x2000 + (linear >> 30 & 0x1ff) * 8, 0xc0000083, 8);  // 1 GiB
  EXPECT_EQ(translate(s, linear, m.reader()), 0xc0201234U);
  m.put(0x2000 + (linear >> 30 & 0x1ff) * 8, 0xc0000082, 8);  // not present
  EXPECT_EQ(translate(s, linear, m.reader()), std::nullopt);
  EXPECT_EQ(translate(s, 0x1000, m.reader()), std::nullopt);
}

TEST(X86Translate, TranslatesFiveLevels) {
  X86State s = long_mode();
  s.cr4 |= 1U << 12;
  SparseMemory m;
  const std::uint64_t linear = 0x0001000000003abc;
  m.put(0x1000 + (linear >> 48 & 0x1ff) * 8, 0x2003, 8);
  m.put(0x2000, 0x3003, 8);
  m.put(0x3000, 0x4003, 8);
  m.put(0x4000, 0x5003, 8);
  m.put(0x5000 + 3 * 8, 0x77003, 8);
  EXPECT_EQ(translate(s, linear, m.reader()), 0x77abcU);
}

TEST(X86Translate, Translates32BitPaging) {
  X86State s = X86State::at_reset(0, true);
  s.cr0 = 0x80000011;
  s.cr3 = 0x1000;
  SparseMemory m;
  const std::uint64_t linear = 0x00403abc;
  m.put(0x1000 + 4, 0x2003, 4);
  m.put(0x2000 + 3 * 4, 0x9003, 4);
  EXPECT_EQ(translate(s, linear, m.reader()), 0x9abcU);
  m.put(0x1000 + 4, 0x00c02083, 4);  // 4 MiB at C00000h, bits 32 and up in 13 and up
  EXPECT_EQ(translate(s, linear, m.reader()), std::nullopt) << "without CR4.PSE it is a table";
  s.cr4 = 0x10;
  EXPECT_EQ(translate(s, linear, m.reader()), 0x100c03abcU);
}

TEST(X86Translate, TranslatesPae) {
  X86State s = X86State::at_reset(0, true);
  s.cr0 = 0x80000011;
  s.cr4 = 0x20;
  s.cr3 = 0x1020;
  SparseMemory m;
  m.put(0x1020 + 2 * 8, 0x3001, 8);
  m.put(0x3000 + 1 * 8, 0x00600083, 8);
  EXPECT_EQ(translate(s, 0x80201234, m.reader()), 0x601234U);
  s.pdptr_valid = true;
  s.pdptr = {1, 1, 0x5001, 1};
  m.put(0x5000 + 1 * 8, 0x00800083, 8);
  EXPECT_EQ(translate(s, 0x80201234, m.reader()), 0x801234U);
  s.pdptr[2] = 0;
  EXPECT_EQ(translate(s, 0x80201234, m.reader()), std::nullopt);
}

TEST(X86Translate, DisassemblesInTheModeOfTheCpu) {
  const std::vector<std::uint8_t> bytes = {0xb8, 0x34, 0x12, 0x00, 0x00};
  X86State s = X86State::at_reset(0, true);
  EXPECT_EQ(disassemble(s, bytes), "mov ax, 0x1234");
  s.cr0 |= 1;
  s.segment[kCs].db = true;
  EXPECT_EQ(disassemble(s, bytes), "mov eax, 0x1234");
  const std::vector<std::uint8_t> rex = {0x48, 0x0f, 0xae, 0x20};
  EXPECT_EQ(disassemble(long_mode(), rex), "xsave64 [rax]");
  EXPECT_EQ(disassemble(long_mode(), std::vector<std::uint8_t>{0x06}), "");
}

}  // namespace
}  // namespace machina
