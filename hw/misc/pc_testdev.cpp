#include "hw/misc/pc_testdev.h"

#include <cstring>

namespace machina {

namespace {

/// `width` bytes from `offset` on, little-endian; the dispatcher keeps accesses within the region.
template <class Bytes>
std::uint64_t load(const Bytes& bytes, Offset offset, Width width) {
  std::uint64_t value = 0;
  std::memcpy(&value, bytes.data() + offset, width);
  return value;
}

template <class Bytes>
IoResult store(Bytes& bytes, Offset offset, Width width, std::uint64_t value) {
  std::memcpy(bytes.data() + offset, &value, width);
  return io_ok();
}

}  // namespace

void PcTestdev::class_init(DeviceClass& c) {
  c.description = "Registers, memory and interrupt lines for test guests";
  c.category = Category::Misc;
  c.outputs("irqs", &PcTestdev::irqs_, "gsi").doc("the 24 interrupts that its ports raise");
}

void PcTestdev::realize() {
  map_ports(kScratchPorts, scratch_);
  map_ports(kFlushPort, flush_);
  map_ports(kBytePorts, bytes_);
  map_ports(kLinePorts, lines_);
  map(system().memory_root, kMemory, memory_, 1);
}

void PcTestdev::reset_enter() { *state_ = {}; }

void PcTestdev::reset_hold() {
  for (unsigned i = 0; i < kLines; ++i) irqs_[i].set(false);
}

IoResult PcTestdev::read_scratch(Offset offset, Width width) { return load(state_->scratch, offset, width); }

IoResult PcTestdev::write_scratch(Offset offset, Width width, std::uint64_t value) {
  return store(state_->scratch, offset, width, value);
}

IoResult PcTestdev::write_line(Offset line, Width, std::uint64_t value) {
  irqs_[static_cast<unsigned>(line)].set(value != 0);
  return io_ok();
}

IoResult PcTestdev::read_memory(Offset offset, Width width) { return load(state_->memory, offset, width); }

IoResult PcTestdev::write_memory(Offset offset, Width width, std::uint64_t value) {
  return store(state_->memory, offset, width, value);
}

MACHINA_TYPE(PcTestdev, IsaDevice);

}  // namespace machina
