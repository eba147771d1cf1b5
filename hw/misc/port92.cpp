#include "hw/misc/port92.h"

namespace machina {

void Port92::class_init(DeviceClass& c) {
  c.description = "PS/2 system control port A";
  c.category = Category::Misc;
  c.output("a20", &Port92::a20_).doc("address line 20 enabled");
}

IoResult Port92::read(Offset, Width) { return state_.control; }

IoResult Port92::write(Offset, Width, std::uint64_t value) {
  const auto control = static_cast<std::uint8_t>(value);
  const bool reset = (control & kHotReset) && !(state_.control & kHotReset);
  state_.control = control;
  update();
  if (reset) system().control.request_reset(ShutdownCause::GuestReset);
  return io_ok();
}

MACHINA_TYPE(Port92, IsaDevice);

}  // namespace machina
