/// VMCALL and VMMCALL, which guests that see KVM's signature may use: none of the services is offered, and that is the
/// answer. Linux Documentation/virt/kvm/x86/hypercalls.rst.

#include "accel/jit/cpuid_leaf.h"
#include "accel/jit/emitters.h"
#include "accel/jit/system.h"

namespace machina::jit {

namespace {

constexpr std::uint32_t kSignature = 0x4b4d564b;  // "KVMK", EBX of leaf 40000000h
constexpr std::int64_t kNoSuchCall = -1000, kNotPermitted = -1;

const Block* hypercall(Cpu& cpu, const Op* op) {
  cpu.fault_op = op;
  if (!cpu.cpuid || cpu.cpuid->find(0x40000000).ebx != kSignature) raise(Vector::InvalidOpcode);
  const std::int64_t answer = cpu.cpl == 0 ? kNoSuchCall : kNotPermitted;
  cpu.gpr[kRax] = cpu.long_code() ? static_cast<std::uint64_t>(answer) : static_cast<std::uint32_t>(answer);
  return next(cpu, op);
}

void emit_hypercall(Decoding& d) { d.op.handler = &hypercall; }

}  // namespace

void add_hypercall_emitters(EmitterTable& table) {
  table[ZYDIS_MNEMONIC_VMCALL] = &emit_hypercall;
  table[ZYDIS_MNEMONIC_VMMCALL] = &emit_hypercall;
}

}  // namespace machina::jit
