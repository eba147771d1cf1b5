#pragma once
/// The interrupt half of a PC for guests under KVM: ISA bus, GSIs, PIC pair, timer, real-time clock, and a test device
/// that raises lines and sends messages for the guest. Implementations are the accelerator's choice, as on a board.
///
///   port 510h   write: bits 0-4 GSI, bit 7 level. Drives that line.
///   port 512h   write: bits 0-4 GSI. Raises the line until the device hears of its EOI through port 513h.
///   port 513h   write: lowers all lines. Read: how many are up.
///   port 514h   write, 4 bytes: data of a message that is written to FEE00000h
///   port 518h   read, 4 bytes: microseconds of virtual time

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "core/irq.h"
#include "machines/machine.h"

namespace machina::test {

class InterruptPort final : public Device {
 public:
  static constexpr const char* kType = "test-interrupt-port";
  static void class_init(DeviceClass& c);

  unsigned messages = 0;  ///< that the guest asked for

 protected:
  void realize() override;

 private:
  IoResult read(Offset offset, Width width);
  IoResult write(Offset offset, Width width, std::uint64_t value);

  IrqOutBank lines_{24};
  IoRegion ports_{"interrupt-port", 16, Widths{1, 4}, this, &InterruptPort::read, &InterruptPort::write};
};

/// What add_interrupt_board() leaves out.
struct InterruptBoardOptions {
  bool ioapic = true;
};

/// For GuestOptions::devices.
std::vector<Device*> add_interrupt_board(Machine& machine, const InterruptBoardOptions& options = {});

}  // namespace machina::test
