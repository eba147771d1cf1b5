#pragma once
/// What the EEPROM of an 82540EM holds: 317453, chapter 5. The chip loads itself from it at reset, and drivers read it.

#include "core/net/mac_address.h"
#include "hw/net/eeprom_93c46.h"

namespace machina {

inline constexpr std::uint16_t kE1000EepromSum = 0xbaba;  ///< of all words: 5.6.35

Eeprom93c46::Image e1000_eeprom(const MacAddress& mac, std::uint16_t device, std::uint16_t vendor,
                                std::uint16_t subsystem, std::uint16_t subsystem_vendor);

}  // namespace machina
