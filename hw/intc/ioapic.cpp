#include "hw/intc/ioapic.h"

#include "core/trace/trace_event.h"
#include "hw/intc/apic_bus.h"

namespace machina {

using namespace ioapic;  // NOLINT(google-build-using-namespace): the chip's own register names

namespace {

const TraceEvent<unsigned, bool> ioapic_set_irq{"ioapic_set_irq", "pin={} level={:d}"};
const TraceEvent<unsigned, std::uint64_t, std::uint64_t> ioapic_deliver{"ioapic_deliver",
                                                                        "pin={} addr={:#x} data={:#x}"};
const TraceEvent<unsigned> ioapic_eoi_broadcast{"ioapic_eoi_broadcast", "vector={:#x}"};
const TraceEvent<unsigned, unsigned> ioapic_clear_remote_irr{"ioapic_clear_remote_irr", "pin={} vector={:#x}"};
const TraceEvent<std::uint64_t, unsigned, unsigned> ioapic_mem_read{"ioapic_mem_read",
                                                                    "addr={:#x} regsel={:#04x} value={:#x}"};
const TraceEvent<std::uint64_t, unsigned, unsigned> ioapic_mem_write{"ioapic_mem_write",
                                                                     "addr={:#x} regsel={:#04x} value={:#x}"};
const TraceEvent<unsigned> ioapic_storm{"ioapic_storm", "pin={}"};

/// Served until its EOI, and again while the line is high. Other delivery modes have no EOI, so a level triggered pin
/// sends them once for each time that its line rises.
bool level_served(std::uint64_t entry) {
  const auto delivery = static_cast<ApicDelivery>(entry >> kDeliveryShift & apic_msg::kDeliveryMask);
  return (entry & kLevel) && (delivery == ApicDelivery::Fixed || delivery == ApicDelivery::LowestPriority);
}

}  // namespace

void Ioapic::class_init(DeviceClass& c) { c.description = "I/O APIC (user space)"; }

void Ioapic::realize() {
  map(system().memory_root, address_, registers_, 1);
  // EOI messages are broadcast: SDM vol. 3, 11.8.5. Where the local APICs are elsewhere, whoever has them calls eoi().
  qom::for_each<ApicBus>(root(), [this](ApicBus& bus) { bus.add_eoi_listener(*this); });
  storm_timer_.emplace(clock(), "ioapic.storm", [this] {
    const std::uint32_t pins = std::exchange(delayed_, 0);
    for (unsigned pin = 0; pin < kPins; ++pin)
      if (pins >> pin & 1) serve(pin);
  });
}

void Ioapic::unrealize() {
  storm_timer_.reset();
  qom::for_each<ApicBus>(root(), [this](ApicBus& bus) { bus.remove_eoi_listener(*this); });
}

void Ioapic::reset_enter() {
  IoapicCommon::reset_enter();
  immediate_repeats_ = {};
  delayed_ = 0;
}

void Ioapic::push_state() {
  if (!delayed_) storm_timer_->cancel();
  IoapicCommon::push_state();
  apply();
}

void Ioapic::apply() {
  for (unsigned pin = 0; pin < kPins; ++pin) serve(pin);
}

void Ioapic::pin_changed(unsigned pin, bool level) {
  ioapic_set_irq(pin, level);
  const std::uint32_t bit = 1U << pin;
  const std::uint64_t entry = state_.redirection[pin];
  if (level) {
    state_.lines |= bit;
    if ((entry & kLevel) || !(entry & kMasked)) state_.irr |= bit;
  } else {
    state_.lines &= ~bit;
    if (entry & kLevel) state_.irr &= ~bit;
    immediate_repeats_[pin] = 0;
  }
  serve(pin);
}

void Ioapic::serve(unsigned pin) {
  const std::uint32_t bit = 1U << pin;
  std::uint64_t& entry = state_.redirection[pin];
  if (!(state_.irr & bit) || (entry & kMasked) || (delayed_ & bit)) return;
  if (level_served(entry)) {
    if (entry & kRemoteIrr) return;
    entry |= kRemoteIrr;
  } else {
    state_.irr &= ~bit;
  }
  const IoapicRoute to = route(pin);
  ioapic_deliver(pin, to.address, to.data);
  system().memory.store(to.address, 4, to.data);
}

void Ioapic::eoi(std::uint8_t vector) {
  ioapic_eoi_broadcast(vector);
  for (unsigned pin = 0; pin < kPins; ++pin) {
    std::uint64_t& entry = state_.redirection[pin];
    if (!(entry & kLevel) || !(entry & kRemoteIrr) || (entry & kVectorMask) != vector) continue;
    entry &= ~kRemoteIrr;
    ioapic_clear_remote_irr(pin, vector);
    in_[pin].resample();
    if (!(state_.irr >> pin & 1) || (entry & kMasked)) {
      immediate_repeats_[pin] = 0;
    } else if (++immediate_repeats_[pin] < kStormLimit) {
      serve(pin);
    } else {
      immediate_repeats_[pin] = 0;
      ioapic_storm(pin);
      delayed_ |= 1U << pin;
      storm_timer_->arm(clock().now_ns() + kStormDelayNs);
    }
  }
}

// --- registers ---

IoResult Ioapic::read(Offset offset, Width) {
  switch (offset) {
    case kSelect:
      return state_.select;
    case kWindow: {
      const std::uint32_t value = read_window();
      ioapic_mem_read(offset, state_.select, value);
      return value;
    }
    default:
      return IoStatus::BadRegister;
  }
}

std::uint32_t Ioapic::read_window() const {
  switch (state_.select) {
    case kId:
    case kArbitration:
      return std::uint32_t{state_.id} << kIdShift;
    case kVersion:
      return version_ | (kPins - 1) << kMaximumEntryShift;
    default:
      if (const unsigned n = state_.select - kRedirection; n < 2 * kPins)
        return static_cast<std::uint32_t>(state_.redirection[n / 2] >> (n % 2 ? 32 : 0));
      return 0;
  }
}

IoResult Ioapic::write(Offset offset, Width, std::uint64_t value) {
  ioapic_mem_write(offset, state_.select, static_cast<std::uint32_t>(value));
  switch (offset) {
    case kSelect:
      state_.select = static_cast<std::uint8_t>(value);
      return io_ok();
    case kWindow:
      write_window(static_cast<std::uint32_t>(value));
      return io_ok();
    case kEoi:
      if (version_ < kVersionWithEoi) return IoStatus::BadRegister;
      eoi(static_cast<std::uint8_t>(value));
      return io_ok();
    default:
      return IoStatus::BadRegister;
  }
}

void Ioapic::write_window(std::uint32_t value) {
  if (state_.select == kId) {
    state_.id = static_cast<std::uint8_t>(value >> kIdShift & kIdMask);
  } else if (const unsigned n = state_.select - kRedirection; n < 2 * kPins) {
    write_redirection(n / 2, n % 2, value);
  }
}

void Ioapic::write_redirection(unsigned pin, bool high, std::uint32_t value) {
  const std::uint32_t bit = 1U << pin;
  std::uint64_t& entry = state_.redirection[pin];
  const std::uint64_t before = entry;
  const std::uint64_t half = high ? ~std::uint64_t{0xffffffff} : 0xffffffff;
  const std::uint64_t writable = kDefined & ~kReadOnly & half;
  entry = (entry & ~writable) | (std::uint64_t{value} << (high ? 32 : 0) & writable);
  if (level_served(entry)) {
    state_.irr = (state_.irr & ~bit) | (state_.lines & bit);  // from now on the request is the line
  } else {
    entry &= ~kRemoteIrr;
    // An edge that was, is over; a line that is high counts as risen when the pin becomes level triggered.
    if ((entry ^ before) & kLevel) state_.irr = (state_.irr & ~bit) | (entry & kLevel ? state_.lines & bit : 0);
  }
  tell_route(pin);
  serve(pin);
}

MACHINA_TYPE(Ioapic, IoapicCommon);

}  // namespace machina
