/// Interrupts that user space injects into a vCPU of KVM: NMI and SMI always, those of a user-space PIC when only the
/// local APIC is in the kernel, all of them when nothing is.

#include <x86intrin.h>

#include <array>
#include <cerrno>

#include "accel/kvm/kvm_accelerator.h"
#include "accel/kvm/kvm_api.h"
#include "accel/kvm/kvm_vcpu.h"
#include "core/log.h"
#include "core/system.h"
#include "core/trace/trace_event.h"
#include "core/units.h"
#include "hw/intc/apic.h"
#include "hw/x86/x86_cpu.h"

namespace machina::kvm {

namespace {

const TraceEvent<unsigned, int, bool> kvm_inject_interrupt{"kvm_inject_interrupt", "cpu={} vector={:#x} held={:d}",
                                                           TraceScope::Vcpu};

constexpr std::uint64_t kInterruptFlag = 0x200;
/// How long an interrupt waits at most after the guest has lowered CR8 and nothing has told of it.
constexpr std::int64_t kTaskPriorityPeriodNs = 1'000'000;
}  // namespace

bool KvmVcpu::has_local_apic() const { return accelerator_.irqchip() != KernelIrqchip::Off || cpu_.local_apic(); }

// Whatever makes X86Cpu think that there is something to do is consumed here, whether KVM takes it or not: a request
// that stayed would keep a halted CPU awake for ever.
void KvmVcpu::inject() {
  if (debug_.holds_interrupts()) {
    run_->request_interrupt_window = 0;
    return;
  }
  while (cpu_.take_nmi()) {
    fd_.call(KVM_NMI);
    if (log::on(log::Category::Int)) log::write(log::Category::Int, "{}: NMI injected", cpu_.path());
  }
  if (cpu_.take_smi()) fd_.call(KVM_SMI);  // refused by a KVM without SMM, which then loses it as the guest's chip set
  if (accelerator_.irqchip() != KernelIrqchip::On) inject_interrupt();
  if (cr8_ != 0 && !tells_cr8_ && cpu_.local_apic()) watch_task_priority();
}

void KvmVcpu::inject_interrupt() {
  if (held_vector_ < 0 && !cpu_.interrupt_pending()) {
    run_->request_interrupt_window = 0;
    return;
  }
  // KVM says after each exit whether it would deliver one now: IF is set, there is no interrupt shadow, nothing else is
  // being delivered and, in split mode, LVT0 lets the PIC through.
  if (run_->ready_for_interrupt_injection) {
    const int vector = held_vector_ >= 0 ? held_vector_ : cpu_.acknowledge_interrupt();
    held_vector_ = -1;
    if (vector >= 0) {
      kvm_interrupt interrupt{};
      interrupt.irq = static_cast<std::uint32_t>(vector);
      // EEXIST: the one before is still waiting in the kernel (split). It was acknowledged, so it may not be lost.
      if (fd_.call(KVM_INTERRUPT, &interrupt) < 0 && errno == EEXIST) held_vector_ = vector;
      kvm_inject_interrupt(cpu_.index(), vector, held_vector_ >= 0);
      note_injected(vector);
      run_->ready_for_interrupt_injection = 0;  // until KVM says so again
    }
  }
  run_->request_interrupt_window = held_vector_ >= 0 || cpu_.interrupt_pending();
}

void KvmVcpu::note_injected(int vector) {
  if (held_vector_ >= 0) return;  // it is tried again
  last_exits_.add({.reason = KernelExit::kInjected + static_cast<std::uint32_t>(vector)});
  if (log::on(log::Category::Int)) [[unlikely]]
    log::write(log::Category::Int, "{}: interrupt {:#04x} injected", cpu_.path(), vector);
}

void KvmVcpu::forget_interrupts(const X86State& state) {
  held_vector_ = -1;
  // What KVM said after the last exit is about another state.
  run_->ready_for_interrupt_injection = 0;
  run_->if_flag = (state.rflags & kInterruptFlag) != 0;
  run_->request_interrupt_window = 0;
  // Without a local APIC in the kernel, KVM_RUN loads CR8 from here.
  run_->cr8 = cr8_ = state.cr8;
  run_->apic_base = apic_base_ = state.apic_base;
}

void KvmVcpu::end_of_interrupt(std::uint8_t vector) { accelerator_.end_of_interrupt(vector); }

// --- a local APIC in user space ---

std::uint64_t KvmVcpu::apic_base() const { return run_->apic_base; }

// An interrupt that the task priority holds back must come as soon as the guest lowers CR8. With hardware help KVM
// makes an exit of that (KVM_EXIT_SET_TPR); one that emulates kernel mode does not, so the guest is interrupted now and
// then, as long as something waits, to look. (request_interrupt_window is of no use: it ends KVM_RUN as soon as IF is
// set, before the first instruction, whatever CR8 is.)
void KvmVcpu::watch_task_priority() {
  System& system = accelerator_.system();
  const MachineLock::Guard guard(system.lock);
  if (!cpu_.local_apic()->held_by_task_priority()) return;
  if (!look_again_) look_again_ = std::make_unique<Timer>(system.clock, "kvm.task-priority", [this] { kick(); });
  if (!look_again_->armed()) look_again_->arm(system.clock.now_ns() + kTaskPriorityPeriodNs);
}

// The guest has changed CR8 or IA32_APIC_BASE, perhaps without an exit of its own.
void KvmVcpu::sync_local_apic() {
  if (run_->apic_base == apic_base_ && run_->cr8 == cr8_) return;
  const MachineLock::Guard guard(accelerator_.system().lock);
  if (run_->apic_base != apic_base_) {
    apic_base_ = run_->apic_base;
    cpu_.local_apic()->msr_write(apic::kMsrApicBase, apic_base_);
  }
  if (run_->cr8 != cr8_) {
    cr8_ = run_->cr8;
    cpu_.local_apic()->set_cr8(cr8_);
  }
}

void KvmVcpu::set_cr8(std::uint64_t) {
  tells_cr8_ = true;
  if (cpu_.local_apic()) sync_local_apic();
}

// --- TSC-deadline mode of a local APIC in user space ---

void KvmVcpu::note_tsc() {
  if (tsc_frequency() == 0) return;
  const std::vector<X86Msr> now = get_msrs(fd_, std::array{kMsrTsc});
  host_tsc_ = __rdtsc();
  if (!now.empty()) guest_tsc_ = now.front().value;
}

void KvmVcpu::join_time(const Vcpu& other) {
  accelerator_.msrs().tsc().join(fd_, static_cast<const KvmVcpu&>(other).fd_);
  note_tsc();
}

std::uint64_t KvmVcpu::tsc() const { return guest_tsc_ + mul_div(__rdtsc() - host_tsc_, guest_khz_, host_khz_); }

std::uint64_t KvmVcpu::tsc_frequency() const {
  return accelerator_.has_deadline_msr() && cpu_.local_apic() && host_khz_ != 0 ? guest_khz_ * 1000 : 0;
}

bool KvmVcpu::in_apic_page(std::uint64_t address) const {
  return cpu_.local_apic() && (address & ~(apic::kPageSize - 1)) == (apic_base_ & apic::kBaseAddress) &&
         (apic_base_ & apic::kBaseEnable) && !(apic_base_ & apic::kBaseExtended);
}

std::uint64_t KvmVcpu::read_apic_page(std::uint64_t address, unsigned width) {
  const MachineLock::Guard guard(accelerator_.system().lock);
  return cpu_.local_apic()->mmio_read(address % apic::kPageSize, width);
}

void KvmVcpu::write_apic_page(std::uint64_t address, unsigned width, std::uint64_t value) {
  const MachineLock::Guard guard(accelerator_.system().lock);
  cpu_.local_apic()->mmio_write(address % apic::kPageSize, width, value);
  run_->cr8 = cr8_ = cpu_.local_apic()->cr8();
}

bool KvmVcpu::read_apic_msr(std::uint32_t index, std::uint64_t& value) {
  if (!cpu_.local_apic()) return false;
  const MachineLock::Guard guard(accelerator_.system().lock);
  return cpu_.local_apic()->msr_read(index, value);
}

bool KvmVcpu::write_apic_msr(std::uint32_t index, std::uint64_t value) {
  if (!cpu_.local_apic()) return false;
  const MachineLock::Guard guard(accelerator_.system().lock);
  if (index == kMsrTscDeadline) note_tsc();
  if (!cpu_.local_apic()->msr_write(index, value)) return false;
  run_->cr8 = cr8_ = cpu_.local_apic()->cr8();
  return true;
}

}  // namespace machina::kvm
