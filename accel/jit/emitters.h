#pragma once
/// The families of instructions, each of which enters its emitters into the table.

#include <array>

#include "accel/jit/decoding.h"

namespace machina::jit {

using EmitterTable = std::array<Emitter, ZYDIS_MNEMONIC_MAX_VALUE + 1>;

void add_alu_emitters(EmitterTable& table);
void add_move_emitters(EmitterTable& table);
void add_branch_emitters(EmitterTable& table);

}  // namespace machina::jit
