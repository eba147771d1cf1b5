#pragma once
/// Realtek RTL8139C+, Fast Ethernet on PCI (10EC:8139, revision 20h).
///
/// Source: hw/net/rtl8139_regs.h. Both of its ways are modelled: four transmit buffers and one receive ring, as the
/// RTL8139 has them, and the descriptor rings of C+ mode, with checksums, TCP segmentation, VLAN tags and the dump of
/// tally counters, which count in either mode and which only a hardware reset sets back. Registers are
/// in rtl8139.cpp, the first way in rtl8139_ring.cpp, the second in rtl8139_cplus.cpp.
///
/// Not modelled: wake-up and power management, early interrupts, flow control, the boot ROM's own registers, writing
/// the EEPROM, the high-priority ring's precedence (both rings are served when they are polled).

#include "hw/net/eeprom_93c46.h"
#include "hw/net/nic.h"
#include "hw/net/rtl8139_regs.h"
#include "hw/pci/pci_device.h"

namespace machina {

class Rtl8139 final : public PciDevice, public NetworkCard, private NetClient {
 public:
  static constexpr const char* kType = "rtl8139";
  static void class_init(PciDeviceClass& c);

  MacAddress mac() const override { return mac_; }
  ReceiveFilter receive_filter() const override;

  void reset_enter() override;
  void reset_hold() override;
  void reset_exit() override;

 private:
  using Bytes = std::vector<std::uint8_t>;
  void realize() override;
  void unrealize() override;

  // --- registers ---
  IoResult read(Offset offset, Width width);
  IoResult write(Offset offset, Width width, std::uint64_t value);
  std::uint8_t read_byte(unsigned offset);
  void write_byte(unsigned offset, std::uint8_t value);
  void written(unsigned first, unsigned last, std::uint64_t value);
  std::uint32_t get(unsigned offset, unsigned width) const;
  void put(unsigned offset, unsigned width, std::uint64_t value);
  void software_reset();
  std::uint32_t timer_count() const;
  void arm_timer();

  void raise(std::uint16_t causes);
  void update();
  bool link() const { return netdev_ && netdev_->link_up(); }
  void link_changed(bool up) override;

  // --- receiver ---
  bool can_receive() override;
  void receive(FrameView frame) override;
  void accept(FrameView frame);
  /// Bits of the old header that say why; nothing: it is not for this card.
  std::uint16_t classify(FrameView frame) const;
  unsigned ring_size() const { return 8192U << (get(rtl8139::kRcr, 4) >> rtl8139::kRcrRblenShift & 3); }
  unsigned ring_free() const;
  void store_in_ring(const Bytes& frame, std::uint16_t status);
  void store_in_descriptor(Bytes frame, std::uint16_t status);
  void received_well(std::uint16_t status);
  /// No room for it.
  void missed(std::uint16_t cause);

  // --- transmitter ---
  void transmit_buffers();
  /// Returns whether there is more to do.
  bool transmit_descriptors(unsigned base_register, std::uint16_t& index);
  /// Returns how many frames were sent.
  unsigned finish_packet(std::uint32_t options, std::uint32_t tag);
  void poll_rings(std::uint8_t which);
  void send(Bytes frame, std::uint32_t tag);
  void send_failed() { ++state_.tally.tx_errors, ++state_.tally.tx_aborts; }

  bool cplus_transmitter() const { return get(rtl8139::kCpcr, 2) & rtl8139::kCpTx; }
  void dump_tally();

  class Moving;  // DMA may reach this very device; then nothing that moves the rings is taken

  // configuration
  MacAddress mac_;
  // dependencies
  qom::Link<NetBackend> netdev_;
  // sub-parts
  Eeprom93c46 eeprom_;
  std::unique_ptr<Timer> timer_, transmit_more_;
  // regions
  IoRegion ports_{"rtl8139-io", rtl8139::kRegisters, Widths{1, 4, true}, this, &Rtl8139::read, &Rtl8139::write};
  IoRegion registers_{"rtl8139", rtl8139::kRegisters, Widths{1, 4, true}, this, &Rtl8139::read, &Rtl8139::write};
  // bookkeeping
  bool moving_ = false;

  /// What DTCCR tells of, less what a wire without noise and collisions never does.
  struct Tally {
    std::uint64_t tx_ok = 0, rx_ok = 0, tx_errors = 0;
    std::uint32_t rx_errors = 0;
    std::uint16_t missed = 0;
    std::uint64_t rx_physical = 0, rx_broadcast = 0;
    std::uint32_t rx_multicast = 0;
    std::uint16_t tx_aborts = 0;
  };
  struct State {
    Tally tally;
    std::array<std::uint8_t, rtl8139::kRegisters> regs{};
    std::uint8_t next_buffer = 0;                     ///< of the four
    std::uint16_t normal = 0, high = 0, receive = 0;  ///< indices into the rings
    std::uint8_t polling = 0;                         ///< rings that are not done with, as in TPPoll
    Bytes packet;                                     ///< as far as its descriptors have come
    std::uint32_t options = 0;                        ///< of its first
    bool open = false, too_long = false;
    std::int64_t timer_base = 0;  ///< when TCTR was 0
  } state_;
};

}  // namespace machina
