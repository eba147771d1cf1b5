#pragma once
/// The families of instructions, each of which enters its emitters into the table.

#include <array>

#include "accel/jit/decoding.h"

namespace machina::jit {

/// Rows beyond Zydis' mnemonics, of forms that share one with another family. row_of() finds them.
enum FormRow : unsigned {
  kRowMovSegment = ZYDIS_MNEMONIC_MAX_VALUE + 1,  ///< MOV from or to a segment register
  kRowMovControl,                                 ///< MOV from or to CRn and DRn
  kRowPushSegment,
  kRowPopSegment,
  kRowFarJmp,
  kRowFarCall,
  kRowFarRet,
  kRowStringMovsd,  ///< MOVSD and CMPSD of the string instructions; those of SSE2 have the mnemonics' rows
  kRowStringCmpsd,
  kRowXchgR8,  ///< XCHG of RAX and R8, where Zydis sees PAUSE
  kEmitterRows,
};

using EmitterTable = std::array<Emitter, kEmitterRows>;

unsigned row_of(const ZydisDecodedInstruction& instruction, const ZydisDecodedOperand* operands);

void add_alu_emitters(EmitterTable& table);
void add_move_emitters(EmitterTable& table);
void add_branch_emitters(EmitterTable& table);
void add_multiply_emitters(EmitterTable& table);
void add_bit_emitters(EmitterTable& table);
void add_bmi_emitters(EmitterTable& table);
void add_exchange_emitters(EmitterTable& table);
void add_convert_emitters(EmitterTable& table);
void add_flag_emitters(EmitterTable& table);
void add_frame_emitters(EmitterTable& table);
void add_decimal_emitters(EmitterTable& table);
void add_string_emitters(EmitterTable& table);
void add_hint_emitters(EmitterTable& table);
void add_far_emitters(EmitterTable& table);
void add_segment_emitters(EmitterTable& table);
void add_system_flags_emitters(EmitterTable& table);
void add_table_emitters(EmitterTable& table);
void add_descriptor_query_emitters(EmitterTable& table);
void add_syscall_emitters(EmitterTable& table);
void add_control_emitters(EmitterTable& table);
void add_cpuid_emitters(EmitterTable& table);
void add_io_emitters(EmitterTable& table);
void add_msr_emitters(EmitterTable& table);
void add_time_emitters(EmitterTable& table);
void add_tlb_emitters(EmitterTable& table);
void add_wait_emitters(EmitterTable& table);
void add_smm_emitters(EmitterTable& table);
void add_hypercall_emitters(EmitterTable& table);

/// x87, and then vectors, which take all that nobody else has: last.
void add_x87_emitters(EmitterTable& table);
void add_x87_control_emitters(EmitterTable& table);
void add_xsave_emitters(EmitterTable& table);
void add_masked_vector_emitters(EmitterTable& table);
void add_vector_emitters(EmitterTable& table);

}  // namespace machina::jit
