#include "accel/jit/run.h"

#include <gtest/gtest.h>

#include "tests/unit/accel/jit/bare_machine.h"

namespace machina::jit {
namespace {

// Every bench of instructions stands on this: 64-bit code that stores, loops and changes itself.
TEST(JitRun, LoopsAndStores) {
  BareMachine m;
  m.long_64();
  // mov ecx, 1000; xor eax, eax; l: add rax, rcx; mov [0x20000], rax; dec ecx; jnz l; ud2
  m.run({0xb9, 0xe8, 3, 0, 0, 0x31, 0xc0, 0x48, 1,    0xc8, 0x48, 0x89,
         4,    0x25, 0, 0, 2, 0,    0xff, 0xc9, 0x75, 0xf1, 0x0f, 0x0b});
  EXPECT_EQ(m.cpu().gpr[kRax], 500500U);
  EXPECT_EQ(m.get<std::uint64_t>(0x20000), 500500U);
  EXPECT_EQ(m.cpu().rip, BareMachine::kCode + 22);
}

TEST(JitRun, SeesWhatItWroteIntoItsOwnBlock) {
  BareMachine m;
  m.long_64();
  // mov byte [rip+1], 7; mov al, 1 (becomes 7); ud2
  m.run({0xc6, 5, 1, 0, 0, 0, 7, 0xb0, 1, 0x0f, 0x0b});
  EXPECT_EQ(m.cpu().gpr[kRax], 7U);
  EXPECT_EQ(m.cpu().rip, BareMachine::kCode + 9);
}

}  // namespace
}  // namespace machina::jit
