#include "hw/display/vga_adapter.h"

#include "core/trace/trace_event.h"

namespace machina {
namespace {

const TraceEvent<unsigned, unsigned> vga_std_read_io{"vga_std_read_io", "addr={:#x} value={:#04x}"};
const TraceEvent<unsigned, unsigned> vga_std_write_io{"vga_std_write_io", "addr={:#x} value={:#04x}"};
const TraceEvent<bool> vga_set_irq{"vga_set_irq", "level={:d}"};

}  // namespace

template <std::uint16_t base>
IoRegion VgaAdapter::port_region(const char* name, std::uint64_t size) {
  return {
      name, size, Widths::only(1),
      [this](Offset o, Width w) { return read_port(static_cast<std::uint16_t>(base + o), w); },
      [this](Offset o, Width w, std::uint64_t v) { return write_port(static_cast<std::uint16_t>(base + o), w, v); }};
}

VgaAdapter::VgaAdapter(Clock& clock, std::shared_ptr<RamBlock> vram)
    : clock_(clock),
      core_(std::move(vram)),
      mono_crtc_(port_region<0x3b4>("vga-mono-crtc", 2)),
      mono_status_(port_region<0x3ba>("vga-mono-status", 1)),
      registers_(port_region<0x3c0>("vga", 16)),
      crtc_(port_region<0x3d4>("vga-crtc", 2)),
      status_(port_region<0x3da>("vga-status", 1)) {}

std::array<VgaAdapter::Ports, 6> VgaAdapter::ports() {
  return {{{0x3b4, &mono_crtc_},
           {0x3ba, &mono_status_},
           {0x3c0, &registers_},
           {0x3d4, &crtc_},
           {0x3da, &status_},
           {0x1ce, &dispi_}}};
}

IoResult VgaAdapter::read_port(std::uint16_t port, Width) {
  std::uint8_t value = 0;
  if (!core_.read_port(port, now(), value)) return IoStatus::NoResponse;
  vga_std_read_io(port, value);
  return value;
}

IoResult VgaAdapter::write_port(std::uint16_t port, Width, std::uint64_t value) {
  return write_port(port, static_cast<std::uint8_t>(value)) ? IoStatus::Ok : IoStatus::NoResponse;
}

bool VgaAdapter::write_port(std::uint16_t port, std::uint8_t value) {
  vga_std_write_io(port, value);
  const bool taken = core_.write_port(port, now(), value);
  if (irq_) update_interrupt();
  return taken;
}

void VgaAdapter::reset() {
  core_.reset();
  renderer_.forget();
  if (irq_) update_interrupt();
}

void VgaAdapter::connect_interrupt(IrqOut& irq) {
  irq_ = &irq;
  frame_ = std::make_unique<Timer>(clock_, "vga.frame", [this] { update_interrupt(); });
}

void VgaAdapter::update_interrupt() {
  const bool level = core_.interrupt_line(now());
  if (level != irq_->level()) vga_set_irq(level);
  irq_->set(level);
  const std::int64_t next = core_.next_interrupt(now());
  if (next == Clock::kNever) {
    frame_->cancel();
  } else {
    frame_->arm(next);
  }
}

IoResult VgaAdapter::read_window(Offset offset, Width width) {
  std::uint64_t value = 0;
  for (Width i = 0; i < width; ++i) {
    std::uint8_t byte = 0;
    if (!core_.read_window(static_cast<std::uint32_t>(offset + i), byte)) return IoStatus::NoResponse;
    value |= static_cast<std::uint64_t>(byte) << (8 * i);
  }
  return value;
}

IoResult VgaAdapter::write_window(Offset offset, Width width, std::uint64_t value) {
  for (Width i = 0; i < width; ++i) {
    if (!core_.write_window(static_cast<std::uint32_t>(offset + i), static_cast<std::uint8_t>(value >> (8 * i))))
      return IoStatus::NoResponse;
  }
  return io_ok();
}

// Index at 1CEh, data at 1CFh and, for those who want it aligned, at 1D0h; words only.
IoResult VgaAdapter::read_dispi(Offset offset, Width width) {
  if (width != 2) return IoStatus::BadSize;
  if (offset == 0) return core_.dispi_index();
  return core_.read_dispi(core_.dispi_index());
}

IoResult VgaAdapter::write_dispi(Offset offset, Width width, std::uint64_t value) {
  if (width != 2) return IoStatus::BadSize;
  if (offset == 0) {
    core_.set_dispi_index(static_cast<std::uint16_t>(value));
  } else {
    core_.write_dispi(core_.dispi_index(), static_cast<std::uint16_t>(value));
  }
  return io_ok();
}

// --- the display ---

void VgaDisplay::create_adapter(Clock& clock, AddressSpace& space, std::uint64_t bytes) {
  auto vram = RamBlock::create("vga.vram", bytes);
  space_ = &space;
  region_ = std::make_unique<RamRegion>("vga.vram", vram);
  adapter_ = std::make_unique<VgaAdapter>(clock, std::move(vram));
}

const ScreenSurface& VgaDisplay::refresh() {
  if (watched()) space_->sync_dirty_log(*region_);
  adapter_->renderer().refresh(surface_, adapter_->now(), watched());
  return surface_;
}

bool VgaDisplay::peek(const MemoryRegion& region, Offset offset, std::span<std::uint8_t> to) const {
  const VgaAdapter* adapter = adapter_.get();  // none before it is realized
  if (!adapter || &region != &adapter->window()) return false;
  for (std::uint8_t& byte : to)
    if (!adapter->core().peek_window(static_cast<std::uint32_t>(offset++), byte)) return false;
  return true;
}

void VgaDisplay::watched_changed() { region_->set_dirty_log(watched()); }

}  // namespace machina
