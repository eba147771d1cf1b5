#include "hw/intc/apic_page.h"

#include <gtest/gtest.h>

#include "hw/intc/apic_common.h"

namespace machina {
namespace {

ApicState some_state() {
  ApicState s;
  s.id = 3, s.tpr = 0x20, s.ldr = 0x08000000, s.dfr = 0x0fffffff, s.svr = 0x1ff;
  for (unsigned i = 0; i < 8; ++i) s.isr.words[i] = 0x100 + i, s.tmr.words[i] = 0x200 + i, s.irr.words[i] = 0x300 + i;
  s.esr = 0x20, s.icr = 0x0300000000004045;
  s.lvt_cmci = 0x10010, s.lvt_timer = 0x20073, s.lvt_thermal = 0x11, s.lvt_performance = 0x12;
  s.lvt_lint = {0x700, 0x400}, s.lvt_error = 0xfe, s.timer_initial = 12345, s.timer_divide = 0xb;
  return s;
}

TEST(ApicPage, RegistersStandWhereTheManualSays) {
  const ApicPage page = apic_page_of(some_state(), 99);
  EXPECT_EQ(apic_page_register(page, apic::Id), 0x03000000U);
  EXPECT_EQ(apic_page_register(page, apic::Version), apic::kVersionValue);
  EXPECT_EQ(apic_page_register(page, 0x350), 0x700U);
  EXPECT_EQ(apic_page_register(page, 0x390), 99U);
  EXPECT_EQ(apic_page_register(page, apic::Irr + 0x70), 0x307U);
  EXPECT_EQ(apic_page_register(page, 0x40), 0U) << "reserved";
}

TEST(ApicPage, RoundTripInBothModes) {
  for (const std::uint64_t mode : {std::uint64_t{0}, apic::kBaseExtended}) {
    ApicState s = some_state();
    s.base = apic::kDefaultBase | apic::kBaseEnable | mode;
    if (mode) s.id = 0x12345;
    ApicState back;
    back.base = s.base;
    apply_apic_page(back, apic_page_of(s));
    EXPECT_EQ(back, s) << (mode ? "x2APIC" : "xAPIC");
  }
}

}  // namespace
}  // namespace machina
