/// INVLPG, INVPCID, and WBINVD, INVD, WBNOINVD, which have nothing to do: this CPU has no cache that others could miss.
/// (INVD does not lose what was written: SDM vol. 2 lets it, and no program can depend on a loss.)

#include "accel/jit/control_registers.h"
#include "accel/jit/cpu_log.h"
#include "accel/jit/emitters.h"
#include "accel/jit/system.h"
#include "core/log.h"

namespace machina::jit {

namespace {

/// An address that is not canonical invalidates nothing. SDM vol. 2, INVLPG.
const Block* invlpg(Cpu& cpu, const Op* op) {
  require_cpl0(cpu, op);
  std::uint64_t linear = linear_flat(cpu, op);
  if (!cpu.long_code()) linear &= 0xffffffff;
  cpu.flush_tlb_page(linear);
  if (log::on(log::Category::Mmu)) [[unlikely]]
    log_paging(cpu, "INVLPG", linear);
  return leave(cpu, op);
}
void emit_invlpg(Decoding& d) {
  d.use_memory(0);
  d.ends_block = true;
  d.op.handler = &invlpg;
}

/// What it does to other PCIDs than the current one needs nothing: the TLB holds the current one only.
void invalidate_pcid(Cpu& cpu, std::uint64_t type, std::uint64_t pcid, std::uint64_t linear) {
  const bool current = !(cpu.cr4 & kCr4Pcide) || pcid == (cpu.cr3 & 0xfff);
  switch (type) {
    case 0:
      if (current) cpu.flush_tlb_page(linear);
      break;
    case 1:
      if (current) cpu.flush_tlb_non_global();
      break;
    case 2:
      cpu.flush_tlb();
      break;
    default:
      cpu.flush_tlb_non_global();
  }
}

template <class T, Addressing A>
const Block* invpcid(Cpu& cpu, const Op* op) {
  require_cpl0(cpu, op);
  const std::uint64_t type = get_register<T>(cpu, op->source);
  std::uint64_t descriptor[2];
  const std::uint64_t at = A == Addressing::Flat ? linear_flat(cpu, op) : linear_checked(cpu, op, 16, false);
  read_bytes(cpu, op, at, descriptor, sizeof descriptor);
  if (type > 3 || descriptor[0] > 0xfff) refuse();
  if (type <= 1 && !(cpu.cr4 & kCr4Pcide) && descriptor[0] != 0) refuse();
  if (type == 0 && !canonical_for_model(cpu, descriptor[1])) refuse();
  invalidate_pcid(cpu, type, descriptor[0], descriptor[1]);
  return leave(cpu, op);
}
void emit_invpcid(Decoding& d) {
  d.use_source(0);
  d.use_memory(1);
  d.ends_block = true;
  if (d.mode & kModeLong) {
    d.op.handler = &invpcid<std::uint64_t, Addressing::Flat>;
  } else {
    d.op.handler = d.checked ? &invpcid<std::uint32_t, Addressing::Checked> : &invpcid<std::uint32_t, Addressing::Flat>;
  }
}

const Block* write_back(Cpu& cpu, const Op* op) {
  require_cpl0(cpu, op);
  return next_fetched(cpu, op);
}
void emit_write_back(Decoding& d) { d.op.handler = &write_back; }

}  // namespace

void add_tlb_emitters(EmitterTable& table) {
  table[ZYDIS_MNEMONIC_INVLPG] = &emit_invlpg;
  table[ZYDIS_MNEMONIC_INVPCID] = &emit_invpcid;
  for (const ZydisMnemonic m : {ZYDIS_MNEMONIC_WBINVD, ZYDIS_MNEMONIC_INVD})  // WBNOINVD is WBINVD with F3
    table[m] = &emit_write_back;
}

}  // namespace machina::jit
