#include "hw/misc/debugcon.h"

namespace machina {

void DebugCon::class_init(DeviceClass& c) {
  c.description = "Debug console";
  c.category = Category::Misc;
  c.property("iobase", &DebugCon::iobase_, 0xe9).doc("I/O port");
  c.property("readback", &DebugCon::readback_, 0xe9).doc("value that a read of the port returns");
  c.link("chardev", &DebugCon::chardev_).doc("where the bytes go");
}

void DebugCon::realize() {
  if (!chardev_) throw Error("a debug console needs a character backend").hint("name it with chardev=");
  map_ports(iobase_, port_);
  chardev_->attach(this);
}

void DebugCon::unrealize() { chardev_->attach(nullptr); }

IoResult DebugCon::read(Offset, Width) { return readback_; }

IoResult DebugCon::write(Offset, Width, std::uint64_t value) {
  chardev_->put(static_cast<std::byte>(value));
  return io_ok();
}

MACHINA_TYPE(DebugCon, IsaDevice);

}  // namespace machina
