#include "accel/jit/decoder.h"

#include <algorithm>
#include <array>
#include <optional>

#include "accel/jit/branch.h"
#include "accel/jit/emit_avx512.h"
#include "accel/jit/emitters.h"
#include "accel/jit/feature_gate.h"
#include "accel/jit/features.h"
#include "accel/jit/float_gate.h"

namespace machina::jit {

namespace {

constexpr unsigned kLongestInstruction = 15;  // SDM vol. 2, 2.3.11

const EmitterTable& emitters() {
  static const EmitterTable table = [] {
    EmitterTable t{};
    add_alu_emitters(t);
    add_move_emitters(t);
    add_branch_emitters(t);
    add_multiply_emitters(t);
    add_bit_emitters(t);
    add_bmi_emitters(t);
    add_exchange_emitters(t);
    add_convert_emitters(t);
    add_flag_emitters(t);
    add_frame_emitters(t);
    add_decimal_emitters(t);
    add_string_emitters(t);
    add_hint_emitters(t);
    add_far_emitters(t);
    add_segment_emitters(t);
    add_system_flags_emitters(t);
    add_table_emitters(t);
    add_descriptor_query_emitters(t);
    add_syscall_emitters(t);
    add_control_emitters(t);
    add_cpuid_emitters(t);
    add_io_emitters(t);
    add_msr_emitters(t);
    add_time_emitters(t);
    add_tlb_emitters(t);
    add_wait_emitters(t);
    add_smm_emitters(t);
    add_hypercall_emitters(t);
    add_xsave_emitters(t);
    add_x87_emitters(t);
    add_masked_vector_emitters(t);
    add_vector_emitters(t);  // last
    return t;
  }();
  return table;
}

/// F3 before BSR and BSF means LZCNT and TZCNT only where those exist: SDM vol. 2, LZCNT.
ZydisDecoder decoder_for(std::uint32_t mode, const FeatureSet& features) {
  ZydisDecoder decoder;
  if (mode & kModeLong) {
    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
  } else if (!(mode & (kModeProtected | kMode32))) {
    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_REAL_16, ZYDIS_STACK_WIDTH_16);
  } else {
    // CS.D counts in real mode, too, where it is what protected mode left. SDM vol. 3, 9.9.2.
    ZydisDecoderInit(&decoder, mode & kMode32 ? ZYDIS_MACHINE_MODE_LEGACY_32 : ZYDIS_MACHINE_MODE_LEGACY_16,
                     mode & kModeStack32 ? ZYDIS_STACK_WIDTH_32 : ZYDIS_STACK_WIDTH_16);
  }
  ZydisDecoderEnableMode(&decoder, ZYDIS_DECODER_MODE_LZCNT, has(features, feature::kAbm));
  ZydisDecoderEnableMode(&decoder, ZYDIS_DECODER_MODE_TZCNT, has(features, feature::kBmi1));
  return decoder;
}

/// VEX and its like are #UD in real and virtual-8086 mode, of which Zydis knows only with 16-bit code. SDM vol. 2, 2.3.
bool encoding_exists(const ZydisDecodedInstruction& instruction, std::uint32_t mode) {
  return (mode & kModeProtected) || instruction.encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY ||
         instruction.encoding == ZYDIS_INSTRUCTION_ENCODING_3DNOW;
}

/// Zydis knows these of protected mode only. In real mode they are #GP, not #UD, and in virtual-8086 mode they work:
/// SDM vol. 2, SYSENTER and SYSEXIT.
ZyanStatus decode_fast_call(const ZydisDecoder& decoder, std::span<const std::uint8_t> bytes, ZyanStatus status,
                            ZydisDecodedInstruction& instruction, ZydisDecodedOperand* operands) {
  if (ZYAN_SUCCESS(status) || decoder.machine_mode != ZYDIS_MACHINE_MODE_REAL_16) return status;
  ZydisDecoder protected_mode;
  ZydisDecoderInit(&protected_mode, ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16);
  if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&protected_mode, bytes.data(), bytes.size(), &instruction, operands)))
    return status;
  const bool known = instruction.mnemonic == ZYDIS_MNEMONIC_SYSENTER || instruction.mnemonic == ZYDIS_MNEMONIC_SYSEXIT;
  return known ? ZYAN_STATUS_SUCCESS : status;
}

/// Longer than 15 bytes: SDM vol. 3, 6.15, #GP.
const Block* too_long(Cpu& cpu, const Op* op) {
  cpu.fault_op = op;
  raise(Vector::GeneralProtection, 0);
}

/// The end of a block that is no branch.
const Block* fall_through(Cpu& cpu, const Op* op) { return go_direct(cpu, op, 0, cpu.gpr[kRipBase] + op->offset); }

/// A fetch across the page's end.
std::array<std::uint8_t, kLongestInstruction> joined(std::span<const std::uint8_t> head,
                                                     std::span<const std::uint8_t> tail) {
  std::array<std::uint8_t, kLongestInstruction> bytes{};
  const std::size_t n = std::min<std::size_t>(head.size(), bytes.size());
  std::copy_n(head.begin(), n, bytes.begin());
  std::copy_n(tail.begin(), std::min(tail.size(), bytes.size() - n), bytes.begin() + static_cast<std::ptrdiff_t>(n));
  return bytes;
}

/// Its accesses, when it has no operand in memory, are to the stack: a bad address is #SS then.
bool uses_stack(const ZydisDecodedInstruction& instruction) {
  switch (instruction.meta.category) {
    case ZYDIS_CATEGORY_PUSH:
    case ZYDIS_CATEGORY_POP:
    case ZYDIS_CATEGORY_CALL:
    case ZYDIS_CATEGORY_RET:
      return true;
    default:
      return false;
  }
}

