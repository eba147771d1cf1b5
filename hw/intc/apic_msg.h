#pragma once
/// Interrupt messages: what an IOAPIC, an MSI function or an ICR sends to local APICs.
///
/// Source: Intel SDM vol. 3A, 11.11 "Message Signalled Interrupts" (address and data), table 11-1 (delivery modes);
/// Intel 82093AA datasheet (290566-001), 3.2.4.

#include <cstdint>

namespace machina {

/// Field "delivery mode" of redirection entries, message data, ICR and LVT.
enum class ApicDelivery : std::uint8_t {
  Fixed = 0,
  LowestPriority = 1,
  Smi = 2,
  Reserved = 3,
  Nmi = 4,
  Init = 5,
  StartUp = 6,
  ExtInt = 7,
};

namespace apic_msg {

inline constexpr std::uint64_t kWindow = 0xfee00000;
inline constexpr std::uint64_t kWindowSize = 0x100000;
// address
inline constexpr unsigned kDestinationShift = 12;     // eight bits
inline constexpr std::uint64_t kRedirectionHint = 8;  // RH: the one with the lowest priority
inline constexpr std::uint64_t kLogical = 4;          // DM
// data
inline constexpr std::uint32_t kVector = 0xff;
inline constexpr unsigned kDeliveryShift = 8;
inline constexpr std::uint32_t kDeliveryMask = 7;
inline constexpr std::uint32_t kAssert = 0x4000;
inline constexpr std::uint32_t kLevel = 0x8000;

}  // namespace apic_msg

/// A message, taken apart.
struct ApicMessage {
  std::uint32_t destination = 0;
  bool wide = false;  ///< 32 bits of destination (from an x2APIC's ICR) instead of 8
  bool logical = false;
  ApicDelivery delivery = ApicDelivery::Fixed;
  std::uint8_t vector = 0;
  bool level = false;   ///< trigger mode
  bool assert_ = true;  ///< INIT level de-assert has it clear

  bool broadcast() const { return destination == (wide ? 0xffffffff : 0xff); }
  std::uint64_t address() const {
    return apic_msg::kWindow | std::uint64_t{destination & 0xff} << apic_msg::kDestinationShift |
           (logical ? apic_msg::kLogical : 0) |
           (delivery == ApicDelivery::LowestPriority ? apic_msg::kRedirectionHint : 0);
  }
  std::uint32_t data() const {
    return static_cast<std::uint32_t>(vector | static_cast<unsigned>(delivery) << apic_msg::kDeliveryShift |
                                      (assert_ ? apic_msg::kAssert : 0) | (level ? apic_msg::kLevel : 0));
  }
  static ApicMessage from_msi(std::uint64_t address, std::uint32_t data) {
    ApicMessage m;
    m.destination = static_cast<std::uint32_t>(address >> apic_msg::kDestinationShift & 0xff);
    m.logical = address & apic_msg::kLogical;
    m.delivery = static_cast<ApicDelivery>(data >> apic_msg::kDeliveryShift & apic_msg::kDeliveryMask);
    m.vector = static_cast<std::uint8_t>(data & apic_msg::kVector);
    m.level = data & apic_msg::kLevel;
    m.assert_ = !m.level || (data & apic_msg::kAssert);
    // The hint makes a fixed interrupt go to the one of several with the lowest priority.
    if ((address & apic_msg::kRedirectionHint) && m.delivery == ApicDelivery::Fixed)
      m.delivery = ApicDelivery::LowestPriority;
    return m;
  }
  friend bool operator==(const ApicMessage&, const ApicMessage&) = default;
};

}  // namespace machina
