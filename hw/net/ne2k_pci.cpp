#include "hw/net/ne2k_pci.h"

namespace machina {
namespace {

constexpr std::uint16_t kVendorRealtek = 0x10ec, kDeviceRtl8029 = 0x8029;

}  // namespace

void Ne2kPci::class_init(PciDeviceClass& c) {
  c.description = "Realtek RTL8029 (NE2000 on PCI)";
  c.vendor_id = kVendorRealtek;
  c.device_id = kDeviceRtl8029;
  c.class_code = pci::kClassNetworkEthernet;
  c.rom_optional = true;
  c.set_default("romfile", "pxe-ne2k_pci.rom");
  declare_nic(c, &Ne2kPci::mac_, &Ne2kPci::netdev_);
}

void Ne2kPci::realize() {
  mac_ = choose_mac(*this, mac_);
  chip_.set_mac(mac_);
  add_bar(0, BarKind::Io, ports_);
  use_interrupt_pin(1);
  wire_ = std::make_unique<Timer>(clock(), "ne2000.wire", [this] { chip_.wire_free(); });
  if (netdev_) netdev_->attach(this);
}

void Ne2kPci::unrealize() {
  if (netdev_) netdev_->attach(nullptr);
  wire_.reset();
}

void Ne2kPci::reset_enter() {
  PciDevice::reset_enter();
  chip_.reset();
}

void Ne2kPci::reset_exit() {
  wire_->cancel();
  if (netdev_) netdev_->resume_input();
}

MACHINA_TYPE(Ne2kPci, PciDevice, NetworkCard);

}  // namespace machina
