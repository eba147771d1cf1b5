#include <gtest/gtest.h>

#include "tests/unit/accel/jit/bare_machine.h"

namespace machina::jit {
namespace {

// MOV of the accumulator with an offset of 64 bits: SDM vol. 2, MOV, opcodes A0 to A3.
TEST(JitAbsoluteAddress, HasAll64Bits) {
  BareMachine m;
  m.long_64();
  // FS is where the upper half of the offset leads back into memory.
  m.cpu().set_segment(kFs, {.selector = 0, .rights = 0, .limit = 0, .base = 0xffffff8000000000});
  m.put<std::uint64_t>(0x20000, 0x1122334455667788);
  // mov rax, fs:[8000020000h]; mov fs:[8000020010h], eax; ud2
  m.run({0x64, 0x48, 0xa1, 0, 0, 2, 0, 0x80, 0, 0, 0, 0x64, 0xa3, 0x10, 0, 2, 0, 0x80, 0, 0, 0, 0x0f, 0x0b});
  EXPECT_EQ(m.cpu().gpr[kRax], 0x1122334455667788U);
  EXPECT_EQ(m.get<std::uint64_t>(0x20010), 0x55667788U);
}

}  // namespace
}  // namespace machina::jit
