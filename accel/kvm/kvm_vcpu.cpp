#include "accel/kvm/kvm_vcpu.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/mman.h>

#include <cerrno>
#include <cstring>
#include <mutex>

#include "accel/kvm/kvm_accelerator.h"
#include "accel/kvm/kvm_api.h"
#include "accel/kvm/kvm_state.h"
#include "core/error.h"
#include "hw/x86/x86_cpu.h"

namespace machina::kvm {

namespace {
constexpr int kKickSignal = SIGUSR1;
}

void KvmVcpu::install_kick_signal() {
  static std::once_flag once;
  std::call_once(once, [] {
    struct sigaction action {};
    action.sa_handler = [](int) {};  // only to interrupt KVM_RUN: no SA_RESTART
    sigaction(kKickSignal, &action, nullptr);
  });
}

KvmVcpu::KvmVcpu(KvmAccelerator& accelerator, X86Cpu& cpu) : accelerator_(accelerator), cpu_(cpu) {
  Calls& calls = accelerator.vm().calls();
  fd_ = Fd(calls, accelerator.vm().must(KVM_CREATE_VCPU, cpu.apic_id(), "KVM_CREATE_VCPU"));
  run_size_ = accelerator.vcpu_map_size();
  void* mapped = calls.map(fd_.get(), run_size_);
  if (mapped == MAP_FAILED) throw Error("cannot map the vCPU's shared page").why(std::strerror(errno));
  run_ = static_cast<kvm_run*>(mapped);
  set_cpuid();
}

KvmVcpu::~KvmVcpu() {
  if (run_) fd_.calls().unmap(run_, run_size_);
}

void KvmVcpu::set_cpuid() {
  cpu_.cpuid = accelerator_.supported_cpuid();
  Flexible<kvm_cpuid2, kvm_cpuid_entry2> list(cpu_.cpuid.leaves().size());
  for (const CpuidLeaf& leaf : cpu_.cpuid.leaves()) {
    kvm_cpuid_entry2& e = list.entries()[list->nent++];
    e.function = leaf.leaf;
    e.index = leaf.subleaf;
    e.flags = leaf.has_subleaves ? KVM_CPUID_FLAG_SIGNIFCANT_INDEX : 0;
    e.eax = leaf.eax, e.ebx = leaf.ebx, e.ecx = leaf.ecx, e.edx = leaf.edx;
  }
  fd_.must(KVM_SET_CPUID2, list.get(), "KVM_SET_CPUID2");
}

void KvmVcpu::kick() {
  // The store comes before the load, here and in run(): either the kernel sees immediate_exit at entry, or in_guest_ is
  // seen here and the signal follows. So no kick is lost.
  std::atomic_ref<std::uint8_t>(run_->immediate_exit).store(1, std::memory_order_seq_cst);
  if (in_guest_.load(std::memory_order_seq_cst)) pthread_kill(thread_, kKickSignal);
}

VcpuExit KvmVcpu::run() {
  for (;;) {
    inject();
    thread_ = pthread_self();
    in_guest_.store(true, std::memory_order_seq_cst);
    const int result = fd_.call(KVM_RUN);
    const int error = errno;
    in_guest_.store(false, std::memory_order_seq_cst);
    exits_.fetch_add(1, std::memory_order_relaxed);
    if (result < 0) {
      // EAGAIN: the CPU was woken from waiting for SIPI. exit_reason is stale in both cases.
      if (error == EINTR || error == EAGAIN) {
        std::atomic_ref<std::uint8_t>(run_->immediate_exit).store(0, std::memory_order_seq_cst);
        return VcpuExit::Interrupted;
      }
      return report_internal_error();
    }
    VcpuExit exit = VcpuExit::Interrupted;
    // After a port or memory access KVM must be entered once more to finish the instruction. When a kick has come, that
    // entry returns at once, so the state is whole whenever this function returns.
    if (handle_exit(exit) == Next::Return) return exit;
  }
}

void KvmVcpu::inject() {
  if (cpu_.take_nmi()) fd_.call(KVM_NMI);
}

KvmVcpu::Next KvmVcpu::handle_exit(VcpuExit& exit) {
  switch (run_->exit_reason) {
    case KVM_EXIT_IO:
      port_io();
      return Next::Run;
    case KVM_EXIT_MMIO:
      mmio();
      return Next::Run;
    case KVM_EXIT_HLT:
      exit = run_->if_flag ? VcpuExit::Halted : VcpuExit::HaltedMasked;
      return Next::Return;
    case KVM_EXIT_SHUTDOWN:
      exit = VcpuExit::Shutdown;
      return Next::Return;
    case KVM_EXIT_IRQ_WINDOW_OPEN:
    case KVM_EXIT_INTR:
      return Next::Return;
    default:
      break;
  }
  exit = report_internal_error();
  return Next::Return;
}

void KvmVcpu::port_io() {
  const auto& io = run_->io;
  std::uint8_t* data = reinterpret_cast<std::uint8_t*>(run_) + io.data_offset;
  for (std::uint32_t i = 0; i < io.count; ++i, data += io.size) {
    std::uint64_t value = 0;
    if (io.direction == KVM_EXIT_IO_OUT) {
      std::memcpy(&value, data, io.size);
      cpu_.ports().write(io.port, io.size, value);
    } else {
      value = cpu_.ports().read(io.port, io.size);
      std::memcpy(data, &value, io.size);
    }
  }
}

void KvmVcpu::mmio() {
  auto& m = run_->mmio;
  std::uint64_t value = 0;
  if (m.is_write) {
    std::memcpy(&value, m.data, m.len);
    cpu_.memory().write(m.phys_addr, m.len, value);
  } else {
    value = cpu_.memory().read(m.phys_addr, m.len);
    std::memcpy(m.data, &value, m.len);
  }
}

VcpuExit KvmVcpu::report_internal_error() {
  fmt::print(stderr, "KVM exit {} on {}\n", run_->exit_reason, cpu_.path());
  return VcpuExit::InternalError;
}

void KvmVcpu::load_state(const X86State& state) { load(accelerator_, fd_, state); }
void KvmVcpu::store_state(X86State& state) { store(accelerator_, fd_, state); }

}  // namespace machina::kvm
