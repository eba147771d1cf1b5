#include "hw/intc/apic_bus.h"

#include <algorithm>

#include "core/trace/trace_event.h"
#include "hw/intc/apic.h"

namespace machina {
namespace {

const TraceEvent<unsigned, bool, unsigned, unsigned, bool> apic_deliver_irq{
    "apic_deliver_irq", "dest={:#x} logical={:d} delivery={} vector={:#x} level={:d}"};

}  // namespace

void ApicBus::class_init(DeviceClass& c) {
  c.description = "Messages between local APICs";
  c.category = Category::Interrupt;
  c.user_creatable = false;
  c.link("pic", &ApicBus::pic_).doc("the 8259 pair, which knows the vector of an ExtINT");
}

void ApicBus::realize() { map(system().memory_root, apic_msg::kWindow, window_, 1); }

IoResult ApicBus::write(Offset offset, Width, std::uint64_t value) {
  deliver(ApicMessage::from_msi(apic_msg::kWindow + offset, static_cast<std::uint32_t>(value)));
  return io_ok();
}

Apic* ApicBus::lowest_priority(const std::vector<Apic*>& candidates, std::uint8_t vector) {
  // A focus processor is one that has the interrupt already; it gets this one too.
  for (Apic* a : candidates)
    if (a->is_focus(vector)) return a;
  Apic* best = nullptr;
  // Distance going up from the last one chosen, so that equals take turns.
  const auto turn = [this](const Apic* a) { return a->id() - last_chosen_ - 1; };
  for (Apic* a : candidates) {
    if (!best || a->arbitration_priority() < best->arbitration_priority() ||
        (a->arbitration_priority() == best->arbitration_priority() && turn(a) < turn(best)))
      best = a;
  }
  return best;
}

unsigned ApicBus::deliver(const ApicMessage& message, const Apic* except) {
  apic_deliver_irq(message.destination, message.logical, static_cast<unsigned>(message.delivery), message.vector,
                   message.level);
  if (message.delivery == ApicDelivery::LowestPriority) {
    std::vector<Apic*> candidates;
    for (Apic* a : apics_)
      if (a != except && a->accepts_fixed() && a->is_destination(message)) candidates.push_back(a);
    Apic* chosen = lowest_priority(candidates, message.vector);
    if (!chosen) return 0;
    last_chosen_ = chosen->id();
    chosen->receive(message);
    return 1;
  }
  const auto all = apics_;  // a receiver may leave while it is told
  unsigned receivers = 0;
  for (Apic* a : all) {
    if (a == except || !a->is_destination(message)) continue;
    a->receive(message);
    ++receivers;
  }
  return receivers;
}

void ApicBus::broadcast_eoi(std::uint8_t vector) {
  for (EoiListener* listener : eoi_listeners_) listener->eoi(vector);
}

MACHINA_TYPE(ApicBus, Device);

}  // namespace machina
