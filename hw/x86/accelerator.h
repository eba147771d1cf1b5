#pragma once
/// The seam between a machine and what executes its CPUs. Devices never see it; accel/ implements it.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "hw/x86/vcpu_debug.h"
#include "hw/x86/x86_state.h"
#include "qom/object.h"

namespace machina {

class IrqIn;
struct MsiMessage;
struct System;
class X86Cpu;

/// Why a vCPU left guest mode for its thread to act. Port and memory accesses are carried out inside run().
enum class VcpuExit {
  Interrupted,    ///< kicked, or nothing to do: look at the requests and run again
  Halted,         ///< HLT with IF set, and the accelerator leaves sleeping to us
  HaltedMasked,   ///< HLT with IF clear: only NMI, SMI, INIT or a reset end it
  Shutdown,       ///< triple fault
  Debug,          ///< what set_debug() asked for: debug_stop() says which
  InternalError,  ///< the accelerator cannot go on; it has reported why
};

/// One virtual CPU of an accelerator.
class Vcpu {
 public:
  virtual ~Vcpu() = default;
  /// vCPU thread, machine lock not held. Never returns with an access half done: state can be read after it.
  virtual VcpuExit run() = 0;
  /// Any thread: makes run(), now or at its next call, return soon. Never lost.
  virtual void kick() = 0;
  /// Both on the vCPU thread, or on another while the vCPU is parked. load_state throws Error when the accelerator
  /// refuses the state as a whole; what it refuses in part it names once in the log.
  virtual void load_state(const X86State& state) = 0;
  virtual void store_state(X86State& state) = 0;
  /// From the next run() on, until the next request; while the vCPU is parked. Throws Error when this accelerator
  /// cannot do it, with the request that was in force still in force.
  virtual void set_debug(const DebugRequest& request);
  /// After run() returned Debug, until it is called again.
  virtual DebugStop debug_stop() const { return {}; }
  /// The guest's time stamp counter now and its frequency in Hz, for the TSC-deadline mode of a local APIC in user
  /// space; 0: not known, and there is no such mode. Any thread, machine lock held.
  virtual std::uint64_t tsc() const { return 0; }
  virtual std::uint64_t tsc_frequency() const { return 0; }
  /// What the guest's time stamp counter runs at, in kHz, whoever has its local APIC; 0: not known.
  virtual std::uint64_t tsc_khz() const { return 0; }
  /// This one joins a machine that has run: its time stamp counter, less IA32_TSC_ADJUST, and its paravirtual clock
  /// are those of `other`, of the same accelerator, from now on. Both are parked.
  virtual void join_time(const Vcpu& /*other*/) {}
};

/// An event descriptor that raises an interrupt without user space, as long as this object lives.
class InterruptEvent {
 public:
  virtual ~InterruptEvent() = default;
  /// For one that was connected to a message: another message from now on.
  virtual void change(const MsiMessage& /*message*/) {}
};

class Accelerator : public qom::Object {
 public:
  static constexpr const char* kType = "accel";
  static void class_init(qom::ObjectClass& c);

  struct Probe {
    bool usable = false;
    double figure = 0;   ///< kernel-mode guest instructions per second, in millions, where it was measured
    std::string reason;  ///< why not, or what was measured; one line for the user
    bool slow = false;   ///< usable, but so slow, or so unsure, that another one should be taken if there is one
  };
  /// Can it run here, and how well? A few milliseconds at most; changes nothing.
  virtual Probe probe() = 0;

  /// What there is to know about it on this host, for -accel NAME,help: capabilities and their meaning. Several lines.
  virtual std::string details() { return {}; }

  /// What it has done for this machine that is out of the ordinary, for `info kvm` and the like; several lines. Any
  /// thread.
  virtual std::string statistics() { return {}; }

  /// After guest RAM is mapped, before any object of the machine is realized: opens the host's facility, listens to the
  /// address spaces. Throws Error.
  virtual void init_machine(System& system, unsigned max_cpus) = 0;
  /// After all devices are realized, before the first vCPU runs.
  virtual void machine_ready() {}
  /// The type that implements a device model here: "i8259" may become "kvm-i8259".
  virtual std::string implementation_of(const std::string& model) const { return model; }
  /// Called while the CPU object is realized. Throws Error.
  virtual std::unique_ptr<Vcpu> create_vcpu(X86Cpu& cpu) = 0;
  /// False for accelerators that execute nothing (qtest): no vCPU threads.
  virtual bool has_vcpus() const { return true; }
  /// Virtual time is stepped by someone else (qtest).
  virtual bool manual_time() const { return false; }
  /// The accelerator's own HLT, INIT and SIPI handling: with an in-kernel local APIC, run() sleeps in it.
  virtual bool handles_mp_state() const { return false; }
  /// Its CPUs have memory of their own in system management mode.
  virtual bool has_smm() const { return false; }
  /// The virtual clock starts or stops; all vCPUs are parked.
  virtual void clock_running(bool /*running*/) {}
  /// Signalling `fd` raises the interrupt. With a `resample_fd` the line is level triggered: it stays raised until the
  /// guest's end of interrupt, which signals that descriptor. The descriptors stay the caller's. Null when this
  /// accelerator cannot: the caller then waits for `fd` itself. Machine lock held.
  virtual std::unique_ptr<InterruptEvent> connect_event(IrqIn& /*sink*/, int /*fd*/, int /*resample_fd*/) { return {}; }
  virtual std::unique_ptr<InterruptEvent> connect_event(const MsiMessage& /*message*/, int /*fd*/) { return {}; }

  // --- a stopped machine changes its accelerator: Machine::change_accelerator(), docs/crossing.md ---
  /// KVM's paravirtual clock as the guest would read it now, in ns; nothing: not known.
  virtual std::optional<std::uint64_t> guest_clock() { return {}; }
  /// The machine has run under another accelerator, with this guest_clock(). Before init_machine().
  virtual void go_on_from(std::optional<std::uint64_t> /*guest_clock*/) {}
  /// Of what a machine has one for all (who is told of writes to its RAM), this accelerator's is in force from now on.
  virtual void take_over() {}
  /// Another one has taken over: what this one alone knows (the dirty log) goes to where all find it.
  virtual void hand_over() {}
};

}  // namespace machina
