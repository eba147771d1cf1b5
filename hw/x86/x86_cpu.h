#pragma once
/// The x86-64 CPU object. Realizing it makes the accelerator's vCPU and a thread that runs it.
///
/// Threads: everything is the main thread's, under the machine lock, unless it says otherwise. The vCPU thread takes
/// the machine lock for device accesses and requests, and holds none in guest mode.

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "core/memory/address_space.h"
#include "hw/base/device.h"
#include "hw/intc/apic_cpu.h"
#include "hw/x86/accelerator.h"
#include "hw/x86/cpuid.h"

namespace machina {

class Apic;
/// INTA cycle of an interrupt controller: hw/intc/interrupt_acknowledge.h.
class InterruptAcknowledge;

/// On a board with an APIC bus (property "apic-bus") it has a child "lapic", its local APIC, whose implementation is
/// the accelerator's choice. One in user space lies between the input "intr" (its LINT0) and the CPU.
class X86Cpu final : public Device, public ApicCpu {
 public:
  static constexpr const char* kType = "x86_64-cpu";
  static void class_init(DeviceClass& c);
  X86Cpu();
  ~X86Cpu() override;

  unsigned index() const { return index_; }
  std::uint32_t apic_id() const { return apic_id_; }
  bool bootstrap() const { return index_ == 0; }
  const std::string& model() const { return model_; }
  const CpuTopology& topology() const { return topology_; }

  // --- before realize, by the machine ---
  void set_accelerator(Accelerator& accelerator) { accelerator_ = &accelerator; }
  void set_topology(const CpuTopology& topology) { topology_ = topology; }
  /// The guest knows `other`, and is shown the same processor here.
  void show_as(const X86Cpu& other);

  /// What the guest sees; made by the accelerator's create_vcpu() from the model and what the accelerator supports,
  /// unless has_cpuid().
  CpuidTable cpuid;
  std::uint32_t signature() const { return cpuid.find(1).eax; }

  /// The host's id of the thread that runs it; 0 where an accelerator needs none. Waits for a thread that was made just
  /// now, letting go of the machine lock meanwhile.
  int thread_id();

  Vcpu* vcpu() const { return vcpu_.get(); }

  // --- accesses of the guest; vCPU thread ---
  MemoryDispatch& memory() { return *memory_; }
  MemoryDispatch& ports() { return *ports_; }

  // --- interrupts that the accelerator does not handle itself; any thread under the machine lock ---
  /// The local APIC when it is in user space, else null. Its registers are accessed under the machine lock.
  Apic* local_apic() const { return local_apic_; }
  /// INTR is asserted by the PIC or the user-space APIC. Readable from any thread without a lock.
  bool interrupt_pending() const { return intr_level_.load(std::memory_order_acquire); }
  /// One of at most two: where NMIs are not blocked, the first is about to be taken when the second arrives.
  bool take_nmi();
  /// NMIs are no longer blocked: what arrived meanwhile is one. SDM vol. 3, 6.7.1.
  void merge_nmis();
  /// Address line 20 is let through. Hardware-assisted accelerators cannot mask it and do not look.
  bool a20_enabled() const { return a20_.load(std::memory_order_acquire); }
  bool take_smi() { return smi_.exchange(false, std::memory_order_acq_rel); }
  /// The INTA cycle: the vector, or -1 when the request has gone away. Takes the machine lock.
  int acknowledge_interrupt();
  void raise_nmi();
  void raise_smi();
  /// INIT and start-up IPI. A start-up IPI that finds the CPU not waiting for one is lost.
  void raise_init();
  void raise_sipi(std::uint8_t vector);

  // --- run control ---
  /// Asks the thread to park; returns at once. parked() tells when it has.
  void request_park();
  bool parked() const;
  void unpark();
  /// Stays parked, whoever lets it go, until it is released. For a debugger that lets only some of the CPUs run.
  void hold(bool on);
  bool held() const { return held_; }
  void kick();
  /// Runs `work` on the vCPU thread outside guest mode, before guest code goes on. Returns at once.
  void run_on_thread(std::function<void()> work);
  /// The state as of now; the vCPU must be parked.
  X86State state();
  void set_state(const X86State& state);
  // Another accelerator goes on with this CPU, which is parked. First make_vcpu(), which changes nothing here and
  // throws Error when the other one cannot have the CPU as it is; then change_vcpu(), which returns the vCPU of before.
  std::unique_ptr<Vcpu> make_vcpu(Accelerator& accelerator);
  std::unique_ptr<Vcpu> change_vcpu(Accelerator& accelerator, std::unique_ptr<Vcpu> vcpu);
  /// The guest knows its CPUID: create_vcpu() takes `cpuid` as it is, and this frequency of the time stamp counter.
  bool has_cpuid() const { return vcpu_ != nullptr || shown_as_; }
  std::uint64_t shown_tsc_khz() const { return vcpu_ ? vcpu_->tsc_khz() : shown_tsc_khz_; }
  /// Both are parked: Vcpu::join_time().
  void join_time(const X86Cpu& other) { vcpu_->join_time(*other.vcpu_); }
  /// What a debugger asks of this vCPU, which must be parked: Vcpu::set_debug(). It is in force until the next request,
  /// resets included.
  void set_debug(const DebugRequest& request) { vcpu_->set_debug(request); }
  /// Why it stopped last, when that was for the debugger; taken by whoever asks. The machine stops with
  /// RunState::Debug when a CPU has one.
  std::optional<DebugStop> take_debug_stop() { return std::exchange(debug_stop_, std::nullopt); }

