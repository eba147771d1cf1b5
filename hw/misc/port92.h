#pragma once
/// PS/2 system control port A (port 92h): fast A20 gate and fast CPU reset.
///
/// Source: IBM PS/2 Hardware Interface Technical Reference, "System Control Port A (Hex 0092)". Bit 0, alternate hot
/// reset: a change from 0 to 1 resets the machine. Bit 1, alternate gate A20. The pin `a20` is ORed with the keyboard
/// controller's wherever both end, as on the board. Not modelled: the fixed-disk lights (bits 7, 6), the watchdog (bit
/// 4) and the password lock (bit 3); these bits read back what was written.

#include "hw/isa/isa_bus.h"

namespace machina {

class Port92 final : public IsaDevice {
 public:
  static constexpr const char* kType = "port92";
  static void class_init(DeviceClass& c);

  void reset_enter() override { state_ = {}; }
  void reset_hold() override { update(); }

 private:
  static constexpr std::uint8_t kHotReset = 1U << 0;
  static constexpr std::uint8_t kGateA20 = 1U << 1;

  struct State {
    std::uint8_t control = 0;
  };

  void realize() override { map_ports(0x92, port_); }
  void update() { a20_.set((state_.control & kGateA20) != 0); }

  IoResult read(Offset offset, Width width);
  IoResult write(Offset offset, Width width, std::uint64_t value);

  // regions
  IoRegion port_{"port92", 1, Widths::only(1), this, &Port92::read, &Port92::write};
  // sub-parts
  IrqOut a20_;
  // state
  State state_;
};

}  // namespace machina
