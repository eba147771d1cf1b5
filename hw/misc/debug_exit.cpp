#include "hw/misc/debug_exit.h"

#include "core/trace/trace_event.h"

namespace machina {
namespace {

const TraceEvent<std::uint64_t, int> debug_exit_write{"debug_exit_write", "value={:#x} status={}"};

}  // namespace

void DebugExit::class_init(DeviceClass& c) {
  c.description = "Debug exit port";
  c.category = Category::Misc;
  c.property("iobase", &DebugExit::iobase_, 0x501).doc("first I/O port");
  c.property("iosize", &DebugExit::iosize_, 2).doc("number of I/O ports").range(1, 256);
}

void DebugExit::realize() {
  // A guest may use any port of the range in any width, so there is no alignment to ask for.
  port_.emplace("isa-debug-exit", iosize_, Widths{1, 4, true}, this, &DebugExit::read, &DebugExit::write);
  map_ports(iobase_, *port_);
}

IoResult DebugExit::read(Offset, Width) { return 0; }

IoResult DebugExit::write(Offset, Width, std::uint64_t value) {
  // A process's exit status has eight bits.
  const auto status = static_cast<int>(((value << 1) | 1) & 0xff);
  debug_exit_write(value, status);
  system().control.request_shutdown(ShutdownCause::GuestShutdown, status);
  return io_ok();
}

MACHINA_TYPE(DebugExit, IsaDevice);

}  // namespace machina
