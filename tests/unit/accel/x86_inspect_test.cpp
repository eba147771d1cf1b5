#include "accel/x86_inspect.h"

#include <gtest/gtest.h>

#include <cstring>

namespace machina {
namespace {

/// 64 KiB of physical memory.
class Memory {
 public:
  void put(std::uint64_t address, std::uint64_t value) { std::memcpy(bytes_ + address, &value, 8); }
  ReadPhysical reader() {
    return [this](std::uint64_t address, std::span<std::uint8_t> to) {
      if (address > sizeof bytes_ || to.size() > sizeof bytes_ - address) return false;
      std::memcpy(to.data(), bytes_ + address, to.size());
      return true;
    };
  }

 private:
  std::uint8_t bytes_[65536] = {};
};

std::vector<PageMapping> pages(const X86State& s, Memory& m) {
  std::vector<PageMapping> all;
  for_each_page(s, m.reader(), [&](const PageMapping& p) {
    all.push_back(p);
    EXPECT_EQ(translate(s, p.linear + 5, m.reader()), p.physical + 5) << "both ways agree";
    return all.size() < 100;
  });
  return all;
}

constexpr std::uint64_t kNoExecute = std::uint64_t{1} << 63;

TEST(X86Inspect, KnowsWhichInstructionsSaveWhatXcr0Names) {
  X86State s;
  s.cr0 = 0x80000001;
  s.efer = 0x500;
  s.segment[kCs].l = true;
  const auto saves = [&s](std::initializer_list<std::uint8_t> bytes) {
    return saves_extended_state(s, std::span(bytes.begin(), bytes.size()));
  };
  EXPECT_TRUE(saves({0x0f, 0xae, 0x27}));         // xsave [rdi]
  EXPECT_TRUE(saves({0x48, 0x0f, 0xc7, 0x2f}));   // xsaves64 [rdi]
  EXPECT_TRUE(saves({0x48, 0x0f, 0xae, 0x2f}));   // xrstor64 [rdi]
  EXPECT_TRUE(saves({0x0f, 0xc7, 0x1f}));         // xrstors [rdi]
  EXPECT_FALSE(saves({0x0f, 0x01, 0xd0}));        // xgetbv
  EXPECT_FALSE(saves({0x0f, 0xae, 0x07}));        // fxsave [rdi]
  EXPECT_FALSE(saves({0xc5, 0xfe, 0x6f, 0x07}));  // vmovdqu ymm0, [rdi]
  EXPECT_FALSE(saves({0x06}));                    // none in 64-bit code
}

TEST(X86Inspect, WalksFourLevels) {
  Memory m;
  m.put(0x1000, 0x2000 | 7);  // 0
  m.put(0x1ff8, 0x2000 | 3);  // ffff_ff80_0000_0000h: the supervisor's
  m.put(0x2000, 0x3000 | 7);
  m.put(0x2008, 0x40000000 | 0x83);             // 1 GiB
  m.put(0x3000, 0x4000 | 5);                    // not writable
  m.put(0x3008, 0x200000 | 0x87 | kNoExecute);  // 2 MiB
  m.put(0x4000, 0x7000 | 7);
  X86State s;
  s.cr0 = 0x80000001;
  s.cr4 = 1 << 5;
  s.efer = 1 << 10;
  s.cr3 = 0x1000;
  const auto all = pages(s, m);
  ASSERT_EQ(all.size(), 6U);
  EXPECT_EQ(all[0].linear, 0U);
  EXPECT_EQ(all[0].physical, 0x7000U);
  EXPECT_EQ(all[0].size, 0x1000U);
  EXPECT_EQ(all[0].entry & 7, 5U) << "what a level above forbids is forbidden";
  EXPECT_EQ(all[1].linear, 0x200000U);
  EXPECT_EQ(all[1].size, 0x200000U);
  EXPECT_TRUE(all[1].entry & kNoExecute);
  EXPECT_EQ(all[2].linear, 0x40000000U);
  EXPECT_EQ(all[2].size, 0x40000000U);
  EXPECT_EQ(all[3].linear, 0xffffff8000000000U) << "canonical";
  EXPECT_EQ(all[3].entry & 4, 0U);
}

TEST(X86Inspect, StopsWhenAsked) {
  Memory m;
  for (std::uint64_t i = 0; i < 512; ++i) m.put(0x1000 + 8 * i, 0x1000 | 7);  // a table that is its own child
  X86State s;
  s.cr0 = 0x80000001;
  s.cr4 = 1 << 5;
  s.efer = 1 << 10;
  s.cr3 = 0x1000;
  unsigned n = 0;
  for_each_page(s, m.reader(), [&](const PageMapping&) { return ++n < 10; });
  EXPECT_EQ(n, 10U);
  s.cr0 = 1;
  for_each_page(s, m.reader(), [&](const PageMapping&) { return ++n < 100; });
  EXPECT_EQ(n, 10U) << "no paging, no pages";
}

TEST(X86Inspect, DecodesForTheMode) {
  X86State s;  // real mode
  const std::uint8_t jump[] = {0xea, 0x5b, 0xe0, 0x00, 0xf0};
  const Instruction far = decode_instruction(s, 0xfffffff0, jump);
  EXPECT_EQ(far.length, 5U);
  EXPECT_EQ(far.text, "jmp far 0xF000:0xE05B");
  const std::uint8_t push[] = {0x41, 0x57};  // push r15 in 64-bit mode
  s.cr0 = 1;
  s.efer = 1 << 10;
  s.segment[kCs].l = true;
  EXPECT_EQ(decode_instruction(s, 0, push).text, "push r15");
  EXPECT_EQ(decode_instruction(s, 0, push).length, 2U);
  const std::uint8_t bad[] = {0x06};
  EXPECT_EQ(decode_instruction(s, 0, bad).length, 0U);
}

}  // namespace
}  // namespace machina
