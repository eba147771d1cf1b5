#pragma once
/// Realtek RTL8029AS: an NE2000 on PCI (10EC:8029). "RTL8029AS Realtek PCI Full-Duplex Ethernet Controller", 1997: its
/// 32 ports are hw/net/ne2000.h's. Not modelled: its EEPROM and configuration registers (page 3) beyond what tells that
/// it is full duplex.

#include "hw/net/ne2000.h"
#include "hw/net/nic.h"
#include "hw/pci/pci_device.h"

namespace machina {

class Ne2kPci final : public PciDevice, public NetworkCard, private NetClient {
 public:
  static constexpr const char* kType = "ne2k_pci";
  static void class_init(PciDeviceClass& c);

  MacAddress mac() const override { return mac_; }
  ReceiveFilter receive_filter() const override { return chip_.receive_filter(); }

  void reset_enter() override;
  void reset_exit() override;

 private:
  void realize() override;
  void unrealize() override;

  bool can_receive() override { return chip_.can_receive(); }
  void receive(FrameView frame) override { chip_.receive(frame); }

  // configuration
  MacAddress mac_;
  // dependencies
  qom::Link<NetBackend> netdev_;
  // sub-parts
  std::unique_ptr<Timer> wire_;
  Ne2000 chip_{{[this](bool level) { set_intx(level); },
                [this](std::span<const std::uint8_t> frame) {
                  if (netdev_) netdev_->send(frame);
                },
                [this] {
                  if (netdev_) netdev_->resume_input();
                },
                [this](std::int64_t ns) { wire_->arm(clock().now_ns() + ns); }},
               {0x50, 0x43}};
  // regions: the BAR has 256 ports, of which the chip decodes the first 32
  IoRegion ports_{"ne2k_pci", 0x100, Widths{1, 4, true},
                  [this](Offset o, Width w) {
                    return o + w <= Ne2000::kPorts ? chip_.read(o, w) : IoResult(IoStatus::BadRegister);
                  },
                  [this](Offset o, Width w, std::uint64_t v) {
                    return o + w <= Ne2000::kPorts ? chip_.write(o, w, v) : IoResult(IoStatus::BadRegister);
                  }};
};

}  // namespace machina
