#pragma once
/// A guest's vector instruction in the form in which the host carries it out.

#include <cstdint>
#include <optional>
#include <vector>

#include "accel/jit/decoding.h"

namespace machina::jit {

/// The bytes of the same instruction for 64-bit code: vector registers as they are, an operand in a general register in
/// RAX, one in memory at [pointer], which is RDX or R9. Nothing: it cannot be had.
std::optional<std::vector<std::uint8_t>> host_form(const Decoding& d, ZydisRegister pointer);

}  // namespace machina::jit
