#pragma once
/// Watchdog of the IB700 single-board computer: two ports of a card from 1998 that every system knows.
///
/// Source: iBASE, "IB700 user's manual", watchdog timer configuration. A write to port 443h starts the timer, or starts
/// it again, with one of 16 times: 30 s for 0, 2 s less for each step, at once for 0Fh; a write to port 441h stops it.
/// The ports cannot be read.
///
/// Its time is the virtual clock's: a machine that is paused is not watched.

#include <optional>

#include "core/clock.h"
#include "hw/isa/isa_bus.h"

namespace machina {

class Ib700 final : public IsaDevice {
 public:
  static constexpr const char* kType = "ib700";
  static void class_init(DeviceClass& c);

  static constexpr std::uint16_t kDisablePort = 0x441, kEnablePort = 0x443;

  void reset_hold() override { timer_->cancel(); }

 private:
  void realize() override;
  void unrealize() override { timer_.reset(); }
  IoResult enable(Offset, Width, std::uint64_t value);
  IoResult disable(Offset, Width, std::uint64_t);

  // regions
  IoRegion disable_{
      "ib700-disable", 1, Widths::only(1), {}, [this](Offset o, Width w, std::uint64_t v) { return disable(o, w, v); }};
  IoRegion enable_{
      "ib700-enable", 1, Widths::only(1), {}, [this](Offset o, Width w, std::uint64_t v) { return enable(o, w, v); }};
  // sub-parts
  std::optional<Timer> timer_;
};

}  // namespace machina
