#include "accel/jit/memory.h"

#include <gtest/gtest.h>

#include <optional>

#include "tests/unit/accel/jit/descriptor_tables.h"

namespace machina::jit {
namespace {

struct JitMemory : testing::Test {
  /// Which exception it ends with, from CPL 3 with this RSP.
  int fault_of(std::initializer_list<std::uint8_t> code, std::uint64_t rsp) {
    tables->user();
    m.cpu().gpr[kRsp] = rsp;
    m.run(code);
    return tables->stopped_at();
  }
  /// For the mode that the machine is in.
  void make_tables() {
    tables.emplace(m);
    tables->stop_at_every_vector();
  }
  BareMachine m;
  std::optional<DescriptorTables> tables;
};

// SDM vol. 2, PUSH, POP and CALL: #SS(0) is for the stack's address, #GP(0) for the operand's.
TEST_F(JitMemory, AnAddressThatIsNotCanonicalFaultsAsThatOfItsOwner) {
  m.long_64();
  make_tables();
  constexpr std::uint64_t kNowhere = std::uint64_t{1} << 63;
  m.cpu().gpr[kRbx] = 0x20000;
  EXPECT_EQ(fault_of({0xff, 0x33}, kNowhere), 12) << "push [rbx]";
  EXPECT_EQ(fault_of({0xff, 0x13}, kNowhere), 12) << "call [rbx]";
  EXPECT_EQ(fault_of({0x8f, 0x03}, kNowhere), 12) << "pop [rbx]";
  m.cpu().gpr[kRbx] = kNowhere;
  EXPECT_EQ(fault_of({0xff, 0x33}, BareMachine::kStack), 13);
  EXPECT_EQ(fault_of({0xff, 0x13}, BareMachine::kStack), 13);
}

// SDM vol. 3, 5.12: what a segment forbids comes before what a page does, and in 64-bit mode that is an address that is
// not canonical (vol. 1, 3.3.7.1), of whichever byte. An Intel processor that was asked raises #GP(0) for the first
// one.
TEST_F(JitMemory, AnAccessThatEndsBeyondTheCanonicalHalfDoesNotGetToItsFirstPage) {
  m.long_64();
  make_tables();
  constexpr std::uint64_t kLast = 0x7ffffffffffc;  // its page is not mapped
  m.cpu().gpr[kRbx] = kLast;
  EXPECT_EQ(fault_of({0x48, 0x8b, 0x03}, BareMachine::kStack), 13) << "mov rax, [rbx]";
  EXPECT_EQ(fault_of({0x48, 0x89, 0x03}, BareMachine::kStack), 13) << "mov [rbx], rax";
  EXPECT_EQ(fault_of({0x48, 0x87, 0x03}, BareMachine::kStack), 13) << "xchg [rbx], rax";
  EXPECT_EQ(fault_of({0x0f, 0x10, 0x03}, BareMachine::kStack), 13) << "movups xmm0, [rbx]";
  EXPECT_EQ(fault_of({0x0f, 0x11, 0x03}, BareMachine::kStack), 13) << "movups [rbx], xmm0";
  EXPECT_EQ(fault_of({0x58}, kLast), 12) << "pop rax";
  EXPECT_EQ(fault_of({0x50}, kLast + 8), 12) << "push rax";
  EXPECT_EQ(fault_of({0x8b, 0x03}, BareMachine::kStack), 14) << "mov eax, [rbx]: all of it is below";
}

// SDM vol. 2, POPA, Operation: the place of ESP is skipped, so that a page that only it reaches is not looked at.
TEST_F(JitMemory, PopaSkipsThePlaceOfTheStackPointer) {
  m.long_64();
  make_tables();
  m.cpu().set_segment(kCs, {.selector = 8, .rights = 0xc09b, .limit = 0xffffffff, .base = 0});
  m.cpu().update_mode();
  constexpr std::uint64_t kEnd = BareMachine::kRamSize;  // what lies beyond is not mapped
  m.cpu().gpr[kRsp] = kEnd - 13;                         // ESP's place crosses it, EBX is what comes next
  m.run({0x61});
  EXPECT_EQ(tables->stopped_at(), 14);
  EXPECT_EQ(m.cpu().cr2, kEnd + 3);
}

/// A register that makes the page at 30000h show what is at 40000h.
class MovingMemory : public BareMachine {
 public:
  static constexpr std::uint32_t kRegister = 0x2000000;
  HostPage page(std::uint64_t physical) override {
    return BareMachine::page(physical == 0x30000 && seen_ ? 0x40000 : physical);
  }
  void write_physical(std::uint64_t physical, unsigned width, std::uint64_t value) override {
    if (physical != kRegister) return BareMachine::write_physical(physical, width, value);
    moved_ = true;
    cpu().request(kRequestFlush);
  }
  void refresh() override { seen_ = moved_; }

