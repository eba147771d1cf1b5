#pragma once
/// From bytes to a block.

#include <cstdint>
#include <memory>
#include <span>

#include "accel/jit/op.h"
#include "hw/x86/cpu_features.h"

namespace machina::jit {

class ThunkCache;

/// The most instructions of a block: bounds how long an interrupt waits, and the depth of calls where the compiler does
/// not make jumps of them.
inline constexpr unsigned kMaxOps = 64;

/// `page` are the bytes from the block's first on to the end of its page; `next_page`, asked at most once, gives those
/// of the following page when an instruction runs across (it may throw GuestFault: the instruction's fetch faults).
class CodeBytes {
 public:
  virtual ~CodeBytes() = default;
  virtual std::span<const std::uint8_t> page() = 0;
  virtual std::span<const std::uint8_t> next_page() = 0;
  /// Must the block end before the byte at `offset` from its first one? Asked where an instruction could follow.
  virtual bool ends_at(std::size_t /*offset*/) const { return false; }
};

/// Decodes until a branch, an instruction that may change the mode, the end of the page, or kMaxOps.
/// Instructions that are not among `features` raise #UD. The block lives no longer than its thunks. Throws Error when
/// the host gives no memory for those.
std::unique_ptr<Block> decode_block(CodeBytes& code, const FeatureSet& features, std::uint32_t mode,
                                    ThunkCache& thunks);

}  // namespace machina::jit
