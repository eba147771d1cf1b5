#pragma once
/// The CPU's side of its local APIC.

#include <cstdint>

namespace machina {

/// What a local APIC may ask of its CPU. Called under the machine lock, from any thread.
class ApicCpu {
 public:
  virtual ~ApicCpu() = default;
  /// INTR: there is a vector to acknowledge. Level; told on changes only.
  virtual void apic_intr(bool level) = 0;
  /// A vector has been requested that the task priority alone keeps from interrupting. A CPU whose TPR changes without
  /// the APIC's knowledge (CR8) must see to it that set_cr8() is called when it is lowered.
  virtual void apic_held() {}
  virtual void apic_nmi() = 0;
  virtual void apic_smi() = 0;
  virtual void apic_init() = 0;
  virtual void apic_sipi(std::uint8_t vector) = 0;
  /// The guest's time stamp counter now, and its frequency in Hz; 0: there is none, and no TSC-deadline mode.
  virtual std::uint64_t apic_tsc() const { return 0; }
  virtual std::uint64_t apic_tsc_frequency() const { return 0; }
  /// What CPUID tells: which bits of IA32_APIC_BASE are reserved depends on it.
  virtual bool apic_has_x2apic() const { return true; }
  virtual unsigned apic_physical_bits() const { return 52; }
};

}  // namespace machina
