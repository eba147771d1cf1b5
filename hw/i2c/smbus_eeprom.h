#pragma once
/// An EEPROM of 256 bytes on the SMBus: 24C02, as memory modules have one.
///
/// Source: Atmel AT24C02 datasheet. The first byte that is written sets the word address, what follows is written from
/// there on; reads go on from the word address. It wraps after 256 bytes; within a write after a page of 8.
///
/// Its content survives a reset. Not modelled: the time that a write takes, in which a chip does not answer.

#include <array>

#include "hw/i2c/i2c_bus.h"

namespace machina {

class SmbusEeprom final : public I2cSlave {
 public:
  static constexpr const char* kType = "smbus-eeprom";
  static void class_init(DeviceClass& c);
  static constexpr unsigned kNoModule = 255;

  bool start(bool read) override;
  bool send(std::uint8_t byte) override;
  std::uint8_t receive() override;

 private:
  void realize() override;

  // configuration
  std::uint8_t dimm_ = kNoModule;
  bool there_ = true;  ///< else its socket is empty

  struct State {
    std::array<std::uint8_t, 256> bytes{};
    std::uint8_t word = 0;    ///< the next byte
    bool addressing = false;  ///< the next byte of the master is the word address
  };
  State state_;
};

}  // namespace machina
