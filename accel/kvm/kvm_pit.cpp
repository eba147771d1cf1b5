#include "accel/kvm/kvm_pit.h"

#include <chrono>

#include "accel/kvm/kvm_accelerator.h"
#include "accel/kvm/kvm_api.h"

namespace machina {

namespace kvm {

namespace {

constexpr std::uint8_t kModeNone = 0xff;  // no mode was programmed since reset
// Which byte an access in KVM's channel is for.
enum RwState : std::uint8_t { kRwNone, kRwLsb, kRwMsb, kRwWord0, kRwWord1 };

}  // namespace

I8254Counter from_kvm(const kvm_pit_channel_state& k, std::int64_t elapsed_ns, std::uint64_t now_clk) {
  I8254Counter c;
  c.gate = k.gate;
  c.clk = now_clk;
  if (k.mode != kModeNone) {
    c.write_control(static_cast<std::uint8_t>((k.rw_mode & 3) << i8254::kRwShift | (k.mode & 7) << 1 | (k.bcd & 1)));
    c.cr = static_cast<std::uint16_t>(k.count);
    c.have_count = c.load_next = true;
    const std::uint64_t elapsed = I8254Common::to_clk(elapsed_ns);
    c.clk = now_clk > elapsed ? now_clk - elapsed : 0;
    c.advance(now_clk);
  }
  c.write_msb = k.write_state == kRwWord1;
  c.cr_low = k.write_latch;
  c.read_msb =
      k.count_latched ? c.rw() == i8254::Rw::LsbThenMsb && k.count_latched == kRwMsb : k.read_state == kRwWord1;
  c.count_latched = k.count_latched;
  c.ol = k.latched_count;
  c.status_latched = k.status_latched;
  c.status = k.status;
  return c;
}

kvm_pit_channel_state to_kvm(const I8254Counter& c) {
  kvm_pit_channel_state k{};
  k.count = c.cr ? c.cr : 65536;
  k.gate = c.gate;
  const bool programmed = c.control != 0 || c.have_count;
  k.mode = programmed ? static_cast<std::uint8_t>(c.control >> 1 & 7) : kModeNone;
  k.rw_mode = static_cast<std::uint8_t>(c.rw());
  k.bcd = c.bcd();
  const bool word = c.rw() == i8254::Rw::LsbThenMsb;
  const std::uint8_t first = word ? std::uint8_t{kRwWord0} : k.rw_mode;
  k.write_state = word && c.write_msb ? std::uint8_t{kRwWord1} : first;
  k.write_latch = c.cr_low;
  k.read_state = word && c.read_msb ? std::uint8_t{kRwWord1} : first;
  if (c.count_latched) k.count_latched = word && c.read_msb ? std::uint8_t{kRwMsb} : first;
  k.latched_count = c.ol;
  k.status_latched = c.status_latched;
  k.status = c.status;
  return k;
}

}  // namespace kvm

namespace {

/// What KVM's count_load_time is measured in: CLOCK_MONOTONIC.
std::int64_t host_now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace

void KvmPit::class_init(DeviceClass& c) {
  c.description = "8254 programmable interval timer (KVM)";
  c.property("lost-tick-policy", &KvmPit::lost_ticks_, LostTicks::Delay)
      .doc("ticks that the guest was too late for: delivered later (delay) or not (discard)");
}

void KvmPit::realize() {
  irqchip_ = &KvmAccelerator::of(*this).irqchip_parts();
  irqchip_->attach_pit(*this);
}

void KvmPit::unrealize() { irqchip_->detach_pit(*this); }

void KvmPit::pull_state() {
  if (stopped_) return;
  kvm_pit_state2 pit{};
  irqchip_->get_pit(pit);
  flags_ = pit.flags & ~std::uint32_t{KVM_PIT_FLAGS_HPET_LEGACY};
  const std::int64_t host = host_now_ns();
  const std::uint64_t now = to_clk(clock().now_ns());
  for (unsigned n = 0; n < 3; ++n)
    state_.counters[n] = kvm::from_kvm(pit.channels[n], host - pit.channels[n].count_load_time, now);
}

void KvmPit::push_state() {
  if (stopped_) {
    replaced_ = true;
    return;
  }
  kvm_pit_state2 pit{};
  pit.flags = flags_ | (muted_ ? KVM_PIT_FLAGS_HPET_LEGACY : 0U);
  for (unsigned n = 0; n < 3; ++n) pit.channels[n] = kvm::to_kvm(state_.counters[n]);
  irqchip_->set_pit(pit);
}

void KvmPit::reset_enter() {
  I8254Common::reset_enter();
  flags_ = 0;
}

void KvmPit::mute(bool on) {
  if (on == muted_) return;
  pull_state();
  muted_ = on;
  push_state();
}

void KvmPit::clock_running(bool running) {
  if (!running) {
    pull_state();
    stopped_ = true;
    stopped_at_ = host_now_ns();
    return;
  }
  if (!stopped_) return;
  stopped_ = false;
  const I8254Counter& timer = state_.counters[0];
  const std::int64_t period = to_ns(timer.cr ? timer.cr : 65536);
  if (replaced_ || host_now_ns() - stopped_at_ > period) push_state();
  replaced_ = false;
}

void KvmPit::set_gate(unsigned counter, bool level) {
  pull_state();
  I8254Counter& c = state_.counters.at(counter);
  if (c.gate == level) return;
  c.set_gate(level);
  push_state();
}

MACHINA_TYPE(KvmPit, I8254Common);

}  // namespace machina
