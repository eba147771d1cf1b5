#pragma once
/// The interrupt half of a PC for test guests: ISA bus, GSIs, PIC pair, timer, real-time clock, and a test device
/// that raises lines and sends messages for the guest. Implementations are the accelerator's choice, as on a board.
///
///   port 510h   write: bits 0-4 GSI, bit 7 level. Drives that line.
///   port 511h   write: one more tick, as the guest's timer handler saw it
///   port 512h   write: a pulse on the NMI line of the first CPU
///   port 513h   write: lowers all lines. Read: how many are up.
///   port 514h   write, 4 bytes: data of a message that is written to FEE00000h
///   port 518h   read, 4 bytes: microseconds of virtual time
///   port 51Ch   write, 4 bytes: numbers that the guest counts up from 1 after each reset; read: the last one

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

  unsigned messages = 0;       ///< that the guest asked for
  std::uint32_t ticks = 0;     ///< since reset
  std::uint32_t sequence = 0;  ///< the last number, since reset
  unsigned out_of_order = 0;   ///< numbers that did not follow the one before: an access was lost or done twice

  void reset_enter() override { ticks = sequence = 0; }
  void reset_hold() override;

 protected:
  void realize() override;

 private:
  IoResult read(Offset offset, Width width);
  IoResult write(Offset offset, Width width, std::uint64_t value);

  IrqOutBank lines_{24};
  IrqOut nmi_;
  IoRegion ports_{"interrupt-port", 16, Widths{1, 4}, this, &InterruptPort::read, &InterruptPort::write};
};

/// What add_interrupt_board() leaves out, or adds.
struct InterruptBoardOptions {
  bool ioapic = true;
  bool apic = true;                   ///< the CPUs' local APICs, as far as the accelerator lets the board decide
  std::string lost_tick_policy = {};  ///< of the timer in the kernel; empty: as it is
  bool pm = false;                    ///< a PCI bus with the PIIX4's power management at 01.3, whose SCI is IRQ 9
  /// A PCI bus whose PIIX3 at 01.0 is the bridge to ISA, and two test-intx-function with INTA# on PIRQB#: 02.0 with
  /// ports 5A0h, 5A1h and 06.0 with 5B0h, 5B1h.
  bool pci = false;
  bool keyboard = false;  ///< i8042 and port92; with `pm`, keys wake the machine by general-purpose event 4
  bool hpet = false;      ///< timers that can send messages, and be routed to input 2
};

/// For GuestOptions::devices.
std::vector<Device*> add_interrupt_board(Machine& machine, const InterruptBoardOptions& options = {});

}  // namespace machina::test
