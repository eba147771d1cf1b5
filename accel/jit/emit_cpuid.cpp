/// CPUID.

#include "accel/jit/branch.h"
#include "accel/jit/cpuid_leaf.h"
#include "accel/jit/emitters.h"
#include "accel/jit/host_float.h"

namespace machina::jit {

namespace {

const Block* cpuid(Cpu& cpu, const Op* op) {
  leave_guest_float(cpu);
  const CpuidLeaf l =
      cpuid_leaf(cpu, static_cast<std::uint32_t>(cpu.gpr[kRax]), static_cast<std::uint32_t>(cpu.gpr[kRcx]));
  cpu.gpr[kRax] = l.eax;
  cpu.gpr[kRbx] = l.ebx;
  cpu.gpr[kRcx] = l.ecx;
  cpu.gpr[kRdx] = l.edx;
  return next_fetched(cpu, op);
}

void emit_cpuid(Decoding& d) { d.op.handler = &cpuid; }

}  // namespace

void add_cpuid_emitters(EmitterTable& table) { table[ZYDIS_MNEMONIC_CPUID] = &emit_cpuid; }

}  // namespace machina::jit
