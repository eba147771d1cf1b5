// Integer instructions where 64-bit code on the host cannot tell: 16-bit and 32-bit code, stacks and limits, branches.

#include <gtest/gtest.h>

#include "tests/unit/accel/jit/descriptor_tables.h"

namespace machina::jit {
namespace {

struct Real : testing::Test {
  Real() {
    m.cpu().set_segment(kCs, {.selector = 0x1000, .rights = 0x9b, .limit = 0xffff, .base = 0x10000});
    m.cpu().gpr[kRsp] = 0x8000;
    m.cpu().update_mode();
    for (unsigned vector = 0; vector < 32; ++vector) {
      m.put<std::uint32_t>(vector * 4, 0x20000000 | vector);  // 2000:vector, a HLT
      m.put<std::uint8_t>(0x20000 + vector, 0xf4);
    }
  }
  void run(std::initializer_list<std::uint8_t> code, std::uint16_t ip = 0) {
    m.put_code(BareMachine::kCode + ip, std::span(code.begin(), code.size()));
    m.cpu().rip = ip;
    run_blocks(m.cpu());
  }
  /// -1: none.
  int vector() const {
    Cpu& cpu = const_cast<BareMachine&>(m).cpu();
    return cpu.segment[kCs].selector == 0x2000 ? static_cast<int>(cpu.rip) - 1 : -1;
  }
  std::uint16_t stacked_ip() { return m.get<std::uint16_t>(m.cpu().gpr[kRsp] & 0xffff); }
  std::uint64_t& reg(unsigned r) { return m.cpu().gpr[r]; }
  BareMachine m;
};

TEST_F(Real, DecimalAdjustment) {
  struct Case {
    std::uint8_t opcode, al;
    std::uint32_t flags;
    std::uint8_t result;
    std::uint32_t carries;  // CF and AF
  };
  // SDM vol. 2, the examples of DAA and DAS; the others by hand from the pseudo-code.
  for (const Case& c : {Case{0x27, 0xae, 0, 0x14, kCf | kAf}, Case{0x2f, 0x47 - 0x12, 0, 0x35, 0},
                        Case{0x2f, 0xee, kCf | kAf, 0x88, kCf | kAf}, Case{0x27, 0x9a, 0, 0x00, kCf | kAf},
                        Case{0x27, 0x12, 0, 0x12, 0}, Case{0x2f, 0x05, kAf, 0xff, kCf | kAf}}) {
    reg(kRax) = c.al;
    m.cpu().flags.set(c.flags);
    run({c.opcode, 0xf4});
    m.cpu().set_segment(kCs, {.selector = 0x1000, .rights = 0x9b, .limit = 0xffff, .base = 0x10000});
    EXPECT_EQ(reg(kRax) & 0xff, c.result) << std::hex << +c.opcode << ' ' << +c.al;
    EXPECT_EQ(m.cpu().flags.eflags() & (kCf | kAf), c.carries) << std::hex << +c.opcode << ' ' << +c.al;
  }
}

TEST_F(Real, AsciiAdjustmentCarriesIntoAh) {
  reg(kRax) = 0x010c;
  run({0x37, 0xf4});  // aaa: 0Ch is 12
  EXPECT_EQ(reg(kRax), 0x0202U);
  EXPECT_TRUE(m.cpu().flags.cf());
  reg(kRax) = 0x0200 | 0xff;  // 0 - 1 was borrowed
  m.cpu().flags.set(kAf);
  run({0x3f, 0xf4});  // aas
  EXPECT_EQ(reg(kRax), 0x0109U);
}

TEST_F(Real, AamByZeroIsADivideError) {
  reg(kRax) = 77;
  run({0xd4, 0x0a, 0xf4});
  EXPECT_EQ(reg(kRax), 0x0707U);
  run({0xd4, 0x00, 0xf4});
  EXPECT_EQ(vector(), 0);
  EXPECT_EQ(stacked_ip(), 0) << "a fault: the instruction itself";
}

TEST_F(Real, AadTakesTheDigitsTogether) {
  reg(kRax) = 0x0407;
  run({0xd5, 0x0a, 0xf4});
  EXPECT_EQ(reg(kRax), 47U);
}

TEST_F(Real, DivisionOverflows) {
  reg(kRdx) = 1;
  reg(kRax) = 0;
  reg(kRbx) = 1;
  run({0x90, 0xf7, 0xf3, 0xf4});  // div bx: 10000h does not fit
  EXPECT_EQ(vector(), 0);
  EXPECT_EQ(stacked_ip(), 1);
}

TEST_F(Real, IdivOfTheLeastNumberByMinusOneOverflows) {
  reg(kRdx) = 0xffff;
  reg(kRax) = 0x8000;
  reg(kRbx) = 0xffff;
  run({0xf7, 0xfb, 0xf4});
  EXPECT_EQ(vector(), 0);
}

TEST_F(Real, ThePushedStackPointerIsTheOldOne) {
  run({0x54, 0x58, 0xf4});  // push sp; pop ax
  EXPECT_EQ(reg(kRax), 0x8000U);
}

TEST_F(Real, TheStackWrapsAt64KiB) {
  reg(kRsp) = 0x12340000;
  reg(kRax) = 0xbeef;
  run({0x50, 0xf4});
  EXPECT_EQ(reg(kRsp), 0x1234fffeU);
  EXPECT_EQ(m.get<std::uint16_t>(0xfffe), 0xbeef);
}

TEST_F(Real, PushaAndPopaLeaveTheStackPointerAlone) {
  for (unsigned r = 0; r < 8; ++r)
    if (r != kRsp) reg(r) = 0x11110000 + r;
  run({0x60, 0xf4});
  EXPECT_EQ(reg(kRsp), 0x8000U - 16);
  for (unsigned r = 0; r < 8; ++r) EXPECT_EQ(m.get<std::uint16_t>(0x8000 - 2 - 2 * r), r == kRsp ? 0x8000 : r) << r;
  for (unsigned r = 0; r < 8; ++r)
    if (r != kRsp) reg(r) = 0xffffffff;
  run({0x61, 0xf4});
  EXPECT_EQ(reg(kRsp), 0x8000U);
  EXPECT_EQ(reg(kRdi), 0xffff0007U);
  EXPECT_EQ(reg(kRax), 0xffff0000U);
}

TEST_F(Real, EnterAndLeaveNestFrames) {
  reg(kRbp) = 0x7000;
  m.put<std::uint16_t>(0x7000 - 2, 0x1111);
  run({0xc8, 0x10, 0x00, 0x02, 0xf4});  // enter 16, 2
  EXPECT_EQ(reg(kRbp), 0x7ffeU);
  EXPECT_EQ(reg(kRsp), 0x7ffeU - 2 - 2 - 16);
  EXPECT_EQ(m.get<std::uint16_t>(0x7ffe), 0x7000);
  EXPECT_EQ(m.get<std::uint16_t>(0x7ffc), 0x1111) << "the outer frame";
  EXPECT_EQ(m.get<std::uint16_t>(0x7ffa), 0x7ffe) << "this one";
  run({0xc9, 0xf4});
  EXPECT_EQ(reg(kRsp), 0x8000U);
  EXPECT_EQ(reg(kRbp), 0x7000U);
}

TEST_F(Real, BoundIsInclusive) {
  m.put<std::uint16_t>(0x500, 0xfffb);  // -5
  m.put<std::uint16_t>(0x502, 10);
  reg(kRbx) = 0x500;
  for (const unsigned value : {0xfffbU, 0U, 10U}) {
    reg(kRax) = value;
    run({0x62, 0x07, 0xf4});  // bound ax, [bx]
    EXPECT_EQ(vector(), -1) << value;
  }
  reg(kRax) = 11;
  run({0x62, 0x07, 0xf4});
  EXPECT_EQ(vector(), 5);
  EXPECT_EQ(stacked_ip(), 0);
}

TEST_F(Real, XlatWrapsWithinItsSegment) {
  reg(kRbx) = 0xfffe;
  reg(kRax) = 5;
  m.put<std::uint8_t>(3, 0x99);
  run({0xd7, 0xf4});
  EXPECT_EQ(reg(kRax), 0x99U);
}

TEST_F(Real, SalcCopiesCarry) {
  reg(kRax) = 0x12;
  run({0xf9, 0xd6, 0xf4});
  EXPECT_EQ(reg(kRax), 0xffU);
}

TEST_F(Real, LoopCountsCxOnlyAndEcxWithThePrefix) {
  reg(kRcx) = 0x30000;
  run({0x67, 0xe2, 0x01, 0xf4, 0x40, 0xf4});  // a32 loop +1; hlt; inc ax; hlt
  EXPECT_EQ(reg(kRcx), 0x2ffffU);
  EXPECT_EQ(m.cpu().rip, 6U);
  reg(kRcx) = 0x30001;
  run({0xe2, 0x01, 0xf4, 0x40, 0xf4});
  EXPECT_EQ(reg(kRcx), 0x30000U) << "CX is 0, the rest untouched";
  EXPECT_EQ(m.cpu().rip, 3U);
}

TEST_F(Real, ABranchOutOfTheSegmentFaultsAtTheBranch) {
  run({0x66, 0xe9, 0x00, 0x00, 0x01, 0x00});  // jmp dword to 10006h
  EXPECT_EQ(vector(), 13);
  EXPECT_EQ(stacked_ip(), 0);
}

TEST_F(Real, ABranchOf16BitsWrapsAround) {
  m.put<std::uint8_t>(BareMachine::kCode + 0x12, 0xf4);
  run({0xeb, 0x20}, 0xfff0);  // jmp short to fff2h + 20h
  EXPECT_EQ(m.cpu().rip, 0x13U);
  EXPECT_EQ(vector(), -1);
}

TEST_F(Real, ABranchNotTakenDoesNotFaultForWhatFollowsIt) {
  m.cpu().flags.set(kZf);
  m.cpu().segment[kCs].limit = 0x101;
  run({0x75, 0x10}, 0x100);  // jnz, the last instruction within the limit
  EXPECT_EQ(vector(), 13);
  EXPECT_EQ(stacked_ip(), 0x102) << "the fetch of what follows";
}

TEST_F(Real, PushBeyondTheStackSegmentIsAStackFault) {
  m.cpu().segment[kSs].limit = 0x7fff;
  reg(kRsp) = 0x9000;
  // No stack to deliver to either, so look at what the processor makes of it: a shutdown with nothing changed.
  run({0x50});
  EXPECT_EQ(m.cpu().exit, VcpuExit::Shutdown);
  EXPECT_EQ(reg(kRsp), 0x9000U);
}

struct Flat32 : testing::Test {
  Flat32() {
    m.protected_32();
    tables = std::make_unique<DescriptorTables>(m);
    tables->stop_at_every_vector();
  }
  BareMachine m;
  std::unique_ptr<DescriptorTables> tables;
};

TEST_F(Flat32, APushaThatFaultsInTheMiddleLeavesTheStackPointer) {
  // A stack segment that begins at 700ch: three of eight pushes fit. Delivery has a stack of its own at CPL 0, which a
  // TSS gives only to inner levels: this runs at CPL 3.
  tables->user();
  tables->segment(DescriptorTables::kFree, 0x40f6, 0, 0x700b);  // expand-down data, DPL 3
  m.cpu().set_segment(kSs, {.selector = DescriptorTables::kFree | 3, .rights = 0x40f6, .limit = 0x700b, .base = 0});
  m.cpu().gpr[kRsp] = 0x7018;
  m.cpu().update_mode();
  m.run({0x60});
  EXPECT_EQ(tables->stopped_at(), 12);
  EXPECT_EQ(tables->stacked(1), BareMachine::kCode);
  EXPECT_EQ(tables->stacked(4), 0x7018U) << "ESP as it was";
}

TEST_F(Flat32, ABranchOf16BitsCutsEip) {
  m.put<std::uint8_t>(0x0004, 0xf4);
  m.run({0x66, 0xe9, 0x00, 0x00});  // at 10000h: to 10004h, cut to 4
  EXPECT_EQ(m.cpu().rip, 5U);
}

TEST_F(Flat32, StoresByWayOfTheCodeSegmentFault) {
  m.run({0x2e, 0x89, 0x05, 0x00, 0x05, 0x00, 0x00});  // mov cs:[500h], eax
  EXPECT_EQ(tables->stopped_at(), 13);
}

TEST_F(Flat32, Cmpxchg8bSwapsPairs) {
  m.put<std::uint64_t>(0x5000, 0x1111111122222222);
  Cpu& cpu = m.cpu();
  cpu.gpr[kRdx] = 0x11111111;
  cpu.gpr[kRax] = 0x22222222;
  cpu.gpr[kRcx] = 3;
  cpu.gpr[kRbx] = 4;
  // lock cmpxchg8b [5000h] twice; the second fails
  m.run({0xf0, 0x0f, 0xc7, 0x0d, 0, 0x50, 0, 0, 0x0f, 0x94, 0xc1, 0xf0, 0x0f, 0xc7, 0x0d, 0, 0x50, 0, 0, 0xf4});
  EXPECT_EQ(m.get<std::uint64_t>(0x5000), 0x300000004U);
  EXPECT_EQ(cpu.gpr[kRdx], 3U);
  EXPECT_EQ(cpu.gpr[kRax], 4U);
  EXPECT_EQ(cpu.gpr[kRcx], 1U) << "SETZ after the first";
  EXPECT_FALSE(cpu.flags.zf());
}

struct Long : testing::Test {
  Long() {
    m.long_64();
    tables = std::make_unique<DescriptorTables>(m);
    tables->stop_at_every_vector();
  }
  BareMachine m;
  std::unique_ptr<DescriptorTables> tables;
};

TEST_F(Long, OperandSizeMeansNothingToNearBranches) {
  m.run({0x66, 0xe9, 1, 0, 0, 0, 0xf4, 0x66, 0xeb, 1, 0xf4, 0x90, 0xf4});  // Intel's way; AMD's would cut RIP
  EXPECT_EQ(m.cpu().rip, BareMachine::kCode + 13);
}

TEST_F(Long, ABranchToAnAddressThatIsNotCanonicalFaultsItself) {
  m.cpu().gpr[kRax] = 0x800000000000;
  m.run({0x90, 0xff, 0xe0});  // jmp rax
  EXPECT_EQ(tables->stopped_at(), 13);
  EXPECT_EQ(tables->stacked(1), BareMachine::kCode + 1);
}

TEST_F(Long, ARetToAnAddressThatIsNotCanonicalLeavesTheStack) {
  m.cpu().gpr[kRax] = 0xffff000000000000;
  m.run({0x50, 0xc3});
  EXPECT_EQ(tables->stopped_at(), 13);
  EXPECT_EQ(tables->stacked(1), BareMachine::kCode + 1);
  EXPECT_EQ(tables->stacked(4), BareMachine::kStack - 8);
}

TEST_F(Long, LockWhereItIsNotAllowedIsUndefined) {
  m.run({0xf0, 0x01, 0xc8});  // lock add eax, ecx
  EXPECT_EQ(tables->stopped_at(), 6);
}

TEST_F(Long, RandomNumbersComeWithCarry) {
  m.cpu().flags.set(kZf | kOf);
  m.run({0x48, 0x0f, 0xc7, 0xf0, 0x48, 0x0f, 0xc7, 0xfb, 0xf4});  // rdrand rax; rdseed rbx
  EXPECT_NE(m.cpu().gpr[kRax], 0U);
  EXPECT_NE(m.cpu().gpr[kRax], m.cpu().gpr[kRbx]);
  EXPECT_EQ(m.cpu().flags.eflags(), kCf);
}

TEST_F(Long, MovdiriStores) {
  m.cpu().gpr[kRax] = 0x1122334455667788;
  m.run({0x48, 0x0f, 0x38, 0xf9, 0x04, 0x25, 0, 0, 2, 0, 0xf4});
  EXPECT_EQ(m.get<std::uint64_t>(0x20000), 0x1122334455667788U);
}

TEST_F(Long, Cmpxchg16bWantsAlignment) {
  m.run({0x48, 0x0f, 0xc7, 0x0c, 0x25, 8, 0, 2, 0, 0xf4});
  EXPECT_EQ(tables->stopped_at(), 13);
}

}  // namespace
}  // namespace machina::jit
