#include "hw/i2c/smbus_eeprom.h"

#include "hw/i2c/spd.h"

namespace machina {

void SmbusEeprom::class_init(DeviceClass& c) {
  c.description = "EEPROM of 256 bytes";
  c.category = Category::Misc;
  c.set_default("address", unsigned{spd::kFirstAddress});
  c.property("dimm", &SmbusEeprom::dimm_, kNoModule)
      .doc(
          "memory socket whose module it is on, from 0: holds its SPD, and is not there when the machine has no "
          "module for that socket; 255: an empty EEPROM");
}

void SmbusEeprom::realize() {
  state_ = {};
  state_.bytes.fill(0xff);  // erased
  there_ = true;
  if (dimm_ == kNoModule) return;
  const auto modules = spd::modules_of(system().ram_below_4g + system().ram_above_4g);
  there_ = dimm_ < modules.size();
  if (there_) state_.bytes = spd::content(modules[dimm_]);
}

bool SmbusEeprom::start(bool read) {
  state_.addressing = !read;
  return there_;
}

bool SmbusEeprom::send(std::uint8_t byte) {
  constexpr unsigned kPage = 8;
  if (state_.addressing) {
    state_.word = byte;
    state_.addressing = false;
    return true;
  }
  state_.bytes[state_.word] = byte;
  const unsigned next = (state_.word & (kPage - 1)) == kPage - 1 ? state_.word - (kPage - 1) : state_.word + 1U;
  state_.word = static_cast<std::uint8_t>(next);
  return true;
}

std::uint8_t SmbusEeprom::receive() { return state_.bytes[state_.word++]; }

MACHINA_TYPE(SmbusEeprom, I2cSlave);

}  // namespace machina
