#include "hw/base/reset.h"

#include <fmt/format.h>

#include "core/trace/trace_event.h"
#include "hw/base/device.h"

namespace machina {
namespace {

const TraceEvent<std::string_view> machine_reset{"machine_reset", "path={}"};
const TraceEvent<std::string_view> device_reset{"device_reset", "path={}"};

}  // namespace

void reset_tree(qom::Object& root) {
  const qom::LifecycleTrace::Scope trace([&] { return fmt::format("reset {}", root.path()); });
  machine_reset([&root] { return root.path(); });
  std::vector<Device*> devices;
  qom::for_each<Device>(root, [&](Device& d) {
    if (d.realized()) devices.push_back(&d);
  });
  for (Device* d : devices) {
    const qom::LifecycleTrace::Scope step([&] { return fmt::format("reset-enter {}", d->path()); });
    device_reset([d] { return d->path(); });
    d->reset_enter();
  }
  for (Device* d : devices) d->reset_hold();
  for (Device* d : devices) d->reset_exit();
}

}  // namespace machina
