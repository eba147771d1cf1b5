/// RDMSR and WRMSR.

#include "accel/jit/emitters.h"
#include "accel/jit/host_float.h"
#include "accel/jit/msr.h"
#include "accel/jit/system.h"

namespace machina::jit {

namespace {

const Block* rdmsr(Cpu& cpu, const Op* op) {
  require_cpl0(cpu, op);
  leave_guest_float(cpu);
  std::uint64_t value = 0;
  if (!read_msr(cpu, static_cast<std::uint32_t>(cpu.gpr[kRcx]), value, MsrOrigin::Guest)) refuse();
  set_edx_eax(cpu, value);
  return next(cpu, op);
}

const Block* wrmsr(Cpu& cpu, const Op* op) {
  require_cpl0(cpu, op);
  leave_guest_float(cpu);
  if (!write_msr(cpu, static_cast<std::uint32_t>(cpu.gpr[kRcx]), edx_eax(cpu), MsrOrigin::Guest)) refuse();
  return leave(cpu, op);
}

void emit_rdmsr(Decoding& d) { d.op.handler = &rdmsr; }
void emit_wrmsr(Decoding& d) {
  d.op.handler = &wrmsr;
  d.ends_block = true;
}

}  // namespace

void add_msr_emitters(EmitterTable& table) {
  table[ZYDIS_MNEMONIC_RDMSR] = &emit_rdmsr;
  table[ZYDIS_MNEMONIC_WRMSR] = &emit_wrmsr;
}

}  // namespace machina::jit
