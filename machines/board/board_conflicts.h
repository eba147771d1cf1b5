#pragma once
/// What two devices of a board cannot both have: a PCI slot, a base port, an ISA interrupt line, an IDE unit.

#include <map>
#include <string>
#include <vector>

#include "hw/base/device.h"
#include "machines/board/board.h"
#include "machines/board/faults.h"

namespace machina {

/// A value that was given to a property, and where.
struct GivenValue {
  std::string text;
  Origin at;
};

/// An object of a board while it is composed.
struct ComposedDevice {
  const BoardDevice* description = nullptr;
  Device* device = nullptr;  ///< belongs to the tree
  int bus_owner = -1;        ///< index of the device whose bus it is on
  std::map<std::string, GivenValue> given;
  std::map<std::string, qom::Object*> links;
};

/// Adds a fault for each conflict, at the later device, naming the earlier. Properties are set.
void find_conflicts(const std::vector<ComposedDevice>& devices, Faults& faults);

/// Throws Error when a bus has no interrupt line of that number.
void check_bus_line(const Bus& bus, unsigned line);

}  // namespace machina
