#include "hw/intc/ioapic_common.h"

#include <fmt/format.h>

namespace machina {

void IoapicCommon::class_init(DeviceClass& c) {
  c.description = "I/O APIC";
  c.category = Category::Interrupt;
  c.inputs(&IoapicCommon::in_, "in");
  c.property("address", &IoapicCommon::address_, ioapic::kAddress).doc("of its registers");
  c.property("version", &IoapicCommon::version_, ioapic::kVersionWithEoi)
      .checked([](const qom::Value& v) {
        const auto* n = v.get_if<std::uint64_t>();
        if (n && (*n == ioapic::kVersion82093 || *n == ioapic::kVersionWithEoi)) return;
        throw Error(fmt::format("no such I/O APIC version: {}", v.to_string()))
            .hint("write 0x11 (82093AA) or 0x20 (with an EOI register)");
      })
      .doc("0x11 (82093AA) or 0x20 (with an EOI register)");
}

const IoapicState& IoapicCommon::get_state() {
  pull_state();
  return state_;
}

void IoapicCommon::set_state(const IoapicState& state) {
  state_ = state;
  push_state();
}

void IoapicCommon::push_state() {
  for (unsigned pin = 0; pin < ioapic::kPins; ++pin) tell_route(pin);
}

void IoapicCommon::reset_enter() {
  state_ = {};
  state_.redirection.fill(ioapic::kMasked);
  for (unsigned pin = 0; pin < ioapic::kPins; ++pin)
    if (in_[pin].level()) state_.lines |= 1U << pin;
}

IoapicRoute IoapicCommon::route(unsigned pin) const {
  const std::uint64_t entry = state_.redirection.at(pin);
  ApicMessage m;
  m.destination = static_cast<std::uint32_t>(entry >> ioapic::kDestinationShift);
  m.logical = entry & ioapic::kLogical;
  m.delivery = static_cast<ApicDelivery>(entry >> ioapic::kDeliveryShift & apic_msg::kDeliveryMask);
  m.vector = static_cast<std::uint8_t>(entry & ioapic::kVectorMask);
  m.level = entry & ioapic::kLevel;
  return {m.address(), m.data(), m.level, (entry & ioapic::kMasked) != 0};
}

void IoapicCommon::add_listener(IoapicListener& listener) {
  listeners_.push_back(&listener);
  for (unsigned pin = 0; pin < ioapic::kPins; ++pin) {
    told_[pin] = route(pin);
    listener.route_changed(pin, told_[pin]);
  }
}

void IoapicCommon::remove_listener(IoapicListener& listener) { std::erase(listeners_, &listener); }

void IoapicCommon::tell_route(unsigned pin) {
  const IoapicRoute now = route(pin);
  if (now == told_[pin]) return;
  told_[pin] = now;
  for (IoapicListener* listener : listeners_) listener->route_changed(pin, now);
}

void IoapicCommon::acpi_facts(AcpiBoard& board) {
  board.interrupts.ioapics.push_back({get_state().id, static_cast<std::uint32_t>(address_), 0});
}

MACHINA_ABSTRACT_TYPE(IoapicCommon, Device, AcpiContributor);

}  // namespace machina