 private:
  bool moved_ = false, seen_ = false;
};

TEST(JitMemoryMap, AStoreThatMovesMemoryIsSeenByTheNextInstruction) {
  MovingMemory m;
  m.protected_32();
  m.put<std::uint32_t>(0x30000, 3);
  m.put<std::uint32_t>(0x40000, 4);
  // mov eax, [30000h]; mov [2000000h], eax; mov ebx, [30000h]; mov dword [30000h], 5; hlt
  m.run({0xa1, 0, 0, 3, 0, 0xa3, 0, 0, 0, 2, 0x8b, 0x1d, 0, 0, 3, 0, 0xc7, 5, 0, 0, 3, 0, 5, 0, 0, 0, 0xf4});
  EXPECT_EQ(m.cpu().gpr[kRax], 3U);
  EXPECT_EQ(m.cpu().gpr[kRbx], 4U);
  EXPECT_EQ(m.get<std::uint32_t>(0x30000), 3U);
  EXPECT_EQ(m.get<std::uint32_t>(0x40000), 5U);
}

/// The page at 30000h is logged.
class LoggedMemory : public BareMachine {
 public:
  HostPage page(std::uint64_t physical) override {
    HostPage p = BareMachine::page(physical);
    p.logged = physical == 0x30000;
    return p;
  }
  void note_write(std::uint64_t physical, unsigned width) override { noted.emplace_back(physical, width); }
  void write_physical(std::uint64_t physical, unsigned width, std::uint64_t value) override {
    BareMachine::write_physical(physical, width, value);
    plain.emplace_back(physical, width);
  }
  using Writes = std::vector<std::pair<std::uint64_t, unsigned>>;
  Writes noted, plain;
};

// Read and write in one piece there, too: other CPUs' plain stores ask for no lock.
TEST(JitLoggedMemory, IsUpdatedInPlaceAndNoted) {
  LoggedMemory m;
  m.long_64();
  m.put<std::uint64_t>(0x30008, 5);
  m.cpu().gpr[kRbx] = 0x30000;
  m.cpu().gpr[kRcx] = 7;
  // lock xadd [rbx+8], rcx; inc dword [rbx+8]; mov [rbx+10h], ecx; lock cmpxchg16b [rbx+20h]; hlt
  m.run({0xf0, 0x48, 0x0f, 0xc1, 0x4b, 8, 0xff, 0x43, 8, 0x89, 0x4b, 0x10, 0xf0, 0x48, 0x0f, 0xc7, 0x4b, 0x20, 0xf4});
  EXPECT_EQ(m.get<std::uint64_t>(0x30008), 13U);
  EXPECT_EQ(m.cpu().gpr[kRcx], 5U);
  EXPECT_EQ(m.noted, (LoggedMemory::Writes{{0x30008, 8}, {0x30008, 4}, {0x30020, 16}}));
  EXPECT_EQ(m.plain, (LoggedMemory::Writes{{0x30010, 4}}));
}

// APM vol. 2, 5.3.3: bit 8 of a PML4E must be zero. SDM vol. 3, table 4-15: it is ignored.
TEST_F(JitMemory, Bit8OfAPml4eIsReservedWithAmd) {
  CpuidTable amd;
  amd.set({.leaf = 0, .eax = 0xd, .ebx = 0x68747541, .ecx = 0x444d4163, .edx = 0x69746e65});
  for (const bool is_amd : {false, true}) {
    m.long_64();
    make_tables();
    m.cpu().cpuid = is_amd ? &amd : nullptr;
    const std::uint64_t top = m.cpu().cr3;
    m.put<std::uint64_t>(top + 8, m.get<std::uint64_t>(top) | 0x100);
    m.cpu().gpr[kRbx] = std::uint64_t{1} << 39;
    m.cpu().flush_tlb();
    m.run({0x8b, 0x03, 0xf4});  // mov eax, [rbx]; hlt
    EXPECT_EQ(tables->stopped_at() == 14, is_amd);
    if (is_amd) {
      EXPECT_EQ(tables->stacked(0), kPfPresent | kPfReserved);
    }
  }
  m.cpu().cpuid = nullptr;
}

// SDM vol. 3, table 4-4: M is the width of physical addresses, 40 at most, and 32 without PSE-36.
TEST_F(JitMemory, ReservedBitsOf4MiBPagesGoByTheWidthOfAddresses) {
  m.protected_32();
  make_tables();
  Cpu& c = m.cpu();
  constexpr std::uint32_t kDirectory = 0x100000, kPage = 0x87;
  m.put<std::uint32_t>(kDirectory, kPage);
  c.cr3 = kDirectory;
  c.cr4 = kCr4Pse;
  c.cr0 |= kCr0Pg;
  const auto faults = [&](std::uint32_t bit) {
    m.put<std::uint32_t>(kDirectory + 12, kPage | 1U << bit);
    c.flush_tlb();
    c.gpr[kRsp] = BareMachine::kStack;
    m.run({0xa1, 0, 0, 0xc0, 0, 0xf4});  // mov eax, [c00000h]; hlt
    const bool faulted = tables->stopped_at() == 14;
    if (faulted) {
      EXPECT_EQ(tables->stacked(0), kPfPresent | kPfReserved) << bit;
    }
    return faulted;
  };
  for (const unsigned width : {36U, 40U, 46U}) {
    c.physical_bits = width;
    for (unsigned bit = 13; bit <= 21; ++bit) EXPECT_EQ(faults(bit), bit >= std::min(width, 40U) - 19) << width << bit;
  }
  set_feature(c.features, "pse36", false);
  for (unsigned bit = 13; bit <= 21; ++bit) EXPECT_TRUE(faults(bit)) << bit;
}

}  // namespace
}  // namespace machina::jit
