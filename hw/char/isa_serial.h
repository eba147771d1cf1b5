#pragma once
/// Serial port of a PC: a 16550A on the ISA bus, its line connected to a character backend.
///
/// Register core: hw/char/uart16550.h. The PC lets INTR reach the bus only while the program asserts OUT2 (IBM PC
/// Technical Reference, asynchronous communications adapter), which also means: never in loopback. The modem inputs
/// CTS, DSR and DCD are asserted all the time, as by a null-modem plug; a break cannot be sent, since backends know
/// none.

#include "core/chardev/char_backend.h"
#include "hw/acpi/acpi_board.h"
#include "hw/char/uart16550.h"
#include "hw/isa/isa_bus.h"

namespace machina {

class IsaSerial final : public IsaDevice, public AcpiContributor, private CharFrontend {
 public:
  static constexpr const char* kType = "isa-serial";
  static void class_init(DeviceClass& c);

  aml::Terms acpi_objects(AcpiBoard& board) override;

  void reset_enter() override { uart_.reset(); }
  void reset_hold() override { update(); }
  void reset_exit() override;

 private:
  void realize() override;
  void unrealize() override;

  IoResult read(Offset offset, Width width);
  IoResult write(Offset offset, Width width, std::uint64_t value);

  std::size_t can_receive() override { return uart_.can_receive(); }
  void receive(std::span<const std::byte> bytes) override;
  void event(Event event) override;
  void writable() override { update(); }

  std::size_t choose_index();
  void transmit();
  void update();

  // configuration
  std::int32_t index_ = -1;
  std::uint16_t iobase_ = 0;
  bool wakeup_ = false;
  // dependencies
  qom::Link<CharBackend> chardev_;
  // regions
  IoRegion ports_{"serial", Uart16550::kRegisters, Widths::only(1), this, &IsaSerial::read, &IsaSerial::write};
  // sub-parts
  IrqOut irq_;
  std::unique_ptr<Timer> timeout_;
  // state
  Uart16550 uart_;
};

}  // namespace machina
