#include "hw/net/ne2k_isa.h"

namespace machina {

void Ne2kIsa::class_init(DeviceClass& c) {
  c.description = "Novell NE2000";
  c.property("iobase", &Ne2kIsa::iobase_, 0x300).doc("first of 32 I/O ports");
  c.output("irq", &Ne2kIsa::irq_, "9").doc("interrupt");
  declare_nic(c, &Ne2kIsa::mac_, &Ne2kIsa::netdev_);
}

void Ne2kIsa::realize() {
  mac_ = choose_mac(*this, mac_);
  chip_.set_mac(mac_);
  map_ports(iobase_, ports_);
  wire_ = std::make_unique<Timer>(clock(), "ne2000.wire", [this] { chip_.wire_free(); });
  if (netdev_) netdev_->attach(this);
}

void Ne2kIsa::unrealize() {
  if (netdev_) netdev_->attach(nullptr);
  wire_.reset();
}

void Ne2kIsa::reset_exit() {
  wire_->cancel();
  if (netdev_) netdev_->resume_input();
}

MACHINA_TYPE(Ne2kIsa, IsaDevice, NetworkCard);

}  // namespace machina
