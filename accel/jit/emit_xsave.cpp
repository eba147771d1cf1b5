/// FXSAVE, FXRSTOR, the XSAVE family, LDMXCSR, STMXCSR, RDPKRU, WRPKRU. SDM vol. 1, 10.5 and chapter 13.

#include <immintrin.h>

#include <algorithm>
#include <array>

#include "accel/jit/control_registers.h"
#include "accel/jit/emitters.h"
#include "accel/jit/float_gate.h"
#include "accel/jit/thunk_operand.h"
#include "accel/jit/xsave.h"

namespace machina::jit {

namespace {

constexpr unsigned kMxcsrOffset = 24, kXcompOffset = kLegacyRegion + 8;
constexpr std::uint64_t kCompacted = std::uint64_t{1} << 63;
/// Not written by FXSAVE nor read by FXRSTOR: SDM vol. 1, table 10-2.
constexpr unsigned kFxUsed = 416;
/// No component of this CPU lies further on.
constexpr unsigned kLargestArea = 4096;

template <class T>
T get(const std::uint8_t* area, unsigned offset) {
  T value;
  std::memcpy(&value, area + offset, sizeof value);
  return value;
}

/// Reads and writes of whole areas, quickly where the TLB has their pages.
void read_area(Cpu& cpu, const Op* op, std::uint64_t linear, std::uint8_t* to, unsigned size) {
  for (unsigned done = 0; done < size;) {
    const std::uint64_t at = linear + done;
    const auto piece = static_cast<unsigned>(std::min<std::uint64_t>(kPageSize - (at & (kPageSize - 1)), size - done));
    const TlbEntry& e = cpu.tlb->entry(at);
    if (e.read.load(std::memory_order_relaxed) == (at & kPageMask)) {
      ram_read(to + done, reinterpret_cast<const void*>(at + e.addend), piece);
    } else {
      read_bytes(cpu, op, at, to + done, piece);
    }
    done += piece;
  }
}
bool writes_quickly(const Cpu& cpu, std::uint64_t linear, unsigned size) {
  const auto quick = [&](std::uint64_t at) {
    return cpu.tlb->entry(at).write.load(std::memory_order_relaxed) == (at & kPageMask);
  };
  return quick(linear) && quick(linear + size - 1) && size <= kPageSize;
}
void write_area(Cpu& cpu, const Op* op, std::uint64_t linear, const std::uint8_t* from, unsigned size) {
  if (!writes_quickly(cpu, linear, size)) return write_bytes(cpu, op, linear, from, size);
  const auto first = static_cast<unsigned>(std::min<std::uint64_t>(kPageSize - (linear & (kPageSize - 1)), size));
  ram_write(reinterpret_cast<void*>(linear + cpu.tlb->entry(linear).addend), from, first);
  if (first < size)
    ram_write(reinterpret_cast<void*>(linear + first + cpu.tlb->entry(linear + first).addend), from + first,
              size - first);
}

/// The area's address, whose alignment is checked before the memory is: #GP(0).
template <unsigned Alignment>
std::uint64_t area_linear(Cpu& cpu, const Op* op, unsigned size, bool write) {
  const std::uint64_t linear = cpu.mode & (kModeLong | kModeFlat) && op->segment != kFs && op->segment != kGs
                                   ? linear_flat(cpu, op)
                                   : linear_checked(cpu, op, size, write);
  if (linear & (Alignment - 1)) fail_misaligned(cpu, op);
  if (write && !writes_quickly(cpu, linear, size)) check_write(cpu, op, linear, size);
  return linear;
}

/// Op::extra.
constexpr std::uint8_t kWide = 1;  // REX.W: FXSAVE64 and the like

XsaveForm form_of(const Cpu& cpu, const Op* op) {
  return {.pointers = op->extra & kWide ? PointerFormat::Wide : PointerFormat::WithSelectors,
          .registers = cpu.long_code() ? 16U : 8U};
}

[[noreturn]] void raise_protection(Cpu& cpu, const Op* op) {
  cpu.fault_op = op;
  raise(Vector::GeneralProtection, 0);
}

// --- FXSAVE, FXRSTOR ---

/// With CR4.OSFXSR clear these leave XMM registers and MXCSR alone: SDM vol. 3, 2.5.
std::uint64_t fx_components(const Cpu& cpu) { return cpu.cr4 & kCr4Osfxsr ? kStateX87 | kStateSse : kStateX87; }

const Block* fxsave(Cpu& cpu, const Op* op) {
  const std::uint64_t linear = area_linear<16>(cpu, op, kLegacyRegion, true);
  leave_guest_float(cpu);
  std::array<std::uint8_t, kLegacyRegion> area{};
  read_area(cpu, op, linear, area.data(), kFxUsed);  // what is not written keeps its value
  put_components(cpu, fx_components(cpu), {}, form_of(cpu, op), area.data());
  write_area(cpu, op, linear, area.data(), kFxUsed);
  return next(cpu, op);
}

const Block* fxrstor(Cpu& cpu, const Op* op) {
  const std::uint64_t linear = area_linear<16>(cpu, op, kLegacyRegion, false);
  std::array<std::uint8_t, kLegacyRegion> area;
  read_area(cpu, op, linear, area.data(), kLegacyRegion);
  const std::uint64_t components = fx_components(cpu);
  const auto mxcsr = get<std::uint32_t>(area.data(), kMxcsrOffset);
  if ((components & kStateSse) && (mxcsr & ~kMxcsrMask)) raise_protection(cpu, op);
  leave_guest_float(cpu);
  take_components(cpu, components, {}, form_of(cpu, op), area.data());
  if (components & kStateSse) cpu.vector.mxcsr = mxcsr;
  return next(cpu, op);
}

void emit_fx(Decoding& d, Handler handler, bool wide) {
  if (!may_use(d, FloatUnit::X87)) return;
  d.use_memory(0);
  d.op.extra = wide ? kWide : 0;
  d.op.handler = handler;
}

// --- XSAVE ---

std::uint64_t requested(const Cpu& cpu) {
  const std::uint64_t mask = cpu.gpr[kRax] & 0xffffffff;  // EDX:EAX; no component has a number above 31
  return cpu.xcr0 & mask & known_components(cpu);
}

enum class SaveKind { Save, Optimized, Compacted, Supervisor };

/// XSAVEOPT and XSAVES may leave out what has not changed since the last XRSTOR; none is left out for that here.
template <SaveKind Kind>
const Block* xsave(Cpu& cpu, const Op* op) {
  constexpr bool kCompact = Kind == SaveKind::Compacted || Kind == SaveKind::Supervisor;
  if constexpr (Kind == SaveKind::Supervisor)
    if (cpu.cpl != 0) raise_protection(cpu, op);
  const std::uint64_t mask = requested(cpu);
  const XsaveLayout layout = kCompact ? compacted_layout(mask) : standard_layout(cpu);
  const unsigned size = kCompact ? layout.size : layout.end(mask);
  const std::uint64_t linear = area_linear<64>(cpu, op, size, true);
  leave_guest_float(cpu);
  std::uint64_t in_use = components_in_use(cpu);
  // MXCSR counts where the compacted form could leave SSE out. SDM vol. 1, 13.10 and 13.11.
  if (kCompact && cpu.vector.mxcsr != 0x1f80) in_use |= kStateSse;
  std::array<std::uint8_t, kLargestArea> area;
  read_area(cpu, op, linear, area.data(), size);
  std::uint64_t written = mask;
  if constexpr (Kind != SaveKind::Save) written &= in_use;
  const XsaveForm form = form_of(cpu, op);
  put_components(cpu, written, layout, form, area.data());
  // MXCSR goes with AVX, too, and with neither's being in its initial configuration in the standard form.
  if (kCompact ? (written & kStateSse) != 0 : (mask & (kStateSse | kStateAvx)) != 0) {
    const std::uint32_t mxcsr[2] = {cpu.vector.mxcsr, kMxcsrMask};
    std::memcpy(area.data() + kMxcsrOffset, mxcsr, sizeof mxcsr);
  }
  std::uint64_t bv = get<std::uint64_t>(area.data(), kLegacyRegion);
  bv = kCompact ? mask & in_use : (bv & ~mask) | (mask & in_use);
  std::memcpy(area.data() + kLegacyRegion, &bv, 8);
  if constexpr (kCompact) {
    const std::uint64_t xcomp = mask | kCompacted;
    std::memcpy(area.data() + kXcompOffset, &xcomp, 8);
  }
  write_area(cpu, op, linear, area.data(), size);
  return next(cpu, op);
}

/// The header's rules. SDM vol. 1, 13.8 (XRSTOR) and 13.12 (XRSTORS).
void check_header(Cpu& cpu, const Op* op, const std::uint8_t* area, bool supervisor) {
  const auto bv = get<std::uint64_t>(area, kLegacyRegion);
  const auto xcomp = get<std::uint64_t>(area, kXcompOffset);
  const bool compacted = xcomp & kCompacted;
  const auto zero = [area](unsigned first, unsigned last) {
    return std::all_of(area + first, area + last, [](std::uint8_t b) { return b == 0; });
  };
  if (compacted) {
    const std::uint64_t components = xcomp & ~kCompacted;
    const bool bad = (components & ~cpu.xcr0) || (bv & ~components) || !zero(kXcompOffset + 8, kExtendedRegion);
    if (bad || (!supervisor && !has_feature(cpu.features, "xsavec"))) raise_protection(cpu, op);
  } else if (supervisor || (bv & ~cpu.xcr0) || !zero(kXcompOffset, kXcompOffset + 16)) {
    raise_protection(cpu, op);
  }
}

template <bool Supervisor>
const Block* xrstor(Cpu& cpu, const Op* op) {
  if constexpr (Supervisor)
    if (cpu.cpl != 0) raise_protection(cpu, op);
  const std::uint64_t linear = area_linear<64>(cpu, op, kExtendedRegion, false);
  std::array<std::uint8_t, kLargestArea> area;
  read_area(cpu, op, linear, area.data(), kExtendedRegion);
  check_header(cpu, op, area.data(), Supervisor);
  const std::uint64_t mask = requested(cpu);
  const auto bv = get<std::uint64_t>(area.data(), kLegacyRegion);
  const auto xcomp = get<std::uint64_t>(area.data(), kXcompOffset);
  const bool compacted = xcomp & kCompacted;
  const XsaveLayout layout = compacted ? compacted_layout(xcomp) : standard_layout(cpu);
  const std::uint64_t loaded = mask & bv;
  for (const std::uint64_t component : {kStateAvx, kStateMasks, kStateZmmHigh, kStateZmm16, kStatePkru}) {
    const auto [offset, size] = layout.place(loaded & component);
    read_area(cpu, op, linear + offset, area.data() + offset, size);
  }
  // MXCSR: of the standard form with SSE or AVX asked for, whatever XSTATE_BV says; of the compacted one with SSE.
  const bool takes_mxcsr = compacted ? loaded & kStateSse : mask & (kStateSse | kStateAvx);
  const auto mxcsr = get<std::uint32_t>(area.data(), kMxcsrOffset);
  if (takes_mxcsr && (mxcsr & ~kMxcsrMask)) raise_protection(cpu, op);
  leave_guest_float(cpu);
  const XsaveForm form = form_of(cpu, op);
  initialize_components(cpu, mask & ~bv, form);
  take_components(cpu, loaded, layout, form, area.data());
  if (takes_mxcsr) {
    cpu.vector.mxcsr = mxcsr;
  } else if (compacted && (mask & kStateSse)) {
    cpu.vector.mxcsr = 0x1f80;
  }
  return next(cpu, op);
}

/// #UD without CR4.OSXSAVE, whatever CR0.EM; checked as it runs, since no bit of the mode has it alone.
template <Handler Do>
const Block* with_osxsave(Cpu& cpu, const Op* op) {
  if (!(cpu.cr4 & kCr4Osxsave)) [[unlikely]] {
    cpu.fault_op = op;
    raise(Vector::InvalidOpcode);
  }
  if (cpu.cr0 & kCr0Ts) [[unlikely]] {
    cpu.fault_op = op;
    raise(Vector::DeviceNotAvailable);
  }
  return Do(cpu, op);
}

template <Handler Do, bool Wide>
void emit_xsave(Decoding& d) {
  d.use_memory(0);
  d.op.extra = Wide ? kWide : 0;
  d.op.handler = &with_osxsave<Do>;
}

// --- MXCSR ---

template <Addressing A>
const Block* ldmxcsr(Cpu& cpu, const Op* op) {
  const auto value = load<std::uint32_t>(cpu, op, linear_of<A, std::uint32_t>(cpu, op, false));
  if (value & ~kMxcsrMask) raise_protection(cpu, op);
  VectorState& v = cpu.vector;
  if (v.window && (value & kMxcsrMasks) == kMxcsrMasks) {
    v.mxcsr = value;
    _mm_setcsr(value);
  } else {
    leave_guest_float(cpu);
    v.mxcsr = value;
  }
  return next(cpu, op);
}
template <Addressing A>
const Block* stmxcsr(Cpu& cpu, const Op* op) {
  const VectorState& v = cpu.vector;
  const std::uint32_t value = v.window ? v.mxcsr | (_mm_getcsr() & kMxcsrFlags) : v.mxcsr;
  store<std::uint32_t>(cpu, op, linear_of<A, std::uint32_t>(cpu, op, true), value);
  return next(cpu, op);
}

template <bool Vex, bool Load>
void emit_mxcsr(Decoding& d) {
  if (!may_use(d, Vex ? FloatUnit::Avx : FloatUnit::Sse)) return;
  d.use_memory(0);
  if (Load) {
    d.op.handler = d.checked ? &ldmxcsr<Addressing::Checked> : &ldmxcsr<Addressing::Flat>;
  } else {
    d.op.handler = d.checked ? &stmxcsr<Addressing::Checked> : &stmxcsr<Addressing::Flat>;
  }
}

// --- protection keys: SDM vol. 2, RDPKRU, WRPKRU ---

void check_pkru(Cpu& cpu, const Op* op, bool clear) {
  cpu.fault_op = op;
  if (!(cpu.cr4 & kCr4Pke)) raise(Vector::InvalidOpcode);
  if (!clear) raise(Vector::GeneralProtection, 0);
}
const Block* rdpkru(Cpu& cpu, const Op* op) {
  check_pkru(cpu, op, (cpu.gpr[kRcx] & 0xffffffff) == 0);
  cpu.gpr[kRax] = cpu.pkru;
  cpu.gpr[kRdx] = 0;
  return next(cpu, op);
}
const Block* wrpkru(Cpu& cpu, const Op* op) {
  check_pkru(cpu, op, ((cpu.gpr[kRcx] | cpu.gpr[kRdx]) & 0xffffffff) == 0);
  if (const auto value = static_cast<std::uint32_t>(cpu.gpr[kRax]); value != cpu.pkru) {
    cpu.pkru = value;
    cpu.flush_tlb();  // rights are remembered there
  }
  return next(cpu, op);
}

}  // namespace

void add_xsave_emitters(EmitterTable& table) {
  table[ZYDIS_MNEMONIC_FXSAVE] = [](Decoding& d) { emit_fx(d, &fxsave, false); };
  table[ZYDIS_MNEMONIC_FXSAVE64] = [](Decoding& d) { emit_fx(d, &fxsave, true); };
  table[ZYDIS_MNEMONIC_FXRSTOR] = [](Decoding& d) { emit_fx(d, &fxrstor, false); };
  table[ZYDIS_MNEMONIC_FXRSTOR64] = [](Decoding& d) { emit_fx(d, &fxrstor, true); };
  table[ZYDIS_MNEMONIC_XSAVE] = &emit_xsave<&xsave<SaveKind::Save>, false>;
  table[ZYDIS_MNEMONIC_XSAVE64] = &emit_xsave<&xsave<SaveKind::Save>, true>;
  table[ZYDIS_MNEMONIC_XSAVEOPT] = &emit_xsave<&xsave<SaveKind::Optimized>, false>;
  table[ZYDIS_MNEMONIC_XSAVEOPT64] = &emit_xsave<&xsave<SaveKind::Optimized>, true>;
  table[ZYDIS_MNEMONIC_XSAVEC] = &emit_xsave<&xsave<SaveKind::Compacted>, false>;
  table[ZYDIS_MNEMONIC_XSAVEC64] = &emit_xsave<&xsave<SaveKind::Compacted>, true>;
  table[ZYDIS_MNEMONIC_XSAVES] = &emit_xsave<&xsave<SaveKind::Supervisor>, false>;
  table[ZYDIS_MNEMONIC_XSAVES64] = &emit_xsave<&xsave<SaveKind::Supervisor>, true>;
  table[ZYDIS_MNEMONIC_XRSTOR] = &emit_xsave<&xrstor<false>, false>;
  table[ZYDIS_MNEMONIC_XRSTOR64] = &emit_xsave<&xrstor<false>, true>;
  table[ZYDIS_MNEMONIC_XRSTORS] = &emit_xsave<&xrstor<true>, false>;
  table[ZYDIS_MNEMONIC_XRSTORS64] = &emit_xsave<&xrstor<true>, true>;
  table[ZYDIS_MNEMONIC_LDMXCSR] = &emit_mxcsr<false, true>;
  table[ZYDIS_MNEMONIC_STMXCSR] = &emit_mxcsr<false, false>;
  table[ZYDIS_MNEMONIC_VLDMXCSR] = &emit_mxcsr<true, true>;
  table[ZYDIS_MNEMONIC_VSTMXCSR] = &emit_mxcsr<true, false>;
  table[ZYDIS_MNEMONIC_RDPKRU] = [](Decoding& d) { d.op.handler = &rdpkru; };
  table[ZYDIS_MNEMONIC_WRPKRU] = [](Decoding& d) { d.op.handler = &wrpkru; };
}

}  // namespace machina::jit
