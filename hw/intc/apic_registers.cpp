/// Registers of the local APIC: the page, the MSRs, and the page as a whole.

#include "hw/intc/apic.h"

#include "core/trace/trace_event.h"

#include <utility>

namespace machina {

using namespace apic;  // NOLINT(google-build-using-namespace): the chip's own register names
namespace {

const TraceEvent<unsigned, unsigned, unsigned> apic_register_read{"apic_register_read",
                                                                  "apic={} reg={:#05x} value={:#x}"};
const TraceEvent<unsigned, unsigned, unsigned> apic_register_write{"apic_register_write",
                                                                   "apic={} reg={:#05x} value={:#x}"};
const TraceEvent<unsigned, std::uint64_t> apic_base_write{"apic_base_write", "apic={} value={:#x}"};

}  // namespace

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
      value = state_.isr.words[word];
      return true;
    case Tmr:
      value = state_.tmr.words[word];
      return true;
    case Irr:
      value = state_.irr.words[word];
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
  apic_register_write(state_.id, offset, value);
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
      signal_due_timer();
      if (timer_mode() != kLvtTimerDeadline) start_timer(value);
      break;
    case TimerDivide: {
      signal_due_timer();
      const std::uint32_t count = current_count();
      state_.timer_divide = value & 0xb;
      go_on_counting(count);
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
  if (&entry == &state_.lvt_timer) signal_due_timer();
  const std::uint32_t before = entry;
  const std::uint32_t count = current_count();
  if (!(state_.svr & kSvrEnable)) value |= kLvtMasked;  // cannot be unmasked while software-disabled
  entry = (value & writable) | (before & kLvtRemoteIrr);
  if (&entry == &state_.lvt_timer) {
    // Into and out of deadline mode the timer is disarmed; between the others the count goes on.
    if ((before ^ entry) & kLvtTimerDeadline) {
      state_.tsc_deadline = 0;
      state_.timer_initial = 0;
      arm_timer();
    } else if ((before ^ entry) & kLvtTimerMode) {
      go_on_counting(count);
    } else if ((before ^ entry) & kLvtMasked) {
      timer_served_ = clock().now_ns();  // what expired behind the mask is lost
      arm_timer();
    }
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
  apic_register_read(state_.id, reg, value);
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
  apic_register_read(state_.id, offset, low);
  value = offset == IcrLow ? state_.icr : low;
  return true;
}

bool Apic::msr_write(std::uint32_t index, std::uint64_t value) {
  if (index == kMsrApicBase) return write_base(value);
  if (index == kMsrTscDeadline) {
    if (timer_mode() == kLvtTimerDeadline) {
      state_.tsc_deadline = value;
      arm_timer();
      signal_due_timer();  // one in the past is reached by the time that WRMSR ends
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
  apic_base_write(state_.id, value);
  std::uint64_t defined = (kBaseAddress & ~std::uint64_t{0} >> (64 - (cpu_ ? cpu_->apic_physical_bits() : 52))) |
                          kBaseBootstrap | kBaseEnable;
  if (!cpu_ || cpu_->apic_has_x2apic()) defined |= kBaseExtended;
  if (value & ~defined) return false;
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

// --- the page as a whole ---

ApicPage Apic::registers() const {
  ApicPage page = apic_page_of(state_, current_count());
  set_apic_page_register(page, Apr, arbitration_priority());
  set_apic_page_register(page, Ppr, processor_priority());
  return page;
}

void Apic::set_registers(const ApicPage& page) {
  apply_apic_page(state_, page);
  push_state();
  go_on_counting(apic_page_register(page, TimerCurrent));
}

}  // namespace machina
