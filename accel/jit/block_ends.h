#pragma once
/// Where blocks end because debuggers have breakpoints there. Only the offset within a page counts, whichever page it
/// is, so that a block still depends on nothing but its bytes and its mode: kModeEnds says which set it was made with.
///
/// A block that begins at such an offset is looked up each time, never chained to; whether the linear address is that
/// of a breakpoint is asked then (Debugger). All other code runs as it does without breakpoints.

#include <bitset>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "accel/jit/tlb.h"

namespace machina::jit {

struct BlockEnds {
  std::bitset<kPageSize> offsets;
  std::uint32_t mode = 0;  ///< its number, as ModeBits: in kModeEnds, not 0
  bool at(std::uint64_t address) const { return offsets[address & (kPageSize - 1)]; }
};

/// The sets of a machine, which its CPUs may have different ones of. Any thread.
///
/// A debugger takes all its breakpoints out whenever the machine stops, and puts them in again. So the last set is kept
/// and given out as long as it has what is asked for: an offset too many costs next to nothing, a new set has all code
/// decoded anew.
class BlockEndSets {
 public:
  /// One with the offsets of all these addresses. `retired`: modes of sets that nobody has any more and whose numbers
  /// may be given to others: their blocks must die before this one is used.
  std::shared_ptr<const BlockEnds> take(std::span<const std::uint64_t> addresses, std::vector<std::uint32_t>& retired);

 private:
  /// Offsets nobody asked for, of breakpoints before, that a set may have.
  static constexpr std::size_t kSpare = 64;

  std::mutex mutex_;
  std::vector<std::shared_ptr<const BlockEnds>> sets_;  // the last one at the end
};

}  // namespace machina::jit
