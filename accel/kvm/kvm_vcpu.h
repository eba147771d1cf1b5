#pragma once
/// One vCPU of KVM: KVM_RUN, its exits, and the state in and out.

#include <pthread.h>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>

#include "accel/kvm/kvm_calls.h"
#include "accel/kvm/kvm_debug.h"
#include "accel/kvm/kvm_exits.h"
#include "accel/kvm/kvm_report.h"
#include "accel/kvm/kvm_state.h"
#include "accel/kvm/kvm_step.h"
#include "accel/kvm/kvm_watch.h"
#include "core/clock.h"
#include "hw/x86/accelerator.h"

struct kvm_run;

namespace machina {
class KvmAccelerator;
}

namespace machina::kvm {

class KvmVcpu final : public Vcpu, private ExitActions, private SoftwareStep::KernelDevices {
 public:
  /// Throws Error.
  KvmVcpu(KvmAccelerator& accelerator, X86Cpu& cpu);
  ~KvmVcpu() override;

  VcpuExit run() override;
  void kick() override;
  void load_state(const X86State& state) override;
  void store_state(X86State& state) override;
  void set_debug(const DebugRequest& request) override;
  DebugStop debug_stop() const override { return debug_.stop(); }
  std::uint64_t tsc() const override;            // kvm_vcpu_interrupts.cpp
  std::uint64_t tsc_frequency() const override;  // kvm_vcpu_interrupts.cpp
  std::uint64_t tsc_khz() const override { return guest_khz_; }
  void join_time(const Vcpu& other) override;  // kvm_vcpu_interrupts.cpp

  /// The guest's watchdog is told that time passed without it (kvmclock); while parked, before running again.
  void tell_paused() const;

  const Fd& fd() const { return fd_; }
  /// IA32_APIC_BASE as of the last exit. vCPU thread, or parked.
  std::uint64_t apic_base() const;
  std::uint64_t exits() const { return exits_.load(std::memory_order_relaxed); }

  /// The signal that makes a vCPU thread leave KVM_RUN; its handler does nothing. Once per process.
  static void install_kick_signal();

 private:
  // ExitActions
  std::uint64_t read_port(std::uint16_t port, unsigned width) override;
  void write_port(std::uint16_t port, unsigned width, std::uint64_t value) override;
  std::uint64_t read_memory(std::uint64_t address, unsigned width) override;
  void write_memory(std::uint64_t address, unsigned width, std::uint64_t value) override;
  bool read_msr(std::uint32_t index, std::uint64_t& value) override;
  bool write_msr(std::uint32_t index, std::uint64_t value) override;
  void set_cr8(std::uint64_t value) override;           // kvm_vcpu_interrupts.cpp
  void end_of_interrupt(std::uint8_t vector) override;  // kvm_vcpu_interrupts.cpp
  void request_reset() override;
  void request_shutdown() override;
  void request_panic() override;
  void note(std::string_view what) override;
  std::optional<ExitResult> carry_out() override;  // kvm_vcpu_step.cpp
  void fail(const std::string& why) override;
  // SoftwareStep::KernelDevices; kvm_vcpu_step.cpp
  bool in_kernel(std::uint64_t physical) const override;
  bool port_in_kernel(std::uint16_t port) const override;
  std::string cpu_path() const override;

  void put_away();
  void tell_cpuid();
  void set_cpu_model();
  void keep_cpu_model();
  VcpuExit run_until_exit();
  StopReport report(const std::string& why, X86State& state);
  void note_exit(const KernelExit& exit);
  void report_triple_fault();
  SoftwareStep& software();                                       // kvm_vcpu_step.cpp
  void take_over(const X86State& before, const X86State& after);  // kvm_vcpu_step.cpp

  // kvm_vcpu_interrupts.cpp
  bool has_local_apic() const;
  void inject();
  void inject_interrupt();
  void note_injected(int vector);
  void forget_interrupts(const X86State& state);
  // A local APIC in user space: its page and MSRs, and what the kernel holds of it (CR8, IA32_APIC_BASE).
  void sync_local_apic();
  void watch_task_priority();
  void note_tsc();
  bool in_apic_page(std::uint64_t address) const;
  std::uint64_t read_apic_page(std::uint64_t address, unsigned width);
  void write_apic_page(std::uint64_t address, unsigned width, std::uint64_t value);
  bool read_apic_msr(std::uint32_t index, std::uint64_t& value);
  bool write_apic_msr(std::uint32_t index, std::uint64_t value);

  void bind_to_thread();
  // kvm_vcpu_debug.cpp
  std::vector<WatchedPiece> pieces_to_watch(const DebugRequest& request);
  std::optional<ExitResult> debug_exit(int result);
  void check_emulated(const DebugRequest& request);
  void find_out_if_halting();
  void halt_after_step();

  KvmAccelerator& accelerator_;
  X86Cpu& cpu_;
  bool again_ = false;  ///< KVM has run this vCPU before
  Fd fd_;
  StateTransfer transfer_;
  GuestDebug debug_;
  DebugRequest debug_request_;              ///< as it was asked for: debug_ is given what KVM does of it
  std::unique_ptr<SoftwareStep> software_;  ///< made when it is needed first
  WatchedMemory watched_;
  std::optional<std::uint64_t> halting_;  ///< the linear address of an HLT that is stepped
  kvm_run* run_ = nullptr;
  std::size_t run_size_ = 0;

  std::atomic<bool> in_guest_{false};  ///< the thread is in, or about to enter, KVM_RUN: a kick needs the signal
  pthread_t thread_{};                 ///< set at the first run(); valid once in_guest_ has been true
  bool bound_ = false;
  bool reported_ = false;  ///< a full report has been given
  std::string no_help_;    ///< why the software CPU did not carry out what KVM gave up at, for the report
  ExitRing<KernelExit> last_exits_;
  std::atomic<std::uint64_t> exits_{0};
  int held_vector_ = -1;         ///< acknowledged, not yet taken by KVM
  std::uint64_t apic_base_ = 0;  ///< IA32_APIC_BASE and CR8 as the APIC in user space knows them
  std::uint64_t cr8_ = 0;
  bool tells_cr8_ = false;  ///< this KVM makes an exit when the guest lowers CR8
  // The guest's TSC at a TSC of the host, for a local APIC in user space: KVM tells it between two KVM_RUN only.
  std::uint64_t guest_tsc_ = 0, host_tsc_ = 0, guest_khz_ = 0, host_khz_ = 0;
  std::unique_ptr<Timer> look_again_;  ///< while it does not, and an interrupt waits for that
};

}  // namespace machina::kvm
