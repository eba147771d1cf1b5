#include "hw/base/reset.h"

#include <fmt/format.h>

#include "hw/base/device.h"

namespace machina {

void reset_tree(qom::Object& root) {
  const qom::LifecycleTrace::Scope trace([&] { return fmt::format("reset {}", root.path()); });
  std::vector<Device*> devices;
  qom::for_each<Device>(root, [&](Device& d) {
    if (d.realized()) devices.push_back(&d);
  });
  for (Device* d : devices) {
    const qom::LifecycleTrace::Scope step([&] { return fmt::format("reset-enter {}", d->path()); });
    d->reset_enter();
  }
  for (Device* d : devices) d->reset_hold();
  for (Device* d : devices) d->reset_exit();
}

}  // namespace machina
