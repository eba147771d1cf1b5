#include "accel/kvm/kvm_vcpu.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/mman.h>

#include <cerrno>
#include <cstring>
#include <mutex>

#include "accel/jit/replay.h"
#include "accel/kvm/kvm_accelerator.h"
#include "accel/kvm/kvm_api.h"
#include "accel/kvm/kvm_cpuid.h"
#include "accel/kvm/kvm_mce.h"
#include "accel/kvm/kvm_syscall.h"
#include "accel/kvm/kvm_tsc.h"
#include "core/error.h"
#include "core/log.h"
#include "core/system.h"
#include "hw/x86/cpu_model.h"
#include "hw/x86/cpuid_support.h"
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
      fd_(accelerator.open_vcpu(cpu.apic_id(), again_)),
      transfer_(fd_, accelerator.state_support(), accelerator.msrs()),
      debug_(fd_, accelerator.patched_memory(), accelerator.debug_flags()),
      watched_(accelerator.held_pages()) {
  try {
    run_size_ = accelerator.vcpu_map_size();
    void* mapped = fd_.calls().map(fd_.get(), run_size_);
    if (mapped == MAP_FAILED) throw Error("cannot map the vCPU's shared page").why(std::strerror(errno));
    run_ = static_cast<kvm_run*>(mapped);
    set_cpu_model();
    accelerator.msrs().learn(fd_);
  } catch (...) {
    put_away();
    throw;
  }
  accelerator.add_vcpu(*this);
}

KvmVcpu::~KvmVcpu() {
  accelerator_.remove_vcpu(*this);
  put_away();
}

void KvmVcpu::put_away() {
  if (run_) fd_.calls().unmap(run_, run_size_);
  accelerator_.keep_vcpu(cpu_.apic_id(), std::move(fd_));
}

// Once it has run, KVM takes no CPUID any more, not even the same; and it is the same.
void KvmVcpu::tell_cpuid() {
  try {
    kvm::set_cpuid(fd_, cpu_.cpuid);
  } catch (const Error&) {
    if (!again_) throw;
  }
}

// The guest has seen its CPU under another accelerator: it stays the same to the bit.
void KvmVcpu::keep_cpu_model() {
  require_supported(cpu_.cpuid, accelerator_.supported_cpuid(), "KVM");
  host_khz_ = kvm::tsc_khz(fd_);
  guest_khz_ = set_tsc_khz(fd_, accelerator_.capability(KVM_CAP_TSC_CONTROL) > 0, cpu_.shown_tsc_khz());
  tell_cpuid();
  CpuidTable table = cpu_.cpuid;
  const Fd& system = accelerator_.system_fd();
  bool changed = load_feature_msrs(system, fd_, accelerator_.msrs(), table, false);
  changed = set_up_machine_check(system, fd_, accelerator_.capability(KVM_CAP_MCE), table) || changed;
  if (changed) require_supported(cpu_.cpuid, table, "this host's KVM");
}

void KvmVcpu::set_cpu_model() {
  if (cpu_.has_cpuid()) return keep_cpu_model();
  const CpuModelSpec spec = parse_cpu_model(cpu_.model());
  host_khz_ = kvm::tsc_khz(fd_);
  guest_khz_ = set_tsc_khz(fd_, accelerator_.capability(KVM_CAP_TSC_CONTROL) > 0, spec.tsc_hz / 1000);
  CpuidTable supported = accelerator_.supported_cpuid();
  if (!has_local_apic()) {
    // A board without an APIC bus: the CPU is one from before local APICs.
    FeatureSet set = features_of(supported);
    for (const char* name : {"apic", "x2apic", "tsc-deadline"}) set_feature(set, name, false);
    put_features(supported, set);
  }
  const CpuPlatform platform{.supported = supported,
                             .supporter = "KVM",
                             .topology = cpu_.topology(),
                             .apic_id = cpu_.apic_id(),
                             .kvm_signature = true,
                             .tsc_khz = guest_khz_};
  CpuidResult made = make_cpuid(spec, platform);
  for (const std::string& warning : made.warnings) log::warn_once(warning, warning);  // once for all CPUs
  cpu_.cpuid = std::move(made.table);
  drop_refused_features(accelerator_.msrs(), cpu_.cpuid);
  tell_cpuid();
  const bool as_host = spec.name == "host" || spec.name == "max";
  const Fd& system = accelerator_.system_fd();
  bool changed = load_feature_msrs(system, fd_, accelerator_.msrs(), cpu_.cpuid, as_host);
  changed = set_up_machine_check(system, fd_, accelerator_.capability(KVM_CAP_MCE), cpu_.cpuid) || changed;
  if (changed) tell_cpuid();
}

void KvmVcpu::tell_paused() const {
  fd_.call(KVM_KVMCLOCK_CTRL);  // EINVAL when the guest does not use kvmclock
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
  try {
    return run_until_exit();
  } catch (const std::exception& e) {  // the host has no memory, or a device cannot do what it must
    fail(e.what());
    return VcpuExit::InternalError;
  }
}