/// Zydis knows the scalar instructions of a coprocessor, too, to which VEX encodings were lent: #UD on processors.
bool is_of_coprocessor(const ZydisDecodedInstruction& instruction) {
  switch (instruction.meta.isa_ext) {
    case ZYDIS_ISA_EXT_KNC:
    case ZYDIS_ISA_EXT_KNCE:
    case ZYDIS_ISA_EXT_KNCV:
      return true;
    default:
      return false;
  }
}

}  // namespace

unsigned row_of(const ZydisDecodedInstruction& instruction, const ZydisDecodedOperand* operands) {
  const bool far_branch = instruction.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR;
  switch (instruction.mnemonic) {
    case ZYDIS_MNEMONIC_MOV:
      for (unsigned i = 0; i < 2; ++i) {
        if (operands[i].type != ZYDIS_OPERAND_TYPE_REGISTER) continue;
        const ZydisRegisterClass kind = ZydisRegisterGetClass(operands[i].reg.value);
        if (kind == ZYDIS_REGCLASS_SEGMENT) return kRowMovSegment;
        if (kind != ZYDIS_REGCLASS_GPR8 && kind != ZYDIS_REGCLASS_GPR16 && kind != ZYDIS_REGCLASS_GPR32 &&
            kind != ZYDIS_REGCLASS_GPR64)
          return kRowMovControl;
      }
      break;
    case ZYDIS_MNEMONIC_PUSH:
    case ZYDIS_MNEMONIC_POP:
      if (operands[0].type == ZYDIS_OPERAND_TYPE_REGISTER &&
          ZydisRegisterGetClass(operands[0].reg.value) == ZYDIS_REGCLASS_SEGMENT)
        return instruction.mnemonic == ZYDIS_MNEMONIC_PUSH ? kRowPushSegment : kRowPopSegment;
      break;
    case ZYDIS_MNEMONIC_JMP:
      if (far_branch) return kRowFarJmp;
      break;
    case ZYDIS_MNEMONIC_CALL:
      if (far_branch) return kRowFarCall;
      break;
    case ZYDIS_MNEMONIC_RET:
      if (far_branch) return kRowFarRet;
      break;
    case ZYDIS_MNEMONIC_MOVSD:
      if (instruction.meta.category == ZYDIS_CATEGORY_STRINGOP) return kRowStringMovsd;
      break;
    case ZYDIS_MNEMONIC_PAUSE:
      if (instruction.raw.rex.B) return kRowXchgR8;
      break;
    case ZYDIS_MNEMONIC_CMPSD:
      if (instruction.meta.category == ZYDIS_CATEGORY_STRINGOP) return kRowStringCmpsd;
      break;
    default:
      break;
  }
  return instruction.mnemonic;
}

std::unique_ptr<Block> decode_block(CodeBytes& code, const FeatureSet& features, std::uint32_t mode,
                                    ThunkCache& thunks) {
  auto block = std::make_unique<Block>();
  block->mode = mode;
  block->ops.reserve(8);
  const ZydisDecoder decoder = decoder_for(mode, features);
  const std::span<const std::uint8_t> page = code.page();
  const unsigned most = mode & kModeSingle ? 1 : kMaxOps;
  std::size_t at = 0;
  bool ended = false;
  while (!ended && at < page.size() && block->ops.size() < most) {
    if (!block->ops.empty() && code.ends_at(at)) break;
    ZydisDecodedInstruction instruction;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    const auto decode = [&](std::span<const std::uint8_t> bytes) {
      const ZyanStatus status = ZydisDecoderDecodeFull(&decoder, bytes.data(), bytes.size(), &instruction, operands);
      return decode_fast_call(decoder, bytes, status, instruction, operands);
    };
    ZyanStatus status = decode(page.subspan(at));
    bool across = false;
    if (status == ZYDIS_STATUS_NO_MORE_DATA && page.size() - at < kLongestInstruction) {
      if (!block->ops.empty()) break;  // alone in a block of its own: its second half may not be there
      status = decode(joined(page.subspan(at), code.next_page()));
      across = true;
    }
    Op& op = block->ops.emplace_back();
    op.offset = static_cast<std::uint16_t>(at);
    if (!ZYAN_SUCCESS(status)) {
      op.handler = status == ZYDIS_STATUS_INSTRUCTION_TOO_LONG || status == ZYDIS_STATUS_NO_MORE_DATA
                       ? &too_long
                       : &undefined_instruction;
      op.length = 1;
      ended = true;
      at += 1;
      break;
    }
    op.length = instruction.length;
    Decoding decoding{instruction, {operands, instruction.operand_count}, mode, op, thunks};
    const Emitter emit = emitters()[row_of(instruction, operands)];
    if (has(features, feature::kAvx512f) && is_avx512_or_widened(instruction, decoding.operands)) {
      if (encoding_exists(instruction, mode)) emit_avx512(decoding);
    } else if (emit && encoding_exists(instruction, mode) && !is_of_coprocessor(instruction) &&
               available(instruction, features)) {
      emit(decoding);
    }
    if (op.segment == kNoSegment && uses_stack(instruction)) op.segment = kSs;
    if (!op.handler) {
      make_undefined(decoding);
    }
    at += instruction.length;
    ended = decoding.ends_block || across;
    if (ended && !decoding.ends_block) break;
  }
  block->size = static_cast<std::uint32_t>(at);
  const Handler last = block->ops.back().handler;
  if (!ended || last == nullptr || at > page.size()) {
    Op& end = block->ops.emplace_back();
    end.handler = &fall_through;
    end.offset = static_cast<std::uint16_t>(at);
  }
  return block;
}

}  // namespace machina::jit
