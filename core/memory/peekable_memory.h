#pragma once
/// Memory that answers through registers, and can still be looked at from outside: a guest that reads the window of a
/// VGA loads its latches, a monitor that does must not.

#include <cstdint>
#include <span>

#include "core/memory/memory_region.h"

namespace machina {

/// Implemented by devices.
class PeekableMemory {
 public:
  virtual ~PeekableMemory() = default;
  /// What a guest would read at `offset` of `region`; nothing is changed by it. False when the region is none of the
  /// device's, or no memory answers at one of the bytes. Machine lock held.
  virtual bool peek(const MemoryRegion& region, Offset offset, std::span<std::uint8_t> to) const = 0;
};

}  // namespace machina
