#pragma once
/// The I2C bus, which is also the wire of SMBus, and what answers on it.
///
/// Source: Philips "The I2C-Bus Specification" 2.1; "System Management Bus Specification" 2.0, which adds protocols
/// made of the same conditions and bytes. One master; arbitration, clock stretching and ten-bit addresses are not
/// modelled.

#include <cstdint>

#include "hw/base/bus.h"

namespace machina {

/// A target, by its address of seven bits. Between start() and the next start() or stop() it is addressed.
class I2cSlave : public Device {
 public:
  static constexpr const char* kType = "i2c-slave";
  static void class_init(DeviceClass& c);

  std::uint8_t address() const { return address_; }

  /// It was addressed, to be read or to be written. Returns whether it acknowledges.
  virtual bool start(bool /*read*/) { return true; }
  /// A byte of the master. Returns whether it is acknowledged.
  virtual bool send(std::uint8_t byte) = 0;
  /// A byte for the master.
  virtual std::uint8_t receive() = 0;
  virtual void stop() {}

 private:
  std::uint8_t address_ = 0;
};

/// What a master can do. Machine lock held.
class I2cBus final : public Bus {
 public:
  static constexpr const char* kType = "i2c-bus";
  static void class_init(qom::ObjectClass& c);

  /// A start condition, or a repeated one, and the address. False when nobody acknowledges.
  bool start(std::uint8_t address, bool read);
  bool send(std::uint8_t byte) { return addressed_ && addressed_->send(byte); }
  /// Without a target the wire stays high.
  std::uint8_t receive() { return addressed_ ? addressed_->receive() : 0xff; }
  void stop();

  void plug(Device& device) override;
  void unplug(Device& device) override;

 private:
  I2cSlave* find(std::uint8_t address) const;
  I2cSlave* addressed_ = nullptr;
};

}  // namespace machina
