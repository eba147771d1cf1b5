// What is remembered of page tables, and what makes a CPU forget it: SDM vol. 3, 4.10.

#include "accel/jit/tlb.h"

#include <gtest/gtest.h>

#include "tests/unit/accel/jit/bare_machine.h"

namespace machina::jit {
namespace {

constexpr std::uint64_t kBase = 0x40000000;  // 1 GiB: tables of its own
constexpr std::uint64_t kDirectory = 0x200000, kTable = 0x201000, kOtherTable = 0x202000;
constexpr std::uint64_t kFrames[] = {0x300000, 0x301000};
constexpr std::uint64_t kLargeFrames[] = {0x400000, 0x600000};
constexpr std::uint64_t kMapped = 7, kLargeBit = 0x80, kGlobalBit = 0x100, kReadOnly = 5;
constexpr unsigned kPages = 200;  // more than a table lists

struct JitTlb : testing::Test {
  JitTlb() {
    m.long_64();
    m.put<std::uint64_t>((1 << 20) + 0x1000 + 8, kDirectory | kMapped);
    m.put<std::uint64_t>(kDirectory, kTable | kMapped);
    for (const std::uint64_t table : {kTable, kOtherTable}) map(table, table == kTable ? 0 : 1);
    for (unsigned i = 0; i < 2; ++i) {
      m.put<std::uint8_t>(kFrames[i], static_cast<std::uint8_t>(i + 1));
      for (const std::uint64_t piece : {0U, 0x5000U})
        m.put<std::uint8_t>(kLargeFrames[i] + piece, static_cast<std::uint8_t>(i + 1));
    }
    r[kRbx] = kBase;
  }
  void map(std::uint64_t table, unsigned frame, std::uint64_t bits = 0) {
    for (unsigned i = 0; i < kPages; ++i) m.put<std::uint64_t>(table + 8 * i, kFrames[frame] | kMapped | bits);
  }
  /// Adds up the first bytes of `count` pages from kBase on.
  std::uint64_t sum(unsigned count) {
    r[kRbx] = kBase;
    r[kRcx] = count;
    r[kRax] = r[kRdx] = 0;
    // next: mov al, [rbx]; add edx, eax; add rbx, 1000h; dec ecx; jnz next; hlt
    EXPECT_EQ(m.run({0x8a, 0x03, 0x01, 0xc2, 0x48, 0x81, 0xc3, 0, 0x10, 0, 0, 0xff, 0xc9, 0x75, 0xf1, 0xf4}),
              VcpuExit::HaltedMasked);
    return r[kRdx];
  }
  void load_cr3() {
    r[kRax] = m.cpu().cr3;
    m.run({0x0f, 0x22, 0xd8, 0xf4});
  }

