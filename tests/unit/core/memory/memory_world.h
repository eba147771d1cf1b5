#pragma once
/// What the tests of guest memory share: a space to put regions into, a device that remembers what it was asked, and a
/// listener that keeps its own picture of the space and complains when it is told something impossible.

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/memory/address_space.h"

namespace machina::test {

struct MemoryWorld {
  explicit MemoryWorld(std::uint64_t size = MemoryRegion::kWholeSpace) : root("root", size) {}
  MachineLock lock;
  ContainerRegion root;
  AddressSpace space{"memory", root, lock};
};

/// Registers that are plain bytes, each with its offset as the value at first.
struct ByteDevice {
  struct Access {
    bool write;
    Offset offset;
    Width width;
    std::uint64_t value;  // of a write
    bool operator==(const Access&) const = default;
  };

  ByteDevice(std::string name, std::uint64_t size, Widths widths = {1, 8, true})
      : region(std::move(name), size, widths, this, &ByteDevice::read, &ByteDevice::write) {}

  IoResult read(Offset offset, Width width) {
    log.push_back({false, offset, width, 0});
    if (refusal != IoStatus::Ok) return refusal;
    std::uint64_t value = 0;
    for (Width i = 0; i < width; ++i) value |= std::uint64_t{byte(offset + i)} << (8 * i);
    return value;
  }
  IoResult write(Offset offset, Width width, std::uint64_t value) {
    log.push_back({true, offset, width, value});
    if (refusal != IoStatus::Ok) return refusal;
    for (Width i = 0; i < width; ++i) bytes[offset + i] = static_cast<std::uint8_t>(value >> (8 * i));
    return io_ok();
  }
  std::uint8_t byte(Offset offset) const {
    const auto found = bytes.find(offset);
    return found != bytes.end() ? found->second : static_cast<std::uint8_t>(offset);
  }

  std::map<Offset, std::uint8_t> bytes;
  std::vector<Access> log;
  IoStatus refusal = IoStatus::Ok;
  IoRegion region;
};

class ModelListener final : public MemoryListener {
 public:
  explicit ModelListener(AddressSpace& space) : space_(space) { space_.add_listener(*this); }
  ~ModelListener() override { space_.remove_listener(*this); }

  void begin() override { step(Phase::Idle, Phase::Removing), ++begins; }
  void range_removed(const FlatRange& range) override {
    step(Phase::Removing, Phase::Removing);
    const auto found = ranges.find(range.first);
    ASSERT_NE(found, ranges.end()) << "removed, but never added";
    EXPECT_EQ(found->second, range);
    ranges.erase(found);
    ++removals;
  }
  void range_added(const FlatRange& range) override {
    step(Phase::Adding, Phase::Adding);
    for (const auto& [first, other] : ranges) {
      EXPECT_TRUE(range.last < other.first || range.first > other.last) << "overlap at " << std::hex << first;
    }
    EXPECT_TRUE(ranges.emplace(range.first, range).second);
    ++additions;
  }
  void range_logging(const FlatRange& range) override {
    step(Phase::Logging, Phase::Logging);
    const auto found = ranges.find(range.first);
    ASSERT_NE(found, ranges.end());
    EXPECT_NE(found->second.dirty_log, range.dirty_log);
    found->second.dirty_log = range.dirty_log;
    EXPECT_EQ(found->second, range);
    ++loggings;
  }
  void eventfd_removed(const FlatRange&, std::uint64_t address, const IoEventFd& event) override {
    step(Phase::EventsRemoved, Phase::EventsRemoved);
    EXPECT_EQ(std::erase(eventfds, std::pair(address, event)), 1U);
  }
  void eventfd_added(const FlatRange& range, std::uint64_t address, const IoEventFd& event) override {
    step(Phase::EventsAdded, Phase::EventsAdded);
    EXPECT_TRUE(range.contains(address));
    eventfds.emplace_back(address, event);
  }
  void commit() override {
    step(Phase::EventsAdded, Phase::Idle);
    ++commits;
    expect_as(*space_.view());
  }
  void sync_dirty_log(const FlatRange& range) override { synced.push_back(range); }

  /// What was told adds up to the view.
  void expect_as(const FlatView& view) const {
    ASSERT_EQ(ranges.size(), view.ranges().size());
    std::size_t i = 0;
    for (const auto& [first, range] : ranges) EXPECT_EQ(range, view.ranges()[i++]);
    ASSERT_EQ(eventfds.size(), view.eventfds().size());
    for (const FlatEventFd& event : view.eventfds()) {
      EXPECT_NE(std::find(eventfds.begin(), eventfds.end(), std::pair(event.address, event.event)), eventfds.end());
    }
  }
  void forget_counts() { begins = commits = removals = additions = loggings = 0; }

  std::map<std::uint64_t, FlatRange> ranges;
  std::vector<std::pair<std::uint64_t, IoEventFd>> eventfds;
  std::vector<FlatRange> synced;
  int begins = 0, commits = 0, removals = 0, additions = 0, loggings = 0;

 private:
  enum class Phase { Idle, Removing, Adding, Logging, EventsRemoved, EventsAdded };
  // A phase may be left for any later one, and Idle only by begin().
  void step(Phase latest_before, Phase now) {
    EXPECT_LE(phase_, latest_before) << "told out of order";
    EXPECT_TRUE((phase_ == Phase::Idle) == (latest_before == Phase::Idle)) << "outside begin and commit";
    phase_ = now;
  }

  AddressSpace& space_;
  Phase phase_ = Phase::Idle;
};

}  // namespace machina::test
