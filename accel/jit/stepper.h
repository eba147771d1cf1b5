#pragma once
/// A software CPU that carries out single instructions on the state of a CPU that somebody else runs. It keeps nothing
/// of the guest's memory from one state to the next: others write it.

#include <cstdint>

#include "accel/jit/block_cache.h"
#include "accel/jit/cpu.h"
#include "accel/jit/debugger.h"
#include "hw/x86/x86_state.h"

namespace machina::jit {

class Environment;

/// Thrown by an Environment instead of an access that is not to be made here, writes as they are announced: the
/// instruction is not carried out.
struct NotHere {};

/// One thread at a time.
class Stepper {
 public:
  /// Both must outlive it. `blocks` holds nothing but thunks, and may be that of several. Throws Error.
  Stepper(Environment& environment, BlockCache& blocks, const CpuidTable& cpuid);

  /// What instructions look at: of MSRs those that decide about them (system calls, TSC_AUX, IA32_DEBUGCTL, PAT). Not
  /// the local APIC.
  void load(const X86State& state);

  enum class Outcome : std::uint8_t {
    Done,      ///< an instruction, or the delivery of a fault or of an event that waited
    Halted,    ///< the same, and it was HLT
    Shutdown,  ///< a triple fault: FaultChain tells
    Debug,     ///< as Done or Halted, and set_debug() asked for it: debug_stop() tells
    Declined,  ///< Environment wants no part of it: nothing happened
  };
  Outcome step();

  /// Watchpoints and single steps; of breakpoints of code whoever runs the CPU takes care. Throws Error.
  void set_debug(const DebugRequest& request) { debugger_.set(request); }
  /// After step() returned Debug.
  const DebugStop& debug_stop() const { return debugger_.stop(); }

  /// Into the state that load() was given, or a copy of it: only what instructions change. What of XSAVE this CPU does
  /// not know stays as it is.
  void store(X86State& state);

  Cpu& cpu() { return cpu_; }

 private:
  Cpu cpu_;
  Debugger debugger_{cpu_};
};

}  // namespace machina::jit
