#include "hw/timer/hpet.h"

#include <algorithm>

#include "core/trace/trace_event.h"
#include "hw/pci/pci_regs.h"

namespace machina {

using namespace hpet;  // NOLINT(google-build-using-namespace): the chip's own register names
namespace {

const TraceEvent<std::uint64_t, unsigned, std::uint64_t> hpet_ram_read{"hpet_ram_read",
                                                                       "addr={:#05x} size={} value={:#x}"};
const TraceEvent<std::uint64_t, unsigned, std::uint64_t> hpet_ram_write{"hpet_ram_write",
                                                                        "addr={:#05x} size={} value={:#x}"};
const TraceEvent<unsigned> hpet_match{"hpet_match", "timer={}"};

}  // namespace

void Hpet::class_init(DeviceClass& c) {
  c.description = "High precision event timers";
  c.category = Category::Timer;
  c.user_creatable = false;  // what it takes over belongs to the board
  c.property("timers", &Hpet::timers_, kMinTimers).range(kMinTimers, kMaxTimers).doc("number of timers");
  c.property("msi", &Hpet::msi_, false).doc("the timers can send messages instead of raising lines (FSB)");
  c.property("hpet-intcap", &Hpet::intcap_, 1U << 2)
      .doc("INT_ROUTE_CAP of each timer: the inputs of the I/O APIC that it can be routed to, a bit each");
  c.outputs("irqs", &Hpet::irqs_).doc("the board's interrupts 0 to 23");
  c.output("legacy", &Hpet::legacy_).doc("legacy replacement: interrupts 0 and 8 come from here");
}

void Hpet::realize() {
  state_ = {};
  state_.timers.resize(timers_);
  map(system().memory_root, kBase, registers_, 1);
  timer_.emplace(clock(), "hpet", [this] { timer_expired(); });
}

void Hpet::reset_enter() {
  state_ = {};
  state_.timers.resize(timers_);
}

const HpetState& Hpet::get_state() {
  sync();
  apply();
  return state_;
}

void Hpet::set_state(const HpetState& state) {
  state_ = state;
  state_.timers.resize(timers_);
  sync();
  apply();
}

std::uint64_t Hpet::id() const {
  return kTickNs * kFsPerNs << kPeriodShift | std::uint64_t{pci::kVendorIntel} << kVendorShift | kLegRtCap |
         kCountSizeCap | std::uint64_t{timers_ - 1U} << kNumTimCapShift | kRevision;
}

// --- time ---

std::uint64_t Hpet::main_counter() const {
  if (!counting()) return state_.counter;
  return state_.counter + static_cast<std::uint64_t>(clock().now_ns() - state_.start_ns) / kTickNs;
}

void Hpet::sync() {
  // What a message does to these registers it does at the time of its match: time that passes meanwhile would bring
  // the next match, and that the next message, without end.
  if (!counting() || sending_) return;
  const std::uint64_t now = main_counter();
  std::uint32_t all = 0;
  for (unsigned n = 0; n < timers_; ++n)
    if (state_.timers[n].advance(state_.seen, now - state_.seen)) all |= 1U << n;
  state_.seen = now;
  for (unsigned n = 0; n < timers_; ++n)
    if (all >> n & 1) matched(n);
}

std::optional<unsigned> Hpet::line_of(unsigned n) const {
  if (legacy() && n == 0) return kTimerLine;
  if (legacy() && n == 1) return kClockLine;
  const unsigned route = state_.timers[n].route();
  if (route >= kLines || !(intcap_ >> route & 1)) return std::nullopt;
  return route;
}

void Hpet::matched(unsigned n) {
  hpet_match(n);
  const HpetTimer& t = state_.timers[n];
  if (t.fsb_enabled()) {
    if (!t.enabled()) return;
    sending_ = true;
    dma().store(t.fsb >> 32, 4, t.fsb & 0xffffffff);
    sending_ = false;
  } else if (t.level()) {
    state_.status |= 1U << n;  // 2.3.8: also while it may not interrupt
  } else if (t.enabled()) {
    state_.held |= 1U << n;
    if (const auto line = line_of(n)) irqs_[*line].lower();  // apply() makes the edge
  }
}

void Hpet::apply(std::int64_t earliest) {
  legacy_.set(legacy());
  for (unsigned n = 0; n < timers_; ++n) {
    const HpetTimer& t = state_.timers[n];
    if (!counting() || !t.enabled() || t.level() || t.fsb_enabled()) state_.held &= ~(1U << n);
  }
  std::uint32_t lines = 0;
  std::int64_t deadline = Clock::kNever;
  for (unsigned n = 0; n < timers_ && counting(); ++n) {
    const HpetTimer& t = state_.timers[n];
    if (!t.enabled()) continue;
    if (!t.fsb_enabled()) {
      const bool up = (t.level() ? state_.status : state_.held) >> n & 1;
      const auto line = line_of(n);
      if (up && line) lines |= 1U << *line;
      if (up && t.level()) continue;  // it cannot rise any higher
    }
    const std::uint64_t ticks = t.ticks_to_match(state_.seen);
    const std::uint64_t of_start = state_.seen - state_.counter + ticks;
    constexpr std::uint64_t kFar = std::uint64_t{1} << 58;  // ticks: 91 years
    if (ticks == 0 || ticks >= kFar || of_start >= kFar) continue;
    std::int64_t at = state_.start_ns + static_cast<std::int64_t>(of_start * kTickNs);
    const bool too_fast = t.periodic() && t.period < kFastDelayNs / kTickNs;
    if (too_fast) at = std::max(at, earliest);
    deadline = std::min(deadline, at);
  }
  for (unsigned line = 0; line < kLines; ++line) irqs_[line].set(lines >> line & 1);
  if (deadline == Clock::kNever) {
    timer_->cancel();
  } else {
    timer_->arm(deadline);
  }
}

void Hpet::timer_expired() {
  sync();
  apply(clock().now_ns() + kFastDelayNs);
}

// --- registers ---

IoResult Hpet::read(Offset offset, Width width) {
  const auto reg = static_cast<unsigned>(offset) & ~7U;
  if (reg != kMainCnt) {  // whose reads are many, and depend on no match
    sync();
    apply();
  }
  const std::uint64_t value = read_register(reg);
  const std::uint64_t answer = width == 8 ? value : value >> (offset & 4 ? 32 : 0) & 0xffffffff;
  hpet_ram_read(offset, width, answer);
  return answer;
}

IoResult Hpet::write(Offset offset, Width width, std::uint64_t value) {
  hpet_ram_write(offset, width, value);
  sync();
  const unsigned shift = offset & 4 ? 32 : 0;
  const std::uint64_t mask = width == 8 ? ~std::uint64_t{0} : std::uint64_t{0xffffffff} << shift;
  write_register(static_cast<unsigned>(offset) & ~7U, value << shift, mask);
  apply();
  return io_ok();
}

std::uint64_t Hpet::read_register(unsigned reg) {
  switch (reg) {
    case kGcapId:
      return id();
    case kGenConf:
      return state_.config;
    case kGintrSta:
      return state_.status;
    case kMainCnt:
      return main_counter();
    default:
      break;
  }
  const unsigned n = (reg - kTimers) / kTimerSize;
  if (reg < kTimers || n >= timers_) return 0;  // reserved
  const HpetTimer& t = state_.timers[n];
  switch ((reg - kTimers) % kTimerSize) {
    case kTimerConf:
      return std::uint64_t{intcap_} << 32 | t.config | kPerIntCap | kSizeCap | (msi_ ? kFsbIntDelCap : 0);
    case kTimerComparator:
      return t.comparator;
    case kTimerFsb:
      return t.fsb;
    default:
      return 0;
  }
}

void Hpet::write_register(unsigned reg, std::uint64_t value, std::uint64_t mask) {
  const auto low = static_cast<std::uint32_t>(value & mask);
  switch (reg) {
    case kGenConf:
      if (mask & 0xffffffff) write_general_config(low);
      return;
    case kGintrSta:
      state_.status &= ~low;
      return;
    case kMainCnt:
      if (!counting()) state_.counter = state_.seen = (state_.counter & ~mask) | (value & mask);
      return;
    default:
      break;
  }
  const unsigned n = (reg - kTimers) / kTimerSize;
  if (reg < kTimers || n >= timers_) return;
  HpetTimer& t = state_.timers[n];
  switch ((reg - kTimers) % kTimerSize) {
    case kTimerConf:
      return write_timer_config(n, static_cast<std::uint32_t>(value), static_cast<std::uint32_t>(mask));
    case kTimerComparator:
      return t.write_comparator(value, mask);
    case kTimerFsb:
      if (msi_) t.fsb = (t.fsb & ~mask) | (value & mask);
      return;
    default:
      return;
  }
}

void Hpet::write_general_config(std::uint32_t value) {
  const bool was_counting = counting();
  const std::uint64_t now = main_counter();
  if ((state_.config ^ value) & kLegRtCnf) {
    // Another line is no edge; and whoever gets these lines now shall find them low.
    state_.held &= ~3U;
    irqs_[kTimerLine].lower();
    irqs_[kClockLine].lower();
  }
  state_.config = value & (kEnableCnf | kLegRtCnf);
  if (counting() == was_counting) return;
  state_.counter = state_.seen = now;
  state_.start_ns = clock().now_ns();
}

void Hpet::write_timer_config(unsigned n, std::uint32_t value, std::uint32_t mask) {
  HpetTimer& t = state_.timers[n];
  std::uint32_t writable = kIntTypeCnf | kIntEnbCnf | kTypeCnf | kValSetCnf | k32ModeCnf;
  if (msi_) writable |= kFsbEnCnf;
  const unsigned route = (value & kIntRouteCnf) >> kIntRouteShift;
  if (intcap_ >> route & 1) writable |= kIntRouteCnf;
  const unsigned before = t.route();
  t.write_config(value, writable & mask);
  if (t.route() != before) state_.held &= ~(1U << n);  // another line is no edge
  // 2.3.6: edges have no status.
  if (!t.level()) state_.status &= ~(1U << n);
}

// --- ACPI ---

void Hpet::acpi_facts(AcpiBoard& board) {
  board.hpets.push_back(
      {static_cast<std::uint32_t>(id()), kBase, static_cast<std::uint8_t>(board.hpets.size()), kMinTick});
}

aml::Terms Hpet::acpi_objects(AcpiBoard&) {
  return {aml::device(
      "HPET", {aml::name("_HID", aml::eisa_id("PNP0103")), aml::name("_UID", aml::integer(0)),
               aml::name("_CRS", aml::Resources().memory32(kBase, static_cast<std::uint32_t>(kSize), false).code())})};
}

MACHINA_TYPE(Hpet, Device, AcpiContributor);

}  // namespace machina
