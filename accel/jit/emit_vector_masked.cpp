/// Vector instructions that touch some elements of memory only: MASKMOV, VMASKMOV, VPMASKMOV and gathers. Elements that
/// are not asked for raise no fault. SDM vol. 2, VMASKMOV, VPGATHERDD and others.

#include <algorithm>
#include <bit>

#include "accel/jit/emitters.h"
#include "accel/jit/float_gate.h"
#include "accel/jit/thunk_operand.h"

namespace machina::jit {

namespace {

template <unsigned Width>
const void* element_at(Cpu& cpu, const Op* op, std::uint64_t linear) {
  const void* host = readable<Width>(cpu, linear);
  return host ? host : fetch_operand(cpu, op, linear, Width);
}

std::uint64_t element_linear(Cpu& cpu, const Op* op, std::uint64_t offset, unsigned width, bool write) {
  return linear_in_segment(cpu, op, op->segment, offset & op->address_mask, width, write);
}

/// Stores the bytes, or elements of `Width`, whose mask has its highest bit set; all are checked before.
template <unsigned Width>
void store_masked(Cpu& cpu, const Op* op, const std::uint8_t* from, const std::uint8_t* mask, unsigned size) {
  const std::uint64_t offset = effective_offset(cpu, op);
  for (unsigned i = 0; i < size; i += Width)
    if (mask[i + Width - 1] & 0x80) check_write(cpu, op, element_linear(cpu, op, offset + i, Width, true), Width);
  for (unsigned i = 0; i < size; i += Width)
    if (mask[i + Width - 1] & 0x80)
      store_in_one(cpu, op, element_linear(cpu, op, offset + i, Width, true), from + i, Width);
}

const Block* maskmovdqu(Cpu& cpu, const Op* op) {
  store_masked<1>(cpu, op, cpu.vector.ymm[op->destination].data(), cpu.vector.ymm[op->source].data(), 16);
  return next(cpu, op);
}

/// Like all of MMX, also where the mask is empty, it makes TOP zero and every register valid.
const Block* maskmovq(Cpu& cpu, const Op* op) {
  if (x87_pending(cpu)) raise_x87(cpu, op);
  leave_guest_float(cpu);
  FxImage& image = cpu.x87.image;
  const unsigned top = image.status >> 11 & 7;
  const auto mm = [&](unsigned n) { return image.st[(n - top) & 7].data(); };
  store_masked<1>(cpu, op, mm(op->destination), mm(op->source), 8);
  change_to_mmx(image);
  return next(cpu, op);
}

template <bool Vex>
void emit_maskmovdqu(Decoding& d) {
  if (!host_has_vector_instruction(d.instruction) || !may_use(d, Vex ? FloatUnit::Avx : FloatUnit::Sse)) return;
  d.op.destination = vector_number(d.operand(0));
  d.op.source = vector_number(d.operand(1));
  d.use_memory(2);
  d.op.handler = &maskmovdqu;
}
void emit_maskmovq(Decoding& d) {
  if (!may_use(d, FloatUnit::Mmx)) return;
  d.op.destination = vector_number(d.operand(0));
  d.op.source = vector_number(d.operand(1));
  d.use_memory(2);
  d.op.handler = &maskmovq;
}

/// Op::destination is the data, Op::source the mask, Op::extra the size in bytes.
template <unsigned Width>
const Block* vmaskmov_store(Cpu& cpu, const Op* op) {
  store_masked<Width>(cpu, op, cpu.vector.ymm[op->destination].data(), cpu.vector.ymm[op->source].data(), op->extra);
  return next(cpu, op);
}
template <unsigned Width>
const Block* vmaskmov_load(Cpu& cpu, const Op* op) {
  std::array<std::uint8_t, 32> result{};
  const std::uint8_t* mask = cpu.vector.ymm[op->source].data();
  const std::uint64_t offset = effective_offset(cpu, op);
  for (unsigned i = 0; i < op->extra; i += Width) {
    if (!(mask[i + Width - 1] & 0x80)) continue;
    ram_read(result.data() + i, element_at<Width>(cpu, op, element_linear(cpu, op, offset + i, Width, false)), Width);
  }
  cpu.vector.ymm[op->destination] = result;
  return next(cpu, op);
}
template <unsigned Width>
void emit_vmaskmov(Decoding& d) {
  if (!host_has_vector_instruction(d.instruction) || !may_use(d, FloatUnit::Avx)) return;
  const bool store = d.is_memory(0);
  d.use_memory(store ? 0 : 2);
  d.op.destination = vector_number(d.operand(store ? 2 : 0));
  d.op.source = vector_number(d.operand(1));
  d.op.extra = static_cast<std::uint8_t>(d.width(1) / 8);
  d.op.handler = store ? &vmaskmov_store<Width> : &vmaskmov_load<Width>;
}

/// Op::destination is the result, Op::source the mask, Op::immediate has the register of indices and, from bit 8 on,
/// how many elements there are. What has been gathered before a fault stays, and is not asked for again.
template <unsigned Width, unsigned IndexWidth>
const Block* gather(Cpu& cpu, const Op* op) {
  const auto indices = cpu.vector.ymm[op->immediate & 0xf];
  const auto elements = static_cast<unsigned>(op->immediate >> 8);
  auto& result = cpu.vector.ymm[op->destination];
  auto& mask = cpu.vector.ymm[op->source];
  const std::uint64_t base =
      cpu.gpr[op->base] + static_cast<std::uint64_t>(static_cast<std::int64_t>(op->displacement));
  // The mask as a whole is what its elements' highest bits say, before anything can fault.
  for (unsigned i = 0; i < elements; ++i) {
    std::uint8_t* element = mask.data() + Width * i;
    std::memset(element, element[Width - 1] & 0x80 ? 0xff : 0, Width);
  }
  for (unsigned i = 0; i < elements; ++i) {
    std::uint8_t* element = mask.data() + Width * i;
    if (!(element[Width - 1] & 0x80)) continue;
    std::int64_t index = 0;
    if constexpr (IndexWidth == 4) {
      std::int32_t narrow;
      std::memcpy(&narrow, indices.data() + 4 * i, 4);
      index = narrow;
    } else {
      std::memcpy(&index, indices.data() + 8 * i, 8);
    }
    const std::uint64_t linear =
        element_linear(cpu, op, base + (static_cast<std::uint64_t>(index) << op->scale), Width, false);
    ram_read(result.data() + Width * i, element_at<Width>(cpu, op, linear), Width);
    std::memset(element, 0, Width);
  }
  mask = {};
  std::fill(result.begin() + Width * elements, result.end(), std::uint8_t{0});
  return next(cpu, op);
}

template <unsigned Width, unsigned IndexWidth>
void emit_gather(Decoding& d) {
  if (d.instruction.encoding != ZYDIS_INSTRUCTION_ENCODING_VEX || !host_has_vector_instruction(d.instruction)) return;
  if (!may_use(d, FloatUnit::Avx)) return;
  const ZydisRegister index = d.operand(1).mem.index;
  const unsigned index_number = static_cast<std::uint8_t>(ZydisRegisterGetId(index));
  d.op.destination = vector_number(d.operand(0));
  d.op.source = vector_number(d.operand(2));
  if (d.op.destination == d.op.source || d.op.destination == index_number || d.op.source == index_number)
    return make_undefined(d);
  const unsigned bytes = d.instruction.raw.vex.L ? 32 : 16;
  const unsigned elements = bytes / std::max(Width, IndexWidth);
  d.use_memory(1);
  d.op.index = kNoRegister;
  d.op.immediate = index_number | elements << 8;
  d.op.handler = &gather<Width, IndexWidth>;
}

}  // namespace

void add_masked_vector_emitters(EmitterTable& table) {
  table[ZYDIS_MNEMONIC_MASKMOVQ] = &emit_maskmovq;
  table[ZYDIS_MNEMONIC_MASKMOVDQU] = &emit_maskmovdqu<false>;
  table[ZYDIS_MNEMONIC_VMASKMOVDQU] = &emit_maskmovdqu<true>;
  table[ZYDIS_MNEMONIC_VMASKMOVPS] = &emit_vmaskmov<4>;
  table[ZYDIS_MNEMONIC_VMASKMOVPD] = &emit_vmaskmov<8>;
  table[ZYDIS_MNEMONIC_VPMASKMOVD] = &emit_vmaskmov<4>;
  table[ZYDIS_MNEMONIC_VPMASKMOVQ] = &emit_vmaskmov<8>;
  table[ZYDIS_MNEMONIC_VGATHERDPS] = &emit_gather<4, 4>;
  table[ZYDIS_MNEMONIC_VGATHERQPS] = &emit_gather<4, 8>;
  table[ZYDIS_MNEMONIC_VGATHERDPD] = &emit_gather<8, 4>;
  table[ZYDIS_MNEMONIC_VGATHERQPD] = &emit_gather<8, 8>;
  table[ZYDIS_MNEMONIC_VPGATHERDD] = &emit_gather<4, 4>;
  table[ZYDIS_MNEMONIC_VPGATHERQD] = &emit_gather<4, 8>;
  table[ZYDIS_MNEMONIC_VPGATHERDQ] = &emit_gather<8, 4>;
  table[ZYDIS_MNEMONIC_VPGATHERQQ] = &emit_gather<8, 8>;
}

}  // namespace machina::jit
