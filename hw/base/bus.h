#pragma once
/// A bus: what devices plug into. Owned by the device that drives it (a bridge), as a child object named as users name
/// the bus: "pci.0". The bridge's constructor makes it (add_new_child), not its realize(): the board loader finds out
/// which buses a type brings by making an instance, and plugs devices in before anything is realized.

#include <vector>

#include "hw/base/device.h"

namespace machina {

class Bus : public qom::Object {
 public:
  static constexpr const char* kType = "bus";
  static void class_init(qom::ObjectClass& c);

  /// Devices on it, in the order of plugging; they belong to the tree, not to the bus.
  const std::vector<Device*>& devices() const { return devices_; }

  /// Line `n` of the bus's own interrupt lines, or null.
  virtual IrqIn* irq_line(unsigned /*n*/) { return nullptr; }

  /// Called when a device on this bus is about to be realized. Throws Error when it cannot go where it wants to.
  virtual void plug(Device& device);
  virtual void unplug(Device& device);

 private:
  std::vector<Device*> devices_;
};

}  // namespace machina
