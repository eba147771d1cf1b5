#include "hw/watchdog/ib700.h"

#include "core/guest_alarms.h"
#include "core/units.h"

namespace machina {

void Ib700::class_init(DeviceClass& c) {
  c.description = "IB700 watchdog";
  c.category = Category::Misc;
}

void Ib700::realize() {
  map_ports(kDisablePort, disable_);
  map_ports(kEnablePort, enable_);
  timer_.emplace(clock(), "ib700", [this] {
    if (GuestAlarms* machine = guest_alarms(system().control)) machine->watchdog_expired();
  });
}

IoResult Ib700::enable(Offset, Width, std::uint64_t value) {
  constexpr std::int64_t kLongest = 30, kStep = 2;
  const std::int64_t seconds = kLongest - kStep * static_cast<std::int64_t>(value & 0x0f);
  timer_->arm(clock().now_ns() + seconds * kNsPerSecond);
  return io_ok();
}

IoResult Ib700::disable(Offset, Width, std::uint64_t) {
  timer_->cancel();
  return io_ok();
}

MACHINA_TYPE(Ib700, IsaDevice);

}  // namespace machina
