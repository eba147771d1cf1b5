#include "hw/net/e1000_eeprom.h"

namespace machina {
namespace {

// 5.6, table 5-2: words.
constexpr unsigned kInit1 = 0x0a, kSubsystem = 0x0b, kSubsystemVendor = 0x0c, kDevice = 0x0d, kVendor = 0x0e,
                   kInit2 = 0x0f, kChecksum = 0x3f;
// 5.6.8: the signature 01b in bits 15:14; device and subsystem come from here; full duplex.
constexpr std::uint16_t kInit1Value = 0x4403;
constexpr std::uint16_t kInit2Value = 0x3000;  // 5.6.13: pause frames are understood in both directions

}  // namespace

Eeprom93c46::Image e1000_eeprom(const MacAddress& mac, std::uint16_t device, std::uint16_t vendor,
                                std::uint16_t subsystem, std::uint16_t subsystem_vendor) {
  Eeprom93c46::Image words{};
  for (unsigned i = 0; i < 3; ++i) words[i] = static_cast<std::uint16_t>(mac.bytes[2 * i] | mac.bytes[2 * i + 1] << 8);
  words[kInit1] = kInit1Value;
  words[kSubsystem] = subsystem;
  words[kSubsystemVendor] = subsystem_vendor;
  words[kDevice] = device;
  words[kVendor] = vendor;
  words[kInit2] = kInit2Value;
  unsigned sum = 0;
  for (const std::uint16_t w : words) sum += w;
  words[kChecksum] = static_cast<std::uint16_t>(kE1000EepromSum - sum);
  return words;
}

}  // namespace machina
