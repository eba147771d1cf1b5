#pragma once
/// What the operating system must have set up before instructions of a unit may be used, and what this processor can
/// lend them.

#include "accel/jit/decoding.h"

namespace machina::jit {

enum class FloatUnit : std::uint8_t { X87, Mmx, Sse, Avx };

/// True: the unit may be used. False: the instruction has been given a handler that raises #UD or #NM.
bool may_use(Decoding& d, FloatUnit unit);
void make_not_available(Decoding& d);  ///< #NM

/// Instructions are carried out by this processor's own: has it them? Also false for what is no vector instruction.
bool host_has_vector_instruction(const ZydisDecodedInstruction& instruction);

}  // namespace machina::jit
