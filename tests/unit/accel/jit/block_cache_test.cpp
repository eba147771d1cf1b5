#include "accel/jit/block_cache.h"

#include <gtest/gtest.h>

#include "accel/jit/tlb.h"

namespace machina::jit {
namespace {

constexpr std::uintptr_t kHost = 0x7f0000001040;

std::unique_ptr<Block> block_at(std::uintptr_t host, std::uint32_t size = 16) {
  auto block = std::make_unique<Block>();
  block->host = host;
  block->size = size;
  return block;
}
bool yes(const Block&) { return true; }

class JitBlockCache : public testing::Test {
 protected:
  BlockCache cache;
};

TEST_F(JitBlockCache, HasNoBlockWhoseBytesHaveChanged) {
  cache.claim(kHost & kPageMask);
  bool marked = false;
  EXPECT_EQ(cache.insert(block_at(kHost),
                         [&](const Block&) {
                           marked = cache.code().has_code(kHost, 16);
                           return false;
                         }),
            nullptr);
  EXPECT_TRUE(marked) << "who stores from now on must look";
  EXPECT_EQ(cache.find(kHost, 0), nullptr);
  cache.release(kHost & kPageMask);
  EXPECT_FALSE(cache.code().page_has_code(kHost));
}

TEST_F(JitBlockCache, KeepsAClaimedPageFromBeingForgotten) {
  const std::uintptr_t page = kHost & kPageMask;
  EXPECT_TRUE(cache.claim(page)) << "new";
  EXPECT_TRUE(cache.code().page_has_code(page));
  EXPECT_TRUE(cache.claim(page)) << "the first one is not done yet";
  cache.settled(page);
  EXPECT_FALSE(cache.claim(page));
  cache.release(page);
  cache.release(page);
  const Block* block = cache.insert(block_at(kHost), yes);
  ASSERT_NE(block, nullptr);
  EXPECT_EQ(cache.find(kHost, 0), block);
  EXPECT_TRUE(cache.written(kHost + 15, 1));
  EXPECT_FALSE(block->valid);
  EXPECT_TRUE(cache.code().page_has_code(page)) << "somebody is about to make another block";
  cache.release(page);
  EXPECT_FALSE(cache.code().page_has_code(page));
  EXPECT_TRUE(cache.claim(page)) << "new again";
  cache.release(page);
}

TEST_F(JitBlockCache, GivesTheBlockThatIsThere) {
  const std::uintptr_t page = kHost & kPageMask;
  cache.claim(page);
  const Block* first = cache.insert(block_at(kHost), yes);
  EXPECT_EQ(cache.insert(block_at(kHost), yes), first);
  cache.release(page);
  EXPECT_FALSE(cache.written(kHost + 16, 8)) << "behind it";
  EXPECT_FALSE(cache.written(kHost - 8, 8)) << "before it";
  EXPECT_TRUE(cache.written(kHost - 8, 9));
  EXPECT_EQ(cache.find(kHost, 0), nullptr);
  EXPECT_EQ(cache.statistics().invalidated, 1U);
}

}  // namespace
}  // namespace machina::jit
