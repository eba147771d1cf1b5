#include "tests/fuzz/fuzz_backends.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "tests/fuzz/target.h"

namespace machina {
using fuzz::FuzzChardev;
using fuzz::FuzzDisk;
using fuzz::FuzzNet;
MACHINA_TYPE(FuzzChardev, CharBackend);
MACHINA_TYPE(FuzzDisk, BlockBackend);
MACHINA_TYPE(FuzzNet, NetBackend);
}  // namespace machina

namespace machina::fuzz {

constexpr std::size_t kMaxOutput = std::size_t{16} << 20;

std::size_t FuzzChardev::write(std::span<const std::byte> bytes) {
  const std::size_t taken = std::min(bytes.size(), room_);
  if (room_ != ~std::size_t{0}) room_ -= taken;
  if (output_.size() < kMaxOutput) output_.append(reinterpret_cast<const char*>(bytes.data()), taken);
  return taken;
}

std::size_t FuzzChardev::send(std::span<const std::uint8_t> bytes) {
  const std::size_t room = std::min(bytes.size(), input_room());
  if (room) deliver(std::as_bytes(bytes.first(room)));
  return room;
}

void FuzzChardev::connect(bool on) {
  if (on == connected_) return;
  connected_ = on;
  report(on ? CharFrontend::Event::Opened : CharFrontend::Event::Closed);
}

void FuzzChardev::set_room(std::size_t bytes) {
  room_ = bytes;
  if (room_) report_writable();
}

void FuzzDisk::submit(std::uint64_t offset, std::uint64_t length, std::function<void()> move, Completion done) {
  auto work = [this, offset, length, move = std::move(move), done = std::move(done)] {
    if (offset > kSize || length > kSize - offset) return done(EINVAL);
    if (error_) return done(error_);
    move();
    done(0);
  };
  if (slow_) {
    pending_.push_back(std::move(work));
  } else {
    work();
  }
}

void FuzzDisk::read(std::uint64_t offset, std::vector<std::span<std::uint8_t>> to, Completion done) {
  std::uint64_t length = 0;
  for (const auto& piece : to) length += piece.size();
  auto move = [this, offset, to = std::move(to)] {
    std::uint64_t at = offset;
    for (const auto& piece : to) {
      // A sector that was never written says which one it is.
      for (std::size_t i = 0; i < piece.size(); ++i)
        piece[i] = bytes_.empty() ? static_cast<std::uint8_t>((at + i) / 512) : bytes_[at + i];
      at += piece.size();
    }
  };
  submit(offset, length, std::move(move), std::move(done));
}

void FuzzDisk::write(std::uint64_t offset, std::vector<std::span<const std::uint8_t>> from, Completion done) {
  std::uint64_t length = 0;
  for (const auto& piece : from) length += piece.size();
  auto move = [this, offset, from = std::move(from)] {
    if (bytes_.empty()) bytes_.resize(kSize);
    std::uint64_t at = offset;
    for (const auto& piece : from) {
      if (!piece.empty()) std::memcpy(bytes_.data() + at, piece.data(), piece.size());
      at += piece.size();
    }
  };
  submit(offset, length, std::move(move), std::move(done));
}

void FuzzDisk::flush(Completion done) {
  submit(
      0, 0, [] {}, std::move(done));
}

void FuzzDisk::discard(std::uint64_t offset, std::uint64_t length, Completion done) {
  submit(
      offset, length, [] {}, std::move(done));
}

void FuzzDisk::complete_one() {
  if (pending_.empty()) return;
  const auto work = std::move(pending_.front());
  pending_.pop_front();
  work();
}

void FuzzDisk::drain() {
  while (!pending_.empty()) complete_one();
}

void FuzzNet::transmit(FrameView frame) {
  if (frame.size() < kMinFrame || frame.size() > kMaxFrame)
    fail(fmt::format("a frame of {} bytes is sent", frame.size()));
  if (echo_) deliver(frame);
}

}  // namespace machina::fuzz
