#include "core/block/raw_block_backend.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <numeric>
#include <sstream>
#include <thread>

#include "core/event_loop.h"
#include "core/log.h"
#include "core/machine_lock.h"
#include "core/units.h"
#include "qom/error.h"
#include "tests/support/trace_capture.h"

namespace machina {
namespace {

constexpr std::int64_t kLimit = 30 * kNsPerSecond;  // generous: reached only by a failing test

// Requests wait at a gate; flushes fail when told to.
struct Gate {
  std::mutex lock;
  std::condition_variable opened;
  bool open = true;
  int flush_error = 0;
  std::atomic<int> flushes{0};

  void pass() {
    std::unique_lock guard(lock);
    opened.wait(guard, [this] { return open; });
  }
  void set_open(bool on) {
    const std::lock_guard guard(lock);
    open = on;
    opened.notify_all();
  }
};

class GatedImage final : public ImageFile {
 public:
  GatedImage(std::unique_ptr<ImageFile> image, Gate& gate) : image_(std::move(image)), gate_(gate) {}
  int read(std::uint64_t offset, std::vector<iovec> to) override {
    gate_.pass();
    return image_->read(offset, std::move(to));
  }
  int write(std::uint64_t offset, std::vector<iovec> from) override {
    gate_.pass();
    return image_->write(offset, std::move(from));
  }
  int flush() override {
    gate_.pass();
    ++gate_.flushes;
    const int error = std::exchange(gate_.flush_error, 0);
    return error != 0 ? error : image_->flush();
  }
  int discard(std::uint64_t offset, std::uint64_t length) override { return image_->discard(offset, length); }

 private:
  std::unique_ptr<ImageFile> image_;
  Gate& gate_;
};

class GatedBlock final : public RawBlockBackend {
 public:
  static constexpr const char* kType = "test-block-gated";
  Gate gate;

 protected:
  std::unique_ptr<ImageFile> wrap(std::unique_ptr<ImageFile> image) override {
    return std::make_unique<GatedImage>(std::move(image), gate);
  }
};
MACHINA_TYPE(GatedBlock, RawBlockBackend);

struct RawBlockTest : testing::Test {
  RawBlockTest() {
    log::reset();
    log::set_sink([this](log::Level, bool, std::string_view line) {
      const std::lock_guard guard(log_lock);
      logged.emplace_back(line);
    });
    char name[] = "/tmp/machina-blk-XXXXXX";
    dir = mkdtemp(name);
    image = dir + "/disk.img";
    std::string text(1 * MiB, '\0');
    for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i / 512 + i);
    initial = text;
    std::ofstream(image, std::ios::binary) << text;
  }
  ~RawBlockTest() override {
    std::filesystem::remove_all(dir);
    log::set_sink({});
    log::reset();
  }

  using Properties = std::vector<std::pair<std::string, std::string>>;
  template <class T = RawBlockBackend>
  qom::Ref<T> open(Properties properties = {}) {
    auto made = qom::TypeRegistry::global().create_as<T>(T::kType);
    made->set_event_loop(loop);
    bool named = false;
    for (const auto& [name, value] : properties) named = named || name == "filename";
    if (!named) properties.emplace_back("filename", image);
    for (const auto& [name, value] : properties) made->set_text(name, value);
    qom::realize_tree(*made);
    return made;
  }
  std::string refusal(const Properties& properties) {
    try {
      const auto made = open(properties);
      qom::unrealize_tree(*made);
    } catch (const Error& e) {
      return e.what();
    }
    return "";
  }
  void expect_refusal(const Properties& properties, const std::string& part) {
    const std::string refused = refusal(properties);
    EXPECT_NE(refused.find(part), std::string::npos) << "expected " << part << ", got: " << refused;
  }
  std::string file(const std::string& name, const std::string& text) {
    const std::string path = dir + "/" + name;
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }
  static std::string content(const std::string& path) {
    std::ostringstream out;
    out << std::ifstream(path, std::ios::binary).rdbuf();
    return out.str();
  }

