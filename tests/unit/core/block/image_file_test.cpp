#include "core/block/image_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <random>
#include <thread>

#include "core/block/image_format.h"

namespace machina {
namespace {

constexpr std::uint64_t kSize = 300 * 1024;  // no multiple of an overlay's cluster

struct ImageFileTest : testing::Test {
  ImageFileTest() {
    char name[] = "/tmp/machina-img-XXXXXX";
    const int fd = mkstemp(name);
    path = name;
    model.resize(kSize);
    std::mt19937 random(1);
    for (char& c : model) c = static_cast<char>(random());
    if (pwrite(fd, model.data(), model.size(), 0) != static_cast<ssize_t>(kSize)) abort();
    close(fd);
  }
  ~ImageFileTest() override { unlink(path.c_str()); }
  int open_it(int flags = O_RDWR) const { return open(path.c_str(), flags | O_CLOEXEC); }
  std::string on_disk() const {
    std::string out(kSize, '\0');
    const int fd = open_it(O_RDONLY);
    EXPECT_EQ(pread(fd, out.data(), out.size(), 0), static_cast<ssize_t>(kSize));
    close(fd);
    return out;
  }

  // Reads and writes at random, of all alignments and in pieces, beside a copy in memory.
  void exercise(ImageFile& image) {
    std::mt19937 random(2);
    const auto below = [&](std::uint64_t n) { return random() % n; };
    for (int i = 0; i < 2000; ++i) {
      std::uint64_t length = 1 + below(i % 10 == 0 ? 150'000 : 3000);
      std::uint64_t offset = below(kSize - length + 1);
      if (i % 3 == 0) offset = offset / 512 * 512, length = std::max<std::uint64_t>(length / 512 * 512, 512);
      if (offset + length > kSize) continue;
      std::string bytes(length + 16, '\0');
      char* const start = bytes.data() + below(16);
      std::vector<iovec> pieces;
      for (std::uint64_t at = 0; at < length;) {
        const std::uint64_t n = std::min(length - at, below(5000));  // empty pieces as well
        pieces.push_back({start + at, n});
        at += n;
      }
      if (random() % 2 == 0) {
        ASSERT_EQ(image.read(offset, pieces), 0);
        ASSERT_EQ(std::string_view(start, length), std::string_view(model).substr(offset, length)) << i;
      } else {
        for (std::uint64_t k = 0; k < length; ++k) start[k] = static_cast<char>(random());
        ASSERT_EQ(image.write(offset, pieces), 0);
        std::copy_n(start, length, model.begin() + static_cast<std::ptrdiff_t>(offset));
      }
    }
    std::string all(kSize, '\0');
    ASSERT_EQ(image.read(0, {{all.data(), all.size()}}), 0);
    EXPECT_EQ(all, model);
    EXPECT_EQ(image.flush(), 0);
  }

  // Each thread has every fourth stretch of 100 bytes, so that all blocks are shared.
  void exercise_by_threads(ImageFile& image) {
    std::vector<std::thread> threads;
    for (unsigned t = 0; t < 4; ++t) {
      threads.emplace_back([&image, t] {
        for (std::uint64_t at = t * 100; at + 100 <= kSize; at += 400) {
          std::string bytes(100, static_cast<char>('a' + t));
          EXPECT_EQ(image.write(at, {{bytes.data(), bytes.size()}}), 0);
        }
      });
    }
    for (auto& t : threads) t.join();
    std::string all(kSize, '\0');
    ASSERT_EQ(image.read(0, {{all.data(), all.size()}}), 0);
    for (std::uint64_t at = 0; at + 100 <= kSize; at += 100) {
      ASSERT_EQ(all.substr(at, 100), std::string(100, static_cast<char>('a' + at / 100 % 4))) << at;
    }
  }

  std::string path;
  std::string model;
};

TEST_F(ImageFileTest, PlainIsWhatWasWritten) {
  PlainImage image(open_it(), false);
  exercise(image);
  EXPECT_EQ(on_disk(), model);
}

TEST_F(ImageFileTest, MorePiecesThanTheHostTakesAtOnce) {
  PlainImage image(open_it(), false);
  std::string bytes(5000, 'p');
  std::vector<iovec> pieces;
  for (char& c : bytes) pieces.push_back({&c, 1});
  EXPECT_EQ(image.write(7, pieces), 0);
  EXPECT_EQ(on_disk().substr(7, 5000), bytes);
  std::fill(bytes.begin(), bytes.end(), ' ');
  EXPECT_EQ(image.read(7, pieces), 0);
  EXPECT_EQ(bytes, std::string(5000, 'p'));
}

TEST_F(ImageFileTest, ShortTransfersGoOnAndTheirErrorIsTold) {
  PlainImage image(open_it(), false);
  // The host writes up to its limit on files, and says why when asked for the rest.
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  signal(SIGXFSZ, SIG_IGN);
  rlimit limit = before;
  limit.rlim_cur = 1000;
  setrlimit(RLIMIT_FSIZE, &limit);
  std::string bytes(1000, 's');
  const int error = image.write(500, {{bytes.data(), 300}, {bytes.data() + 300, 700}});
  setrlimit(RLIMIT_FSIZE, &before);
  signal(SIGXFSZ, SIG_DFL);
  EXPECT_EQ(error, EFBIG);
  EXPECT_EQ(on_disk().substr(500, 500), bytes.substr(0, 500));
  EXPECT_EQ(on_disk().substr(1000, 500), model.substr(1000, 500));
}

TEST_F(ImageFileTest, ReadingPastACutOffEndIsAnError) {
  PlainImage image(open_it(), false);
  ASSERT_EQ(truncate(path.c_str(), 1000), 0);
  std::string bytes(1000, ' ');
  EXPECT_EQ(image.read(0, {{bytes.data(), 1000}}), 0);
  EXPECT_EQ(image.read(500, {{bytes.data(), 1000}}), EIO);
}

TEST_F(ImageFileTest, HostErrorsAreTold) {
  PlainImage image(open_it(O_RDONLY), false);
  char c = 'x';
  EXPECT_EQ(image.write(0, {{&c, 1}}), EBADF);
}

TEST_F(ImageFileTest, DirectTakesAnyAlignment) {
  // The same rounding on an ordinary descriptor: wherever the tests run. kSize is a multiple of both.
  for (const std::size_t alignment : {512U, 4096U}) {
    DirectImage image(open_it(), false, alignment);
    exercise(image);
    EXPECT_EQ(on_disk(), model);
  }
}

TEST_F(ImageFileTest, DirectOnTheHost) {
  const int fd = open_it(O_RDWR | O_DIRECT);
  if (fd < 0) GTEST_SKIP() << "the file system of /tmp has no O_DIRECT";
  const std::size_t alignment = direct_alignment(fd);
  if (alignment == 0) {
    close(fd);
    GTEST_SKIP() << "the file system of /tmp refuses direct reads";
  }
  DirectImage image(fd, false, alignment);
  exercise(image);
  EXPECT_EQ(on_disk(), model);
}

TEST_F(ImageFileTest, DirectThreadsDoNotUndoEachOther) {
  DirectImage image(open_it(), false, 4096);
  exercise_by_threads(image);
}

TEST_F(ImageFileTest, OverlayKeepsTheBaseAsItWas) {
  const std::string before = model;
  OverlayImage image(std::make_unique<PlainImage>(open_it(O_RDONLY), false), kSize);
  exercise(image);
  EXPECT_NE(model, before);
  EXPECT_EQ(on_disk(), before);
}

TEST_F(ImageFileTest, OverlayThreadsDoNotUndoEachOther) {
  OverlayImage image(std::make_unique<PlainImage>(open_it(O_RDONLY), false), kSize);
  exercise_by_threads(image);
}

TEST(ImageFormat, KnownMagicsAreNamed) {
  const auto format = [](std::string head) {
    head.resize(kFormatProbeBytes);
    return image_format(std::span(reinterpret_cast<const unsigned char*>(head.data()), head.size()));
  };
  EXPECT_EQ(format(""), "raw");
  EXPECT_EQ(format("QFI\xfb"), "qcow2");
  EXPECT_EQ(format("KDMV"), "vmdk");
  EXPECT_EQ(format("# Disk DescriptorFile\nversion=1"), "vmdk");
  EXPECT_EQ(format(std::string(64, ' ') + "\x7f\x10\xda\xbe"), "vdi");
  EXPECT_EQ(format("vhdxfile"), "vhdx");
  EXPECT_EQ(format("conectix"), "vpc");
  EXPECT_EQ(format("LUKS\xba\xbe"), "luks");
  EXPECT_EQ(format(" QFI\xfb"), "raw");
  const unsigned char brief[] = {'Q', 'F'};
  EXPECT_EQ(image_format(brief), "raw");
}

}  // namespace
}  // namespace machina
