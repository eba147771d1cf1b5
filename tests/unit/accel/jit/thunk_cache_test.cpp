#include "accel/jit/thunk_cache.h"

#include <gtest/gtest.h>

#include "tests/unit/accel/jit/bare_machine.h"

namespace machina::jit {
namespace {

TEST(JitThunkCache, KeepsOneOfEach) {
  ThunkCache thunks;
  const std::uint8_t* const first = thunks.intern({0xc3});
  EXPECT_EQ(*first, 0xc3);
  const std::size_t bytes = thunks.bytes();
  EXPECT_GT(bytes, 0U);
  EXPECT_EQ(thunks.intern({0xc3}), first);
  EXPECT_EQ(thunks.bytes(), bytes);
  EXPECT_NE(thunks.intern({0x90, 0xc3}), first);
  EXPECT_GT(thunks.bytes(), bytes);
  thunks.clear();
  EXPECT_EQ(thunks.bytes(), 0U);
  EXPECT_EQ(*thunks.intern({0xcc}), 0xcc);
}

TEST(JitThunkCache, CountsAsBlocksDo) {
  BlockCache blocks(std::size_t{1} << 16);
  unsigned n = 0;
  for (; n < 10000 && !blocks.full(); ++n)
    blocks.thunks().intern({static_cast<std::uint8_t>(n), static_cast<std::uint8_t>(n >> 8), 0xc3});
  EXPECT_GT(n, 100U);
  EXPECT_LT(n, 1U << 16);
  EXPECT_TRUE(blocks.full());
  blocks.clear();
  EXPECT_FALSE(blocks.full());
}

// A guest that walks through all immediates of an instruction makes a thunk of each.
TEST(JitThunkCache, MemoryStaysBoundedWhateverAGuestWrites) {
  constexpr std::size_t kLimit = 64 << 10;
  BareMachine m(kLimit);
  m.long_64();
  Cpu& c = m.cpu();
  unsigned emptied = 0;
  for (unsigned n = 0; n < 1024; ++n) {
    const auto order = static_cast<std::uint8_t>(n);
    const auto from = static_cast<std::uint8_t>(1 + n / 256);
    const std::array<std::uint32_t, 4> source{10, 11, 12, 13};
    std::memcpy(c.vector.ymm[from].data(), source.data(), sizeof source);
    // pshufd xmm0, xmm[from], order; hlt
    m.run({0x66, 0x0f, 0x70, static_cast<std::uint8_t>(0xc0 | from), order, 0xf4});
    std::array<std::uint32_t, 4> result;
    std::memcpy(result.data(), c.vector.ymm[0].data(), sizeof result);
    for (unsigned i = 0; i < 4; ++i) ASSERT_EQ(result[i], source[order >> (2 * i) & 3]) << n;
    ASSERT_LT(m.blocks().thunks().bytes(), kLimit + 4096);
    if (!m.blocks().full()) continue;
    c.jumps.forget();
    c.block = nullptr;
    m.blocks().clear();
    EXPECT_EQ(m.blocks().thunks().bytes(), 0U);
    ++emptied;
  }
  EXPECT_GT(emptied, 2U);
}

}  // namespace
}  // namespace machina::jit
