#include "hw/misc/debugcon.h"

#include "core/trace/trace_event.h"

namespace machina {
namespace {

const TraceEvent<unsigned, unsigned> debugcon_write{"debugcon_write", "port={:#x} value={:#04x}"};

}  // namespace

void DebugCon::class_init(DeviceClass& c) {
  c.description = "Debug console";
  c.category = Category::Misc;
  c.property("iobase", &DebugCon::iobase_, 0xe9).doc("I/O port");
  c.property("readback", &DebugCon::readback_, 0xe9).doc("value that a read of the port returns");
  c.link("chardev", &DebugCon::chardev_).doc("where the bytes go; none: they are lost");
}

void DebugCon::realize() {
  map_ports(iobase_, port_);
  if (chardev_) chardev_->attach(this);
}

void DebugCon::unrealize() {
  if (chardev_) chardev_->attach(nullptr);
}

IoResult DebugCon::read(Offset, Width) { return readback_; }

IoResult DebugCon::write(Offset, Width, std::uint64_t value) {
  debugcon_write(iobase_, static_cast<std::uint8_t>(value));
  if (chardev_) chardev_->put(static_cast<std::byte>(value));
  return io_ok();
}

MACHINA_TYPE(DebugCon, IsaDevice);

}  // namespace machina
