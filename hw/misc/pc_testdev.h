#pragma once
/// What QEMU calls pc-testdev: scratch registers and memory, and every interrupt line at the guest's disposal. Test
/// guests (kvm-unit-tests) drive instruction emulation and interrupt controllers with it; no real machine has one.
///
///   ports E0h-E3h      four bytes that keep what is written, in any width
///   ports E4h-E7h      write: the host forgets its translation of that guest-physical page. A guest sees no effect
///   ports E8h-EBh      the same four bytes again, through accesses of one byte each
///   ports 2000h-2017h  write: level of global system interrupt 0 to 23, low for zero
///   FF000000h          64 KiB of registers that keep what is written, in any width
///
/// Source: behaviour of QEMU's device of that name, as kvm-unit-tests' x86/{emulator,ioapic,eventinj}.c rely on it.
/// Not modelled: forgetting a translation, since nothing depends on when the host makes one.

#include <array>

#include "hw/isa/isa_bus.h"

namespace machina {

class PcTestdev final : public IsaDevice {
 public:
  static constexpr const char* kType = "pc-testdev";
  static void class_init(DeviceClass& c);
  static constexpr unsigned kLines = 24;
  static constexpr std::uint16_t kScratchPorts = 0xe0, kFlushPort = 0xe4, kBytePorts = 0xe8, kLinePorts = 0x2000;
  static constexpr std::uint64_t kMemory = 0xff000000, kMemorySize = 0x10000;

  void reset_enter() override;
  void reset_hold() override;

 private:
  void realize() override;

  IoResult read_scratch(Offset offset, Width width);
  IoResult write_scratch(Offset offset, Width width, std::uint64_t value);
  IoResult write_line(Offset line, Width width, std::uint64_t value);
  IoResult read_memory(Offset offset, Width width);
  IoResult write_memory(Offset offset, Width width, std::uint64_t value);

  // wires
  IrqOutBank irqs_{kLines};
  // regions
  IoRegion scratch_{"pc-testdev-ioport",      4, Widths{1, 4, true}, this, &PcTestdev::read_scratch,
                    &PcTestdev::write_scratch};
  IoRegion flush_{
      "pc-testdev-flush-page", 4, Widths{1, 4, true}, {}, [](Offset, Width, std::uint64_t) { return io_ok(); }};
  IoRegion bytes_{"pc-testdev-ioport-byte", 4, Widths::only(1), this, &PcTestdev::read_scratch,
                  &PcTestdev::write_scratch};
  IoRegion lines_{"pc-testdev-irq-line", kLines, Widths::only(1), {}, [this](Offset o, Width w, std::uint64_t v) {
                    return write_line(o, w, v);
                  }};
  IoRegion memory_{"pc-testdev-iomem",      kMemorySize, Widths{1, 8, true}, this, &PcTestdev::read_memory,
                   &PcTestdev::write_memory};
  // volatile state
  struct State {
    std::array<std::uint8_t, 4> scratch{};
    std::array<std::uint8_t, kMemorySize> memory{};
  };
  std::unique_ptr<State> state_ = std::make_unique<State>();
};

}  // namespace machina
