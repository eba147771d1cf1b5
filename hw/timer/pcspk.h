#pragma once
/// Port 61h, NMI status and control: the gate of timer 2, the speaker's data bit, and two timers that firmware polls.
///
/// Source: Intel 82371SB PIIX3 datasheet (290550-002), 2.5.6.1.
///
/// Not modelled: sound; SERR# and IOCHK# as sources of NMI (bits 7 and 6 read 0, their disable bits are kept). The
/// refresh toggle does not follow what is programmed into counter 1: it changes each 18 CLK (15.09 us).

#include "hw/acpi/acpi_board.h"
#include "hw/timer/i8254_common.h"

namespace machina {

struct PcSpeakerState {
  std::uint8_t control = 0;  ///< the writable bits of port 61h, D3-D0
  friend bool operator==(const PcSpeakerState&, const PcSpeakerState&) = default;
};

class PcSpeaker final : public IsaDevice, public AcpiContributor {
 public:
  static constexpr const char* kType = "isa-pcspk";
  static void class_init(DeviceClass& c);

  aml::Terms acpi_objects(AcpiBoard& board) override;

  const PcSpeakerState& get_state() const { return state_; }
  void set_state(const PcSpeakerState& state) { state_ = state, apply(); }
  /// What a loudspeaker would be driven with: OUT of counter 2, if the data bit lets it through.
  bool speaker();

 protected:
  void realize() override;
  void reset_enter() override { state_ = {}; }
  void reset_hold() override { apply(); }

 private:
  IoResult read(Offset, Width);
  IoResult write(Offset, Width, std::uint64_t value);
  void apply();

  // configuration
  std::uint16_t iobase_ = i8254::kNmiScPort;
  // dependencies
  qom::Link<I8254Common> pit_;
  // regions
  IoRegion port_{"pcspk", 1, Widths::only(1), this, &PcSpeaker::read, &PcSpeaker::write};

  PcSpeakerState state_;
};

}  // namespace machina
