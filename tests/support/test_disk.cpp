#include "tests/support/test_disk.h"

#include <array>
#include <cerrno>
#include <cstring>

namespace machina {
using test::TestDisk;
MACHINA_TYPE(TestDisk, BlockBackend);
}  // namespace machina

namespace machina::test {

void TestDisk::class_init(qom::ObjectClass& c) { c.description = "Disk of a test"; }

std::uint8_t TestDisk::pattern(std::uint64_t offset) {
  const std::uint64_t sector = offset / 512;
  return static_cast<std::uint8_t>(sector * 7 + (sector >> 8) * 13 + offset % 512);
}

void TestDisk::fill() {
  // Within a sector the pattern goes up by one from byte to byte.
  std::array<std::uint8_t, 256 + 512> ramp;
  for (std::size_t i = 0; i < ramp.size(); ++i) ramp[i] = static_cast<std::uint8_t>(i);
  for (std::uint64_t at = 0; at < bytes.size(); at += 512) std::memcpy(&bytes[at], &ramp[pattern(at)], 512);
}

void TestDisk::submit(std::uint64_t offset, std::uint64_t length, std::function<void()> move, Completion done) {
  auto work = [this, offset, length, move = std::move(move), done = std::move(done)] {
    const std::uint64_t end = offset + length;
    if (end < offset || end > bytes.size()) return done(EINVAL);
    if (bad_sector && offset < (*bad_sector + 1) * 512 && end > *bad_sector * 512) return done(EIO);
    move();
    done(0);
  };
  if (delayed) {
    pending_.push_back(std::move(work));
  } else {
    work();
  }
}

void TestDisk::read(std::uint64_t offset, std::vector<std::span<std::uint8_t>> to, Completion done) {
  ++reads;
  std::uint64_t length = 0;
  for (const auto& piece : to) length += piece.size();
  auto move = [this, offset, to = std::move(to)] {
    std::uint64_t at = offset;
    for (const auto& piece : to) {
      std::memcpy(piece.data(), bytes.data() + at, piece.size());
      at += piece.size();
    }
  };
  submit(offset, length, std::move(move), std::move(done));
}

void TestDisk::write(std::uint64_t offset, std::vector<std::span<const std::uint8_t>> from, Completion done) {
  ++writes;
  std::uint64_t length = 0;
  for (const auto& piece : from) length += piece.size();
  auto move = [this, offset, from = std::move(from)] {
    std::uint64_t at = offset;
    for (const auto& piece : from) {
      std::memcpy(bytes.data() + at, piece.data(), piece.size());
      at += piece.size();
    }
  };
  submit(offset, length, std::move(move), std::move(done));
}

void TestDisk::flush(Completion done) {
  ++flushes;
  auto work = [this, done = std::move(done)] { done(fail_flush ? EIO : 0); };
  if (delayed) {
    pending_.push_back(std::move(work));
  } else {
    work();
  }
}

void TestDisk::discard(std::uint64_t offset, std::uint64_t length, Completion done) {
  auto move = [this, offset, length] { std::memset(bytes.data() + offset, 0, length); };
  submit(offset, length, std::move(move), std::move(done));
}

bool TestDisk::complete_one() {
  if (pending_.empty()) return false;
  const auto work = std::move(pending_.front());
  pending_.pop_front();
  work();
  return true;
}

void TestDisk::complete_all() {
  while (complete_one()) {
  }
}

}  // namespace machina::test