  void reset_hold() override;

 protected:
  void realize() override;
  void unrealize() override;

 private:
  friend class CpuSet;
  /// Why no guest code runs although nobody asked for a pause. Stopped: after a triple fault or an internal error,
  /// until the machine is reset.
  enum class Sleep { Running, Halted, HaltedMasked, WaitForSipi, Stopped };

  // ApicCpu
  void apic_intr(bool level) override;
  void apic_held() override { kick(); }  // the accelerator looks at the APIC before it enters the guest
  void apic_nmi() override { raise_nmi(); }
  void apic_smi() override { raise_smi(); }
  void apic_init() override { raise_init(); }
  void apic_sipi(std::uint8_t vector) override { raise_sipi(vector); }
  std::uint64_t apic_tsc() const override { return vcpu_ ? vcpu_->tsc() : 0; }
  std::uint64_t apic_tsc_frequency() const override { return vcpu_ ? vcpu_->tsc_frequency() : 0; }
  bool apic_has_x2apic() const override;
  unsigned apic_physical_bits() const override;

  void set_intr(unsigned, bool level);
  void make_local_apic();
  void thread_main();
  bool prepare_to_run();  ///< false: end the thread. Waits while parked or asleep, letting go of the machine lock.
  void take_init_and_sipi();
  bool awake() const;
  void handle_exit(VcpuExit exit);

  // configuration
  std::string model_;
  std::uint32_t apic_id_ = 0;
  std::uint32_t index_ = 0;
  CpuTopology topology_;
  bool shown_as_ = false;
  std::uint64_t shown_tsc_khz_ = 0;

  // dependencies
  Accelerator* accelerator_ = nullptr;
  qom::Link<InterruptAcknowledge> pic_;
  qom::Link<Device> apic_bus_;

  // sub-parts
  IrqInBank intr_{"intr", 1, this, &X86Cpu::set_intr};
  IrqInBank nmi_in_{"nmi", 1, [this](unsigned, bool level) {
                      if (level) raise_nmi();
                    }};
  IrqInBank smi_in_{"smi", 1, [this](unsigned, bool level) {
                      if (level) raise_smi();
                    }};
  IrqInBank a20_in_{"a20", 1, [this](unsigned, bool level) {
                      a20_.store(level, std::memory_order_release);
                      kick();
                    }};
  Apic* local_apic_ = nullptr;  // the child "lapic", when it is in user space
  IrqOut lint0_;                // from "intr" to it
  std::unique_ptr<Vcpu> vcpu_;
  std::unique_ptr<MemoryDispatch> memory_, ports_;
  std::thread thread_;
  int thread_id_ = 0;

  // requests; written under the machine lock, the atomics read without it by the vCPU thread
  std::atomic<bool> intr_level_{false}, smi_{false}, a20_{true};
  std::atomic<unsigned> nmis_{0};
  bool init_requested_ = false;
  int sipi_requested_ = -1;
  bool park_requested_ = true;
  bool held_ = false;
  bool parked_ = false;
  bool quit_ = false;
  Sleep sleep_ = Sleep::Running;
  std::optional<DebugStop> debug_stop_;
  std::deque<std::function<void()>> work_;
  std::condition_variable_any wake_;  ///< with the machine lock
  std::condition_variable_any parked_changed_;
  std::condition_variable_any thread_started_;
};

/// All CPUs of a machine: stop and go as one. Main thread, machine lock held.
class CpuSet {
 public:
  explicit CpuSet(System& system) : system_(system) {}
  void add(X86Cpu& cpu) { cpus_.push_back(&cpu); }
  void remove(X86Cpu& cpu) { std::erase(cpus_, &cpu); }
  void clear() { cpus_.clear(); }
  const std::vector<X86Cpu*>& cpus() const { return cpus_; }
  /// Every vCPU has left guest mode and stays out when this returns. The machine lock is let go while waiting.
  void park_all();
  /// But those that are held.
  void unpark_all();
  bool parked() const { return parked_; }
  /// Code and data that each CPU stops for, those that are added later too. All are parked. Throws Error when the
  /// accelerator cannot, and what was in force before is in force again then.
  void set_breakpoints(std::vector<Breakpoint> breakpoints);
  const std::vector<Breakpoint>& breakpoints() const { return breakpoints_; }

 private:
  System& system_;
  std::vector<X86Cpu*> cpus_;
  std::vector<Breakpoint> breakpoints_;
  bool parked_ = true;
};

}  // namespace machina
