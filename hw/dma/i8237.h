#pragma once
/// The DMA controllers of a PC/AT: two 8237A in cascade with their page registers, on an ISA bus, whose devices it
/// serves (hw/isa/isa_dma.h).
///
/// Source: IBM PC/AT Technical Reference (6280070), "DMA"; register core: hw/dma/i8237_controller.h. Channels 0 to 3
/// move bytes within 64 KiB pages, 5 to 7 words within 128 KiB pages: address counters wrap and never carry into a page
/// register. Channel 4 passes on the requests of the first controller, once it is in cascade mode and not masked.
///
/// A transfer happens at once when device, mask and mode allow it, for as long as the device goes on; the CPU never
/// sees the bus being taken away. A block transfer goes on without DREQ, and waits for a device that has nothing, as
/// its READY line would have it. Memory-to-memory transfers use the pages of channels 0 and 1; the second controller's
/// are not modelled, since its channel 0 is the cascade. Where no device answers, bytes read as FFh.
///
/// QEMU's name for this type is i8257.

#include <array>

#include "hw/acpi/acpi_board.h"
#include "hw/dma/i8237_controller.h"
#include "hw/isa/isa_bus.h"
#include "hw/isa/isa_dma.h"

namespace machina {

class I8237 final : public IsaDevice, public IsaDmaController, public AcpiContributor, public FirmwareSetup {
 public:
  static constexpr const char* kType = "i8237";
  static void class_init(DeviceClass& c);
  static constexpr unsigned kChannels = 8;

  I8237();

  IsaDmaChannel& dma_channel(unsigned n) override { return channels_.at(n); }
  aml::Terms acpi_objects(AcpiBoard& board) override;
  /// Opens the cascade.
  void set_up_as_firmware() override;

  void reset_enter() override;

 private:
  class Channel final : public IsaDmaChannel {
   public:
    void attach(IsaDmaDevice* device) override;
    void request(bool level) override { owner->set_request(number, level); }
    I8237* owner = nullptr;
    unsigned number = 0;
    IsaDmaDevice* device = nullptr;
  };
  /// A run of transfers of one channel, as its device and memory see it.
  struct Run {
    std::uint64_t address;  ///< of the lowest byte
    std::size_t bytes;
    bool terminal;
  };

  void realize() override;
  void unrealize() override { isa_bus().set_dma_controller(nullptr); }

  IoResult read8(Offset offset, Width width);
  IoResult write8(Offset offset, Width width, std::uint64_t value);
  IoResult read16(Offset offset, Width width);
  IoResult write16(Offset offset, Width width, std::uint64_t value);
  IoResult read_page(Offset offset, Width width);
  IoResult write_page(Offset offset, Width width, std::uint64_t value);

  void set_request(unsigned channel, bool level);
  /// Serves whoever may be served, until nobody goes on.
  void serve();
  bool cascade_open() const;
  /// False when nothing moved.
  bool serve_channel(unsigned channel);
  Run next_run(unsigned channel) const;
  std::size_t move(unsigned channel, const Run& run);
  void copy_memory();
  std::uint64_t bus_address(unsigned channel, std::uint16_t address) const;
  I8237Controller& controller(unsigned channel) { return controllers_[channel / I8237Controller::kChannels]; }
  const I8237Controller& controller(unsigned channel) const {
    return controllers_[channel / I8237Controller::kChannels];
  }

  // regions
  IoRegion ports8_{"i8237.0", 16, Widths::only(1), this, &I8237::read8, &I8237::write8};
  IoRegion ports16_{"i8237.1", 32, Widths::only(1), this, &I8237::read16, &I8237::write16};
  IoRegion page_ports_{"i8237.pages", 16, Widths::only(1), this, &I8237::read_page, &I8237::write_page};
  // sub-parts
  std::array<Channel, kChannels> channels_;
  // bookkeeping
  bool serving_ = false;

  // state: besides this that of each controller
  struct State {
    std::array<std::uint8_t, 16> pages{};
  };
  std::array<I8237Controller, 2> controllers_;
  State state_;
};

}  // namespace machina
