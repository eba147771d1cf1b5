#pragma once
/// Delivery of exceptions and interrupts through the IDT or the real-mode vectors. SDM vol. 3, chapter 6.

#include <cstdint>

#include "accel/jit/cpu.h"
#include "accel/jit/fault.h"

namespace machina::jit {

struct Event {
  /// How it came about: decides what is checked, what is pushed as RIP and RF, and the bit EXT of error codes.
  enum class Kind : std::uint8_t {
    Exception,          ///< a fault or trap of the processor, or an NMI
    External,           ///< INTR
    Software,           ///< INT n: the gate's DPL counts
    SoftwareException,  ///< INT3, INTO: as Software, but virtual-8086 mode redirects INT n only
  };
  std::uint8_t vector = 0;
  Kind kind = Kind::Exception;
  bool has_error_code = false;
  std::uint32_t error_code = 0;
  std::uint64_t address = 0;  ///< for CR2, with a page fault
};

/// Enters the handler of an event at cpu.rip, which is what is pushed. Faults on the way are delivered instead, become
/// a double fault, or a triple fault, which shuts the CPU down. Throws nothing. Ends interrupt shadows. A request
/// that cannot wait ends it, too, when it would begin again: then Cpu::undelivered is what is left.
void deliver(Cpu& cpu, const Event& event);
void deliver(Cpu& cpu, const GuestFault& fault);

/// The CPU asks to leave with Shutdown: a triple fault, or a state that RSM cannot load. SDM vol. 3, 6.15 and 31.4.
void shut_down(Cpu& cpu);

}  // namespace machina::jit
