#pragma once
/// An X86State as bytes: for files, and whatever else carries a CPU's state out of the process.
///
///     offset  bytes
///     0       8      "X86STATE"
///     8       4      version of the whole, 1
///     12      4      length in bytes, of all of it
///     16      …      sections: tag (4 letters), flags (4; bit 0: a reader must know it), length (4), so many bytes
///     end-4   4      CRC-32 of everything before (IEEE 802.3)
///
/// Integers are little-endian, truth values a byte of 0 or 1. A section whose tag is unknown is skipped, unless its
/// flag says that a state is not whole without it. Each known section is there once; its layout changes with its tag.

#include <cstdint>
#include <span>
#include <vector>

#include "hw/x86/x86_state.h"

namespace machina {

/// More than any state takes: XSAVE areas have up to 11 KiB, MSRs some hundred.
inline constexpr std::size_t kMaxX86StateBlob = std::size_t{1} << 18;

std::vector<std::uint8_t> write_x86_state(const X86State& state);

/// The same state, field by field. Throws Error, which names the place and what is wrong there. What the fields say is
/// not looked at: x86_state_check.h.
X86State read_x86_state(std::span<const std::uint8_t> blob);

}  // namespace machina
