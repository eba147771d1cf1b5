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

// POP moves the stack pointer once, also when what it pops goes into the block that runs.
TEST(JitRun, PopIntoItsOwnBlock) {
  BareMachine m;
  m.long_64();
  m.put<std::uint64_t>(BareMachine::kStack, 0x0b0f07b0);  // mov al, 7; ud2
  m.run({0x8f, 5, 0, 0, 0, 0, 0xb0, 1, 0x0f, 0x0b});      // pop qword [rip]; mov al, 1
  EXPECT_EQ(m.cpu().gpr[kRax], 7U);
  EXPECT_EQ(m.cpu().gpr[kRsp], BareMachine::kStack + 8);
}

// The instruction that is not wholly within the limit of CS faults, with all before it done. SDM vol. 3, 6.15, #GP.
TEST(JitRun, TheLimitOfCsEndsABlock) {
  for (const bool known : {false, true}) {
    BareMachine m;
    constexpr std::uint64_t kBase = 0x20010, kLast = 0xffff;                            // in the middle of a page
    for (unsigned i = 0; i < 8; ++i) m.put<std::uint8_t>(kBase + kLast - 3 + i, 0x40);  // inc ax
    m.put<std::uint8_t>(kBase + kLast + 5, 0xf4);
    if (known) {  // the same bytes as a block that lies wholly within
      m.cpu().set_segment(kCs, {.selector = 0x2801, .rights = 0x9b, .limit = 0xffff, .base = kBase + 0x8000});
      m.cpu().rip = kLast - 3 - 0x8000;
      run_blocks(m.cpu());
      EXPECT_EQ(m.cpu().gpr[kRax], 8U);
    }
    m.cpu().gpr[kRax] = 0;
    m.put<std::uint16_t>(13 * 4, 0x100);  // #GP: hlt
    m.put<std::uint16_t>(13 * 4 + 2, 0);
    m.put<std::uint8_t>(0x100, 0xf4);
    m.cpu().set_segment(kCs, {.selector = 0x2001, .rights = 0x9b, .limit = 0xffff, .base = kBase});
    m.cpu().rip = kLast - 3;
    m.cpu().gpr[kRsp] = 0x1000;
    m.cpu().update_mode();
    EXPECT_EQ(run_blocks(m.cpu()), VcpuExit::HaltedMasked);
    EXPECT_EQ(m.cpu().gpr[kRax], 4U) << known;
    EXPECT_EQ(m.cpu().rip, 0x101U);
    EXPECT_EQ(m.get<std::uint16_t>(0xffa), 0U) << "RIP is 10000h, of which 16 bits are pushed";

    m.put<std::uint8_t>(kBase + kLast, 0xb0);  // mov al, imm8, half of it within
    m.cpu().gpr[kRax] = 0;
    m.cpu().set_segment(kCs, {.selector = 0x2001, .rights = 0x9b, .limit = 0xffff, .base = kBase});
    m.cpu().rip = kLast - 3;
    m.cpu().gpr[kRsp] = 0x1000;
    m.cpu().update_mode();
    EXPECT_EQ(run_blocks(m.cpu()), VcpuExit::HaltedMasked);
    EXPECT_EQ(m.cpu().gpr[kRax], 3U);
    EXPECT_EQ(m.get<std::uint16_t>(0xffa), kLast);
  }
}

}  // namespace
}  // namespace machina::jit
