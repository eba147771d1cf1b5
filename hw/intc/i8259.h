#pragma once
/// The PC's interrupt controllers: two 8259A, the slave cascaded on the master's IR2, with the edge/level control
/// registers of the PIIX3. One device, since nobody ever has one without the other.
///
/// Sources: Intel 8259A (231468-003); Intel 82371SB PIIX3 (290550-002), 2.5.2 and 2.5.5.
///
/// What guests depend on:
///  - An edge-triggered request is withdrawn when its line falls before the acknowledge ("IR inputs must remain high
///    until after the falling edge of the first INTA"), and the acknowledge then gives the spurious IR7. INTR follows
///    the requests, so a CPU sees this only when it had sampled INTR before.
///  - The cascade is different: the master keeps IR2 latched until the acknowledge even if the slave has lost its
///    request; the answer is then IR7 of the slave (vector of IRQ15), with IR2 in service at the master.
///  - ICW1.LTIM does nothing: the PIIX3 replaces it by ELCR.
///
/// Not modelled: MCS-80/85 mode (ICW4.uPM = 0 acts as 8086 mode, as in the PIIX3), buffered mode, and ICW3, whose
/// contents (IR2, slave 2) are the board's wiring here.

#include "hw/intc/i8259_common.h"

namespace machina {

class I8259 final : public I8259Common {
 public:
  static constexpr const char* kType = "i8259";
  static void class_init(DeviceClass& c);

  int acknowledge() override;

 protected:
  void realize() override;
  void push_state() override { apply(); }
  void ir_changed(unsigned n, bool level) override;

 private:
  enum Which : unsigned { Master, Slave };

  IoResult read_master(Offset a0, Width) { return read(Master, a0); }
  IoResult read_slave(Offset a0, Width) { return read(Slave, a0); }
  IoResult write_master(Offset a0, Width, std::uint64_t v) { return write(Master, a0, static_cast<std::uint8_t>(v)); }
  IoResult write_slave(Offset a0, Width, std::uint64_t v) { return write(Slave, a0, static_cast<std::uint8_t>(v)); }
  IoResult read_elcr(Offset chip, Width) { return state_.chips[chip].elcr; }
  IoResult write_elcr(Offset chip, Width, std::uint64_t value);

  IoResult read(Which which, Offset a0);
  IoResult write(Which which, Offset a0, std::uint8_t value);
  void write_icw1(I8259Chip& chip, std::uint8_t value);
  void write_ocw2(Which which, std::uint8_t value);
  void write_ocw3(I8259Chip& chip, std::uint8_t value);
  void write_data(I8259Chip& chip, std::uint8_t value);
  void end_of_interrupt(Which which, unsigned level);

  /// The level that the chip asks its INT output for, or -1.
  int pending(Which which) const;
  /// The chip's part of an acknowledge: the level, in service from now on; kSpurious when there is none.
  unsigned acknowledge(Which which);
  static void set_line(I8259Chip& chip, unsigned level, bool high);
  /// Cascade and INTR, after any change of state.
  void apply();

  // regions
  IoRegion master_ports_{"i8259-master", 2, Widths::only(1), this, &I8259::read_master, &I8259::write_master};
  IoRegion slave_ports_{"i8259-slave", 2, Widths::only(1), this, &I8259::read_slave, &I8259::write_slave};
  IoRegion elcr_ports_{"i8259-elcr", 2, Widths::only(1), this, &I8259::read_elcr, &I8259::write_elcr};
};

}  // namespace machina
