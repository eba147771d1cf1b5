/// Instructions on the registers of AVX-512, and those of AVX where these are there, since they make the upper parts
/// zero: carried out by the host's processor. For a Stepper only, one at a time, so without regard to speed.
///
/// Left to others (NotHere): gathers, scatters and the masked moves of AVX; implicit general registers; unmasked
/// exceptions in MXCSR; what the host does not have.

#include <algorithm>
#include <bit>

#include "accel/jit/control_registers.h"
#include "accel/jit/emit_avx512.h"
#include "accel/jit/float_gate.h"
#include "accel/jit/host_avx512.h"
#include "accel/jit/stepper.h"
#include "accel/jit/thunk_operand.h"
#include "accel/jit/vector_form.h"

namespace machina::jit {

namespace {

/// Op::extra. Op::immediate is the code, which kGprShift leaves room for, and the general register; Op::destination the
/// size of the operand in memory, in bytes; Op::source its opmask, and from bit 4 on the size of an element as a power
/// of two.
enum Extra : std::uint8_t {
  kWritesMemory = 1,
  kAligned = 2,      ///< by its size, or #GP(0)
  kByElement = 4,    ///< elements that are masked out are neither read nor written
  kConsecutive = 8,  ///< as many elements as the mask has ones: compressing and expanding
  kAvx512 = 16,      ///< the registers of AVX-512 must have been switched on
  kReadsGpr = 32,
  kWritesGpr = 64,
  kSetsFlags = 128,
};

constexpr unsigned kNoMemory = 0;
constexpr unsigned kGprShift = 56;  // addresses of a process have 47 bits, or 56 with LA57
constexpr std::uint64_t kCodeMask = (std::uint64_t{1} << kGprShift) - 1;

/// SDM vol. 2, 2.8.11.2: #UD comes before #NM.
void require_unit(Cpu& cpu, const Op* op) {
  const bool off = (op->extra & kAvx512) && (cpu.xcr0 & kStateAvx512) != kStateAvx512;
  if (off || (cpu.mode & kModeNoAvx)) raise_of(cpu, op, Vector::InvalidOpcode);
  if (cpu.cr0 & kCr0Ts) raise_of(cpu, op, Vector::DeviceNotAvailable);
}

/// The operand in memory, in pieces that are accessed or not.
class Pieces {
 public:
  Pieces(Cpu& cpu, const Op* op) : cpu_(cpu), op_(op) {
    const bool write = op->extra & kWritesMemory;
    const unsigned size = op->destination;
    linear_ = linear_in_segment(cpu, op, op->segment, effective_offset(cpu, op), size, write);
    if ((op->extra & kAligned) && (linear_ & (size - 1))) fail_misaligned(cpu, op);
    width_ = size;
    if (!(op->extra & kByElement)) return;
    width_ = 1U << (op->source >> 4);
    const unsigned count = size / width_;
    std::uint64_t mask = 0;
    std::memcpy(&mask, cpu.avx512->masks.data() + 8 * (op->source & 7), sizeof mask);
    chosen_ = count == 64 ? mask : mask & ((std::uint64_t{1} << count) - 1);
    if (!(op->extra & kConsecutive)) return;
    const auto ones = static_cast<unsigned>(std::popcount(chosen_));
    chosen_ = ones == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << ones) - 1;
  }

  void read() const {
    cpu_.vector.bounce = {};
    std::array<std::uint8_t, 64> bytes{};
    for_each(
        [&](unsigned at) { std::memcpy(bytes.data() + at, fetch_operand(cpu_, op_, linear_ + at, width_), width_); });
    cpu_.vector.bounce = bytes;
  }
  void check_write() const {
    for_each([&](unsigned at) { jit::check_write(cpu_, op_, linear_ + at, width_); });
  }
  void write() const {
    const auto bytes = cpu_.vector.bounce;
    for_each([&](unsigned at) { store_in_one(cpu_, op_, linear_ + at, bytes.data() + at, width_); });
  }

 private:
  template <class Visit>
  void for_each(Visit visit) const {
    for (unsigned i = 0; i < op_->destination / width_; ++i)
      if (chosen_ >> i & 1) visit(i * width_);
  }

