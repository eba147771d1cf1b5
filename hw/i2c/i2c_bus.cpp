#include "hw/i2c/i2c_bus.h"

#include <fmt/format.h>

namespace machina {

void I2cSlave::class_init(DeviceClass& c) {
  c.description = "I2C target";
  c.bus_type = I2cBus::kType;
  c.property("address", &I2cSlave::address_, 0).range(0, 0x7f).doc("its address on the bus, seven bits");
}

void I2cBus::class_init(qom::ObjectClass& c) { c.description = "I2C bus"; }

I2cSlave* I2cBus::find(std::uint8_t address) const {
  for (Device* device : devices()) {
    auto* slave = qom::cast<I2cSlave>(device);
    if (slave && slave->realized() && slave->address() == address) return slave;
  }
  return nullptr;
}

bool I2cBus::start(std::uint8_t address, bool read) {
  I2cSlave* slave = find(address);
  if (addressed_ && addressed_ != slave) addressed_->stop();
  addressed_ = slave && slave->start(read) ? slave : nullptr;
  return addressed_;
}

void I2cBus::stop() {
  if (addressed_) addressed_->stop();
  addressed_ = nullptr;
}

void I2cBus::plug(Device& device) {
  const auto& slave = static_cast<I2cSlave&>(device);
  if (const I2cSlave* other = find(slave.address())) {
    throw Error(fmt::format("I2C address {:#x} is taken", slave.address()))
        .why(fmt::format("'{}' has it", other->path()))
        .hint("choose another address");
  }
  Bus::plug(device);
}

void I2cBus::unplug(Device& device) {
  if (addressed_ == &device) addressed_ = nullptr;
  Bus::unplug(device);
}

MACHINA_TYPE(I2cBus, Bus);
MACHINA_ABSTRACT_TYPE(I2cSlave, Device);

}  // namespace machina
