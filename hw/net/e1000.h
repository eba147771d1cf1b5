#pragma once
/// Intel 82540EM, a Gigabit Ethernet controller on PCI (8086:100E): what drivers call e1000.
///
/// Source: hw/net/e1000_regs.h. Registers and interrupts are in e1000.cpp, the receiver in e1000_rx.cpp, the
/// transmitter in e1000_tx.cpp, the PHY and the EEPROM in files of their own.
///
/// Modelled: legacy, context and data descriptors, checksums and TCP segmentation of the transmitter, VLAN tags,
/// address and VLAN filters, checksums of the receiver, interrupt throttling (ITR) and delays (RDTR, RADV, TIDV, TADV),
/// loopback, statistics, both BARs.
///
/// Not modelled: flow control (pause frames are received as others are), wake-up and power management, direct access to
/// the packet buffer and to the DMA FIFOs, diagnostics, flexible filters, interrupts for small packets (RSRPD), header
/// splitting. The link does not depend on CTRL.SLU. A frame whose check sequence software appends itself (no IFCS) is
/// sent with it.

#include "hw/net/e1000_eeprom.h"
#include "hw/net/e1000_phy.h"
#include "hw/net/e1000_regs.h"
#include "hw/net/nic.h"
#include "hw/pci/pci_device.h"

namespace machina {

class E1000 final : public PciDevice, public NetworkCard, private NetClient {
 public:
  static constexpr const char* kType = "e1000";
  static void class_init(PciDeviceClass& c);

  MacAddress mac() const override { return mac_; }
  ReceiveFilter receive_filter() const override;

  void reset_enter() override;
  void reset_hold() override;
  void reset_exit() override;

 private:
  void realize() override;
  void unrealize() override;

  // --- registers ---
  IoResult read(Offset offset, Width width);
  IoResult write(Offset offset, Width width, std::uint64_t value);
  IoResult read_port(Offset offset, Width width);
  IoResult write_port(Offset offset, Width width, std::uint64_t value);
  std::uint32_t read_register(unsigned offset);
  std::uint32_t read_statistic(unsigned offset);
  void write_register(unsigned offset, std::uint32_t value);
  std::uint32_t& reg(unsigned offset) { return state_.regs[offset / 4]; }
  std::uint32_t reg(unsigned offset) const { return state_.regs[offset / 4]; }
  void count(unsigned statistic, std::uint32_t by = 1);
  void count_octets(unsigned low, std::uint64_t by);
  void software_reset();
  void management(std::uint32_t command);

  // --- interrupts and link ---
  void raise(std::uint32_t causes);
  void update_interrupt();
  void negotiate();
  void link_changed(bool up) override;

  // --- receiver ---
  bool can_receive() override;
  void receive(FrameView frame) override;
  void accept(FrameView frame);
  bool passes_filters(FrameView frame) const;
  unsigned receive_buffer() const;
  unsigned receive_free() const;
  bool store(std::span<const std::uint8_t> bytes, std::uint32_t status_errors, std::uint16_t checksum,
             std::uint16_t tag);
  void receive_interrupt(std::uint32_t causes);

  // --- transmitter ---
  struct Context {  // of 3.3.6
    std::uint8_t ipcss = 0, ipcso = 0, tucss = 0, tucso = 0, header = 0;
    std::uint16_t ipcse = 0, tucse = 0, mss = 0;
    std::uint32_t payload = 0;
    bool ip = false, tcp = false;
  };
  struct Outgoing {  // a packet, as far as its descriptors have come
    std::vector<std::uint8_t> bytes;
    bool open = false, segment = false, tagged = false, too_long = false;
    std::uint8_t options = 0;  ///< POPTS
    std::uint8_t sum_start = 0, sum_offset = 0;
    bool legacy_sum = false;
    std::uint16_t tag = 0;
    std::uint32_t segments = 0;  ///< sent
  };
  struct Descriptor {
    std::uint64_t address = 0;
    std::uint32_t lower = 0, upper = 0;
  };
  void transmit();
  unsigned transmit_descriptor(const Descriptor& d);
  void load_context(const Descriptor& d);
  unsigned append(std::uint64_t address, std::uint32_t length);
  unsigned append_segmented(std::uint64_t address, std::uint32_t length);
  unsigned end_packet();
  void send_segment();
  void finish(std::vector<std::uint8_t>& frame);
  void transmit_interrupt(std::uint32_t causes, bool delayed);

  /// DMA may reach this very device; then nothing that moves the rings is taken.
  class Moving;

  // configuration
  MacAddress mac_;
  // dependencies
  qom::Link<NetBackend> netdev_;
  // sub-parts
  Eeprom93c46 eeprom_;
  E1000Phy phy_;
  std::unique_ptr<Timer> throttle_, receive_delay_, transmit_delay_, transmit_more_, negotiation_;
  // regions
  IoRegion registers_{"e1000", 0x20000, Widths::only(4), this, &E1000::read, &E1000::write};
  IoRegion ports_{"e1000-io", 8, Widths::only(4), this, &E1000::read_port, &E1000::write_port};
  // bookkeeping
  bool moving_ = false;
  std::vector<std::uint8_t> frame_;  // being received

  struct State {
    std::array<std::uint32_t, e1000::kRegistersEnd / 4> regs{};
    std::uint32_t port_address = 0;  ///< IOADDR
    Context plain, segmented;
    Outgoing out;
    std::int64_t receive_limit = 0, transmit_limit = 0;  ///< when RADV and TADV end the delay; 0: not running
  } state_;
};

}  // namespace machina
