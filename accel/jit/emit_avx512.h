#pragma once
/// The emitter for CPUs that have AVX-512, which are a Stepper's alone: see emit_avx512.cpp.

#include <span>

#include "accel/jit/decoding.h"

namespace machina::jit {

/// Is it an instruction of AVX-512, or one of AVX, whose results are as wide as the registers are?
bool is_avx512_or_widened(const ZydisDecodedInstruction& instruction, std::span<const ZydisDecodedOperand> operands);
void emit_avx512(Decoding& d);

}  // namespace machina::jit
