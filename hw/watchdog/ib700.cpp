#include "hw/watchdog/ib700.h"

#include "core/guest_alarms.h"
#include "core/trace/trace_event.h"
#include "core/units.h"

namespace machina {
namespace {

const TraceEvent<std::int64_t> ib700_enable{"ib700_enable", "seconds={}"};
const TraceEvent<> ib700_disable{"ib700_disable", ""};
const TraceEvent<> ib700_timer_expired{"ib700_timer_expired", ""};

}  // namespace

void Ib700::class_init(DeviceClass& c) {
  c.description = "IB700 watchdog";
  c.category = Category::Misc;
}

void Ib700::realize() {
  map_ports(kDisablePort, disable_);
  map_ports(kEnablePort, enable_);
  timer_.emplace(clock(), "ib700", [this] {
    ib700_timer_expired();
    if (GuestAlarms* machine = guest_alarms(system().control)) machine->watchdog_expired();
  });
}

IoResult Ib700::enable(Offset, Width, std::uint64_t value) {
  constexpr std::int64_t kLongest = 30, kStep = 2;
  const std::int64_t seconds = kLongest - kStep * static_cast<std::int64_t>(value & 0x0f);
  ib700_enable(seconds);
  timer_->arm(clock().now_ns() + seconds * kNsPerSecond);
  return io_ok();
}

IoResult Ib700::disable(Offset, Width, std::uint64_t) {
  ib700_disable();
  timer_->cancel();
  return io_ok();
}

MACHINA_TYPE(Ib700, IsaDevice);

}  // namespace machina
