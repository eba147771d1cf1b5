#pragma once
/// A disk in memory whose requests end when the test says so, and fail where it says so.

#include <deque>
#include <optional>

#include "core/block/block_backend.h"
#include "core/units.h"

namespace machina::test {

class TestDisk final : public BlockBackend {
 public:
  static constexpr const char* kType = "test-disk";
  static void class_init(qom::ObjectClass& c);

  std::uint64_t size() const override { return static_cast<std::uint64_t>(bytes.size()); }
  bool read_only() const override { return write_protected; }
  std::string description() const override { return "test disk"; }
  void read(std::uint64_t offset, std::vector<std::span<std::uint8_t>> to, Completion done) override;
  void write(std::uint64_t offset, std::vector<std::span<const std::uint8_t>> from, Completion done) override;
  void flush(Completion done) override;
  void discard(std::uint64_t offset, std::uint64_t length, Completion done) override;
  unsigned in_flight() const override { return static_cast<unsigned>(pending_.size()); }
  void drain() override { complete_all(); }

  /// While set, requests wait for complete_one() or complete_all(); the data moves then, too.
  bool delayed = false;
  bool complete_one();
  void complete_all();

  /// Fills each sector with its own number, so that a misplaced one is seen.
  void fill();
  static std::uint8_t pattern(std::uint64_t offset);

  std::vector<std::uint8_t> bytes = std::vector<std::uint8_t>(8 * MiB);
  bool write_protected = false;
  std::optional<std::uint64_t> bad_sector;  ///< requests that touch it end with EIO
  bool fail_flush = false;
  unsigned reads = 0, writes = 0, flushes = 0;

 private:
  void submit(std::uint64_t offset, std::uint64_t length, std::function<void()> move, Completion done);
  std::deque<std::function<void()>> pending_;
};

}  // namespace machina::test
