#include "tests/support/intx_function.h"

namespace machina {
using test::IntxFunction;
MACHINA_TYPE(IntxFunction, PciDevice);
}  // namespace machina

namespace machina::test {

void IntxFunction::class_init(PciDeviceClass& c) {
  c.description = "Interrupts of a PCI function for test guests";
  c.user_creatable = false;
  c.vendor_id = 0x1b36;
  c.device_id = 0x0005;
  c.class_code = 0x00ff;
  c.property("iobase", &IntxFunction::iobase_, 0).doc("first of its two ports");
}

void IntxFunction::realize() {
  define_config(pci::kCommand, 2, 0, pci::kCommandBusMaster | pci::kCommandIntxDisable);
  use_interrupt_pin(1);
  msi_.add(1);
  map(system().io_root, iobase_, ports_);
}

IoResult IntxFunction::write(Offset offset, Width, std::uint64_t value) {
  if (offset == 0) {
    set_intx(value & 1);
  } else {
    msi_.notify(0);
  }
  return io_ok();
}

}  // namespace machina::test
