#pragma once
/// Novell NE2000, on the ISA bus: hw/net/ne2000.h at 32 ports that jumpers choose.

#include "hw/isa/isa_bus.h"
#include "hw/net/ne2000.h"
#include "hw/net/nic.h"

namespace machina {

class Ne2kIsa final : public IsaDevice, public NetworkCard, private NetClient {
 public:
  static constexpr const char* kType = "ne2k_isa";
  static void class_init(DeviceClass& c);

  MacAddress mac() const override { return mac_; }
  ReceiveFilter receive_filter() const override { return chip_.receive_filter(); }

  void reset_hold() override { chip_.reset(); }
  void reset_exit() override;

 private:
  void realize() override;
  void unrealize() override;

  bool can_receive() override { return chip_.can_receive(); }
  void receive(FrameView frame) override { chip_.receive(frame); }

  // configuration
  std::uint16_t iobase_ = 0;
  MacAddress mac_;
  // dependencies
  qom::Link<NetBackend> netdev_;
  // sub-parts
  std::unique_ptr<Timer> wire_;
  IrqOut irq_;
  Ne2000 chip_{{[this](bool level) { irq_.set(level); },
                [this](std::span<const std::uint8_t> frame) {
                  if (netdev_) netdev_->send(frame);
                },
                [this] {
                  if (netdev_) netdev_->resume_input();
                },
                [this](std::int64_t ns) { wire_->arm(clock().now_ns() + ns); }}};
  // regions
  IoRegion ports_{"ne2000", Ne2000::kPorts, Widths{1, 2, true}, &chip_, &Ne2000::read, &Ne2000::write};
};

}  // namespace machina
