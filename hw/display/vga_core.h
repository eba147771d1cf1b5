#pragma once
/// VGA with the Bochs display interface: registers and video memory. No bus, no clock; times are given by the caller.
///
/// Sources: hw/display/vga_regs.h. Video memory is kept as the chip has it: a 32-bit word of four planes for each of
/// 65,536 addresses (byte 4 * address + plane), so that a program may mix chained and planar access. A linear mode of
/// the Bochs interface sees the same bytes one after the other. Not modelled: the serializers' 16- and 32-bit loads
/// (sequencer 01h bits 2 and 4), skews, interlace, the diagnostic bits of input status 1, light pen; the sense pin says
/// that a colour monitor is there.

#include <array>
#include <memory>
#include <span>

#include "core/memory/ram_block.h"
#include "hw/display/vga_regs.h"

namespace machina {

class VgaCore {
 public:
  explicit VgaCore(std::shared_ptr<RamBlock> vram);

  void reset();

  /// Ports 3B0h to 3DFh; false when none is there (the monochrome half of a colour adapter, and the other way round).
  bool read_port(std::uint16_t port, std::int64_t now, std::uint8_t& value);
  bool write_port(std::uint16_t port, std::int64_t now, std::uint8_t value);

  /// The window A0000h to BFFFFh; false where the adapter does not decode it.
  static constexpr std::uint64_t kWindowSize = 0x20000;
  bool read_window(std::uint32_t offset, std::uint8_t& value) { return look(offset, value, state_.latches); }
  /// As read_window(), and nothing is latched.
  bool peek_window(std::uint32_t offset, std::uint8_t& value) const;
  bool write_window(std::uint32_t offset, std::uint8_t value);

  // --- vertical interrupt (CRTC 11h bits 4 and 5) ---
  bool interrupt_pending(std::int64_t now) const;
  /// The output: pending and not disabled.
  bool interrupt_line(std::int64_t now) const;
  /// When the line will rise if nobody changes anything; never when it is up or cannot.
  std::int64_t next_interrupt(std::int64_t now) const;

  // --- Bochs display interface ---
  std::uint16_t read_dispi(std::uint16_t index) const;
  void write_dispi(std::uint16_t index, std::uint16_t value);
  std::uint16_t dispi_index() const { return state_.dispi_index; }
  void set_dispi_index(std::uint16_t index) { state_.dispi_index = index; }
  bool big_endian() const { return state_.big_endian; }
  void set_big_endian(bool on);

  // --- for who draws ---
  struct State {
    std::uint8_t misc = 0;
    std::uint8_t feature = 0;
    std::uint8_t enable = 0;
    std::uint8_t seq_index = 0, gr_index = 0, cr_index = 0;
    std::uint8_t ar_index = 0;  // with the address source bit
    bool ar_data_next = false;  // the flip-flop
    std::array<std::uint8_t, 8> seq{};
    std::array<std::uint8_t, 16> gr{};
    std::array<std::uint8_t, 256> cr{};
    std::array<std::uint8_t, 32> ar{};
    std::array<std::uint8_t, 768> dac{};
    std::uint8_t dac_mask = 0xff;
    std::uint8_t dac_index = 0, dac_component = 0;
    bool dac_reading = false;
    std::array<std::uint8_t, 3> dac_cache{};  // written components, until the third
    std::uint32_t latches = 0;
    std::int64_t interrupt_since = 0;  // when CRTC 11h let the interrupt's latch go
    std::uint16_t dispi_index = 0;
    std::array<std::uint16_t, vga::kDispiRegisters> dispi{vga::kDispiIdLast};
    bool big_endian = false;  // pixels of more than a byte in a dispi mode
  };
  const State& state() const { return state_; }
  RamBlock& vram() const { return *vram_; }
  /// Counts changes of registers and fonts that may change the whole picture. Cursor registers are none of them.
  std::uint64_t picture_changes() const { return picture_changes_; }
  /// Where in the memory the word of an address is.
  std::uint32_t word(std::uint32_t address) const;
  /// The four planes at an address, plane 0 in the lowest byte.
  std::uint32_t planes(std::uint32_t address) const;

  bool text_mode() const { return !dispi_enabled() && !(state_.gr[vga::kGrMisc] & vga::kGrMiscGraphics); }
  bool dispi_enabled() const { return state_.dispi[vga::kDispiEnable] & vga::kDispiEnabled; }
  /// A dispi mode whose memory is one run of bytes.
  bool linear() const { return dispi_enabled() && state_.dispi[vga::kDispiBpp] >= 8; }
  /// Bytes from line to line in a dispi mode.
  std::uint32_t dispi_pitch() const { return dispi_pitch(state_.dispi[vga::kDispiVirtWidth]); }
  /// DAC entry as 0x00RRGGBB.
  std::uint32_t colour(std::uint8_t index) const;

  // Geometry, from the CRTC.
  /// There is a line to be shown. That its timing is one is not asked for.
  bool has_picture() const { return state_.cr[vga::kCrHorizontalDisplayEnd] != 0; }
  unsigned columns() const { return state_.cr[vga::kCrHorizontalDisplayEnd] + 1U; }
  unsigned displayed_lines() const;
  unsigned line_compare() const;
  unsigned character_width() const { return state_.seq[vga::kSeqClocking] & vga::kClocking8Dots ? 8 : 9; }
  /// Length of a frame; 60 Hz while the CRTC is not programmed.
  std::int64_t frame_ns() const;

 private:
  struct Access {
    std::uint32_t address;  // of the 32-bit word
    std::uint8_t planes;    // that are reached
    unsigned read_plane;
  };
  /// The CRTC counts, so that there are retraces.
  bool runs() const { return state_.cr[vga::kCrHorizontalTotal] != 0; }
  /// Is `port` one of ours, as Misc bit 0 says? A monochrome one becomes its colour sister.
  bool decode_port(std::uint16_t& port) const;
  bool window_offset(std::uint32_t& offset) const;
  bool look(std::uint32_t offset, std::uint8_t& value, std::uint32_t& latches) const;
  Access decode(std::uint32_t offset, bool write) const;
  std::uint8_t input_status1(std::int64_t now) const;
  std::int64_t retraces(std::int64_t now) const;
  void write_sequencer(std::uint8_t value);
  void write_graphics(std::uint8_t value);
  void write_attribute(std::uint8_t value);
  void write_crtc(std::uint8_t value, std::int64_t now);
  void write_dac(std::uint8_t value);
  /// Stores a register of which the bits `shown` take part in the picture.
  void set(std::uint8_t& reg, std::uint8_t value, std::uint8_t shown);
  std::uint32_t dispi_pitch(unsigned width) const;
  void enable_dispi(std::uint16_t value);

  // dependencies
  std::shared_ptr<RamBlock> vram_;
  // book-keeping
  std::uint64_t picture_changes_ = 0;
  // state
  State state_;
};

}  // namespace machina
