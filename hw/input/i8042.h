#pragma once
/// PS/2 keyboard and mouse controller at ports 60h and 64h, with a keyboard and a mouse plugged in.
///
/// Source: Intel 8042 with the firmware of the IBM PS/2 ("Keyboard and Auxiliary Device Controller", IBM PS/2 Hardware
/// Interface Technical Reference). A byte of a device takes a moment on the wire: after the program has read one, the
/// next one comes kByteTime later, so that a program that reads port 60h twice (an interrupt handler and the one it
/// chains to) gets the same byte twice, as on the board. Answers of the controller itself come at once, and it never
/// leaves its input buffer full (status bit 1). Bits that guests rely on: a byte sent to a device ends its inhibition.
/// After reset the interrupts are enabled and the devices are not inhibited, which firmware of virtual machines and
/// guests without firmware expect. Not modelled: the diagnostic dump (ACh), polling of the input port (C1h, C2h), the
/// keyboard lock, time-out and parity errors.

#include <array>

#include "core/display/input_sink.h"
#include "hw/acpi/acpi_board.h"
#include "hw/input/ps2_keyboard.h"
#include "hw/input/ps2_mouse.h"
#include "hw/isa/isa_bus.h"

namespace machina {

class I8042 final : public IsaDevice, public InputSink, public AcpiContributor {
 public:
  static constexpr const char* kType = "i8042";
  static void class_init(DeviceClass& c);

  /// Eleven bits at 12.5 kHz, the middle of what a device may clock at.
  static constexpr std::int64_t kByteTimeNs = 880'000;

  void key(QKeyCode key, bool down) override;
  void mouse_move(int dx, int dy, int wheel) override;
  void mouse_button(MouseButton button, bool down) override;

  std::uint8_t keyboard_leds() const { return keyboard_.leds(); }

  void acpi_facts(AcpiBoard& board) override { board.fixed.i8042 = true; }
  aml::Terms acpi_objects(AcpiBoard& board) override;

  void reset_enter() override;
  void reset_hold() override { update(); }

 private:
  enum class Source : std::uint8_t { Controller, Keyboard, Mouse };
  struct State {
    std::array<std::uint8_t, 32> ram{0x03};  // byte 0 is the command byte
    std::uint8_t output_port = 0xcf;         // bit 0 not reset, bit 1 A20; the lines of the devices float high
    std::uint8_t output = 0;                 // the output buffer, readable also when it is empty
    Source source = Source::Controller;      // of what is in it
    bool output_full = false;
    bool last_was_command = false;  // status bit 3
    std::uint8_t pending = 0;       // command that waits for a byte at port 60h; 0: none
    bool release_prefix = false;    // translation has seen F0h
    std::int64_t device_free_at = 0;
  };

  void realize() override;
  void unrealize() override;

  IoResult read_data(Offset offset, Width width);
  IoResult write_data(Offset offset, Width width, std::uint64_t value);
  IoResult read_status(Offset offset, Width width);
  IoResult write_command(Offset offset, Width width, std::uint64_t value);

  std::uint8_t& command_byte() { return state_.ram[0]; }
  void answer(std::uint8_t value, Source source = Source::Controller);
  void write_output_port(std::uint8_t value);
  void parameter(std::uint8_t command, std::uint8_t value);
  std::uint8_t pins() const;
  void fetch(std::int64_t now);
  void update();
  void wake_up();

  // regions
  IoRegion data_port_{"i8042-data", 1, Widths::only(1), this, &I8042::read_data, &I8042::write_data};
  IoRegion command_port_{"i8042-cmd", 1, Widths::only(1), this, &I8042::read_status, &I8042::write_command};
  // sub-parts
  IrqOut keyboard_irq_;
  IrqOut mouse_irq_;
  IrqOut a20_;
  IrqOut wake_;
  std::unique_ptr<Timer> timer_;
  Ps2Keyboard keyboard_;
  Ps2Mouse mouse_;
  // state
  State state_;
};

}  // namespace machina