  // Starts a request with `start(completion)` and runs the loop until it is done.
  template <class F>
  int wait(F&& start) {
    int result = -1;
    start([&](int error) {
      EXPECT_TRUE(lock.held());
      result = error;
    });
    EXPECT_EQ(result, -1) << "completions come from the loop";
    EXPECT_TRUE(loop.run_until([&] { return result >= 0; }, kLimit));
    return result;
  }
  int read(BlockBackend& b, std::uint64_t offset, std::vector<std::uint8_t>& to) {
    return wait([&](auto done) { b.read(offset, {std::span(to)}, done); });
  }
  int write(BlockBackend& b, std::uint64_t offset, const std::vector<std::uint8_t>& from) {
    return wait([&](auto done) { b.write(offset, {std::span(from)}, done); });
  }
  int flush(BlockBackend& b) {
    return wait([&](auto done) { b.flush(done); });
  }

  MachineLock lock;
  EventLoop loop{lock};
  std::string dir;
  std::string image;
  std::string initial;
  std::mutex log_lock;
  std::vector<std::string> logged;
};

TEST_F(RawBlockTest, PiecesAreGatheredAndScattered) {
  const auto b = open();
  EXPECT_EQ(b->size(), 1 * MiB);
  EXPECT_FALSE(b->read_only());
  EXPECT_EQ(b->description(), image);
  std::vector<std::uint8_t> one(700, 1);
  std::vector<std::uint8_t> two(300, 2);
  EXPECT_EQ(wait([&](auto done) {
              b->write(1001, {std::span<const std::uint8_t>(one), std::span<const std::uint8_t>(two)}, done);
            }),
            0);
  std::vector<std::uint8_t> head(1);
  std::vector<std::uint8_t> back(1001);
  EXPECT_EQ(wait([&](auto done) { b->read(1000, {std::span(head), std::span(back)}, done); }), 0);
  EXPECT_EQ(head[0], static_cast<std::uint8_t>(initial[1000]));
  EXPECT_EQ(back[699], 1);
  EXPECT_EQ(back[700], 2);
  EXPECT_EQ(back[999], 2);
  EXPECT_EQ(back[1000], static_cast<std::uint8_t>(initial[2001]));
  EXPECT_EQ(flush(*b), 0);
  EXPECT_EQ(content(image).substr(1001, 700), std::string(700, '\1'));
}

TEST_F(RawBlockTest, TraceEventsTellWhatWasAskedAndWhatCameOfIt) {
  const auto b = open({{"discard", "unmap"}});
  test::TraceCapture trace({"block_*"});
  const auto took = [&](const std::string& event, const std::string& done) {
    const std::vector<std::string> lines = trace.take();
    ASSERT_EQ(lines.size(), 2U);
    EXPECT_EQ(lines[0], event);
    EXPECT_EQ(lines[1].substr(0, done.size()), done);
    EXPECT_TRUE(lines[1].ends_with(" error=0")) << lines[1];
  };
  std::vector<std::uint8_t> bytes(1024);
  read(*b, 512, bytes);
  took("block_read image=" + image + " offset=0x200 bytes=1024", "block_done bytes=1024 ns=");
  write(*b, 2048, bytes);
  took("block_write image=" + image + " offset=0x800 bytes=1024", "block_done bytes=1024 ns=");
  flush(*b);
  took("block_flush image=" + image, "block_done bytes=0 ns=");
  wait([&](auto done) { b->discard(4096, 4096, done); });
  took("block_discard image=" + image + " offset=0x1000 bytes=4096", "block_done bytes=");
}

TEST_F(RawBlockTest, RequestsBeyondTheEndAreRefused) {
  const auto b = open({{"discard", "unmap"}});
  std::vector<std::uint8_t> sector(512);
  EXPECT_EQ(write(*b, 1 * MiB - 512, sector), 0);
  EXPECT_EQ(write(*b, 1 * MiB - 511, sector), EINVAL);
  EXPECT_EQ(write(*b, 1 * MiB, sector), EINVAL);
  EXPECT_EQ(read(*b, 1 * MiB - 1, sector), EINVAL);
  EXPECT_EQ(read(*b, ~std::uint64_t{0} - 5, sector), EINVAL);  // must not wrap
  EXPECT_EQ(wait([&](auto done) { b->discard(512, ~std::uint64_t{0}, done); }), EINVAL);
  std::vector<std::uint8_t> nothing;
  EXPECT_EQ(read(*b, 1 * MiB, nothing), 0);
  EXPECT_EQ(std::filesystem::file_size(image), 1 * MiB);
}

TEST_F(RawBlockTest, ReadOnlyRefusesChanges) {
  const auto b = open({{"readonly", "on"}});
  EXPECT_TRUE(b->read_only());
  std::vector<std::uint8_t> sector(512);
  EXPECT_EQ(write(*b, 0, sector), EROFS);
  EXPECT_EQ(wait([&](auto done) { b->discard(0, 512, done); }), EROFS);
  EXPECT_EQ(flush(*b), 0);
  EXPECT_EQ(read(*b, 512, sector), 0);
  EXPECT_EQ(sector[0], static_cast<std::uint8_t>(initial[512]));
  EXPECT_EQ(content(image), initial);
}

TEST_F(RawBlockTest, EveryCacheModeStoresWhatIsWritten) {
  for (const char* mode : {"writeback", "writethrough", "unsafe", "none"}) {
    if (std::string(mode) == "none") {
      const std::string refused = refusal({{"cache", mode}});
      if (!refused.empty()) {
        EXPECT_NE(refused.find("use cache=writeback"), std::string::npos) << refused;
        GTEST_SKIP() << "cache=none: " << refused;
      }
    }
    const auto b = open({{"cache", mode}});
    const std::vector<std::uint8_t> bytes(1000, static_cast<std::uint8_t>(mode[0]));
    EXPECT_EQ(write(*b, 12345, bytes), 0) << mode;
    EXPECT_EQ(flush(*b), 0) << mode;
    std::vector<std::uint8_t> back(1000);
    EXPECT_EQ(read(*b, 12345, back), 0) << mode;
    EXPECT_EQ(back, bytes) << mode;
    qom::unrealize_tree(*b);
    EXPECT_EQ(content(image).substr(12345, 1000), std::string(1000, mode[0])) << mode;
  }
}

TEST_F(RawBlockTest, FlushReachesTheHostUnlessUnsafe) {
  const auto b = open<GatedBlock>();
  EXPECT_EQ(flush(*b), 0);
  EXPECT_EQ(b->gate.flushes, 1);
  qom::unrealize_tree(*b);
  const auto careless = open<GatedBlock>({{"cache", "unsafe"}});
  EXPECT_EQ(flush(*careless), 0);
  EXPECT_EQ(careless->gate.flushes, 0);
}

TEST_F(RawBlockTest, AfterAFailedFlushNoFlushSucceeds) {
  const auto b = open<GatedBlock>();
  b->gate.flush_error = EIO;
  EXPECT_EQ(flush(*b), EIO);
  EXPECT_EQ(flush(*b), EIO);  // the host would say that all is well now
  EXPECT_EQ(b->gate.flushes, 1);
  ASSERT_EQ(logged.size(), 1U);
  EXPECT_NE(logged[0].find("cannot flush image '" + image + "'"), std::string::npos) << logged[0];
}

TEST_F(RawBlockTest, HostErrorsCompleteTheRequestAndAreSaidOnce) {
  const auto b = open();
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  rlimit limit = before;
  limit.rlim_cur = 4096;
  setrlimit(RLIMIT_FSIZE, &limit);  // its signal, which ends a process, is blocked in the threads of the pool
  const std::vector<std::uint8_t> bytes(8192, 7);
  const int first = write(*b, 0, bytes);
  const int second = write(*b, 0, bytes);
  setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_EQ(first, EFBIG);
  EXPECT_EQ(second, EFBIG);
  EXPECT_EQ(logged.size(), 1U);
  EXPECT_EQ(write(*b, 0, bytes), 0);
}

TEST_F(RawBlockTest, ARequestFailsWhileTheHostHasNoThread) {
  const auto b = open();
  // More stack than a process has addresses: no thread can start.
  pthread_attr_t before, huge;
  pthread_getattr_default_np(&before);
  pthread_getattr_default_np(&huge);
  pthread_attr_setstacksize(&huge, std::size_t{1} << 47);
  ASSERT_EQ(pthread_setattr_default_np(&huge), 0);
  sigset_t masked;
  const int failed = flush(*b);
  pthread_setattr_default_np(&before);
  pthread_sigmask(SIG_SETMASK, nullptr, &masked);
  EXPECT_EQ(failed, EAGAIN);
  EXPECT_EQ(sigismember(&masked, SIGTERM), 0) << "signals are let in again";
  EXPECT_EQ(flush(*b), 0) << "later there may be one";
}

TEST_F(RawBlockTest, SnapshotLeavesTheImageAlone) {
  const auto b = open({{"snapshot", "on"}});
  EXPECT_FALSE(b->read_only());
  const std::vector<std::uint8_t> bytes(1000, 9);
  EXPECT_EQ(write(*b, 100'000, bytes), 0);
  EXPECT_EQ(flush(*b), 0);
  std::vector<std::uint8_t> back(1000);
  EXPECT_EQ(read(*b, 100'000, back), 0);
  EXPECT_EQ(back, bytes);
  qom::unrealize_tree(*b);
  EXPECT_EQ(content(image), initial);
}

TEST_F(RawBlockTest, UnmapGivesSpaceBackAndIgnoreDoesNot) {
  struct stat before {};
  struct stat after {};
  {
    const auto b = open();
    EXPECT_EQ(wait([&](auto done) { b->discard(0, 512 * KiB, done); }), 0);
    qom::unrealize_tree(*b);
    EXPECT_EQ(content(image), initial);
  }
  const auto b = open({{"discard", "unmap"}});
  EXPECT_EQ(flush(*b), 0);
  stat(image.c_str(), &before);
  EXPECT_EQ(wait([&](auto done) { b->discard(0, 512 * KiB, done); }), 0);
  stat(image.c_str(), &after);
  EXPECT_EQ(content(image).substr(512 * KiB), initial.substr(512 * KiB));
  if (content(image) == initial) GTEST_SKIP() << "the file system of /tmp cannot punch holes";
  EXPECT_EQ(content(image).substr(0, 512 * KiB), std::string(512 * KiB, '\0'));
  EXPECT_LT(after.st_blocks, before.st_blocks);
}

TEST_F(RawBlockTest, ImagesThatAreNoneAreNamed) {
  expect_refusal({{"filename", dir + "/none.img"}}, "cannot open image '" + dir + "/none.img'");
  expect_refusal({{"filename", dir + "/none.img"}}, "No such file");
  expect_refusal({{"filename", dir}}, "folder");
  expect_refusal({{"filename", dir}, {"readonly", "on"}}, "is a folder");
  expect_refusal({{"filename", "/dev/null"}}, "expected a regular file or a block device");
  ASSERT_EQ(mkfifo((dir + "/fifo").c_str(), 0600), 0);
  expect_refusal({{"filename", dir + "/fifo"}, {"readonly", "on"}}, "is not an image");
  expect_refusal({{"filename", file("empty.img", "")}}, "too small");
  expect_refusal({{"filename", file("small.img", std::string(511, 'x'))}}, "it has 511 bytes");
  expect_refusal({{"cache", "writeable"}}, "writeback");
  expect_refusal({{"filename", ""}}, "");
}

TEST_F(RawBlockTest, WithoutPermissionTheHintIsReadonly) {
  if (geteuid() != 0 && ::access(image.c_str(), W_OK) != 0) GTEST_SKIP() << "cannot make an image to be refused";
  ASSERT_EQ(chmod(dir.c_str(), 0755), 0);
  ASSERT_EQ(chmod(image.c_str(), 0444), 0);
  const uid_t before = geteuid();
  ASSERT_EQ(before == 0 ? seteuid(65534) : 0, 0);
  const std::string refused = refusal({});
  const std::string read_only = refusal({{"readonly", "on"}});
  ASSERT_EQ(before == 0 ? seteuid(before) : 0, 0);
  EXPECT_NE(refused.find("Permission denied"), std::string::npos) << refused;
  EXPECT_NE(refused.find("add readonly=on"), std::string::npos) << refused;
  EXPECT_EQ(read_only, "");
}

TEST_F(RawBlockTest, OddTailIsLeftOutWithAWarning) {
  const auto b = open({{"filename", file("odd.img", std::string(1500, 'o'))}});
  EXPECT_EQ(b->size(), 1024U);
  EXPECT_EQ(b->get("size").to_string(), "1024");
  ASSERT_EQ(logged.size(), 1U);
  EXPECT_NE(logged[0].find("last 476 bytes"), std::string::npos) << logged[0];
}

TEST_F(RawBlockTest, OtherFormatsAreRefusedByName) {
  std::string head = "QFI\xfb";
  head.resize(65536);
  const std::string qcow2 = file("disk.qcow2", head);
  expect_refusal({{"filename", qcow2}}, "looks like format qcow2");
  expect_refusal({{"filename", qcow2}}, "format=raw");
  EXPECT_EQ(refusal({{"filename", qcow2}, {"format", "raw"}}), "");
  expect_refusal({{"format", "qcow2"}}, "image format 'qcow2' is not supported");
  expect_refusal({{"format", "rwa"}}, "raw");
  EXPECT_EQ(content(qcow2), head);
}

TEST_F(RawBlockTest, OneWriterOrManyReaders) {
  {
    const auto writer = open();
    expect_refusal({}, "is being written by another process, or by another drive");
    expect_refusal({{"readonly", "on"}}, "is being written by another process, or by another drive");
    EXPECT_EQ(refusal({{"locking", "off"}}), "");
    qom::unrealize_tree(*writer);
  }
  const auto reader = open({{"readonly", "on"}});
  EXPECT_EQ(refusal({{"readonly", "on"}}), "");
  EXPECT_EQ(refusal({{"snapshot", "on"}}), "");
  expect_refusal({}, "readonly=on or snapshot=on");
  expect_refusal({}, "in use by another process");
  qom::unrealize_tree(*reader);
  EXPECT_EQ(refusal({}), "");
}

TEST_F(RawBlockTest, LocksStandWhereOtherProgramsLook) {
  const auto held = [&](off_t byte) {
    const int fd = ::open(image.c_str(), O_RDWR | O_CLOEXEC);
    struct flock l {};
    l.l_type = F_WRLCK;
    l.l_whence = SEEK_SET;
    l.l_start = byte;
    l.l_len = 1;
    EXPECT_EQ(fcntl(fd, F_OFD_GETLK, &l), 0);
    close(fd);
    return l.l_type != F_UNLCK;
  };
  const auto writer = open();
  EXPECT_TRUE(held(100) && held(101) && held(201));
  qom::unrealize_tree(*writer);
  EXPECT_FALSE(held(100) || held(101) || held(201));
  const auto reader = open({{"readonly", "on"}});
  EXPECT_TRUE(held(100) && held(201));
  EXPECT_FALSE(held(101));
}

TEST_F(RawBlockTest, SlowDiskDoesNotHoldTheLoopThread) {
  const auto b = open<GatedBlock>();
  b->gate.set_open(false);
  std::vector<std::vector<std::uint8_t>> buffers(20, std::vector<std::uint8_t>(512));
  int completed = 0;
  for (std::size_t i = 0; i < buffers.size(); ++i)
    b->read(i * 512, {std::span(buffers[i])}, [&](int error) { completed += error == 0 ? 1 : 0; });
  EXPECT_EQ(b->in_flight(), 20U);
  bool other_work = false;
  loop.post([&] { other_work = true; });
  EXPECT_TRUE(loop.run_until([&] { return other_work; }, kLimit));
  EXPECT_EQ(completed, 0);
  b->gate.set_open(true);
  EXPECT_TRUE(loop.run_until([&] { return completed == 20; }, kLimit));
  EXPECT_EQ(b->in_flight(), 0U);
  for (std::size_t i = 0; i < buffers.size(); ++i)
    EXPECT_EQ(buffers[i][0], static_cast<std::uint8_t>(initial[i * 512]));
}

TEST_F(RawBlockTest, DrainWaitsForAllWithTheLockHeldThread) {
  const auto b = open<GatedBlock>();
  b->gate.set_open(false);
  const std::vector<std::uint8_t> bytes(512, 5);
  int completed = 0;
  const MachineLock::Guard guard(lock);
  // Each completion starts another request, as a device with a queue does.
  std::function<void(int)> next = [&](int error) {
    EXPECT_EQ(error, 0);
    EXPECT_TRUE(lock.held());
    if (++completed < 50)
      b->write(static_cast<std::uint64_t>(completed) * 512, {std::span<const std::uint8_t>(bytes)}, next);
  };
  b->write(0, {std::span<const std::uint8_t>(bytes)}, next);
  std::thread opener([&] { b->gate.set_open(true); });
  b->drain();
  opener.join();
  EXPECT_EQ(completed, 50);
  EXPECT_EQ(b->in_flight(), 0U);
  b->drain();  // nothing to do
  EXPECT_EQ(content(image).substr(0, 50 * 512), std::string(50 * 512, '\5'));
}

TEST_F(RawBlockTest, UnrealizeFinishesWhatWasAskedFor) {
  const auto b = open();
  const std::vector<std::uint8_t> bytes(4096, 6);
  int completed = 0;
  for (std::uint64_t i = 0; i < 32; ++i)
    b->write(i * 4096, {std::span<const std::uint8_t>(bytes)}, [&](int error) { completed += error == 0 ? 1 : 0; });
  qom::unrealize_tree(*b);
  EXPECT_EQ(completed, 32);
  EXPECT_EQ(content(image).substr(0, 32 * 4096), std::string(32 * 4096, '\6'));
  loop.poll();  // what the pool had posted finds nothing left to do
}

TEST_F(RawBlockTest, CompletionMayTakeTheBackendDown) {
  auto b = open();
  std::array<std::array<std::uint8_t, 512>, 10> sectors{};  // one each: they are read at the same time
  int completed = 0;
  for (auto& sector : sectors) {
    b->read(0, {std::span(sector)}, [&](int) {
      if (++completed == 1) {
        qom::unrealize_tree(*b);
        b = nullptr;
      }
    });
  }
  EXPECT_TRUE(loop.run_until([&] { return !b; }, kLimit));
  loop.poll();
  EXPECT_EQ(completed, 10);  // taking it down has waited for the others
}

TEST_F(RawBlockTest, ThreadsOfVcpusSubmitUnderTheLock) {
  const auto b = open();
  constexpr int kEach = 100;
  std::atomic<int> completed{0};
  std::atomic<int> errors{0};
  std::vector<std::vector<std::uint8_t>> bytes;
  for (int t = 0; t < 3; ++t) bytes.emplace_back(512, static_cast<std::uint8_t>(0x40 + t));
  std::vector<std::thread> vcpus;
  for (std::size_t t = 0; t < 3; ++t) {
    vcpus.emplace_back([&, t] {
      for (std::uint64_t i = 0; i < kEach; ++i) {
        const MachineLock::Guard guard(lock);
        b->write((i * 3 + t) * 512, {std::span<const std::uint8_t>(bytes[t])}, [&](int error) {
          ++completed;
          if (error != 0) ++errors;
        });
      }
    });
  }
  EXPECT_TRUE(loop.run_until([&] { return completed == 3 * kEach; }, kLimit));
  for (auto& t : vcpus) t.join();
  EXPECT_EQ(errors, 0);
  EXPECT_EQ(flush(*b), 0);
  const std::string now = content(image);
  for (std::size_t s = 0; s < 3 * kEach; ++s) ASSERT_EQ(now[s * 512], static_cast<char>(0x40 + s % 3)) << s;
}

}  // namespace
}  // namespace machina
