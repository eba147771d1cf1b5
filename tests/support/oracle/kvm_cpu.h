#pragma once
/// A vCPU of KVM with SystemLayout's RAM and nothing else: the other side of the system oracle.

#include <memory>

#include "hw/x86/cpuid.h"
#include "tests/support/oracle/system_case.h"

namespace machina::jit {

class KvmCpu {
 public:
  /// Throws Error where /dev/kvm cannot be used.
  KvmCpu();
  ~KvmCpu();
  KvmCpu(const KvmCpu&) = delete;
  KvmCpu& operator=(const KvmCpu&) = delete;

  std::uint8_t* ram();
  /// What CPUID says in the guest: the other CPU gets the same.
  const CpuidTable& cpuid() const;

  /// Found out by trying.
  const SystemAbilities& abilities() const;

  /// Loads the case's state and runs until HLT, a shutdown, or a refusal. `outcome` is overwritten.
  /// `patience`: after so many ticks, the case counts as endless.
  void run(const SystemCase& c, SystemOutcome& outcome, unsigned patience);
  /// Forgets what KVM has made of the guest's page tables, which have been written behind its back.
  void forget_translations();
  /// From a signal handler of the thread that is in run().
  static void tick();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace machina::jit
