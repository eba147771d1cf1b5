#include "hw/ide/bus_master.h"

#include "core/trace/trace_event.h"

#include <algorithm>
#include <array>

namespace machina {

namespace {

const TraceEvent<unsigned, unsigned> bmdma_write{"bmdma_write", "addr={} value={:#04x}"};
const TraceEvent<unsigned, unsigned, bool> bmdma_prd{"bmdma_prd", "addr={:#x} bytes={} last={:d}"};
const TraceEvent<unsigned> bmdma_fail{"bmdma_fail", "table={:#x}"};

constexpr std::uint32_t kEntrySize = 8;
constexpr std::uint32_t kTableBoundary = 0x10000;
constexpr std::uint32_t kEndOfTable = 1U << 31;

}  // namespace

std::uint8_t BusMaster::read(unsigned offset) const {
  switch (offset) {
    case kCommand:
      return state_.command;
    case kStatus:
      return state_.status;
    case kTable:
    case kTable + 1:
    case kTable + 2:
    case kTable + 3:
      return static_cast<std::uint8_t>(state_.table >> (8 * (offset - kTable)));
    default:
      return 0;  // 1 and 3 are reserved
  }
}

void BusMaster::write(unsigned offset, std::uint8_t value) {
  bmdma_write(offset, value);
  switch (offset) {
    case kCommand: {
      const bool starts = value & ~state_.command & kStart;
      state_.command = value & (kStart | kToMemory);
      if (!(value & kStart)) {
        // 2.1: stopping loses where the engine is; it cannot be resumed.
        state_.status &= static_cast<std::uint8_t>(~kActive);
        state_.left = 0;
      }
      if (starts) {
        state_.status |= kActive;
        state_.next_entry = state_.left = 0;
        state_.last = false;
        started_();
      }
      break;
    }
    case kStatus: {
      const std::uint8_t cleared = value & (kError | kInterrupt);
      const std::uint8_t kept = state_.status & static_cast<std::uint8_t>(~(cleared | kDriveBits));
      state_.status = static_cast<std::uint8_t>(kept | (value & kDriveBits));
      break;
    }
    case kTable:
    case kTable + 1:
    case kTable + 2:
    case kTable + 3: {
      const unsigned shift = 8 * (offset - kTable);
      state_.table = (state_.table & ~(0xffU << shift)) | std::uint32_t{value} << shift;
      state_.table &= ~3U;
      break;
    }
    default:
      break;
  }
}

BusMaster::Result BusMaster::fail() {
  bmdma_fail(state_.table);
  state_.status = static_cast<std::uint8_t>((state_.status & ~kActive) | kError);
  state_.left = 0;
  return Result::Error;
}

/// 1.2, figure 1: four bytes of address, two of count, and the end mark in the top bit of the last two.
bool BusMaster::next_region() {
  const std::uint32_t in_boundary = state_.table % kTableBoundary + state_.next_entry;
  if (in_boundary + kEntrySize > kTableBoundary) return false;
  std::array<std::uint8_t, kEntrySize> entry{};
  if (memory_().read(std::uint64_t{state_.table} + state_.next_entry, entry) != MemTxResult::Ok) return false;
  const auto dword = [&](unsigned at) {
    return std::uint32_t{entry[at]} | std::uint32_t{entry[at + 1]} << 8 | std::uint32_t{entry[at + 2]} << 16 |
           std::uint32_t{entry[at + 3]} << 24;
  };
  state_.next_entry += kEntrySize;
  // Regions are of words: bit 0 of address and count is reserved. A count of 0 is 64 KiB.
  state_.address = dword(0) & ~1U;
  state_.left = dword(4) & 0xfffe;
  if (state_.left == 0) state_.left = 0x10000;
  state_.last = dword(4) & kEndOfTable;
  bmdma_prd(state_.address, state_.left, state_.last);
  return true;
}

template <class Bytes, class Move>
BusMaster::Result BusMaster::walk(Bytes bytes, Move move) {
  while (!bytes.empty()) {
    if (state_.left == 0) {
      if (state_.last) {
        state_.status &= static_cast<std::uint8_t>(~kActive);
        return Result::TableEnd;
      }
      if (!next_region()) return fail();
    }
    const std::size_t n = std::min<std::size_t>(bytes.size(), state_.left);
    if (move(std::uint64_t{state_.address}, bytes.first(n)) != MemTxResult::Ok) return fail();
    bytes = bytes.subspan(n);
    state_.address += static_cast<std::uint32_t>(n);
    state_.left -= static_cast<std::uint32_t>(n);
  }
  // 2.2: the active bit falls with the last byte of the last region; a longer table leaves it up.
  if (state_.left == 0 && state_.last) state_.status &= static_cast<std::uint8_t>(~kActive);
  return Result::Done;
}

BusMaster::Result BusMaster::to_memory(std::span<const std::uint8_t> from) {
  return walk(from, [this](std::uint64_t address, std::span<const std::uint8_t> piece) {
    return memory_().write(address, piece);
  });
}

BusMaster::Result BusMaster::from_memory(std::span<std::uint8_t> to) {
  return walk(to,
              [this](std::uint64_t address, std::span<std::uint8_t> piece) { return memory_().read(address, piece); });
}

}  // namespace machina