VcpuExit KvmVcpu::run_until_exit() {
  if (!bound_) bind_to_thread();
  if (debug_.active()) find_out_if_halting();
  for (;;) {
    debug_.tell();
    inject();
    in_guest_.store(true, std::memory_order_seq_cst);
    const int result = fd_.call(KVM_RUN);
    const int error = errno;
    in_guest_.store(false, std::memory_order_seq_cst);
    exits_.fetch_add(1, std::memory_order_relaxed);
    if (result == 0) note_exit(kvm::note_exit(*run_, run_size_));
    if (result < 0 && error == EINTR) finish_syscall(fd_);
    if (cpu_.local_apic()) sync_local_apic();
    if (const std::optional<ExitResult> r = debug_exit(result)) {
      if (r->run_again) continue;
      return r->exit;
    }
    // After a port, memory or MSR access KVM must be entered once more to finish the instruction. When a kick has come,
    // that entry finishes it and returns EINTR at once, so the state is whole whenever this function returns.
    const ExitResult r = result < 0 ? handle_run_error(error, *run_, *this) : handle_exit(*run_, run_size_, *this);
    if (result < 0) {
      // An exchange, not a store: what the kicker wrote before its kick is then visible to whoever looks for requests.
      std::atomic_ref<std::uint8_t>(run_->immediate_exit).exchange(0, std::memory_order_seq_cst);
    }
    if (r.run_again) continue;
    if (r.exit == VcpuExit::Shutdown) report_triple_fault();
    return r.exit;
  }
}

std::uint64_t KvmVcpu::read_port(std::uint16_t port, unsigned width) { return cpu_.ports().read(port, width); }
void KvmVcpu::write_port(std::uint16_t port, unsigned width, std::uint64_t value) {
  cpu_.ports().write(port, width, value);
}
std::uint64_t KvmVcpu::read_memory(std::uint64_t address, unsigned width) {
  if (in_apic_page(address)) return read_apic_page(address, width);
  return cpu_.memory().read(address, width);
}
void KvmVcpu::write_memory(std::uint64_t address, unsigned width, std::uint64_t value) {
  if (in_apic_page(address)) return write_apic_page(address, width, value);
  cpu_.memory().write(address, width, value);
}

bool KvmVcpu::read_msr(std::uint32_t index, std::uint64_t& value) {
  if (read_apic_msr(index, value)) return true;
  log::unimp(cpu_.path(), "read of MSR {}", msr_name(index));
  return false;
}

bool KvmVcpu::write_msr(std::uint32_t index, std::uint64_t value) {
  if (write_apic_msr(index, value)) return true;
  log::unimp(cpu_.path(), "write of {:#x} to MSR {}", value, msr_name(index));
  return false;
}

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

void KvmVcpu::note(std::string_view what) { log::unimp(cpu_.path(), "{}", what); }

StopReport KvmVcpu::report(const std::string& why, X86State& state) {
  const bool no_help = stop_kind(*run_) == StopKind::NotEmulated && !no_help_.empty();
  StopReport stop{.cpu = cpu_.path(),
                  .why = no_help ? why + ";\n" + no_help_ : why,
                  .kind = stop_kind(*run_),
                  .state = &state,
                  .read = ram_reader(accelerator_.system().memory.view()),
                  .instruction = emulation_bytes(*run_),
                  .last_exits = last_exits_.describe([](const KernelExit& e) { return describe(e); })};
  try {
    transfer_.store(state);
  } catch (const Error& e) {
    stop.state = nullptr;
    stop.why += std::string("; its registers cannot be read: ") + e.what();
  }
  return stop;
}

void KvmVcpu::note_exit(const KernelExit& exit) {
  last_exits_.add(exit);
  if (log::on(log::Category::Exit)) [[unlikely]]
    log::write(log::Category::Exit, "{}: {}", cpu_.path(), describe(exit));
}

void KvmVcpu::report_triple_fault() {
  TripleFaults& told = accelerator_.triple_faults();
  const TripleFaults::Detail detail = told.detail(cpu_, accelerator_.system());
  if (detail == TripleFaults::Detail::None) return;
  X86State state;
  StopReport stop = report("triple fault", state);
  stop.kind = StopKind::TripleFault;
  stop.instruction.clear();
  try {
    if (run_->exit_reason != KVM_EXIT_SHUTDOWN && software_) {
      stop.chain = software_->fault_chain().shutdown();  // it was the one that met it
    } else if (stop.state) {
      const std::shared_ptr<const FlatView> view = accelerator_.system().memory.view();
      jit::Replayed replayed = jit::replay_shutdown(state, *view, accelerator_.steps().thunks, cpu_.cpuid);
      stop.chain = std::move(replayed.chain);
      stop.chain_note = std::move(replayed.note);
    }
  } catch (const std::exception& e) {
    stop.chain_note = std::string("The fault chain could not be reconstructed: ") + e.what();
  }
  told.tell(stop, detail);
}

void KvmVcpu::fail(const std::string& why) {
  if (reported_) {
    log::error("{} stopped again: {}", cpu_.path(), why);
    return;
  }
  reported_ = true;
  X86State state;
  log::error("{}", make_report(report(why, state)));
}

void KvmVcpu::load_state(const X86State& state) {
  transfer_.load(state);
  forget_interrupts(state);
  debug_.state_loaded();
  note_tsc();
  if (!accelerator_.verify_state()) return;
  const std::vector<std::string> lost = transfer_.verify(state);
  if (lost.empty()) return;
  std::string why = "set / read back:";
  for (const std::string& line : lost) why += "\n  " + line;
  throw Error("KVM did not keep the CPU state it was given").object(cpu_.path()).why(why);
}

void KvmVcpu::store_state(X86State& state) { transfer_.store(state); }

}  // namespace machina::kvm
