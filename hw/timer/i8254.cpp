#include "hw/timer/i8254.h"

#include "core/trace/trace_event.h"

#include <algorithm>

namespace machina {
namespace {

const TraceEvent<std::uint64_t, unsigned> pit_ioport_read{"pit_ioport_read", "addr={} value={:#04x}"};
const TraceEvent<std::uint64_t, unsigned> pit_ioport_write{"pit_ioport_write", "addr={} value={:#04x}"};
const TraceEvent<unsigned, bool> pit_set_gate{"pit_set_gate", "counter={} level={:d}"};
const TraceEvent<std::int64_t> pit_timer_expired{"pit_timer_expired", "late_ns={}"};

}  // namespace

void I8254::class_init(DeviceClass& c) {
  c.description = "8254 programmable interval timer (user space)";
  c.property("iobase", &I8254::iobase_, i8254::kPort).doc("first of its four ports");
}

void I8254::realize() {
  map_ports(iobase_, ports_);
  timer_.emplace(clock(), "i8254.out0", [this] { timer_expired(); });
}

I8254Counter& I8254::now(unsigned counter) {
  I8254Counter& c = state_.counters.at(counter);
  const std::uint64_t clk = to_clk(clock().now_ns());
  if (counter == 0) {
    // Edges that a late timer missed are made up for, or an interrupt would be lost whenever OUT is back where it was.
    // Three contain a rising one; what more of them there were would have merged at the interrupt controller anyway.
    for (int edges = 0; edges < 3; ++edges) {
      const std::uint64_t clocks = c.clocks_to_edge();
      if (!clocks || c.clk + clocks > clk) break;
      c.advance(c.clk + clocks);
      irq_.set(c.out);
    }
  }
  c.advance(clk);
  if (counter == 0) irq_.set(c.out);
  return c;
}

void I8254::pull_state() {
  for (unsigned n = 0; n < state_.counters.size(); ++n) now(n);
}

void I8254::apply(std::int64_t earliest) {
  const I8254Counter& c = now(0);
  irq_.set(c.out);
  const std::uint64_t clocks = c.clocks_to_edge();
  if (clocks) {
    due_ = std::max(to_ns(c.clk + clocks), earliest);
    timer_->arm(due_);
  } else {
    timer_->cancel();
  }
}

void I8254::timer_expired() {
  const I8254Counter& c = state_.counters[0];
  const std::int64_t t = clock().now_ns();
  pit_timer_expired(t - due_);
  const bool too_fast = c.periodic() && c.period() < kFastPeriod && t > due_;
  apply(too_fast ? t + kFastDelayNs : 0);
}

void I8254::set_gate(unsigned counter, bool level) {
  pit_set_gate(counter, level);
  now(counter).set_gate(level);
  if (counter == 0) apply();
}

IoResult I8254::read(Offset port, Width) {
  if (port == i8254::kControlWord) return IoStatus::BadRegister;
  const std::uint8_t value = now(static_cast<unsigned>(port)).read();
  pit_ioport_read(port, value);
  return value;
}

IoResult I8254::write(Offset port, Width, std::uint64_t raw) {
  const auto value = static_cast<std::uint8_t>(raw);
  pit_ioport_write(port, value);
  if (port != i8254::kControlWord) {
    now(static_cast<unsigned>(port)).write(value);
  } else if (const unsigned selected = value >> i8254::kSelectShift; selected == i8254::kReadBack) {
    write_read_back(value);
  } else if ((value & i8254::kRwMask) == 0) {
    now(selected).latch_count();
  } else {
    now(selected).write_control(value);
  }
  apply();
  return io_ok();
}

void I8254::write_read_back(std::uint8_t value) {
  for (unsigned n = 0; n < state_.counters.size(); ++n) {
    if (!(value & i8254::kReadBackCounter0 << n)) continue;
    I8254Counter& c = now(n);
    if (!(value & i8254::kReadBackNoCount)) c.latch_count();
    if (!(value & i8254::kReadBackNoStatus)) c.latch_status();
  }
}

MACHINA_TYPE(I8254, I8254Common);

}  // namespace machina
