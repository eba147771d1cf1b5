#pragma once
/// A disc whose blocks are full of their own number, of any size: what is read is told by its content.

#include <cerrno>

#include "core/block/block_backend.h"

namespace machina::test {

class BlockDisc final : public BlockBackend {
 public:
  static constexpr const char* kType = "block-disc";
  static void class_init(qom::ObjectClass& c);
  static constexpr unsigned kBlock = 2048;

  /// Byte `at` of the disc.
  static std::uint8_t byte(std::uint64_t at) {
    const std::uint64_t block = at / kBlock;
    return static_cast<std::uint8_t>(at % 8 < 4 ? block >> (8 * (at % 4)) : at % kBlock / 8 * 7 + block);
  }
  static std::vector<std::uint8_t> bytes(std::uint64_t at, std::size_t count) {
    std::vector<std::uint8_t> out(count);
    for (std::size_t i = 0; i < count; ++i) out[i] = byte(at + i);
    return out;
  }

  std::uint64_t size() const override { return blocks * kBlock; }
  bool read_only() const override { return true; }
  std::string description() const override { return "disc of a test"; }
  void read(std::uint64_t offset, std::vector<std::span<std::uint8_t>> to, Completion done) override;
  void write(std::uint64_t, std::vector<std::span<const std::uint8_t>>, Completion done) override { done(EROFS); }
  void flush(Completion done) override { done(0); }
  void discard(std::uint64_t, std::uint64_t, Completion done) override { done(EROFS); }
  unsigned in_flight() const override { return static_cast<unsigned>(pending_.size()); }
  void drain() override { complete_all(); }

  /// While set, requests wait for complete_all().
  bool delayed = false;
  void complete_all();

  std::uint64_t blocks = 3000;
  std::uint64_t bad_block = ~std::uint64_t{0};  ///< requests that touch it end with EIO
  unsigned reads = 0;

 private:
  std::vector<std::function<void()>> pending_;
};

}  // namespace machina::test
