/// VMCALL and VMMCALL, which guests that see KVM's signature may use. One service is there, whether CPUID tells of it
/// or not, which is KVM's way, too: to send an interrupt to many CPUs at once. Linux
/// Documentation/virt/kvm/x86/hypercalls.rst.

#include <utility>

#include "accel/jit/cpuid_leaf.h"
#include "accel/jit/emitters.h"
#include "accel/jit/environment.h"
#include "accel/jit/host_float.h"
#include "accel/jit/system.h"

namespace machina::jit {

namespace {

constexpr std::uint32_t kSignature = 0x4b4d564b;  // "KVMK", EBX of leaf 40000000h
constexpr std::int64_t kNotPermitted = -1, kInvalid = -22, kNoSuchCall = -1000;
constexpr std::uint64_t kSendIpi = 10;

/// RBX, RCX: a bit for each APIC ID from RDX on, as many as the registers have. RSI: as in the ICR; destination modes
/// and shorthands make no sense. The answer is how many there are.
std::int64_t send_ipis(Cpu& cpu, unsigned bits) {
  constexpr std::uint32_t kVector = 0xff, kDelivery = 0x700, kNmi = 0x400, kDestination = 0xc0800;
  const std::uint64_t mask = ~std::uint64_t{0} >> (64 - bits);
  const auto icr = static_cast<std::uint32_t>(cpu.gpr[kRsi]), delivery = icr & kDelivery;
  if ((icr & kDestination) || (delivery != 0 && delivery != kNmi)) return kInvalid;
  const std::uint64_t first = cpu.gpr[kRdx] & 0xffffffff;
  std::int64_t receivers = 0;
  for (const auto& [from, set] : {std::pair{first, cpu.gpr[kRbx]}, std::pair{first + bits, cpu.gpr[kRcx]}}) {
    if (from > 0xffffffff) break;
    receivers += cpu.environment.send_ipis(static_cast<std::uint32_t>(from), set & mask, delivery == kNmi,
                                           static_cast<std::uint8_t>(icr & kVector));
  }
  return receivers;
}

const Block* hypercall(Cpu& cpu, const Op* op) {
  cpu.fault_op = op;
  if (!cpu.cpuid || cpu.cpuid->find(0x40000000).ebx != kSignature) raise(Vector::InvalidOpcode);
  leave_guest_float(cpu);
  std::int64_t answer = kNoSuchCall;
  if (cpu.cpl != 0) {
    answer = kNotPermitted;
  } else if (cpu.gpr[kRax] == kSendIpi) {
    answer = send_ipis(cpu, cpu.long_code() ? 64 : 32);
  }
  cpu.gpr[kRax] = cpu.long_code() ? static_cast<std::uint64_t>(answer) : static_cast<std::uint32_t>(answer);
  return leave(cpu, op);
}

void emit_hypercall(Decoding& d) {
  d.ends_block = true;  // an interrupt to itself is seen at once
  d.op.handler = &hypercall;
}

}  // namespace

void add_hypercall_emitters(EmitterTable& table) {
  table[ZYDIS_MNEMONIC_VMCALL] = &emit_hypercall;
  table[ZYDIS_MNEMONIC_VMMCALL] = &emit_hypercall;
}

}  // namespace machina::jit
