#pragma once
/// Devices and CPUs that come and go while the machine is there: device_add and device_del.
///
/// Main thread, machine lock held.

#include <string>

#include "machines/machine.h"
#include "qom/value.h"

namespace machina {

/// Makes a device of `type`, sets its properties ("bus" and "addr" among them; values of JSON, or text as a user types
/// it), realizes and resets it, and tells the guest. Below /machine/peripheral as `id`, else below peripheral-anon. A
/// type of CPU needs socket-id, core-id and thread-id. Throws Error, and nothing has changed then.
Device& hotplug_device(Machine& machine, const std::string& type, const std::string& id,
                       const qom::ValueMap& properties);

/// Sets a property from JSON, or from text as a user types it; a link from an id or a path. Throws Error.
void set_property(Machine& machine, qom::Object& object, const std::string& name, const qom::Value& value);

/// Asks the guest to let the device go: the event DEVICE_DELETED tells when it has. Throws Error.
void request_unplug(Machine& machine, Device& device);

}  // namespace machina
