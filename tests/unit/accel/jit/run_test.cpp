#include "accel/jit/run.h"

#include <gtest/gtest.h>

#include "tests/unit/accel/jit/descriptor_tables.h"

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

// A target is cut to 16 bits from the start of CS, so the distance to it is not always the same.
TEST(JitRun, SixteenBitTargetsWrapWhereCsSays) {
  BareMachine m;
  m.put_code(0x2100, std::array<std::uint8_t, 2>{0xeb, 0xde});      // jmp $-20h
  m.put_code(0x20e0, std::array<std::uint8_t, 3>{0xb0, 1, 0xf4});   // mov al, 1; hlt
  m.put_code(0x120e0, std::array<std::uint8_t, 3>{0xb0, 2, 0xf4});  // mov al, 2; hlt
  const auto run_as = [&m](std::uint16_t cs, std::uint64_t ip) {
    m.cpu().set_segment(kCs, {.selector = cs, .rights = 0x9b, .limit = 0xffff, .base = std::uint64_t{cs} << 4});
    m.cpu().rip = ip;
    m.cpu().update_mode();
    run_blocks(m.cpu());
    return m.cpu().gpr[kRax] & 0xff;
  };
  EXPECT_EQ(run_as(0x200, 0x100), 1U);
  EXPECT_EQ(run_as(0x200, 0x100), 1U);
  EXPECT_EQ(run_as(0x210, 0), 2U) << "the same bytes, 64 KiB on";
  EXPECT_EQ(run_as(0x200, 0x100), 1U);
}

TEST(JitRun, RipRelativeOperandsReachToTheEndOfTheirDisplacement) {
  BareMachine m;
  m.long_64();
  m.put<std::uint64_t>(0x101010, 0x103007);  // the third GiB: its first 2 MiB are those at 0
  m.put<std::uint64_t>(0x103000, 0x87);
  m.put<std::uint64_t>(0xfff7, 0x1122334455667788);
  // mov rax, [rip+7ffffff0h]; lea rbx, [rip+7ffffff0h]; lea ecx, [eip+7ffffff0h]; hlt
  m.run({0x48, 0x8b, 5,    0xf0, 0xff, 0xff, 0x7f, 0x48, 0x8d, 0x1d, 0xf0,
         0xff, 0xff, 0x7f, 0x67, 0x8d, 0x0d, 0xf0, 0xff, 0xff, 0x7f, 0xf4});
  EXPECT_EQ(m.cpu().gpr[kRax], 0x1122334455667788U);
  EXPECT_EQ(m.cpu().gpr[kRbx], 0x8000fffeU);
  EXPECT_EQ(m.cpu().gpr[kRcx], 0x80010005U);
}

// An 8259 that ends interrupts by itself, with INT high all the time.
TEST(JitRun, AnInterruptThatStaysIsTakenAgainThroughATrapGate) {
  class Twice : public BareMachine {
   public:
    bool interrupt_pending() override { return left != 0; }
    int acknowledge_interrupt() override { return --left, 0x30; }
    int left = 2;
  } m;
  m.protected_32();
  DescriptorTables tables(m);
  tables.stop_at_every_vector();
  tables.gate(0x30, tables.handler(0x30), 0x8f);
  m.cpu().set_eflags(kIf | 2);
  m.run({0x90, 0xf4});
  EXPECT_EQ(tables.stopped_at(), 0x30);
  EXPECT_EQ(m.left, 0);
  EXPECT_EQ(m.cpu().gpr[kRsp], BareMachine::kStack - 24) << "two frames";
}

// Code that left protected mode with CS.D set is 32-bit code until CS is loaded with another descriptor.
TEST(JitRun, RealModeObeysTheSizeThatCsWasGiven) {
  BareMachine m;
  m.cpu().set_segment(kCs, {.selector = 0x1000, .rights = 0x409b, .limit = 0xffff, .base = 0x10000});
  m.cpu().gpr[kRsp] = 0x8000;
  m.cpu().update_mode();
  for (const unsigned vector : {6U, 13U}) {
    m.put<std::uint32_t>(vector * 4, 0x20000000 + 16 * vector);
    m.put<std::uint8_t>(0x20000 + 16 * vector, 0xf4);
  }
  const auto run = [&m](std::initializer_list<std::uint8_t> code) {
    m.cpu().set_segment(kCs, {.selector = 0x1000, .rights = 0x409b, .limit = 0xffff, .base = 0x10000});
    m.put_code(BareMachine::kCode, std::span(code.begin(), code.size()));
    m.cpu().rip = 0;
    m.cpu().update_mode();
    run_blocks(m.cpu());
    return m.cpu().rip;
  };
  EXPECT_EQ(run({0xb8, 0x78, 0x56, 0x34, 0x12, 0x66, 0xbb, 0x34, 0x12, 0xf4}),
            10U);  // mov eax, ...; mov bx, 1234h; hlt
  EXPECT_EQ(m.cpu().gpr[kRax], 0x12345678U);
  EXPECT_EQ(m.cpu().gpr[kRbx], 0x1234U);
  EXPECT_EQ(run({0x63, 0xc0, 0xf4}), 0x61U) << "ARPL is #UD";
  EXPECT_EQ(run({0x0f, 0x00, 0xc0, 0xf4}), 0x61U) << "SLDT";
  EXPECT_EQ(run({0xc4, 0xe2, 0x70, 0xf2, 0xc3, 0xf4}), 0x61U) << "ANDN, in a VEX encoding";
}

}  // namespace
}  // namespace machina::jit
