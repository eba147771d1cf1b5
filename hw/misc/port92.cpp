#include "hw/misc/port92.h"

#include "core/trace/trace_event.h"

namespace machina {
namespace {

const TraceEvent<unsigned> port92_read{"port92_read", "value={:#04x}"};
const TraceEvent<unsigned> port92_write{"port92_write", "value={:#04x}"};

}  // namespace

void Port92::class_init(DeviceClass& c) {
  c.description = "PS/2 system control port A";
  c.category = Category::Misc;
  c.output("a20", &Port92::a20_).doc("address line 20 enabled");
}

IoResult Port92::read(Offset, Width) {
  port92_read(state_.control);
  return state_.control;
}

IoResult Port92::write(Offset, Width, std::uint64_t value) {
  const auto control = static_cast<std::uint8_t>(value);
  port92_write(control);
  const bool reset = (control & kHotReset) && !(state_.control & kHotReset);
  state_.control = control;
  update();
  if (reset) system().control.request_reset(ShutdownCause::GuestReset);
  return io_ok();
}

MACHINA_TYPE(Port92, IsaDevice);

}  // namespace machina
