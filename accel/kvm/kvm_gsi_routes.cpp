#include "accel/kvm/kvm_gsi_routes.h"

#include <fmt/format.h>

#include <vector>

#include "accel/kvm/kvm_api.h"
#include "core/error.h"
#include "core/trace/trace_event.h"

namespace machina::kvm {

namespace {

const TraceEvent<std::uint64_t> kvm_irqchip_commit_routes{"kvm_irqchip_commit_routes", "routes={}"};
const TraceEvent<unsigned, std::uint64_t, unsigned> kvm_irqchip_set_route{"kvm_irqchip_set_route",
                                                                          "gsi={} addr={:#x} data={:#x}"};

constexpr unsigned kPicPins = 16;
constexpr unsigned kCascade = 2;  // the pin of the master that the slave has

kvm_irq_routing_entry to_chip(unsigned gsi, unsigned chip, unsigned pin) {
  kvm_irq_routing_entry e{};
  e.gsi = gsi;
  e.type = KVM_IRQ_ROUTING_IRQCHIP;
  e.u.irqchip.irqchip = chip;
  e.u.irqchip.pin = pin;
  return e;
}

kvm_irq_routing_entry to_pic(unsigned gsi, unsigned pin) {
  return to_chip(gsi, pin < 8 ? KVM_IRQCHIP_PIC_MASTER : KVM_IRQCHIP_PIC_SLAVE, pin % 8);
}

kvm_irq_routing_entry to_message(unsigned gsi, const MsiMessage& message) {
  kvm_irq_routing_entry e{};
  e.gsi = gsi;
  e.type = KVM_IRQ_ROUTING_MSI;
  e.u.msi.address_lo = static_cast<std::uint32_t>(message.address);
  e.u.msi.address_hi = static_cast<std::uint32_t>(message.address >> 32);
  e.u.msi.data = message.data;
  return e;
}

std::vector<kvm_irq_routing_entry> kernel_chip_entries(unsigned timer_pin) {
  std::vector<kvm_irq_routing_entry> list;
  // KVM keeps one GSI for each pin to notify of its EOI, the last in the table. That must be the board's: the PIT's
  // reinjection and resampled irqfds hang on it.
  for (unsigned n = 0; n < kPicPins; ++n)
    if (n != kCascade) list.push_back(to_pic(GsiRoutes::kPicDirect + n, n));
  for (unsigned n = 0; n < GsiRoutes::kPins; ++n)
    list.push_back(to_chip(GsiRoutes::kIoapicDirect + n, KVM_IRQCHIP_IOAPIC, n));
  for (unsigned n = 0; n < GsiRoutes::kPins; ++n) {
    if (n < kPicPins && n != kCascade) list.push_back(to_pic(n, n));
    // The pin that interrupt 0 has is not that of the interrupt of its own number as well.
    if (n == 0) {
      list.push_back(to_chip(n, KVM_IRQCHIP_IOAPIC, timer_pin));
    } else if (n != timer_pin) {
      list.push_back(to_chip(n, KVM_IRQCHIP_IOAPIC, n));
    }
  }
  return list;
}

}  // namespace

void GsiRoutes::use_kernel_chips(unsigned timer_pin) {
  changed_ = changed_ || !kernel_chips_ || timer_pin != timer_pin_;
  kernel_chips_ = true;
  timer_pin_ = timer_pin;
}

void GsiRoutes::set_pin(unsigned pin, std::optional<MsiMessage> message) {
  if (pins_.at(pin) == message) return;
  pins_[pin] = message;
  changed_ = true;
}

GsiRoutes::Message& GsiRoutes::Message::operator=(Message&& o) noexcept {
  if (this != &o) {
    release();
    routes_ = o.routes_;
    gsi_ = o.gsi_;
    o.routes_ = nullptr;
  }
  return *this;
}

void GsiRoutes::Message::change(const MsiMessage& message) {
  MsiMessage& now = routes_->messages_.at(gsi_);
  if (now == message) return;
  now = message;
  routes_->changed_ = true;
}

void GsiRoutes::Message::release() {
  // The entry stays in the kernel until the next flush; nothing raises it any more.
  if (routes_ && routes_->messages_.erase(gsi_)) routes_->changed_ = true;
  routes_ = nullptr;
}

GsiRoutes::Message GsiRoutes::add(const MsiMessage& message) {
  for (unsigned gsi = kFirstMessage; gsi < capacity_; ++gsi) {
    if (!messages_.emplace(gsi, message).second) continue;
    changed_ = true;
    return {*this, gsi};
  }
  throw Error(fmt::format("all {} interrupt numbers of KVM are taken", capacity_))
      .hint("use fewer devices, or fewer queues per device");
}

std::size_t GsiRoutes::size() const {
  std::size_t count = messages_.size() + (kernel_chips_ ? kernel_chip_entries(timer_pin_).size() : 0);
  for (const auto& pin : pins_) count += pin ? 1 : 0;
  return count;
}

void GsiRoutes::flush() {
  if (!changed_) return;
  std::vector<kvm_irq_routing_entry> list;
  if (kernel_chips_) list = kernel_chip_entries(timer_pin_);
  for (unsigned pin = 0; pin < kPins; ++pin)
    if (pins_[pin]) list.push_back(to_message(pin, *pins_[pin]));
  for (const auto& [gsi, message] : messages_) list.push_back(to_message(gsi, message));
  Flexible<kvm_irq_routing, kvm_irq_routing_entry> table(list.size());
  kvm_irqchip_commit_routes(list.size());
  for (const kvm_irq_routing_entry& e : list) {
    if (e.type == KVM_IRQ_ROUTING_MSI)
      kvm_irqchip_set_route(e.gsi, std::uint64_t{e.u.msi.address_hi} << 32 | e.u.msi.address_lo, e.u.msi.data);
  }
  table->nr = static_cast<std::uint32_t>(list.size());
  std::copy(list.begin(), list.end(), table.entries());
  vm_.must(KVM_SET_GSI_ROUTING, table.get(), "KVM_SET_GSI_ROUTING");
  changed_ = false;
  ++writes_;
}

}  // namespace machina::kvm
