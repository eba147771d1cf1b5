/// A vCPU of KVM and the software CPU that helps it.

#include <fmt/format.h>

#include "accel/kvm/kvm_accelerator.h"
#include "accel/kvm/kvm_api.h"
#include "accel/kvm/kvm_syscall.h"
#include "accel/kvm/kvm_vcpu.h"
#include "core/log.h"
#include "core/system.h"
#include "hw/intc/apic.h"
#include "hw/x86/x86_cpu.h"

namespace machina::kvm {

namespace {
constexpr std::uint64_t kIoapicPage = 0xfec00000;  // KVM's own has no other address
constexpr std::uint64_t kPageMask = ~std::uint64_t{0xfff};
constexpr std::uint64_t kInterruptFlag = 0x200;
}  // namespace

SoftwareStep& KvmVcpu::software() {
  if (!software_) {
    software_ = std::make_unique<SoftwareStep>(accelerator_.system().memory, static_cast<ExitActions&>(*this),
                                               static_cast<SoftwareStep::KernelDevices&>(*this), accelerator_.steps(),
                                               cpu_.cpuid);
    software_->set_debug(debug_request_);
  }
  return *software_;
}

std::optional<ExitResult> KvmVcpu::carry_out() {
  using Outcome = jit::Stepper::Outcome;
  no_help_.clear();
  if (!accelerator_.software_steps()) {
    no_help_ = "the software CPU is not to help: software-steps=off";
    return std::nullopt;
  }
  try {
    X86State before;
    transfer_.store(before);
    X86State after = before;
    if (complete_faulted_syscall(after, software().reader())) {
      accelerator_.steps().counts.add("syscall", 1);
      take_over(before, after);
      return ExitResult{};
    }
    const SoftwareStep::Result result = software().step(after, SoftwareStep::kFollowing, &run_->immediate_exit);
    if (result.instructions == 0) {
      no_help_ = result.why_not.empty() ? "nor can the software CPU carry it out here" : result.why_not;
      return std::nullopt;
    }
    if (accelerator_.steps().counts.add(result.mnemonic, result.instructions))
      log::info(
          "KVM cannot emulate '{}', which the guest executes at {:#x}: the software CPU carries such instructions "
          "out, and 'info kvm' counts them",
          result.mnemonic, before.rip);
    if (result.outcome == Outcome::Shutdown) return ExitResult{false, VcpuExit::Shutdown};
    take_over(before, after);
    if (result.outcome == Outcome::Debug) {
      DebugStop stop = software().debug_stop();
      if (accelerator_.handles_mp_state()) stop.halted = false;  // KVM knows
      debug_.set_stop(stop);
      return ExitResult{false, VcpuExit::Debug};
    }
    if (result.outcome != Outcome::Halted || accelerator_.irqchip() != KernelIrqchip::Off) return ExitResult{};
    return ExitResult{false, (after.rflags & kInterruptFlag) ? VcpuExit::Halted : VcpuExit::HaltedMasked};
  } catch (const Error& e) {
    no_help_ = std::string("the software CPU cannot help: ") + e.what();  // the host has no memory, say
    return std::nullopt;
  }
}

void KvmVcpu::take_over(const X86State& before, const X86State& after) {
  transfer_.load_changes(before, after);
  if (debug_.active()) debug_.state_loaded();
  run_->if_flag = (after.rflags & kInterruptFlag) != 0;
  run_->ready_for_interrupt_injection = 0;  // until KVM has looked at the new state
  if (after.cr8 == before.cr8 || !cpu_.local_apic()) return;
  run_->cr8 = after.cr8;
  sync_local_apic();
}

std::string KvmVcpu::cpu_path() const { return cpu_.path(); }

bool KvmVcpu::in_kernel(std::uint64_t physical) const {
  const KernelIrqchip irqchip = accelerator_.irqchip();
  if (irqchip == KernelIrqchip::Off) return false;
  if (irqchip == KernelIrqchip::On && (physical & kPageMask) == kIoapicPage) return true;
  const std::uint64_t base = apic_base();
  return (base & apic::kBaseEnable) && !(base & apic::kBaseExtended) &&
         (physical & kPageMask) == (base & apic::kBaseAddress);
}

bool KvmVcpu::port_in_kernel(std::uint16_t port) const {
  if (accelerator_.irqchip() != KernelIrqchip::On) return false;
  // The two 8259s, their edge/level registers, the 8254 and its gate.
  return (port & ~0x81U) == 0x20 || (port & ~1U) == 0x4d0 || (port & ~3U) == 0x40 || port == 0x61;
}

}  // namespace machina::kvm
