#pragma once
/// The floppy controller of a PC on its ISA bus: an 82078 (hw/block/fdc.h) at ports 3F2h to 3F5h and 3F7h, with
/// interrupt 6 and DMA channel 2, and the cable floppy-bus.0 for two drives (hw/block/floppy_drive.h).

#include "hw/acpi/acpi_board.h"
#include "hw/block/fdc.h"
#include "hw/isa/isa_bus.h"

namespace machina {

class IsaFdc final : public IsaDevice, public AcpiContributor {
 public:
  static constexpr const char* kType = "isa-fdc";
  static void class_init(DeviceClass& c);

  IsaFdc();

  FloppyBus& drives() { return *drives_; }
  aml::Terms acpi_objects(AcpiBoard& board) override;

  void reset_enter() override { fdc_.reset_enter(); }
  void reset_hold() override { fdc_.reset_hold(); }

 private:
  static constexpr int kNoDma = -1;

  void realize() override;
  void unrealize() override { fdc_.power_off(); }
  IoResult read_low(Offset offset, Width) { return fdc_.read(static_cast<unsigned>(offset) + fdc::kDor); }
  IoResult write_low(Offset offset, Width, std::uint64_t value) {
    return fdc_.write(static_cast<unsigned>(offset) + fdc::kDor, static_cast<std::uint8_t>(value));
  }
  IoResult read_high(Offset, Width) { return fdc_.read(fdc::kDir); }
  IoResult write_high(Offset, Width, std::uint64_t value) {
    return fdc_.write(fdc::kCcr, static_cast<std::uint8_t>(value));
  }

  // configuration
  std::uint16_t iobase_ = fdc::kBase;
  std::int32_t dma_ = 2;
  // dependencies
  FloppyBus* drives_;  // a child
  // regions; the port between them belongs to the IDE channel
  IoRegion low_ports_{"fdc", 4, Widths::only(1), this, &IsaFdc::read_low, &IsaFdc::write_low};
  IoRegion high_port_{"fdc-dir", 1, Widths::only(1), this, &IsaFdc::read_high, &IsaFdc::write_high};
  // sub-parts
  IrqOut irq_;
  Fdc fdc_;
};

}  // namespace machina
