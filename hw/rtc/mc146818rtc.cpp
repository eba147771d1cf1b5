#include "hw/rtc/mc146818rtc.h"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>

#include "core/machine_events.h"
#include "core/trace/trace_event.h"
#include "core/units.h"
#include "hw/rtc/calendar.h"

namespace machina {

using namespace rtc;  // NOLINT(google-build-using-namespace): the chip's own register names

namespace {

const TraceEvent<unsigned, unsigned> rtc_read{"rtc_read", "index={:#04x} value={:#04x}"};
const TraceEvent<unsigned, unsigned> rtc_write{"rtc_write", "index={:#04x} value={:#04x}"};
const TraceEvent<bool, unsigned> rtc_set_irq{"rtc_set_irq", "level={:d} flags={:#04x}"};

/// Lost ticks that are made up for at one real tick, at most: the guest must get on with its work.
constexpr std::uint32_t kMaxReinjected = 20;

constexpr unsigned kMemory = 0x0e;  // behind register D
bool is_time(unsigned index) {
  switch (index) {
    case Seconds:
    case Minutes:
    case Hours:
    case DayOfWeek:
    case DayOfMonth:
    case Month:
    case Year:
    case Century:
      return true;
    default:
      return false;
  }
}

std::int64_t floor_div(std::int64_t a, std::int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

std::int64_t local_offset(std::int64_t utc) {
  const auto t = static_cast<std::time_t>(utc);
  std::tm local{};
  return localtime_r(&t, &local) ? local.tm_gmtoff : 0;
}

void check_base(const qom::Value& value) {
  const auto* text = value.get_if<std::string>();
  if (text && (*text == "utc" || *text == "localtime" || parse_iso(*text))) return;
  throw Error(fmt::format("no such date: '{}'", value.to_string()))
      .hint("write utc, localtime, 2026-11-21 or 2026-11-21T21:26:00");
}

}  // namespace

void Mc146818Rtc::class_init(DeviceClass& c) {
  c.description = "MC146818A real-time clock with CMOS memory";
  c.category = Category::Timer;
  c.property("iobase", &Mc146818Rtc::iobase_, kPort).doc("its index port; the data port follows");
  c.property("base", &Mc146818Rtc::base_, "utc").checked(check_base).doc("time at start: utc, localtime or a date");
  c.property("clock", &Mc146818Rtc::clock_, RtcClock::Host)
      .doc("what it ticks by: host goes on while the machine is paused, vm does not");
  c.property("lost_tick_policy", &Mc146818Rtc::lost_tick_policy_, LostTickPolicy::Discard)
      .doc("what becomes of periodic interrupts that the guest missed");
  c.computed("date", &Mc146818Rtc::date).doc("the guest's time now");
  c.output("irq", &Mc146818Rtc::irq_, "8").doc("IRQ, active while a flag and its enable bit are set");
}

void Mc146818Rtc::realize() {
  map_ports(iobase_, ports_);
  const std::int64_t start = now();
  const std::int64_t host = system().host_clock.now_ns();
  std::int64_t into_second = host % kNsPerSecond;
  state_ = {};
  state_.seconds = host / kNsPerSecond;
  if (base_ == "localtime") {
    state_.seconds += local_offset(state_.seconds);
  } else if (const auto date = parse_iso(base_)) {
    state_.seconds = *date;
    into_second = 0;
  }
  state_.second_start = start - into_second;
  base_seconds_ = state_.seconds;
  base_start_ = state_.second_start;
  state_.seen = start;
  state_.ram[A] = kADv32768 | 6;  // as firmware sets it: 1024 Hz
  state_.ram[B] = kB24Hour;
  state_.ram[D] = kDVrt;
  store_time_bytes();
  timer_.emplace(time_base(), "mc146818rtc", [this] { sync(), apply(); });
}

void Mc146818Rtc::reset_enter() {
  sync();
  state_.index = 0;
  state_.ram[B] &= static_cast<std::uint8_t>(~(kBPie | kBAie | kBUie | kBSqwe));
  state_.ram[C] = 0;
  state_.lost_ticks = 0;
  // Written for the firmware, which cannot ask the chip that woke up: its registers are the operating system's.
  if (system().control.run_state() == RunState::Suspended) state_.ram[ShutdownStatus] = kShutdownResume;
}

const Mc146818State& Mc146818Rtc::get_state() {
  sync();
  if (updating()) store_time_bytes();
  return state_;
}

void Mc146818Rtc::set_state(const Mc146818State& state) {
  state_ = state;
  sync();
  apply();
}

void Mc146818Rtc::set_cmos(unsigned index, std::uint8_t value) {
  if (index < kMemory || index >= state_.ram.size() || index == Century)
    throw Error(fmt::format("CMOS byte {:#x} is not memory", index)).hint("memory is 0xe to 0x7f without 0x32");
  state_.ram[index] = value;
}

std::string Mc146818Rtc::date() const { return realized() ? format_iso(seconds_at(now())) : std::string(); }

// --- time ---

std::int64_t Mc146818Rtc::seconds_at(std::int64_t ns) const {
  return state_.seconds + floor_div(ns - state_.second_start, kNsPerSecond);
}

std::uint64_t Mc146818Rtc::pulses(std::int64_t ns) const {
  return mul_div(static_cast<std::uint64_t>(ns - state_.second_start), kCrystalHz, kNsPerSecond);
}

std::uint64_t Mc146818Rtc::period() const {
  const unsigned rate = reg(A) & kARs;
  if (rate == 0) return 0;
  // The first two taps of the divider chain repeat rates 8 and 9 with this crystal: 256 and 128 Hz.
  return 1U << ((rate <= 2 ? rate + 7 : rate) - 1);
}

std::uint8_t Mc146818Rtc::encode(int value) const {
  if (!(reg(B) & kBBinary)) value = (value / 10 % 10) << 4 | value % 10;
  return static_cast<std::uint8_t>(value);
}

int Mc146818Rtc::decode(std::uint8_t byte) const { return reg(B) & kBBinary ? byte : (byte >> 4) * 10 + (byte & 15); }

std::uint8_t Mc146818Rtc::encode_hour(int hour) const {
  if (reg(B) & kB24Hour) return encode(hour);
  const int of_twelve = hour % 12 == 0 ? 12 : hour % 12;  // 12 AM is midnight, 12 PM is noon
  return static_cast<std::uint8_t>(encode(of_twelve) | (hour >= 12 ? kHourPm : 0));
}

void Mc146818Rtc::store_time_bytes() {
  const std::int64_t seconds = seconds_at(now());
  const CivilTime t = to_civil(seconds);
  state_.ram[Seconds] = encode(t.second);
  state_.ram[Minutes] = encode(t.minute);
  state_.ram[Hours] = encode_hour(t.hour);
  state_.ram[DayOfWeek] = encode((weekday(seconds) + state_.weekday_offset) % 7 + 1);
  state_.ram[DayOfMonth] = encode(t.day);
  state_.ram[Month] = encode(t.month);
  state_.ram[Year] = encode(t.year % 100);
  state_.ram[Century] = encode(t.year / 100);
}

void Mc146818Rtc::take_time_bytes() {
  CivilTime t;
  t.second = decode(reg(Seconds));
  t.minute = decode(reg(Minutes));
  t.hour = decode(reg(Hours));
  if (!(reg(B) & kB24Hour)) {
    const auto of_twelve = static_cast<std::uint8_t>(reg(Hours) & ~kHourPm);
    t.hour = decode(of_twelve) % 12 + (reg(Hours) & kHourPm ? 12 : 0);
  }
  t.day = decode(reg(DayOfMonth));
  t.month = decode(reg(Month));
  t.year = decode(reg(Century)) * 100 + decode(reg(Year));
  // The divider chain is not touched: the next update comes when it would have come.
  const std::int64_t into_second = now() - state_.second_start;
  state_.second_start += floor_div(into_second, kNsPerSecond) * kNsPerSecond;
  state_.seconds = to_seconds(t);
  state_.weekday_offset = (decode(reg(DayOfWeek)) % 7 + 6 - weekday(state_.seconds) + 7) % 7;
  report_change();
}

void Mc146818Rtc::report_change() {
  const std::int64_t unchanged = base_seconds_ + floor_div(state_.second_start - base_start_, kNsPerSecond);
  report_event(system().control, "RTC_CHANGE", {{"offset", state_.seconds - unchanged}, {"qom-path", path()}});
}

// --- flags and interrupts ---

std::optional<std::int64_t> Mc146818Rtc::next_alarm(std::int64_t after) const {
  // Bytes are compared as they stand, so an alarm is in the format of the time or never matches.
  const auto matches = [](std::uint8_t alarm, std::uint8_t time) {
    return (alarm & kDontCare) == kDontCare || alarm == time;
  };
  // A byte that is no second would be looked for in each minute of the day.
  bool some_second = false;
  for (int s = 0; s < 60; ++s) some_second = some_second || matches(reg(SecondsAlarm), encode(s));
  if (!some_second) return {};
  for (std::int64_t t = after + 1; t <= after + 86400;) {
    const auto of_day = static_cast<int>(t - floor_div(t, 86400) * 86400);
    if (!matches(reg(HoursAlarm), encode_hour(of_day / 3600))) {
      t += 3600 - of_day % 3600;
    } else if (!matches(reg(MinutesAlarm), encode(of_day / 60 % 60))) {
      t += 60 - of_day % 60;
    } else if (!matches(reg(SecondsAlarm), encode(of_day % 60))) {
      ++t;
    } else {
      return t;
    }
  }
  return {};
}

void Mc146818Rtc::sync() {
  const std::int64_t t = now();
  if (t < state_.second_start) {  // the host's clock was set back
    const std::int64_t back = -floor_div(t - state_.second_start, kNsPerSecond);
    state_.second_start -= back * kNsPerSecond;
    state_.seconds -= back;
  }
  if (t < state_.seen) state_.seen = t;
  if (running()) {
    std::uint8_t flags = 0;
    if (const std::uint64_t p = period()) {
      if (const std::uint64_t ticks = pulses(t) / p - pulses(state_.seen) / p) {
        const bool missed = reg(C) & kCPf;
        if (lost_tick_policy_ == LostTickPolicy::Slew && (reg(B) & kBPie))
          state_.lost_ticks += ticks - (missed ? 0 : 1);
        state_.reinjected = 0;
        flags |= kCPf;
      }
    }
    if (updating()) {
      const std::int64_t before = seconds_at(state_.seen), after = seconds_at(t);
      if (after > before) {
        flags |= kCUf;
        const auto alarm = next_alarm(before);
        if (alarm && *alarm <= after) flags |= kCAf;
      }
    }
    state_.ram[C] |= flags;
  }
  state_.seen = t;
}

void Mc146818Rtc::apply() {
  const bool irqf = reg(B) & reg(C) & (kCPf | kCAf | kCUf);
  state_.ram[C] = static_cast<std::uint8_t>((reg(C) & ~kCIrqf) | (irqf ? kCIrqf : 0));
  if (irqf != irq_.level()) rtc_set_irq(irqf, reg(C));
  irq_.set(irqf);

  std::int64_t deadline = Clock::kNever;
  const auto wanted = static_cast<std::uint8_t>(reg(B) & ~reg(C));
  const std::int64_t t = state_.seen;
  if (const std::uint64_t p = period(); p && running() && (wanted & kBPie)) {
    const std::uint64_t next = (pulses(t) / p + 1) * p;
    deadline = state_.second_start + static_cast<std::int64_t>(mul_div_up(next, kNsPerSecond, kCrystalHz));
  }
  if (updating()) {
    const std::int64_t second = seconds_at(t);
    const auto begins = [this](std::int64_t s) { return state_.second_start + (s - state_.seconds) * kNsPerSecond; };
    if (wanted & kBUie) deadline = std::min(deadline, begins(second + 1));
    if (wanted & kBAie)
      if (const auto alarm = next_alarm(second)) deadline = std::min(deadline, begins(*alarm));
  }
  if (deadline == Clock::kNever) {
    timer_->cancel();
  } else {
    timer_->arm(deadline);
  }
}

// --- registers ---

IoResult Mc146818Rtc::read(Offset port, Width) {
  if (port == 0) return IoStatus::BadRegister;  // the index cannot be read back
  sync();
  const std::uint8_t value = read_register(state_.index & 0x7f);
  rtc_read(state_.index & 0x7f, value);
  apply();
  return value;
}

IoResult Mc146818Rtc::write(Offset port, Width, std::uint64_t value) {
  if (port == 0) {
    state_.index = static_cast<std::uint8_t>(value);
    return io_ok();
  }
  rtc_write(state_.index & 0x7f, static_cast<std::uint8_t>(value));
  sync();
  write_register(state_.index & 0x7f, static_cast<std::uint8_t>(value));
  apply();
  return io_ok();
}

std::uint8_t Mc146818Rtc::read_register(unsigned index) {
  if (is_time(index) && updating()) store_time_bytes();
  switch (index) {
    case A: {
      const std::int64_t t = state_.seen;
      const std::int64_t left = kNsPerSecond - (t - state_.second_start) % kNsPerSecond;
      return static_cast<std::uint8_t>(reg(A) | (updating() && left <= kUipNs ? kAUip : 0));
    }
    case C:
      return read_c();
    default:
      return state_.ram[index];
  }
}

std::uint8_t Mc146818Rtc::read_c() {
  const std::uint8_t value = reg(C);
  state_.ram[C] = 0;
  if (state_.lost_ticks && (reg(B) & kBPie) && state_.reinjected < kMaxReinjected) {
    // The line falls, and rises again for a tick that the guest missed.
    --state_.lost_ticks;
    ++state_.reinjected;
    irq_.set(false);
    state_.ram[C] = kCPf;
  }
  return value;
}

void Mc146818Rtc::write_register(unsigned index, std::uint8_t value) {
  switch (index) {
    case A:
      return write_a(value);
    case B:
      return write_b(value);
    case C:
    case D:
      return;  // read-only
    default:
      if (is_time(index) && updating()) {
        store_time_bytes();
        state_.ram[index] = value;
        take_time_bytes();
      } else {
        state_.ram[index] = value;
      }
  }
}

void Mc146818Rtc::write_a(std::uint8_t value) {
  const bool was_running = running();
  if (updating()) store_time_bytes();
  if ((value ^ reg(A)) & kARs) state_.lost_ticks = 0;
  state_.ram[A] = value & static_cast<std::uint8_t>(~kAUip);
  if (!was_running && running()) {
    // "The first update occurs one half second after the divider is released."
    state_.second_start = state_.seen - kNsPerSecond / 2;
    if (updating()) take_time_bytes();
  }
}

void Mc146818Rtc::write_b(std::uint8_t value) {
  const bool was_updating = updating();
  if (was_updating) store_time_bytes();
  if (value & kBSet) value &= static_cast<std::uint8_t>(~kBUie);  // SET clears UIE
  if (!(value & kBPie)) state_.lost_ticks = 0;
  state_.ram[B] = value;
  if (!was_updating && updating()) take_time_bytes();
}

void Mc146818Rtc::acpi_facts(AcpiBoard& board) {
  board.fixed.cmos_rtc = true;
  board.fixed.century = Century;
}

aml::Terms Mc146818Rtc::acpi_objects(AcpiBoard&) {
  aml::Resources resources;
  resources.io(iobase_, static_cast<unsigned>(ports_.size()));
  if (const auto line = isa_line(irq_)) resources.irq(*line);
  return {aml::device("RTC", {aml::name("_HID", aml::eisa_id("PNP0B00")), aml::name("_CRS", resources.code())})};
}

MACHINA_TYPE(Mc146818Rtc, IsaDevice, AcpiContributor);

}  // namespace machina
