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
#include "core/system.h"
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

KvmVcpu::KvmVcpu(KvmAccelerator& accelerator, X86Cpu& cpu)
    : accelerator_(accelerator),
      cpu_(cpu),
      fd_(accelerator.vm().calls(), accelerator.vm().must(KVM_CREATE_VCPU, cpu.apic_id(), "KVM_CREATE_VCPU")),
      transfer_(fd_, accelerator.state_support(), accelerator.msrs()) {
  Calls& calls = accelerator.vm().calls();
  run_size_ = accelerator.vcpu_map_size();
  void* mapped = calls.map(fd_.get(), run_size_);
  if (mapped == MAP_FAILED) throw Error("cannot map the vCPU's shared page").why(std::strerror(errno));
  run_ = static_cast<kvm_run*>(mapped);
  set_cpuid();
  accelerator.msrs().learn(fd_);
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

void KvmVcpu::bind_to_thread() {
  thread_ = pthread_self();
  bound_ = true;
  sigset_t kick;
  sigemptyset(&kick);
  sigaddset(&kick, kKickSignal);
  pthread_sigmask(SIG_UNBLOCK, &kick, nullptr);  // a thread inherits the mask of whoever made it
}

VcpuExit KvmVcpu::run() {
  if (!bound_) bind_to_thread();
  for (;;) {
    inject();
    in_guest_.store(true, std::memory_order_seq_cst);
    const int result = fd_.call(KVM_RUN);
    const int error = errno;
    in_guest_.store(false, std::memory_order_seq_cst);
    exits_.fetch_add(1, std::memory_order_relaxed);
    // After a port, memory or MSR access KVM must be entered once more to finish the instruction. When a kick has come,
    // that entry finishes it and returns EINTR at once, so the state is whole whenever this function returns.
    const ExitResult r = result < 0 ? handle_run_error(error, *run_, *this) : handle_exit(*run_, run_size_, *this);
    if (result < 0) {
      // An exchange, not a store: what the kicker wrote before its kick is then visible to whoever looks for requests.
      std::atomic_ref<std::uint8_t>(run_->immediate_exit).exchange(0, std::memory_order_seq_cst);
    }
    if (!r.run_again) return r.exit;
  }
}

std::uint64_t KvmVcpu::read_port(std::uint16_t port, unsigned width) { return cpu_.ports().read(port, width); }
void KvmVcpu::write_port(std::uint16_t port, unsigned width, std::uint64_t value) {
  cpu_.ports().write(port, width, value);
}
std::uint64_t KvmVcpu::read_memory(std::uint64_t address, unsigned width) { return cpu_.memory().read(address, width); }
void KvmVcpu::write_memory(std::uint64_t address, unsigned width, std::uint64_t value) {
  cpu_.memory().write(address, width, value);
}

bool KvmVcpu::read_msr(std::uint32_t, std::uint64_t&) { return false; }
bool KvmVcpu::write_msr(std::uint32_t, std::uint64_t) { return false; }

void KvmVcpu::request_reset() {
  System& system = accelerator_.system();
  const MachineLock::Guard guard(system.lock);
  system.control.request_reset(ShutdownCause::GuestReset);
}

void KvmVcpu::request_shutdown() {
  System& system = accelerator_.system();
  const MachineLock::Guard guard(system.lock);
  system.control.request_shutdown(ShutdownCause::GuestShutdown);
}

void KvmVcpu::request_panic() {
  System& system = accelerator_.system();
  const MachineLock::Guard guard(system.lock);
  system.control.request_stop(RunState::GuestPanicked);
}

void KvmVcpu::note(std::string_view) {}

void KvmVcpu::fail(const std::string& why) { fmt::print(stderr, "{}: {}\n", cpu_.path(), why); }

void KvmVcpu::load_state(const X86State& state) {
  transfer_.load(state);
  forget_interrupts(state.rflags & 0x200);
  if (!accelerator_.verify_state()) return;
  const std::vector<std::string> lost = transfer_.verify(state);
  if (lost.empty()) return;
  std::string why = "set / read back:";
  for (const std::string& line : lost) why += "\n  " + line;
  throw Error("KVM did not keep the CPU state it was given").object(cpu_.path()).why(why);
}

void KvmVcpu::store_state(X86State& state) { transfer_.store(state); }

}  // namespace machina::kvm