  Cpu& cpu_;
  const Op* op_;
  std::uint64_t linear_ = 0, chosen_ = 1;
  unsigned width_ = 0;
};

void carry_out(Cpu& cpu, const Op* op) {
  HostCall call;
  call.code = std::bit_cast<const std::uint8_t*>(op->immediate & kCodeMask);
  call.memory = cpu.vector.bounce.data();
  std::uint64_t& gpr = cpu.gpr[op->immediate >> kGprShift];
  if (op->extra & (kReadsGpr | kWritesGpr)) call.rax = gpr;
  run_on_host(cpu, call);
  if (op->extra & kWritesGpr) gpr = call.rax;
  if (op->extra & kSetsFlags) cpu.flags.set(call.flags | (call.of ? kOf : 0U));
}

const Block* on_host(Cpu& cpu, const Op* op) {
  require_unit(cpu, op);
  leave_guest_float(cpu);
  if ((cpu.vector.mxcsr & kMxcsrMasks) != kMxcsrMasks) throw NotHere{};
  if (op->destination == kNoMemory) {
    carry_out(cpu, op);
    return next(cpu, op);
  }
  const Pieces pieces(cpu, op);
  if (op->extra & kWritesMemory) {
    pieces.check_write();
    carry_out(cpu, op);
    pieces.write();
  } else {
    pieces.read();
    carry_out(cpu, op);
  }
  return next(cpu, op);
}

const Block* decline(Cpu& cpu, const Op* op) {
  require_unit(cpu, op);
  throw NotHere{};
}

/// VZEROUPPER and VZEROALL.
template <bool All>
const Block* clear(Cpu& cpu, const Op* op) {
  require_unit(cpu, op);
  for (unsigned i = 0; i < (cpu.long_code() ? 16U : 8U); ++i) {
    auto& ymm = cpu.vector.ymm[i];
    std::fill(ymm.begin() + (All ? 0 : 16), ymm.end(), std::uint8_t{0});
    std::fill_n(cpu.avx512->high.begin() + 32 * i, 32, std::uint8_t{0});
  }
  return next(cpu, op);
}

// --- choosing ---

bool is_vector(const ZydisDecodedOperand& o) {
  if (o.type != ZYDIS_OPERAND_TYPE_REGISTER) return false;
  switch (ZydisRegisterGetClass(o.reg.value)) {
    case ZYDIS_REGCLASS_XMM:
    case ZYDIS_REGCLASS_YMM:
    case ZYDIS_REGCLASS_ZMM:
      return true;
    default:
      return false;
  }
}
bool is_mask(const ZydisDecodedOperand& o) {
  return o.type == ZYDIS_OPERAND_TYPE_REGISTER && ZydisRegisterGetClass(o.reg.value) == ZYDIS_REGCLASS_MASK;
}
bool is_gpr(const ZydisDecodedOperand& o) {
  if (o.type != ZYDIS_OPERAND_TYPE_REGISTER) return false;
  switch (ZydisRegisterGetClass(o.reg.value)) {
    case ZYDIS_REGCLASS_GPR8:
    case ZYDIS_REGCLASS_GPR16:
    case ZYDIS_REGCLASS_GPR32:
    case ZYDIS_REGCLASS_GPR64:
      return true;
    default:
      return false;
  }
}

bool is_evex(const Decoding& d) { return d.instruction.encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX; }

/// SDM vol. 2, tables 2-18 to 2-62: exception classes 1 and E1. Zydis has none for what is not by class.
bool needs_alignment(const Decoding& d) {
  switch (d.instruction.mnemonic) {
    case ZYDIS_MNEMONIC_VMOVAPS:
    case ZYDIS_MNEMONIC_VMOVAPD:
    case ZYDIS_MNEMONIC_VMOVDQA:
    case ZYDIS_MNEMONIC_VMOVDQA32:
    case ZYDIS_MNEMONIC_VMOVDQA64:
    case ZYDIS_MNEMONIC_VMOVNTPS:
    case ZYDIS_MNEMONIC_VMOVNTPD:
    case ZYDIS_MNEMONIC_VMOVNTDQ:
    case ZYDIS_MNEMONIC_VMOVNTDQA:
      return true;
    default:
      return false;
  }
}

bool is_masked_move_of_avx(const Decoding& d) {
  switch (d.instruction.mnemonic) {
    case ZYDIS_MNEMONIC_VMASKMOVPS:
    case ZYDIS_MNEMONIC_VMASKMOVPD:
    case ZYDIS_MNEMONIC_VPMASKMOVD:
    case ZYDIS_MNEMONIC_VPMASKMOVQ:
      return true;
    default:
      return false;
  }
}

bool is_consecutive(const Decoding& d) {
  return d.instruction.meta.category == ZYDIS_CATEGORY_COMPRESS || d.instruction.meta.category == ZYDIS_CATEGORY_EXPAND;
}

/// SDM vol. 2, 2.8.11: no fault is suppressed in exception classes whose names end in NF. What these read is not by the
/// mask.
bool suppresses_faults(const Decoding& d) {
  switch (d.instruction.meta.exception_class) {
    case ZYDIS_EXCEPTION_CLASS_E1:
    case ZYDIS_EXCEPTION_CLASS_E2:
    case ZYDIS_EXCEPTION_CLASS_E3:
    case ZYDIS_EXCEPTION_CLASS_E4:
    case ZYDIS_EXCEPTION_CLASS_E5:
    case ZYDIS_EXCEPTION_CLASS_E6:
    case ZYDIS_EXCEPTION_CLASS_E10:
    case ZYDIS_EXCEPTION_CLASS_E11:
      return true;
    default:
      return false;
  }
}

/// Does each element in memory go with one bit of the mask? Else the operand is read as a whole: it is one element for
/// all, or its elements are wider than what is masked.
bool goes_by_element(const Decoding& d, unsigned memory) {
  const auto& avx = d.instruction.avx;
  if (avx.mask.reg == ZYDIS_REGISTER_NONE || avx.mask.reg == ZYDIS_REGISTER_K0) return false;
  if (memory != 0 && !suppresses_faults(d)) return false;
  if (avx.broadcast.mode != ZYDIS_BROADCAST_MODE_INVALID) return false;
  const ZydisDecodedOperand& m = d.operand(memory);
  if (memory == 0 || m.element_count == 1) return true;
  for (const ZydisDecodedOperand& o : d.operands)
    if (is_vector(o)) return o.element_count == m.element_count;
  return false;
}

/// False: it has what nobody here can give it.
bool place_memory(Decoding& d, unsigned n) {
  const ZydisDecodedOperand& m = d.operand(n);
  const unsigned size = m.size / 8;
  if (m.mem.type != ZYDIS_MEMOP_TYPE_MEM || size == 0 || size > 64) return false;
  d.use_memory(n);
  d.op.destination = static_cast<std::uint8_t>(size);
  if (m.actions & (ZYDIS_OPERAND_ACTION_WRITE | ZYDIS_OPERAND_ACTION_CONDWRITE)) d.op.extra |= kWritesMemory;
  if (needs_alignment(d)) d.op.extra |= kAligned;
  if (!goes_by_element(d, n)) return true;
  const unsigned element = m.element_size / 8;
  if (element == 0 || element > 8) return false;
  d.op.extra |= kByElement;
  if (is_consecutive(d)) d.op.extra |= kConsecutive;
  d.op.source =
      static_cast<std::uint8_t>(ZydisRegisterGetId(d.instruction.avx.mask.reg) | std::countr_zero(element) << 4);
  return true;
}

bool place_operands(Decoding& d) {
  for (unsigned n = 0; n < d.operands.size(); ++n) {
    const ZydisDecodedOperand& o = d.operand(n);
    if (o.type == ZYDIS_OPERAND_TYPE_MEMORY) {
      if (o.visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN || !place_memory(d, n)) return false;
    } else if (is_gpr(o)) {
      const bool encoded =
          o.encoding == ZYDIS_OPERAND_ENCODING_MODRM_REG || o.encoding == ZYDIS_OPERAND_ENCODING_MODRM_RM;
      if (!encoded) return false;
      d.op.immediate = std::uint64_t{register_offset(o.reg.value) / 8U} << kGprShift;
      if (o.actions & ZYDIS_OPERAND_ACTION_MASK_READ) d.op.extra |= kReadsGpr;
      if (o.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) d.op.extra |= kWritesGpr;
    }
  }
  return true;
}

}  // namespace

