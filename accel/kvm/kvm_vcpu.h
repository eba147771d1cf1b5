#pragma once
/// One vCPU of KVM: KVM_RUN, its exits, and the state in and out.

#include <pthread.h>
#include <atomic>
#include <cstdint>

#include "accel/kvm/kvm_calls.h"
#include "hw/x86/accelerator.h"

struct kvm_run;

namespace machina {
class KvmAccelerator;
}

namespace machina::kvm {

class KvmVcpu final : public Vcpu {
 public:
  /// Throws Error.
  KvmVcpu(KvmAccelerator& accelerator, X86Cpu& cpu);
  ~KvmVcpu() override;

  VcpuExit run() override;
  void kick() override;
  void load_state(const X86State& state) override;
  void store_state(X86State& state) override;

  const Fd& fd() const { return fd_; }
  std::uint64_t exits() const { return exits_.load(std::memory_order_relaxed); }

  /// The signal that makes a vCPU thread leave KVM_RUN; its handler does nothing. Once per process.
  static void install_kick_signal();

 private:
  enum class Next { Run, Return };
  Next handle_exit(VcpuExit& exit);
  void port_io();
  void mmio();
  void inject();
  void set_cpuid();
  VcpuExit report_internal_error();

  KvmAccelerator& accelerator_;
  X86Cpu& cpu_;
  Fd fd_;
  kvm_run* run_ = nullptr;
  std::size_t run_size_ = 0;

  std::atomic<bool> in_guest_{false};  ///< the thread is in, or about to enter, KVM_RUN: a kick needs the signal
  pthread_t thread_{};                 ///< valid while in_guest_
  std::atomic<std::uint64_t> exits_{0};
};

}  // namespace machina::kvm
