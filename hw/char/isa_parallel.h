#pragma once
/// Parallel port of a PC with a printer on its cable, which is a character backend.
///
/// Source: IBM PC/AT Technical Reference (6280070), "Printer side of the serial/parallel adapter", and IBM PS/2
/// Hardware Interface Technical Reference, "Parallel port controller", for the direction bit and the interrupt latch;
/// IEEE 1284-1994, 6.3 (compatibility mode) for the printer's side of the handshake.
///
/// The printer takes a byte at the strobe, is busy until its back end has it, and for kAckTime acknowledges it: BUSY
/// and nACK are both low then. The end of nACK is the interrupt; it stays latched until the status register is read.
/// Without a back end the cable is open, and pull-ups make a busy printer without paper of it. Nothing drives the data
/// lines when the port listens. Not modelled: EPP and ECP, which the ports above the third would show; systems find an
/// SPP or PS/2 port and print all the same.

#include <memory>

#include "core/chardev/char_backend.h"
#include "hw/acpi/acpi_board.h"
#include "hw/isa/isa_bus.h"

namespace machina {

class IsaParallel final : public IsaDevice, public AcpiContributor, private CharFrontend {
 public:
  static constexpr const char* kType = "isa-parallel";
  static void class_init(DeviceClass& c);
  static constexpr std::int64_t kAckTime = 5000;  ///< ns

  aml::Terms acpi_objects(AcpiBoard& board) override;

  void reset_enter() override;
  void reset_hold() override { update_irq(); }

 private:
  void realize() override;
  void unrealize() override;
  std::size_t choose_index() const;

  IoResult read(Offset offset, Width width);
  IoResult write(Offset offset, Width width, std::uint64_t value);
  std::uint8_t status();
  void write_control(std::uint8_t value);
  /// The byte that the printer holds goes to the back end, when that takes it.
  void print();
  void acknowledged();
  void update_irq();

  // CharFrontend: the printer has nothing to say
  std::size_t can_receive() override { return 0; }
  void receive(std::span<const std::byte>) override {}
  void writable() override { print(); }

  // configuration
  std::int32_t index_ = -1;
  std::uint16_t iobase_ = 0;
  // dependencies
  qom::Link<CharBackend> chardev_;
  // regions
  IoRegion ports_{"parallel", 3, Widths::only(1), this, &IsaParallel::read, &IsaParallel::write};
  // sub-parts
  IrqOut irq_;
  std::unique_ptr<Timer> ack_;

  struct State {
    std::uint8_t data = 0;
    std::uint8_t control = 0;
    std::uint8_t held = 0;     // the byte that the printer has taken
    bool busy = false;         // with `held`
    bool acknowledge = false;  // nACK is low
    bool interrupt = false;
  };
  State state_;
};

}  // namespace machina
