#include "hw/base/bus.h"

#include <algorithm>

namespace machina {

void Bus::class_init(qom::ObjectClass& c) { c.description = "Bus"; }

void Bus::plug(Device& device) { devices_.push_back(&device); }

void Bus::unplug(Device& device) { std::erase(devices_, &device); }

MACHINA_ABSTRACT_TYPE(Bus, qom::Object);

}  // namespace machina
