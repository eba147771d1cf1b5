#pragma once
/// Who raises general-purpose events of ACPI (4.8.4.1): the power management chip, for hot-plug controllers.

namespace machina {

class AcpiEvents {
 public:
  static constexpr const char* kType = "acpi-events";
  virtual ~AcpiEvents() = default;
  /// Event `n`, 0 to 15, has happened. Machine lock held.
  virtual void raise_gpe(unsigned n) = 0;
};

/// What this machine's hot-plug controllers use. The board pc wires the keyboard's waking up to 4.
inline constexpr unsigned kPciHotplugEvent = 1;
inline constexpr unsigned kCpuHotplugEvent = 2;
inline constexpr unsigned kGenerationEvent = 5;  ///< the VM generation ID is another one

}  // namespace machina
