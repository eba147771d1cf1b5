#include "hw/watchdog/i6300esb.h"

#include <algorithm>

#include "core/guest_alarms.h"
#include "core/trace/trace_event.h"
#include "core/units.h"

namespace machina {

namespace {

const TraceEvent<unsigned, std::int64_t> i6300esb_restart_timer{"i6300esb_restart_timer", "stage={} ns={}"};
const TraceEvent<unsigned> i6300esb_timer_expired{"i6300esb_timer_expired", "stage={}"};
const TraceEvent<> i6300esb_disable_timer{"i6300esb_disable_timer", ""};
const TraceEvent<std::uint64_t, unsigned, std::uint64_t> i6300esb_mem_write{"i6300esb_mem_write",
                                                                            "addr={:#04x} size={} value={:#x}"};

constexpr std::uint16_t kDevice6300Esb = 0x25ab, kClassSystemOther = 0x0880;

// Configuration space.
constexpr unsigned kWdtConfig = 0x60;  // 16 bits
constexpr std::uint32_t kIntType = 3;  // 0: an interrupt; 2: an SMI; 3: nothing
constexpr std::uint32_t kPrescaler1us = 1U << 2;
constexpr std::uint32_t kOutputDisabled = 1U << 5;
constexpr unsigned kWdtLock = 0x68;
constexpr std::uint32_t kLocked = 1U << 0;
constexpr std::uint32_t kEnabled = 1U << 1;
constexpr std::uint32_t kFreeRunning = 1U << 2;

// Registers in memory.
constexpr std::uint32_t kIntActive = 1U << 0;
constexpr std::uint32_t kReloadBit = 1U << 8;
constexpr std::uint32_t kTimeout = 1U << 9;
constexpr std::uint32_t kUnlock1 = 0x80, kUnlock2 = 0x86;

constexpr std::int64_t kPciClockNs = 30;
constexpr unsigned kShift1kHz = 15, kShift1us = 5;

}  // namespace

void I6300Esb::class_init(PciDeviceClass& c) {
  c.description = "Intel 6300ESB watchdog";
  c.category = Category::Misc;
  c.vendor_id = pci::kVendorIntel;
  c.device_id = kDevice6300Esb;
  c.class_code = kClassSystemOther;
}

void I6300Esb::realize() {
  add_bar(0, BarKind::Memory, registers_);
  use_interrupt_pin(1);
  define_config(kWdtConfig, 2, 0, kIntType | kPrescaler1us | kOutputDisabled);
  define_config(kWdtLock, 1, 0, kLocked | kEnabled | kFreeRunning);
  timer_.emplace(clock(), "i6300esb", [this] { expired(); });
  state_ = {};
}

void I6300Esb::post_unrealize() {
  timer_.reset();
  PciDevice::post_unrealize();
}

void I6300Esb::reset_enter() {
  PciDevice::reset_enter();
  const bool timed_out = state_.timed_out;
  state_ = {};
  state_.timed_out = timed_out;
  ran_ = false;
}

void I6300Esb::reset_hold() {
  timer_->cancel();
  set_intx(false);
  PciDevice::reset_hold();
}

bool I6300Esb::running() const { return config(kWdtLock, 1) & kEnabled; }

// WDT_LOCK: once it is locked the register stays as it is until a reset.
void I6300Esb::adjust(const ConfigLayout::Bytes& before) {
  if (config_get(before, kWdtLock, 1) & kLocked) put_config(kWdtLock, 1, config_get(before, kWdtLock, 1));
}

void I6300Esb::apply(bool force) {
  PciDevice::apply(force);
  if (running() == ran_) return;
  ran_ = running();
  if (ran_) {
    start();
  } else {
    i6300esb_disable_timer();
    timer_->cancel();
  }
}

// WDT_TOUT_CNF: free running mode has no first stage.
void I6300Esb::start() { start_stage(config(kWdtLock, 1) & kFreeRunning ? 2 : 1); }

void I6300Esb::start_stage(unsigned stage) {
  state_.stage = stage;
  const unsigned shift = config(kWdtConfig, 2) & kPrescaler1us ? kShift1us : kShift1kHz;
  const std::int64_t time = (std::int64_t{state_.preload[stage - 1]} << shift) * kPciClockNs;
  i6300esb_restart_timer(stage, time);
  timer_->arm(clock().now_ns() + (config(kWdtLock, 1) & kFreeRunning ? std::max(time, kNsPerMs) : time));
}

void I6300Esb::expired() {
  const std::uint32_t configuration = config(kWdtConfig, 2);
  i6300esb_timer_expired(state_.stage);
  if (state_.stage == 1) {
    if ((configuration & kIntType) == 0) {
      state_.interrupt = true;
      set_intx(true);
    }
    start_stage(2);
    return;
  }
  state_.timed_out = true;
  GuestAlarms* machine = guest_alarms(system().control);
  if (machine && !(configuration & kOutputDisabled)) machine->watchdog_expired();
  if (config(kWdtLock, 1) & kFreeRunning) start_stage(2);
}

std::uint32_t I6300Esb::read_register(unsigned reg) const {
  switch (reg) {
    case kPreload1:
      return state_.preload[0];
    case kPreload2:
      return state_.preload[1];
    case kIntStatus:
      return state_.interrupt ? kIntActive : 0;
    default:
      return state_.timed_out ? kTimeout : 0;
  }
}

IoResult I6300Esb::read(Offset offset, Width) {
  const auto at = static_cast<unsigned>(offset);
  return std::uint64_t{read_register(at & ~3U) >> (8 * (at & 3))};
}

IoResult I6300Esb::write(Offset offset, Width width, std::uint64_t written) {
  i6300esb_mem_write(offset, width, written);
  // Drivers write halves of the reload register: what is not written of a register is as it was, and starts nothing.
  const unsigned reg = static_cast<unsigned>(offset) & ~3U, shift = 8 * (static_cast<unsigned>(offset) & 3);
  const auto mask = static_cast<std::uint32_t>((std::uint64_t{1} << (8 * width)) - 1) << shift;
  const auto value = static_cast<std::uint32_t>(written << shift) & mask;
  if (reg == kReload && value == kUnlock1) {
    state_.unlocked = 1;
    return io_ok();
  }
  if (reg == kReload && value == kUnlock2 && state_.unlocked == 1) {
    state_.unlocked = 2;
    return io_ok();
  }
  const bool unlocked = state_.unlocked == 2;
  state_.unlocked = 0;      // for one write
  if (reg == kIntStatus) {  // this one needs no sequence
    if (value & kIntActive) {
      state_.interrupt = false;
      set_intx(false);
    }
    return io_ok();
  }
  if (!unlocked) return io_ok();
  if (reg == kReload) {
    if (value & kReloadBit && running()) start();
    if (value & kTimeout) state_.timed_out = false;
  } else {
    // Taken over when the stage begins the next time (chapter 16, "Product Overview").
    std::uint32_t& preload = state_.preload[reg / 4];
    preload = ((preload & ~mask) | value) & kPreloadMask;
  }
  return io_ok();
}

MACHINA_TYPE(I6300Esb, PciDevice);

}  // namespace machina
