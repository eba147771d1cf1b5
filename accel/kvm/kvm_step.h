#pragma once
/// What KVM cannot emulate, the software CPU carries out: the instruction that KVM stopped at and a few after it, on
/// the vCPU's state and the guest's memory; then KVM goes on.
///
/// A KVM on hardware needs this for what it must emulate because no memory is where the instruction goes, such as a
/// store of a vector to a screen. One without hardware (docs/kvm.md) emulates all of the guest's kernel mode, and there
/// is much that it does not know.

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "accel/jit/block_cache.h"
#include "accel/jit/environment.h"
#include "accel/jit/stepper.h"
#include "accel/kvm/kvm_exits.h"
#include "accel/x86_inspect.h"
#include "core/memory/address_space.h"

namespace machina::kvm {

/// Any thread.
class StepCounts {
 public:
  /// Of an instruction that KVM gave up at, and of those that were carried out because of it. True the first time.
  bool add(const std::string& mnemonic, unsigned instructions);
  /// Times that KVM gave up, and instructions carried out.
  std::uint64_t stops() const { return stops_.load(std::memory_order_relaxed); }
  std::uint64_t instructions() const { return instructions_.load(std::memory_order_relaxed); }
  /// Stops by mnemonic, the most frequent first.
  std::vector<std::pair<std::string, std::uint64_t>> by_mnemonic() const;
  /// All of it in a line or two.
  std::string describe() const;

 private:
  std::atomic<std::uint64_t> stops_{0}, instructions_{0};
  mutable std::mutex mutex_;
  std::map<std::string, std::uint64_t> mnemonics_;  // as many as instructions there are
};

/// What the steps of all vCPUs of a machine share. Any thread.
struct SharedSteps {
  StepCounts counts;
  jit::BlockCache thunks;
  std::mutex bus_lock;  ///< among steps: a split access is in no case one piece for the CPUs that KVM runs meanwhile
};

/// The software CPU of one vCPU of KVM. The vCPU's thread, or another while it is parked.
class SoftwareStep final : private jit::Environment {
 public:
  /// What the kernel keeps to itself, so that only KVM can reach it.
  class KernelDevices {
   public:
    virtual ~KernelDevices() = default;
    virtual bool in_kernel(std::uint64_t physical) const = 0;
    virtual bool port_in_kernel(std::uint16_t port) const = 0;
    virtual std::string cpu_path() const { return "cpu"; }
  };

  /// All must outlive it. Throws Error.
  SoftwareStep(AddressSpace& memory, ExitActions& actions, const KernelDevices& kernel, SharedSteps& shared,
               const CpuidTable& cpuid);

  /// After the first instruction it goes on for at most so many, while they stay at the memory that the first wrote and
  /// in kernel mode. Others may store where KVM shadows the guest's page tables, and it must see that.
  static constexpr unsigned kFollowing = 32;

  struct Result {
    unsigned instructions = 0;  ///< 0: not possible, and `state` is as it was
    jit::Stepper::Outcome outcome = jit::Stepper::Outcome::Declined;
    std::string mnemonic;  ///< of the first
    std::string why_not;   ///< what a user should know of why it was not possible; may be empty
  };
  /// Its watchpoints and single steps are met from now on, and then no instruction follows the first. Throws Error.
  void set_debug(const DebugRequest& request);
  /// After an outcome of Debug.
  const DebugStop& debug_stop() const { return stepper_.debug_stop(); }

  /// Of what it met last, after an outcome of Shutdown.
  const jit::FaultChain& fault_chain() { return stepper_.cpu().fault_chain; }
  /// RAM as it is mapped now.
  ReadPhysical reader() const;

  /// `following` = 0: one instruction. `stop`, when it is not 0, ends the following ones.
  Result step(X86State& state, unsigned following, std::uint8_t* stop);

 private:
  // PhysicalMemory, Environment
  std::string name() const override { return kernel_.cpu_path(); }
  std::uint64_t load_entry(std::uint64_t physical, unsigned width) override;
  bool replace_entry(std::uint64_t physical, unsigned width, std::uint64_t expected, std::uint64_t value) override;
  jit::HostPage page(std::uint64_t physical) override;
  std::uint64_t read_physical(std::uint64_t physical, unsigned width) override;
  void write_physical(std::uint64_t physical, unsigned width, std::uint64_t value) override;
  void announce_write(std::uint64_t physical) override;
  void note_write(std::uint64_t physical, unsigned width) override;
  std::mutex& bus_lock() override { return bus_lock_; }
  std::uint64_t read_port(std::uint16_t port, unsigned width) override;
  void write_port(std::uint16_t port, unsigned width, std::uint64_t value) override;
  void protect(std::uintptr_t) override {}
  void refresh() override { view_ = memory_.view(); }
  bool interrupt_pending() override { return false; }
  int acknowledge_interrupt() override { return -1; }
  bool take_nmi() override { return false; }
  bool take_smi() override { return false; }
  std::uint64_t cr8() override { return cr8_; }
  void set_cr8(std::uint64_t value) override { cr8_ = value; }
  bool read_msr(std::uint32_t index, std::uint64_t& value) override;
  bool write_msr(std::uint32_t index, std::uint64_t value) override;
  std::uint64_t tsc() override;
  void set_tsc(std::uint64_t value) override;

  const FlatRange* ram_at(std::uint64_t physical) const;
  bool wrote(std::uint64_t physical) const;

  AddressSpace& memory_;
  ExitActions& actions_;
  const KernelDevices& kernel_;
  std::mutex& bus_lock_;
  std::shared_ptr<const FlatView> view_;
  bool debugged_ = false;
  bool following_ = false;
  std::vector<std::uint64_t> written_;  ///< pages that the first instruction wrote
  std::uint64_t cr8_ = 0, apic_base_ = 0;
  std::uint64_t tsc_ = 0, host_tsc_ = 0;
  jit::Stepper stepper_;
};

}  // namespace machina::kvm
