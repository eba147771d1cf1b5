#pragma once
/// What the VGA on PCI and the one on ISA share: the core behind its ports and its window.
///
/// It answers at the ports and addresses of the original whatever a bridge or a command register says, as guests
/// without firmware expect.

#include <array>
#include <memory>

#include "core/clock.h"
#include "core/irq.h"
#include "core/memory/address_space.h"
#include "core/memory/memory_region.h"
#include "core/memory/peekable_memory.h"
#include "hw/display/vga_core.h"
#include "hw/display/vga_render.h"

namespace machina {

class VgaAdapter {
 public:
  VgaAdapter(Clock& clock, std::shared_ptr<RamBlock> vram);

  VgaCore& core() { return core_; }
  const VgaCore& core() const { return core_; }
  VgaRenderer& renderer() { return renderer_; }
  std::int64_t now() const { return clock_.now_ns(); }

  void reset();
  /// The wire that the vertical interrupt drives; it outlives the adapter.
  void connect_interrupt(IrqOut& irq);
  /// Access to a port from elsewhere (BAR 2).
  bool write_port(std::uint16_t port, std::uint8_t value);

  struct Ports {
    std::uint16_t base;
    IoRegion* region;
  };
  /// All port regions, with where they belong.
  std::array<Ports, 6> ports();
  static constexpr std::uint64_t kWindowBase = 0xa0000;
  IoRegion& window() { return window_; }
  const IoRegion& window() const { return window_; }

 private:
  template <std::uint16_t base>
  IoRegion port_region(const char* name, std::uint64_t size);
  IoResult read_port(std::uint16_t port, Width width);
  IoResult write_port(std::uint16_t port, Width width, std::uint64_t value);
  IoResult read_window(Offset offset, Width width);
  IoResult write_window(Offset offset, Width width, std::uint64_t value);
  IoResult read_dispi(Offset offset, Width width);
  IoResult write_dispi(Offset offset, Width width, std::uint64_t value);

  void update_interrupt();

  // dependencies
  Clock& clock_;
  IrqOut* irq_ = nullptr;
  // sub-parts
  VgaCore core_;
  VgaRenderer renderer_{core_};
  std::unique_ptr<Timer> frame_;  // the next vertical interrupt
  // regions
  IoRegion mono_crtc_, mono_status_, registers_, crtc_, status_;
  IoRegion dispi_{"vbe", 4, Widths{1, 2, true}, this, &VgaAdapter::read_dispi, &VgaAdapter::write_dispi};
  // Wide accesses are taken whole: text is written by words and doublewords, and each costs a way out of the guest.
  IoRegion window_{"vga-lowmem", VgaCore::kWindowSize,     Widths{1, 8, true},
                   this,         &VgaAdapter::read_window, &VgaAdapter::write_window};
};

/// The display of a device that has such an adapter, and shows its memory as RAM, too.
class VgaDisplay : public DisplaySource, public PeekableMemory {
 public:
  bool text_mode() const override { return adapter_->core().text_mode(); }
  TextScreen text_screen() override { return vga_text_screen(adapter_->core()); }
  PixelScreen pixel_screen() override { return refresh().screen(); }
  const ScreenSurface& refresh() override;
  bool peek(const MemoryRegion& region, Offset offset, std::span<std::uint8_t> to) const override;

 protected:
  VgaDisplay() = default;
  /// Makes the adapter and `region()`, its memory as RAM, which `space` shows somewhere.
  void create_adapter(Clock& clock, AddressSpace& space, std::uint64_t bytes);
  VgaAdapter& adapter() { return *adapter_; }
  RamRegion& region() { return *region_; }

 private:
  void watched_changed() override;

  AddressSpace* space_ = nullptr;
  std::unique_ptr<VgaAdapter> adapter_;
  std::unique_ptr<RamRegion> region_;
};

}  // namespace machina
