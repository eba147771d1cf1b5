#pragma once
/// The outside world of a machine under test: a character line, a disk, a network. What happens there, and when, is the
/// input's to say.

#include <deque>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "core/block/block_backend.h"
#include "core/chardev/char_backend.h"
#include "core/net/net_backend.h"

namespace machina::fuzz {

class FuzzChardev final : public CharBackend {
 public:
  static constexpr const char* kType = "chardev-fuzz";
  static void class_init(qom::ObjectClass& c) { c.description = "Character line of a fuzz target"; }

  std::size_t write(std::span<const std::byte> bytes) override;
  bool connected() const override { return connected_; }
  std::string description() const override { return "fuzz"; }

  /// What the front end takes of it; the rest is lost. Returns how much.
  std::size_t send(std::span<const std::uint8_t> bytes);
  /// What the front end has written since the last call; forgotten beyond 16 MiB.
  std::string take_output() { return std::exchange(output_, {}); }
  void send_break() { report(CharFrontend::Event::Break); }
  void connect(bool on);
  /// How many bytes are taken from now on.
  void set_room(std::size_t bytes);

 private:
  std::size_t room_ = ~std::size_t{0};
  bool connected_ = true;
  std::string output_;
};

/// A floppy disk's 360 KiB, which every drive takes. Requests are done at once, or, while it is slow, when
/// complete_one() says so; the data moves then.
class FuzzDisk final : public BlockBackend {
 public:
  static constexpr const char* kType = "block-fuzz";
  static void class_init(qom::ObjectClass& c) { c.description = "Disk of a fuzz target"; }

  static constexpr std::uint64_t kSize = 360 * 1024;

  std::uint64_t size() const override { return kSize; }
  bool read_only() const override { return false; }
  std::string description() const override { return "fuzz"; }
  void read(std::uint64_t offset, std::vector<std::span<std::uint8_t>> to, Completion done) override;
  void write(std::uint64_t offset, std::vector<std::span<const std::uint8_t>> from, Completion done) override;
  void flush(Completion done) override;
  void discard(std::uint64_t offset, std::uint64_t length, Completion done) override;
  unsigned in_flight() const override { return static_cast<unsigned>(pending_.size()); }
  void drain() override;

  void set_slow(bool slow) { slow_ = slow; }
  /// Requests from now on end with this errno; 0: well.
  void set_error(int error) { error_ = error; }
  void complete_one();

 private:
  void submit(std::uint64_t offset, std::uint64_t length, std::function<void()> move, Completion done);

  bool slow_ = false;
  int error_ = 0;
  std::vector<std::uint8_t> bytes_;  // empty until something is written: all zero
  std::deque<std::function<void()>> pending_;
};

/// The guest's frames are taken, and some are answered at once.
class FuzzNet final : public NetBackend {
 public:
  static constexpr const char* kType = "netdev-fuzz";
  static void class_init(qom::ObjectClass& c) { c.description = "Network of a fuzz target"; }

  std::string description() const override { return "fuzz"; }
  void inject(FrameView frame) { deliver(frame); }
  /// From now on each frame of the guest comes back.
  void set_echo(bool on) { echo_ = on; }

 protected:
  void transmit(FrameView frame) override;

 private:
  bool echo_ = false;
};

}  // namespace machina::fuzz