bool is_avx512_or_widened(const ZydisDecodedInstruction& instruction, std::span<const ZydisDecodedOperand> operands) {
  if (instruction.encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX) return true;
  if (instruction.encoding != ZYDIS_INSTRUCTION_ENCODING_VEX) return false;
  if (instruction.mnemonic == ZYDIS_MNEMONIC_VZEROUPPER || instruction.mnemonic == ZYDIS_MNEMONIC_VZEROALL) return true;
  return std::any_of(operands.begin(), operands.end(),
                     [](const ZydisDecodedOperand& o) { return is_vector(o) || is_mask(o); });
}

void emit_avx512(Decoding& d) {
  d.op.handler = &decline;
  const bool masks = std::any_of(d.operands.begin(), d.operands.end(), is_mask);
  if (is_evex(d) || masks) d.op.extra |= kAvx512;
  if (d.instruction.mnemonic == ZYDIS_MNEMONIC_VZEROUPPER) d.op.handler = &clear<false>;
  if (d.instruction.mnemonic == ZYDIS_MNEMONIC_VZEROALL) d.op.handler = &clear<true>;
  if (d.op.handler != &decline) return;
  if (is_masked_move_of_avx(d) || !host_has_avx512_instruction(d.instruction)) return;
  const std::uint8_t before = d.op.extra;
  const auto code = host_form(d, ZYDIS_REGISTER_RDX);
  if (!code || !place_operands(d)) {
    d.op.extra = before;
    return;
  }
  if (const auto* flags = d.instruction.cpu_flags; flags && (flags->modified | flags->set_0 | flags->set_1)) {
    d.op.extra |= kSetsFlags;
  }
  std::vector<std::uint8_t> callable = *code;
  callable.push_back(0xc3);  // RET
  d.op.immediate |= std::bit_cast<std::uint64_t>(d.thunks.intern(callable));
  d.op.handler = &on_host;
}

}  // namespace machina::jit
