#pragma once
/// Watchdog of the Intel 6300ESB I/O controller hub: a PCI function with two timers, one after the other. The first one
/// may interrupt, the second one is the alarm.
///
/// Source: Intel 6300ESB datasheet (300641-004US), chapter 16 (watchdog timer, D29:F4).
///
/// Registers that start or feed it are written after the sequence 80h, 86h to the reload register only. Both timers
/// count down a preload of 20 bits; their clock is the PCI clock of 33 MHz divided by 2^15 (1 kHz) or by 2^5 (1 us).
/// In free running mode there is the second one only, again and again; more often than each millisecond nobody is told.
/// Time is the virtual clock's: a machine that is paused is not watched.
///
/// Not modelled: the pin WDT_OUT (what it resets is the machine's to decide), and the SMI that the first stage can be.

#include <optional>

#include "core/clock.h"
#include "hw/pci/pci_device.h"

namespace machina {

class I6300Esb final : public PciDevice {
 public:
  static constexpr const char* kType = "i6300esb";
  static void class_init(PciDeviceClass& c);

  static constexpr unsigned kPreload1 = 0x0, kPreload2 = 0x4, kIntStatus = 0x8, kReload = 0xc;

  void reset_enter() override;
  void reset_hold() override;

 private:
  void realize() override;
  void post_unrealize() override;
  void adjust(const ConfigLayout::Bytes& before) override;
  void apply(bool force) override;

  std::uint32_t read_register(unsigned reg) const;
  IoResult read(Offset offset, Width width);
  IoResult write(Offset offset, Width width, std::uint64_t value);
  bool running() const;
  void start();
  /// Stage 1 or 2, from its preload.
  void start_stage(unsigned stage);
  void expired();

  // regions
  IoRegion registers_{"i6300esb", 16, Widths{1, 4}, this, &I6300Esb::read, &I6300Esb::write};
  // sub-parts
  std::optional<Timer> timer_;
  // bookkeeping
  bool ran_ = false;  ///< whether the enable bit was seen set

  struct State {
    std::uint32_t preload[2] = {kPreloadMask, kPreloadMask};
    unsigned stage = 1;
    unsigned unlocked = 0;   ///< how much of the sequence was written: 2, the next write counts
    bool interrupt = false;  ///< WDT_INT_ACT
    bool timed_out = false;  ///< WDT_TIMEOUT: survives a reset, so that the next system can tell
  };
  static constexpr std::uint32_t kPreloadMask = 0xfffff;
  State state_;
};

}  // namespace machina
