#include "hw/intc/apic_page.h"

#include "hw/intc/apic_common.h"
#include "hw/intc/apic_regs.h"

namespace machina {

using namespace apic;  // NOLINT(google-build-using-namespace): the chip's own register names

std::uint32_t apic_page_register(const ApicPage& page, std::uint32_t offset) {
  std::uint32_t value = 0;
  for (unsigned i = 0; i < 4; ++i) value |= std::uint32_t{page.at(offset + i)} << 8 * i;
  return value;
}

void set_apic_page_register(ApicPage& page, std::uint32_t offset, std::uint32_t value) {
  for (unsigned i = 0; i < 4; ++i) page.at(offset + i) = static_cast<std::uint8_t>(value >> 8 * i);
}

ApicPage apic_page_of(const ApicState& s, std::uint32_t current_count) {
  ApicPage page{};
  const auto set = [&page](std::uint32_t offset, std::uint32_t value) { set_apic_page_register(page, offset, value); };
  set(Id, (s.base & kBaseExtended) ? s.id : s.id << 24);
  set(Version, kVersionValue);
  set(Tpr, s.tpr);
  set(Ldr, s.ldr);
  set(Dfr, s.dfr);
  set(Svr, s.svr);
  for (std::uint32_t i = 0; i < 8; ++i) {
    set(Isr + 16 * i, s.isr.words[i]);
    set(Tmr + 16 * i, s.tmr.words[i]);
    set(Irr + 16 * i, s.irr.words[i]);
  }
  set(Esr, s.esr);
  set(IcrLow, static_cast<std::uint32_t>(s.icr));
  set(IcrHigh, static_cast<std::uint32_t>(s.icr >> 32));
  set(LvtCmci, s.lvt_cmci);
  set(LvtTimer, s.lvt_timer);
  set(LvtThermal, s.lvt_thermal);
  set(LvtPerformance, s.lvt_performance);
  set(LvtLint0, s.lvt_lint[0]);
  set(LvtLint1, s.lvt_lint[1]);
  set(LvtError, s.lvt_error);
  set(TimerInitial, s.timer_initial);
  set(TimerCurrent, current_count);
  set(TimerDivide, s.timer_divide);
  return page;
}

void apply_apic_page(ApicState& s, const ApicPage& page) {
  const auto get = [&page](std::uint32_t offset) { return apic_page_register(page, offset); };
  s.id = (s.base & kBaseExtended) ? get(Id) : get(Id) >> 24;
  s.tpr = get(Tpr) & 0xff;
  s.ldr = get(Ldr);
  s.dfr = get(Dfr) | 0x0fffffff;
  s.svr = get(Svr) & kSvrDefined;
  for (std::uint32_t i = 0; i < 8; ++i) {
    s.isr.words[i] = get(Isr + 16 * i);
    s.tmr.words[i] = get(Tmr + 16 * i);
    s.irr.words[i] = get(Irr + 16 * i);
  }
  s.esr = get(Esr);
  s.icr = get(IcrLow) | std::uint64_t{get(IcrHigh)} << 32;
  s.lvt_cmci = get(LvtCmci);
  s.lvt_timer = get(LvtTimer);
  s.lvt_thermal = get(LvtThermal);
  s.lvt_performance = get(LvtPerformance);
  s.lvt_lint = {get(LvtLint0), get(LvtLint1)};
  s.lvt_error = get(LvtError);
  s.timer_initial = get(TimerInitial);
  s.timer_divide = get(TimerDivide) & 0xb;
}

}  // namespace machina
