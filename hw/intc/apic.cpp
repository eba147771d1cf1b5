#include "hw/intc/apic.h"

#include <algorithm>
#include <bit>

#include "core/trace/trace_event.h"
#include "core/units.h"

namespace machina {

using namespace apic;  // NOLINT(google-build-using-namespace): the chip's own register names

namespace {

const TraceEvent<unsigned, unsigned, bool> apic_accept{"apic_accept", "apic={} vector={:#x} level={:d}"};
const TraceEvent<unsigned, int> apic_acknowledge{"apic_acknowledge", "apic={} vector={:#x}"};
const TraceEvent<unsigned, unsigned> apic_eoi{"apic_eoi", "apic={} vector={:#x}"};
const TraceEvent<unsigned, unsigned> apic_local_deliver{"apic_local_deliver", "apic={} lvt={:#x}"};
const TraceEvent<unsigned, std::uint64_t> apic_send_ipi{"apic_send_ipi", "apic={} icr={:#x}"};
const TraceEvent<unsigned, unsigned> apic_error{"apic_error", "apic={} esr={:#x}"};
const TraceEvent<unsigned, unsigned, bool> apic_lint{"apic_lint", "apic={} pin={} level={:d}"};
const TraceEvent<unsigned> apic_init_reset{"apic_init_reset", "apic={}"};

ApicDelivery delivery_of(std::uint32_t bits) {
  return static_cast<ApicDelivery>(bits >> apic_msg::kDeliveryShift & apic_msg::kDeliveryMask);
}

}  // namespace

void Apic::class_init(DeviceClass& c) {
  c.description = "Local APIC (user space)";
  c.property("frequency", &Apic::frequency_, std::uint64_t{1'000'000'000})
      .range(1'000, 10'000'000'000)
      .doc("of the timer's clock before its divider, in Hz");
  c.link("bus", &Apic::bus_).must_be_set().doc("what connects the APICs");
}

void Apic::realize() {
  timer_.emplace(clock(), "apic.timer", [this] { timer_expired(); });
  bus_->add(*this);
}

void Apic::unrealize() {
  bus_->remove(*this);
  timer_.reset();
}

void Apic::push_state() {
  timer_served_ = clock().now_ns();
  arm_timer();
  apply();
}

// --- priorities ---

std::uint8_t Apic::processor_priority() const {
  const int serviced = state_.isr.highest();
  const unsigned in_service = serviced < 0 ? 0 : static_cast<unsigned>(serviced) & 0xf0;
  return static_cast<std::uint8_t>((state_.tpr & 0xf0) >= in_service ? state_.tpr : in_service);
}

std::uint8_t Apic::arbitration_priority() const {
  const auto rank = [](int vector) { return vector < 0 ? 0U : static_cast<unsigned>(vector) & 0xf0; };
  const unsigned requested = rank(state_.irr.highest()), serviced = rank(state_.isr.highest()),
                 task = state_.tpr & 0xf0;
  if (task >= requested && task > serviced) return static_cast<std::uint8_t>(state_.tpr);
  return static_cast<std::uint8_t>(std::max({task, requested, serviced}));
}

bool Apic::is_focus(std::uint8_t vector) const {
  return !(state_.svr & kSvrNoFocus) && (state_.irr.test(vector) || state_.isr.test(vector));
}

int Apic::deliverable() const {
  if (!accepts_fixed()) return -1;
  const int request = state_.irr.highest();
  return request >= 0 && (request & 0xf0) > (processor_priority() & 0xf0) ? request : -1;
}

bool Apic::held_by_task_priority() const {
  if (!accepts_fixed() || deliverable() >= 0) return false;
  const int request = state_.irr.highest(), serviced = state_.isr.highest();
  return request >= 0 && (request & 0xf0) > (serviced < 0 ? 0 : serviced & 0xf0);
}

bool Apic::extint_line() const {
  if (!enabled()) return state_.lint[0];
  const std::uint32_t entry = state_.lvt_lint[0];
  return state_.lint[0] && !(entry & kLvtMasked) && delivery_of(entry) == ApicDelivery::ExtInt;
}

void Apic::apply() {
  const bool pending = extint_line() || state_.extint || deliverable() >= 0;
  if (pending_.exchange(pending, std::memory_order_acq_rel) != pending && cpu_) cpu_->apic_intr(pending);
  const bool held = held_by_task_priority();
  if (held && !held_ && cpu_) cpu_->apic_held();
  held_ = held;
}

int Apic::acknowledge() {
  int vector = -1;
  if (extint_line() || state_.extint) {
    state_.extint = false;
    if (bus_->pic()) vector = bus_->pic()->acknowledge();
  } else if (const int request = deliverable(); request >= 0) {
    vector = request;
    state_.irr.clear(static_cast<unsigned>(request));
    state_.isr.set(static_cast<unsigned>(request));
  } else if (accepts_fixed() && state_.irr.highest() >= 0) {
    vector = static_cast<int>(state_.svr & kSvrVector);  // no EOI belongs to it
  }
  apic_acknowledge(state_.id, vector);
  apply();
  return vector;
}

void Apic::set_cr8(std::uint64_t value) {
  state_.tpr = static_cast<std::uint32_t>(value & 0xf) << 4;
  apply();
}

// --- what comes in ---

bool Apic::is_destination(const ApicMessage& m) const {
  if (!enabled() && m.delivery != ApicDelivery::Init && m.delivery != ApicDelivery::StartUp) return false;
  if (m.broadcast()) return true;
  if (!m.logical) return m.destination == state_.id;
  const std::uint32_t to = m.destination;
  if (x2apic()) return (to >> 16) == (state_.ldr >> 16) && (to & state_.ldr & 0xffff);
  if (to > 0xff) return false;
  const std::uint32_t ldr = state_.ldr >> 24;
  if (state_.dfr >> 28 == kDfrFlat) return to & ldr;
  // Cluster in the upper half, members in the lower; cluster 15 is all of them.
  return (to >> 4 == 0xf || to >> 4 == ldr >> 4) && (to & ldr & 0xf);
}

void Apic::receive(const ApicMessage& m) {
  switch (m.delivery) {
    case ApicDelivery::Fixed:
    case ApicDelivery::LowestPriority:
      accept(m.vector, m.level);
      break;
    case ApicDelivery::Smi:
      if (cpu_) cpu_->apic_smi();
      break;
    case ApicDelivery::Nmi:
      if (cpu_) cpu_->apic_nmi();
      break;
    case ApicDelivery::Init:
      // INIT level de-assert only synchronised arbitration IDs, in its time.
      if (!m.assert_) break;
      init_reset();
      if (cpu_) cpu_->apic_init();
      break;
    case ApicDelivery::StartUp:
      if (cpu_) cpu_->apic_sipi(m.vector);
      break;
    case ApicDelivery::ExtInt:
      state_.extint = true;
      break;
    case ApicDelivery::Reserved:
      break;
  }
  apply();
}

void Apic::accept(std::uint8_t vector, bool level) {
  apic_accept(state_.id, vector, level);
  if (!accepts_fixed()) return;
  if (vector < kFirstLegalVector) return error(kEsrReceiveIllegalVector);
  state_.irr.set(vector);
  if (level) {
    state_.tmr.set(vector);
  } else {
    state_.tmr.clear(vector);
  }
  apply();
}

void Apic::error(std::uint32_t bit) {
  apic_error(state_.id, bit);
  const bool known = state_.esr_latch & bit;
  state_.esr_latch |= bit;
  // An error entry with an illegal vector is an error again: once is enough.
  if (!known) deliver_lvt(state_.lvt_error);
}

void Apic::init_reset() {
  apic_init_reset(state_.id);
  ApicState fresh = reset_state();
  fresh.id = state_.id;
  fresh.base = state_.base;
  if (x2apic()) fresh.ldr = x2apic_ldr();
  state_ = fresh;
  push_state();
}

void Apic::deliver_lvt(std::uint32_t& entry, bool level_pin) {
  if (entry & kLvtMasked) return;
  apic_local_deliver(state_.id, entry);
  const auto vector = static_cast<std::uint8_t>(entry & kLvtVector);
  // Timer and error entries have no delivery mode: these bits are 0, fixed.
  switch (delivery_of(entry)) {
    case ApicDelivery::Fixed:
      if (level_pin) {
        if (entry & kLvtRemoteIrr) return;
        if (accepts_fixed() && vector >= kFirstLegalVector) entry |= kLvtRemoteIrr;
      }
      accept(vector, level_pin);
      break;
    case ApicDelivery::Smi:
    case ApicDelivery::Nmi:
    case ApicDelivery::Init:
      receive({.delivery = delivery_of(entry)});
      break;
    default:
      break;  // ExtINT is a level: extint_line()
  }
}

void Apic::lint_changed(unsigned pin, bool level) {
  apic_lint(state_.id, pin, level);
  state_.lint[pin] = level;
  if (!enabled()) {
    if (pin == 1 && level && cpu_) cpu_->apic_nmi();
  } else if (level) {
    std::uint32_t& entry = state_.lvt_lint[pin];
    // LINT1 is always edge triggered.
    deliver_lvt(entry, pin == 0 && (entry & kLvtLevel));
  }
  apply();
}

void Apic::local_event(LocalEvent event) {
  switch (event) {
    case LocalEvent::Cmci:
      deliver_lvt(state_.lvt_cmci);
      break;
    case LocalEvent::Thermal:
      deliver_lvt(state_.lvt_thermal);
      break;
    case LocalEvent::Performance:
      deliver_lvt(state_.lvt_performance);
      state_.lvt_performance |= kLvtMasked;  // the event masks itself: SDM 11.5.1
      break;
  }
  apply();
}

void Apic::end_of_interrupt() {
  const int serviced = state_.isr.highest();
  if (serviced < 0) return;
  const auto vector = static_cast<unsigned>(serviced);
  apic_eoi(state_.id, vector);
  state_.isr.clear(vector);
  if (state_.tmr.test(vector)) {
    std::uint32_t& entry = state_.lvt_lint[0];
    if ((entry & kLvtRemoteIrr) && (entry & kLvtVector) == vector) {
      entry &= ~kLvtRemoteIrr;
      if (state_.lint[0]) deliver_lvt(entry, true);
    }
    if (!(state_.svr & kSvrNoEoiBroadcast)) bus_->broadcast_eoi(static_cast<std::uint8_t>(vector));
  }
  apply();
}

// --- what goes out ---

void Apic::write_icr(std::uint64_t value) {
  apic_send_ipi(state_.id, value);
  state_.icr = value;
  const auto low = static_cast<std::uint32_t>(value);
  ApicMessage m;
  m.destination = static_cast<std::uint32_t>(x2apic() ? value >> 32 : value >> 56);
  m.wide = x2apic();
  m.logical = low & kIcrLogical;
  m.delivery = delivery_of(low);
  m.vector = static_cast<std::uint8_t>(low & apic_msg::kVector);
  const bool init = m.delivery == ApicDelivery::Init;
  m.assert_ = !init || (low & apic_msg::kAssert) || !(low & apic_msg::kLevel);
  const bool fixed = m.delivery == ApicDelivery::Fixed || m.delivery == ApicDelivery::LowestPriority;
  if (m.delivery == ApicDelivery::Reserved || m.delivery == ApicDelivery::ExtInt) return;
  if (fixed && m.vector < kFirstLegalVector) return error(kEsrSendIllegalVector);
  const auto shorthand = static_cast<Shorthand>(low >> kIcrShorthandShift & 3);
  // With a shorthand that names the sender only fixed interrupts are valid: SDM table 11-3.
  switch (shorthand) {
    case Shorthand::None:
      bus_->deliver(m);
      break;
    case Shorthand::Self:
      if (m.delivery == ApicDelivery::Fixed) accept(m.vector, false);
      break;
    case Shorthand::AllIncludingSelf:
    case Shorthand::AllExcludingSelf: {
      const bool self = shorthand == Shorthand::AllIncludingSelf;
      if (self && m.delivery != ApicDelivery::Fixed) break;
      m.logical = false;
      m.wide = true;
      m.destination = 0xffffffff;
      bus_->deliver(m, self ? nullptr : this);
      break;
    }
  }
}

unsigned Apic::send_to_each(std::uint32_t first, std::uint64_t set, ApicDelivery delivery, std::uint8_t vector) {
  unsigned receivers = 0;
  for (; set != 0; set &= set - 1) {
    const std::uint64_t id = std::uint64_t{first} + static_cast<unsigned>(std::countr_zero(set));
    if (id >= 0xffffffff) break;  // which would be all of them
    receivers += bus_->deliver(
        {.destination = static_cast<std::uint32_t>(id), .wide = true, .delivery = delivery, .vector = vector});
  }
  return receivers;
}

MACHINA_TYPE(Apic, ApicCommon, InterruptAcknowledge);

}  // namespace machina