  BareMachine m;
  std::array<std::uint64_t, kGprSlots>& r = m.cpu().gpr;
};

TEST_F(JitTlb, InvlpgForgetsThePage) {
  r[kRdi] = kTable;
  r[kRsi] = kFrames[1] | kMapped;
  // mov al, [rbx]; mov [rdi], rsi; invlpg [rbx]; mov cl, [rbx]; hlt
  m.run({0x8a, 0x03, 0x48, 0x89, 0x37, 0x0f, 0x01, 0x3b, 0x8a, 0x0b, 0xf4});
  EXPECT_EQ(r[kRax] & 0xff, 1U);
  EXPECT_EQ(r[kRcx] & 0xff, 2U);
}

// 4.10.4.1: whatever its address is, INVLPG forgets what is remembered of tables.
TEST_F(JitTlb, InvlpgForgetsTables) {
  r[kRdi] = kDirectory;
  r[kRsi] = kOtherTable | kMapped;
  r[kR8] = 0x10000;
  // mov al, [rbx]; mov [rdi], rsi; invlpg [r8]; mov cl, [rbx+1000h]; hlt
  m.run({0x8a, 0x03, 0x48, 0x89, 0x37, 0x41, 0x0f, 0x01, 0x38, 0x8a, 0x8b, 0, 0x10, 0, 0, 0xf4});
  EXPECT_EQ(r[kRax] & 0xff, 1U);
  EXPECT_EQ(r[kRcx] & 0xff, 2U);
}

// 4.10.4.3: after rights have been raised nothing needs to be invalidated; at worst there is a fault more.
TEST_F(JitTlb, RaisedRightsCountWithoutInvlpg) {
  m.cpu().cr0 |= kCr0Wp;
  m.put<std::uint64_t>(kDirectory, kTable | kReadOnly);
  EXPECT_EQ(m.run({0x8a, 0x03, 0x88, 0x03, 0xf4}), VcpuExit::Shutdown) << "mov [rbx], al";
  EXPECT_EQ(m.cpu().cr2, kBase);
  m.put<std::uint64_t>(kDirectory, kTable | kMapped);
  EXPECT_EQ(m.run({0x88, 0x03, 0xf4}), VcpuExit::HaltedMasked);
  m.put<std::uint64_t>(kTable + 8 * kPages, kFrames[0] | kMapped);  // from "not present", which nobody remembers
  r[kRbx] = kBase + kPages * kPageSize;
  EXPECT_EQ(m.run({0x88, 0x03, 0xf4}), VcpuExit::HaltedMasked);
}

// 4.7: the bit of a protection key tells that the key denies the access, also where something else does.
TEST_F(JitTlb, ErrorCodesTellOfKeysBesideOtherReasons) {
  constexpr std::uint64_t kKeyOne = std::uint64_t{1} << 59;
  constexpr std::uint32_t kDenyAccess = 4, kDenyWrites = 8;
  Cpu& c = m.cpu();
  c.cr4 |= kCr4Pke;
  Translation t;
  const auto error = [&](std::uint64_t bits, std::uint32_t pkru, Access access, TlbMode mode) {
    m.put<std::uint64_t>(kTable, kFrames[0] | bits | kKeyOne);
    c.pkru = pkru;
    return translate(c, m, kBase, access, mode, t);
  };
  EXPECT_EQ(error(kReadOnly, kDenyAccess, Access::Write, TlbMode::User), 0x27U);
  EXPECT_EQ(error(kReadOnly, kDenyWrites, Access::Write, TlbMode::User), 0x27U);
  EXPECT_EQ(error(kReadOnly, kDenyWrites, Access::Read, TlbMode::User), kTranslated);
  EXPECT_EQ(error(kReadOnly, 0, Access::Write, TlbMode::User), 7U);
  EXPECT_EQ(error(kMapped, kDenyWrites, Access::Write, TlbMode::SupervisorOpen), kTranslated) << "CR0.WP is clear";
  c.cr0 |= kCr0Wp;
  EXPECT_EQ(error(kMapped, kDenyWrites, Access::Write, TlbMode::SupervisorOpen), 0x23U);
  EXPECT_EQ(error(kReadOnly, kDenyAccess, Access::Write, TlbMode::SupervisorOpen), 0x23U);
  c.cr4 |= kCr4Smap;
  EXPECT_EQ(error(kMapped, kDenyAccess, Access::Read, TlbMode::Supervisor), 0x21U);
  EXPECT_EQ(error(3, kDenyAccess, Access::Write, TlbMode::User), 7U) << "a supervisor's page has no key";
  EXPECT_EQ(error(kMapped, kDenyAccess, Access::Fetch, TlbMode::User), kTranslated) << "code is not data";
}

TEST_F(JitTlb, LoadingCr3ForgetsAllButGlobalPages) {
  m.cpu().cr4 |= kCr4Pge;
  for (const unsigned count : {3U, kPages}) {
    map(kTable, 0);
    load_cr3();
    EXPECT_EQ(sum(count), count);
    map(kTable, 1);
    m.put<std::uint64_t>(kTable, kFrames[1] | kMapped | kGlobalBit);
    load_cr3();
    EXPECT_EQ(sum(count), 2 * count);
    map(kTable, 0);
    load_cr3();
    EXPECT_EQ(sum(count), count + 1) << "a global page that has been used is kept";
    m.cpu().flush_tlb();
    EXPECT_EQ(sum(count), count);
  }
}

TEST_F(JitTlb, LargePagesAreForgottenAsAWhole) {
  m.put<std::uint64_t>(kDirectory, kLargeFrames[0] | kMapped | kLargeBit);
  r[kRdi] = kDirectory;
  r[kRsi] = kLargeFrames[1] | kMapped | kLargeBit;
  r[kR8] = kBase + 0x100000;
  // mov al, [rbx]; mov ah, [rbx+5000h]; mov [rdi], rsi; invlpg [r8]; mov cl, [rbx]; mov ch, [rbx+5000h]; hlt
  m.run({0x8a, 0x03, 0x8a, 0xa3, 0,    0x50, 0,    0, 0x48, 0x89, 0x37, 0x41,
         0x0f, 0x01, 0x38, 0x8a, 0x0b, 0x8a, 0xab, 0, 0x50, 0,    0,    0xf4});
  EXPECT_EQ(r[kRax] & 0xffff, 0x0101U);
  EXPECT_EQ(r[kRcx] & 0xffff, 0x0202U);
}

// The same linear address, other code: on a page, in a large page, and while more pages have been executed than a CPU
// can keep apart.
TEST_F(JitTlb, InvlpgForgetsCode) {
  // mov al, 1 or 2; ret
  for (unsigned i = 0; i < 2; ++i) {
    const std::array<std::uint8_t, 3> code{0xb0, static_cast<std::uint8_t>(i + 1), 0xc3};
    m.put_code(kFrames[i], code);
    m.put_code(kLargeFrames[i], code);
  }
  // call rbx; mov cl, al; mov [rdi], rsi; invlpg [r8]; call rbx; hlt
  const auto both = [this] {
    m.run({0xff, 0xd3, 0x88, 0xc1, 0x48, 0x89, 0x37, 0x41, 0x0f, 0x01, 0x38, 0xff, 0xd3, 0xf4});
    return (r[kRcx] & 0xff) << 8 | (r[kRax] & 0xff);
  };
  r[kRdi] = kTable;
  r[kRsi] = kFrames[1] | kMapped;
  r[kR8] = kBase + 0x800;
  EXPECT_EQ(both(), 0x0102U);

  map(kTable, 0);
  m.cpu().flush_tlb();
  // next: call rbx; add rbx, 1000h; dec edx; jnz next; hlt
  r[kRdx] = kPages;
  m.run({0xff, 0xd3, 0x48, 0x81, 0xc3, 0, 0x10, 0, 0, 0xff, 0xca, 0x75, 0xf3, 0xf4});
  EXPECT_EQ(r[kRbx], kBase + kPages * kPageSize);
  r[kRbx] = kBase;
  EXPECT_EQ(both(), 0x0102U);

  m.put<std::uint64_t>(kDirectory, kLargeFrames[0] | kMapped | kLargeBit);
  m.cpu().flush_tlb();
  r[kRdi] = kDirectory;
  r[kRsi] = kLargeFrames[1] | kMapped | kLargeBit;
  r[kR8] = kBase + 0x100000;
  EXPECT_EQ(both(), 0x0102U);
}

// A page that shares its place in the table of executed pages with another: the first is known to have been executed.
TEST(JitCodeTlb, KnowsWhatHasBeenExecuted) {
  CodeTlb tlb;
  std::uint8_t page = 0;
  constexpr std::uint64_t kFar = CodeTlb::kEntries * kPageSize;
  EXPECT_FALSE(tlb.knows(0x5000));
  tlb.remember(0x5000, false, &page, kPageSize);
  EXPECT_TRUE(tlb.knows(0x5fff));
  EXPECT_FALSE(tlb.knows(0x6000));
  EXPECT_EQ(tlb.find(0x5123, false), &page);
  EXPECT_EQ(tlb.find(0x5123, true), nullptr) << "for the kernel only";
  tlb.remember(0x5000, true, &page, kPageSize);
  EXPECT_FALSE(tlb.knows(0x6000)) << "the same page: nothing is lost";
  tlb.remember(0x5000 + kFar, false, &page, kPageSize);
  EXPECT_TRUE(tlb.knows(0x5000));
  EXPECT_TRUE(tlb.knows(0x6000)) << "which pages there were is not known any more";
  tlb.forget();
  EXPECT_FALSE(tlb.knows(0x5000));
  EXPECT_EQ(tlb.find(0x5000 + kFar, false), nullptr);
  tlb.remember(0x5000, false, &page, 2 << 20);
  tlb.remember(0x5000 + kFar, false, &page, 2 << 20);
  EXPECT_TRUE(tlb.knows(0x1ff000));
  EXPECT_TRUE(tlb.knows(kFar));
  EXPECT_FALSE(tlb.knows(2 * kFar)) << "large pages are kept by their range";
  for (std::uint64_t i = 2; i < 10; ++i) tlb.remember(i << 21, false, &page, 2 << 20);
  EXPECT_TRUE(tlb.knows(std::uint64_t{1} << 40)) << "too many";
}

}  // namespace
}  // namespace machina::jit
