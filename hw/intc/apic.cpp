#include "hw/intc/apic.h"

#include <algorithm>
#include <bit>

#include "core/units.h"

namespace machina {

using namespace apic;  // NOLINT(google-build-using-namespace): the chip's own register names

namespace {

bool test(const ApicState::Vectors& v, unsigned n) { return v[n / 32] >> n % 32 & 1; }
void set_bit(ApicState::Vectors& v, unsigned n) { v[n / 32] |= 1U << n % 32; }
void clear_bit(ApicState::Vectors& v, unsigned n) { v[n / 32] &= ~(1U << n % 32); }

int highest(const ApicState::Vectors& v) {
  for (int i = 7; i >= 0; --i)
    if (const std::uint32_t word = v[static_cast<unsigned>(i)]) return i * 32 + 31 - std::countl_zero(word);
  return -1;
}

ApicDelivery delivery_of(std::uint32_t bits) {
  return static_cast<ApicDelivery>(bits >> apic_msg::kDeliveryShift & apic_msg::kDeliveryMask);
}

}  // namespace

void Apic::class_init(DeviceClass& c) {
  c.description = "Local APIC (user space)";
  c.property("frequency", &Apic::frequency_, std::uint64_t{1'000'000'000})
      .range(1, 10'000'000'000)
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
  const int serviced = highest(state_.isr);
  const unsigned in_service = serviced < 0 ? 0 : static_cast<unsigned>(serviced) & 0xf0;
  return static_cast<std::uint8_t>((state_.tpr & 0xf0) >= in_service ? state_.tpr : in_service);
}

std::uint8_t Apic::arbitration_priority() const {
  const auto rank = [](int vector) { return vector < 0 ? 0U : static_cast<unsigned>(vector) & 0xf0; };
  const unsigned requested = rank(highest(state_.irr)), serviced = rank(highest(state_.isr)), task = state_.tpr & 0xf0;
  if (task >= requested && task > serviced) return static_cast<std::uint8_t>(state_.tpr);
  return static_cast<std::uint8_t>(std::max({task, requested, serviced}));
}

bool Apic::is_focus(std::uint8_t vector) const {
  return !(state_.svr & kSvrNoFocus) && (test(state_.irr, vector) || test(state_.isr, vector));
}

int Apic::deliverable() const {
  if (!accepts_fixed()) return -1;
  const int request = highest(state_.irr);
  return request >= 0 && (request & 0xf0) > (processor_priority() & 0xf0) ? request : -1;
}

bool Apic::extint_line() const {
  if (!enabled()) return state_.lint[0];
  const std::uint32_t entry = state_.lvt_lint[0];
  return state_.lint[0] && !(entry & kLvtMasked) && delivery_of(entry) == ApicDelivery::ExtInt;
}

void Apic::apply() {
  const bool pending = extint_line() || state_.extint || deliverable() >= 0;
  if (pending_.exchange(pending, std::memory_order_acq_rel) != pending && cpu_) cpu_->apic_intr(pending);
}

int Apic::acknowledge() {
  int vector = -1;
  if (extint_line() || state_.extint) {
    state_.extint = false;
    if (bus_->pic()) vector = bus_->pic()->acknowledge();
  } else if (const int request = deliverable(); request >= 0) {
    vector = request;
    clear_bit(state_.irr, static_cast<unsigned>(request));
    set_bit(state_.isr, static_cast<unsigned>(request));
  } else if (accepts_fixed() && highest(state_.irr) >= 0) {
    vector = static_cast<int>(state_.svr & kSvrVector);  // no EOI belongs to it
  }
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
  if (!accepts_fixed()) return;
  if (vector < kFirstLegalVector) return error(kEsrReceiveIllegalVector);
  set_bit(state_.irr, vector);
  if (level) {
    set_bit(state_.tmr, vector);
  } else {
    clear_bit(state_.tmr, vector);
  }
  apply();
}

void Apic::error(std::uint32_t bit) {
  const bool known = state_.esr_latch & bit;
  state_.esr_latch |= bit;
  // An error entry with an illegal vector is an error again: once is enough.
  if (!known) deliver_lvt(state_.lvt_error);
}

void Apic::init_reset() {
  ApicState fresh = reset_state();
  fresh.id = state_.id;
  fresh.base = state_.base;
  if (x2apic()) fresh.ldr = x2apic_ldr();
  state_ = fresh;
  push_state();
}

void Apic::deliver_lvt(std::uint32_t& entry, bool level_pin) {
  if (entry & kLvtMasked) return;
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
      if (cpu_) cpu_->apic_smi();
      break;
    case ApicDelivery::Nmi:
      if (cpu_) cpu_->apic_nmi();
      break;
    case ApicDelivery::Init:
      receive({.delivery = ApicDelivery::Init});
      break;
    default:
      break;  // ExtINT is a level: extint_line()
  }
}

void Apic::lint_changed(unsigned pin, bool level) {
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
  const int serviced = highest(state_.isr);
  if (serviced < 0) return;
  const auto vector = static_cast<unsigned>(serviced);
  clear_bit(state_.isr, vector);
  if (test(state_.tmr, vector)) {
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

// --- registers ---

std::uint32_t* Apic::lvt_entry(std::uint32_t offset, std::uint32_t& writable) {
  writable = kLvtEventDefined;
  switch (offset) {
    case LvtCmci:
      return &state_.lvt_cmci;
    case LvtThermal:
      return &state_.lvt_thermal;
    case LvtPerformance:
      return &state_.lvt_performance;
    case LvtLint0:
      writable = kLvtPinDefined;
      return &state_.lvt_lint[0];
    case LvtLint1:
      writable = kLvtPinDefined;
      return &state_.lvt_lint[1];
    case LvtError:
      writable = kLvtVector | kLvtMasked;
      return &state_.lvt_error;
    case LvtTimer:
      writable = kLvtVector | kLvtMasked | kLvtTimerMode;
      return &state_.lvt_timer;
    default:
      return nullptr;
  }
}

bool Apic::read_register(std::uint32_t offset, std::uint32_t& value) {
  std::uint32_t writable = 0;
  if (const std::uint32_t* entry = lvt_entry(offset, writable)) {
    value = *entry;
    return true;
  }
  const unsigned word = offset >> 4 & 7;
  switch (offset & ~0x7fU) {
    case Isr:
      value = state_.isr[word];
      return true;
    case Tmr:
      value = state_.tmr[word];
      return true;
    case Irr:
      value = state_.irr[word];
      return true;
    default:
      break;
  }
  switch (offset) {
    case Id:
      value = x2apic() ? state_.id : state_.id << 24;
      return true;
    case Version:
      value = kVersionValue;
      return true;
    case Tpr:
      value = state_.tpr;
      return true;
    case Apr:
      value = arbitration_priority();
      return !x2apic();
    case Ppr:
      value = processor_priority();
      return true;
    case Eoi:
      value = 0;
      return !x2apic();  // write-only
    case RemoteRead:
      value = 0;
      return !x2apic();
    case Ldr:
      value = state_.ldr;
      return true;
    case Dfr:
      value = state_.dfr;
      return !x2apic();
    case Svr:
      value = state_.svr;
      return true;
    case Esr:
      value = state_.esr;
      return true;
    case IcrLow:
      value = static_cast<std::uint32_t>(state_.icr);
      return true;
    case IcrHigh:
      value = static_cast<std::uint32_t>(state_.icr >> 32);
      return !x2apic();
    case TimerInitial:
      value = state_.timer_initial;
      return true;
    case TimerCurrent:
      value = current_count();
      return true;
    case TimerDivide:
      value = state_.timer_divide;
      return true;
    default:
      return false;
  }
}

bool Apic::write_register(std::uint32_t offset, std::uint32_t value) {
  std::uint32_t writable = 0;
  if (std::uint32_t* entry = lvt_entry(offset, writable)) {
    write_lvt(*entry, value, writable);
    return true;
  }
  switch (offset) {
    case Id:
      if (x2apic()) return false;
      state_.id = value >> 24;
      break;
    case Tpr:
      state_.tpr = value & 0xff;
      break;
    case Eoi:
      end_of_interrupt();
      break;
    case Ldr:
      if (x2apic()) return false;
      state_.ldr = value & 0xff000000;
      break;
    case Dfr:
      if (x2apic()) return false;
      state_.dfr = value | 0x0fffffff;
      break;
    case Svr:
      write_svr(value);
      break;
    case Esr:
      // A write shows what was latched since the last one.
      state_.esr = std::exchange(state_.esr_latch, 0);
      break;
    case IcrLow:
      write_icr((state_.icr & ~std::uint64_t{0xffffffff}) | (value & kIcrLowDefined));
      break;
    case IcrHigh:
      if (x2apic()) return false;
      state_.icr = (state_.icr & 0xffffffff) | std::uint64_t{value & 0xff000000} << 32;
      break;
    case TimerInitial:
      if (timer_mode() != kLvtTimerDeadline) start_timer(value, clock().now_ns());
      break;
    case TimerDivide: {
      // The count goes on from where it is, at the new rate.
      const std::int64_t now = clock().now_ns();
      const std::uint64_t elapsed = state_.timer_initial ? state_.timer_initial - current_count() : 0;
      const bool over = state_.timer_initial && current_count() == 0;
      state_.timer_divide = value & 0xb;
      if (!over)
        state_.timer_start = now - static_cast<std::int64_t>(mul_div_up(elapsed * divisor(), kNsPerSecond, frequency_));
      arm_timer();
      break;
    }
    default:
      return false;
  }
  apply();
  return true;
}

void Apic::mask_all_lvt() {
  for (std::uint32_t* entry : {&state_.lvt_cmci, &state_.lvt_timer, &state_.lvt_thermal, &state_.lvt_performance,
                               &state_.lvt_lint[0], &state_.lvt_lint[1], &state_.lvt_error})
    *entry |= kLvtMasked;
}

void Apic::write_svr(std::uint32_t value) {
  const bool was_enabled = state_.svr & kSvrEnable;
  state_.svr = value & kSvrDefined;
  if (was_enabled && !(value & kSvrEnable)) mask_all_lvt();
}

void Apic::write_lvt(std::uint32_t& entry, std::uint32_t value, std::uint32_t writable) {
  const std::uint32_t before = entry;
  if (!(state_.svr & kSvrEnable)) value |= kLvtMasked;  // cannot be unmasked while software-disabled
  entry = (value & writable) | (before & kLvtRemoteIrr);
  if (&entry == &state_.lvt_timer) {
    // Into and out of deadline mode the timer is disarmed.
    if ((before ^ entry) & kLvtTimerDeadline) {
      state_.tsc_deadline = 0;
      state_.timer_initial = 0;
    }
    arm_timer();
  } else if (&entry == &state_.lvt_lint[0]) {
    if (!(entry & kLvtLevel)) entry &= ~kLvtRemoteIrr;
    if (state_.lint[0] && (entry & kLvtLevel)) deliver_lvt(entry, true);  // the line has been waiting
  }
  apply();
}

std::uint64_t Apic::mmio_read(std::uint64_t offset, Width width) {
  const auto reg = static_cast<std::uint32_t>(offset & 0xff0);
  const auto skip = static_cast<unsigned>(offset & 0xf);
  std::uint32_t value = 0;
  if (!read_register(reg, value)) {
    error(kEsrIllegalRegister);
    return 0;
  }
  if (skip >= 4) return 0;  // only the first four bytes of sixteen are there
  const std::uint64_t mask = width >= 4 ? 0xffffffff : (std::uint64_t{1} << width * 8) - 1;
  return value >> skip * 8 & mask;
}

void Apic::mmio_write(std::uint64_t offset, Width width, std::uint64_t value) {
  if ((offset & 0xf) || width < 4) return;
  if (!write_register(static_cast<std::uint32_t>(offset & 0xff0), static_cast<std::uint32_t>(value)))
    error(kEsrIllegalRegister);
}

// --- model specific registers ---

std::uint32_t Apic::x2apic_ldr() const { return (state_.id & ~0xfU) << 12 | 1U << (state_.id & 0xf); }

bool Apic::msr_read(std::uint32_t index, std::uint64_t& value) {
  if (index == kMsrApicBase) {
    value = state_.base;
    return true;
  }
  if (index == kMsrTscDeadline) {
    value = timer_mode() == kLvtTimerDeadline ? state_.tsc_deadline : 0;
    return true;
  }
  if (index < kMsrFirst || index > kMsrLast || !x2apic()) return false;
  const std::uint32_t offset = (index - kMsrFirst) << 4;
  std::uint32_t low = 0;
  if (offset > 0xff0 || offset == SelfIpi || !read_register(offset, low)) return false;
  value = offset == IcrLow ? state_.icr : low;
  return true;
}

bool Apic::msr_write(std::uint32_t index, std::uint64_t value) {
  if (index == kMsrApicBase) return write_base(value);
  if (index == kMsrTscDeadline) {
    if (timer_mode() == kLvtTimerDeadline) {
      state_.tsc_deadline = value;
      arm_timer();
    }
    return true;
  }
  if (index < kMsrFirst || index > kMsrLast || !x2apic()) return false;
  const std::uint32_t offset = (index - kMsrFirst) << 4;
  const auto low = static_cast<std::uint32_t>(value);
  if (offset == IcrLow) {
    if (low & ~kIcrLowDefined) return false;
    write_icr(value);
    apply();
    return true;
  }
  if (value >> 32) return false;
  // Reserved bits raise #GP here, where the page ignores them.
  std::uint32_t writable = 0;
  if (lvt_entry(offset, writable)) {
    if (low & ~(writable | kLvtRemoteIrr | 1U << 12)) return false;
    return write_register(offset, low);
  }
  switch (offset) {
    case SelfIpi:
      if (low & ~0xffU) return false;
      if (low < kFirstLegalVector) {
        error(kEsrSendIllegalVector);
      } else {
        accept(static_cast<std::uint8_t>(low), false);
      }
      return true;
    case Tpr:
      return !(low & ~0xffU) && write_register(offset, low);
    case Svr:
      return !(low & ~kSvrDefined) && write_register(offset, low);
    case Eoi:
    case Esr:
      return low == 0 && write_register(offset, low);
    case TimerDivide:
      return !(low & ~0xbU) && write_register(offset, low);
    case TimerInitial:
      return write_register(offset, low);
    default:
      return false;
  }
}

bool Apic::write_base(std::uint64_t value) {
  if (value & ~(kBaseAddress | kBaseBootstrap | kBaseExtended | kBaseEnable)) return false;
  const bool enable = value & kBaseEnable, extend = value & kBaseExtended;
  // SDM 11.12.5: x2APIC is entered from xAPIC only and left to disabled only.
  if (extend && (!enable || !enabled())) return false;
  if (!extend && enable && x2apic()) return false;
  const bool was_enabled = enabled(), was_extended = x2apic();
  state_.base = (value & ~kBaseBootstrap) | (state_.base & kBaseBootstrap);
  if (was_enabled && !enable) {
    ApicState fresh = reset_state();
    fresh.base = state_.base;
    state_ = fresh;
    push_state();
  } else if (extend && !was_extended) {
    state_.id = initial_id_;  // what software wrote into the xAPIC's ID is gone
    state_.ldr = x2apic_ldr();
    state_.icr &= 0xffffffff;
  }
  apply();
  return true;
}

// --- timer ---

unsigned Apic::divisor() const {
  // Bits 3, 1 and 0: 2, 4, 8, 16, 32, 64, 128, 1.
  const unsigned n = (state_.timer_divide & 3) | (state_.timer_divide >> 1 & 4);
  return n == 7 ? 1 : 2U << n;
}

std::uint64_t Apic::elapsed_counts(std::int64_t at) const {
  if (at <= state_.timer_start) return 0;
  return mul_div(static_cast<std::uint64_t>(at - state_.timer_start), frequency_,
                 std::uint64_t{divisor()} * kNsPerSecond);
}

std::uint32_t Apic::current_count() const {
  if (state_.timer_initial == 0 || timer_mode() == kLvtTimerDeadline) return 0;
  const std::uint64_t elapsed = elapsed_counts(clock().now_ns());
  if (timer_mode() == kLvtTimerPeriodic)
    return state_.timer_initial - static_cast<std::uint32_t>(elapsed % state_.timer_initial);
  return elapsed >= state_.timer_initial ? 0 : state_.timer_initial - static_cast<std::uint32_t>(elapsed);
}

void Apic::start_timer(std::uint32_t initial, std::int64_t at) {
  state_.timer_initial = initial;
  state_.timer_start = timer_served_ = at;
  arm_timer();
}

void Apic::arm_timer() {
  timer_->cancel();
  const std::int64_t now = clock().now_ns();
  if (timer_mode() == kLvtTimerDeadline) {
    const std::uint64_t hz = cpu_ ? cpu_->apic_tsc_frequency() : 0;
    if (state_.tsc_deadline == 0 || hz == 0) return;
    const std::uint64_t tsc = cpu_->apic_tsc();
    const std::uint64_t left = state_.tsc_deadline > tsc ? state_.tsc_deadline - tsc : 0;
    // Far deadlines mean never; a century keeps the sum in range.
    constexpr std::uint64_t kFar = 100ULL * 365 * 86400 * kNsPerSecond;
    const unsigned __int128 ns = (static_cast<unsigned __int128>(left) * kNsPerSecond + hz - 1) / hz;
    timer_->arm(now + static_cast<std::int64_t>(ns < kFar ? static_cast<std::uint64_t>(ns) : kFar));
    return;
  }
  if (state_.timer_initial == 0) return;
  const std::uint64_t initial = state_.timer_initial;
  const std::uint64_t done = elapsed_counts(timer_served_) / initial;
  if (timer_mode() != kLvtTimerPeriodic && done > 0) return;
  const std::uint64_t counts = (done + 1) * initial;
  const auto due =
      state_.timer_start + static_cast<std::int64_t>(mul_div_up(counts * divisor(), kNsPerSecond, frequency_));
  timer_->arm(done > 0 ? std::max(due, timer_served_ + kMinPeriodNs) : due);
}

void Apic::timer_expired() {
  timer_served_ = clock().now_ns();
  if (timer_mode() == kLvtTimerDeadline) {
    // The counter may stand a little short of the deadline, by rounding or because its rate changed.
    if (cpu_->apic_tsc() < state_.tsc_deadline) return arm_timer();
    state_.tsc_deadline = 0;
  } else {
    arm_timer();
  }
  deliver_lvt(state_.lvt_timer);
  apply();
}

// --- the page as a whole ---

std::array<std::uint8_t, 1024> Apic::registers() {
  std::array<std::uint8_t, 1024> page{};
  for (std::uint32_t offset = 0; offset < page.size(); offset += 16) {
    std::uint32_t value = 0;
    if (offset == IcrHigh) {
      value = static_cast<std::uint32_t>(state_.icr >> 32);
    } else if (!read_register(offset, value)) {
      continue;
    }
    for (unsigned i = 0; i < 4; ++i) page[offset + i] = static_cast<std::uint8_t>(value >> 8 * i);
  }
  return page;
}

void Apic::set_registers(const std::array<std::uint8_t, 1024>& page) {
  const auto get = [&page](std::uint32_t offset) {
    return static_cast<std::uint32_t>(page[offset] | page[offset + 1] << 8 | page[offset + 2] << 16) |
           static_cast<std::uint32_t>(page[offset + 3]) << 24;
  };
  ApicState s = state_;
  s.id = x2apic() ? get(Id) : get(Id) >> 24;
  s.tpr = get(Tpr) & 0xff;
  s.ldr = get(Ldr);
  s.dfr = x2apic() ? s.dfr : get(Dfr) | 0x0fffffff;
  s.svr = get(Svr) & kSvrDefined;
  s.esr = get(Esr);
  s.icr = get(IcrLow) | std::uint64_t{get(IcrHigh)} << 32;
  for (std::uint32_t i = 0; i < 8; ++i) {
    s.isr[i] = get(Isr + 16 * i);
    s.tmr[i] = get(Tmr + 16 * i);
    s.irr[i] = get(Irr + 16 * i);
  }
  s.lvt_cmci = get(LvtCmci), s.lvt_timer = get(LvtTimer), s.lvt_thermal = get(LvtThermal);
  s.lvt_performance = get(LvtPerformance), s.lvt_error = get(LvtError);
  s.lvt_lint = {get(LvtLint0), get(LvtLint1)};
  s.timer_initial = get(TimerInitial);
  s.timer_divide = get(TimerDivide) & 0xb;
  state_ = s;
  // The timer goes on from its current count.
  const std::uint64_t elapsed = s.timer_initial - std::min(get(TimerCurrent), s.timer_initial);
  state_.timer_start =
      clock().now_ns() - static_cast<std::int64_t>(mul_div_up(elapsed * divisor(), kNsPerSecond, frequency_));
  push_state();
}

MACHINA_TYPE(Apic, ApicCommon, InterruptAcknowledge);

}  // namespace machina
