#include "core/memory/ram_block.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cstring>
#include <thread>

#include "core/error.h"
#include "core/units.h"

namespace machina {
namespace {

TEST(RamBlock, IsZeroFilledAndRoundedUpToPages) {
  const auto block = RamBlock::create("ram", 5000);
  EXPECT_EQ(block->size(), 8192U);
  EXPECT_EQ(block->name(), "ram");
  for (const std::uint8_t byte : block->bytes()) ASSERT_EQ(byte, 0);
}

TEST(RamBlock, IsSharedThroughItsDescriptor) {
  const auto block = RamBlock::create("ram", 4096);
  struct stat status {};
  ASSERT_EQ(fstat(block->fd(), &status), 0);
  EXPECT_EQ(status.st_size, 4096);
  void* other = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, block->fd(), 0);
  ASSERT_NE(other, MAP_FAILED);
  std::memcpy(other, "shared", 6);
  EXPECT_EQ(std::memcmp(block->host(), "shared", 6), 0);
  munmap(other, 4096);
}

TEST(RamBlock, LargeBlocksStartAtAHugePage) {
  for (const std::uint64_t size : {2 * MiB, 2 * MiB + 4096, 64 * MiB}) {
    const auto block = RamBlock::create("ram", size);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(block->host()) % (2 * MiB), 0U) << size;
    block->host()[size - 1] = 1;
  }
}

TEST(RamBlock, OneTiBTakesOnlyWhatIsTouched) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "ThreadSanitizer leaves less than 1 TiB of address space";
#endif
  const auto block = RamBlock::create("ram", TiB);
  ASSERT_EQ(block->size(), TiB);
  block->host()[0] = 1;
  block->host()[TiB / 2] = 2;
  block->host()[TiB - 1] = 3;
  EXPECT_EQ(block->host()[TiB - 1], 3);
  struct stat status {};
  ASSERT_EQ(fstat(block->fd(), &status), 0);
  EXPECT_LE(static_cast<std::uint64_t>(status.st_blocks) * 512, 3 * 2 * MiB);
}

TEST(RamBlock, LongNameIsNoProblem) { EXPECT_EQ(RamBlock::create(std::string(500, 'n'), 1)->name().size(), 500U); }

TEST(RamBlock, ImpossibleSizesAreExplained) {
  const auto message = [](std::uint64_t size) -> std::string {
    try {
      RamBlock::create("pc.ram", size);
    } catch (const Error& error) {
      return error.what();
    }
    return {};
  };
  EXPECT_NE(message(0).find("at least one byte"), std::string::npos);
  EXPECT_NE(message(~std::uint64_t{0}).find("64 TiB"), std::string::npos);
  EXPECT_NE(message(RamBlock::kMaxSize + 1).find("'pc.ram'"), std::string::npos);
}

TEST(RamBlock, LimitsOfTheProcessAreExplained) {
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  rlimit tight = before;
  tight.rlim_cur = MiB;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &tight), 0);
  try {
    RamBlock::create("ram", 2 * MiB);
    ADD_FAILURE() << "taken";
  } catch (const Error& error) {
    EXPECT_NE(error.advice().find("ulimit -f"), std::string::npos) << error.what();
  }
  setrlimit(RLIMIT_FSIZE, &before);
}

TEST(RamBlock, NothingIsDirtyBeforeLoggingStarts) {
  const auto block = RamBlock::create("ram", 16 * 4096);
  block->mark_dirty(0, 4096);
  EXPECT_FALSE(block->dirty_log_enabled());
  EXPECT_FALSE(block->test_and_clear_dirty(0, 16 * 4096));
  block->enable_dirty_log();
  EXPECT_TRUE(block->dirty_log_enabled());
  EXPECT_FALSE(block->test_and_clear_dirty(0, 16 * 4096));
}

TEST(RamBlock, DirtyBitsCoverWholePagesAndAreClearedOnce) {
  const auto block = RamBlock::create("ram", 200 * 4096);
  block->enable_dirty_log();
  block->mark_dirty(3 * 4096 + 4095, 2);  // the last byte of page 3 and the first of page 4
  EXPECT_FALSE(block->test_and_clear_dirty(2 * 4096, 4096));
  EXPECT_TRUE(block->test_and_clear_dirty(3 * 4096, 1));
  EXPECT_FALSE(block->test_and_clear_dirty(3 * 4096, 4096));
  EXPECT_TRUE(block->test_and_clear_dirty(4 * 4096 + 17, 1));
  EXPECT_FALSE(block->test_and_clear_dirty(0, 200 * 4096));
}

TEST(RamBlock, DirtyRangesAcrossWordsOfTheBitmap) {
  constexpr std::uint64_t kPages = 200;
  const auto block = RamBlock::create("ram", kPages * 4096);
  block->enable_dirty_log();
  for (const auto& [first, count] : {std::pair<std::uint64_t, std::uint64_t>{0, 1},
                                     {63, 1},
                                     {63, 2},
                                     {64, 64},
                                     {60, 140},
                                     {0, 200},
                                     {127, 2},
                                     {199, 1}}) {
    block->mark_dirty(first * 4096, count * 4096);
    for (std::uint64_t page = 0; page < kPages; ++page) {
      EXPECT_EQ(block->test_and_clear_dirty(page * 4096, 4096), page >= first && page < first + count)
          << "page " << page << " of " << first << "+" << count;
    }
  }
}

TEST(RamBlock, DirtyOffsetsBeyondTheEndAreIgnored) {
  const auto block = RamBlock::create("ram", 4096);
  block->enable_dirty_log();
  block->mark_dirty(4096, 1);
  block->mark_dirty(~std::uint64_t{0}, ~std::uint64_t{0});
  block->mark_dirty(0, 0);
  EXPECT_FALSE(block->test_and_clear_dirty(0, ~std::uint64_t{0}));
  EXPECT_FALSE(block->test_and_clear_dirty(~std::uint64_t{0}, 1));
  block->mark_dirty(4095, ~std::uint64_t{0});
  EXPECT_TRUE(block->test_and_clear_dirty(0, ~std::uint64_t{0}));
}

// Whoever clears a bit and then reads the page sees each value that was written before its mark.
TEST(RamBlockThread, NoWriteHidesBehindAClearedBit) {
  const auto block = RamBlock::create("ram", 4096);
  auto* const word = reinterpret_cast<std::uint32_t*>(block->host());
  constexpr std::uint32_t kWrites = 200'000;
  std::thread writer([&] {
    block->enable_dirty_log();
    for (std::uint32_t i = 1; i <= kWrites; ++i) {
      __atomic_store_n(word, i, __ATOMIC_RELAXED);
      block->mark_dirty(0, 4);
    }
  });
  block->enable_dirty_log();
  std::uint32_t seen = 0;
  const auto look = [&] {
    if (block->test_and_clear_dirty(0, 4096)) seen = __atomic_load_n(word, __ATOMIC_RELAXED);
  };
  for (int i = 0; i < 100'000; ++i) look();
  writer.join();
  look();
  EXPECT_EQ(seen, kWrites);
}

}  // namespace
}  // namespace machina
