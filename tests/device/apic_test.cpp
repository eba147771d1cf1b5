// From the Intel SDM vol. 3A (325384-083), chapter 11: registers, priorities, messages, IPIs, errors, pins.

#include "tests/device/apic_fixture.h"

namespace machina::test {
namespace {

using namespace apic;  // NOLINT(google-build-using-namespace): the chip's own register names

TEST_F(ApicTest, RegistersAfterReset) {
  start(2);
  machine_.reset();
  Apic& a = apic(1);
  EXPECT_EQ(get(a, Id), 0x01000000U);
  EXPECT_EQ(get(a, Version), 0x01060014U);
  EXPECT_EQ(get(a, Dfr), 0xffffffffU);
  EXPECT_EQ(get(a, Svr), 0xffU);
  for (const std::uint32_t zero : {Tpr, Apr, Ppr, Ldr, Esr, IcrLow, IcrHigh, TimerInitial, TimerCurrent, TimerDivide})
    EXPECT_EQ(get(a, zero), 0U) << std::hex << zero;
  for (std::uint32_t offset = Isr; offset < Esr; offset += 16) EXPECT_EQ(get(a, offset), 0U);
  for (const std::uint32_t lvt : {LvtCmci, LvtTimer, LvtThermal, LvtPerformance, LvtLint0, LvtLint1, LvtError})
    EXPECT_EQ(get(a, lvt), 0x10000U) << std::hex << lvt;
  std::uint64_t base = 0;
  EXPECT_TRUE(a.msr_read(0x1b, base));
  EXPECT_EQ(base, 0xfee00800U);
  EXPECT_TRUE(apic(0).msr_read(0x1b, base));
  EXPECT_EQ(base, 0xfee00900U) << "the bootstrap processor";
  EXPECT_EQ(get(apic(0), LvtLint0), 0x700U) << "virtual wire";
}

TEST_F(ApicTest, VirtualWireCanBeLeftToTheFirmware) {
  start(1, {{"virtual-wire", "off"}});
  machine_.reset();
  EXPECT_EQ(get(apic(), LvtLint0), 0x10000U);
}

TEST_F(ApicTest, RegistersReadBackWhatIsDefined) {
  start();
  const struct {
    std::uint32_t offset, bits;
  } table[] = {{Tpr, 0xff},         {Ldr, 0xff000000},         {Svr, 0x13ff},       {LvtCmci, 0x107ff},
               {LvtTimer, 0x700ff}, {LvtThermal, 0x107ff},     {LvtLint0, 0x1a7ff}, {LvtLint1, 0x1a7ff},
               {LvtError, 0x100ff}, {LvtPerformance, 0x107ff}, {TimerDivide, 0xb},  {IcrHigh, 0xff000000}};
  for (const auto& row : table) {
    put(apic(), row.offset, 0xffffffff);
    EXPECT_EQ(get(apic(), row.offset), row.bits) << std::hex << row.offset;
  }
  put(apic(), Dfr, 0);
  EXPECT_EQ(get(apic(), Dfr), 0x0fffffffU);
  put(apic(), Version, 0);
  EXPECT_EQ(get(apic(), Version), 0x01060014U);
}

TEST_F(ApicTest, OnlyFirstFourBytesOfSixteenAreThere) {
  start();
  EXPECT_EQ(apic().mmio_read(Version, 1), 0x14U);
  EXPECT_EQ(apic().mmio_read(Version + 2, 1), 0x06U);
  EXPECT_EQ(apic().mmio_read(Version, 2), 0x0014U);
  EXPECT_EQ(apic().mmio_read(Version + 4, 4), 0U);
  apic().mmio_write(Tpr, 1, 0x20);
  apic().mmio_write(Tpr + 4, 4, 0x20);
  EXPECT_EQ(get(apic(), Tpr), 0U) << "writes are 32 bits wide and aligned";
}

TEST_F(ApicTest, FixedInterruptFromRequestToEnd) {
  start();
  msi(0xfee00000, 0x0041);
  EXPECT_TRUE(cpus_[0].intr);
  EXPECT_TRUE(apic().interrupt_pending());
  EXPECT_EQ(get(apic(), Irr + 0x20), 2U);
  EXPECT_EQ(apic().acknowledge(), 0x41);
  EXPECT_FALSE(cpus_[0].intr);
  EXPECT_FALSE(apic().interrupt_pending());
  EXPECT_EQ(get(apic(), Irr + 0x20), 0U);
  EXPECT_EQ(get(apic(), Isr + 0x20), 2U);
  EXPECT_EQ(get(apic(), Ppr), 0x40U);
  msi(0xfee00000, 0x0041);
  EXPECT_FALSE(cpus_[0].intr) << "waits behind itself";
  eoi();
  EXPECT_TRUE(cpus_[0].intr);
  EXPECT_EQ(apic().acknowledge(), 0x41);
  eoi();
  EXPECT_EQ(get(apic(), Isr + 0x20), 0U);
  eoi();  // with nothing in service
  EXPECT_EQ(apic().acknowledge(), -1);
}

TEST_F(ApicTest, PriorityIsByClassOfSixteen) {
  start();
  msi(0xfee00000, 0x51), msi(0xfee00000, 0x5f), msi(0xfee00000, 0x62);
  EXPECT_EQ(apic().acknowledge(), 0x62);
  EXPECT_EQ(apic().acknowledge(), -1 + 0x100) << "the rest is of a lower class: spurious";
  eoi();
  EXPECT_EQ(apic().acknowledge(), 0x5f);
  msi(0xfee00000, 0x5e);
  EXPECT_FALSE(cpus_[0].intr) << "same class";
  msi(0xfee00000, 0x60);
  EXPECT_EQ(apic().acknowledge(), 0x60) << "a higher class nests";
  EXPECT_EQ(get(apic(), Ppr), 0x60U);
  eoi();
  EXPECT_EQ(get(apic(), Ppr), 0x50U);
  eoi();
  EXPECT_EQ(apic().acknowledge(), 0x5e);
}

TEST_F(ApicTest, TaskPriorityHoldsBack) {
  start();
  put(apic(), Tpr, 0x4f);
  msi(0xfee00000, 0x4f);
  EXPECT_FALSE(cpus_[0].intr);
  EXPECT_EQ(get(apic(), Ppr), 0x4fU);
  msi(0xfee00000, 0x50);
  EXPECT_EQ(apic().acknowledge(), 0x50);
  EXPECT_EQ(get(apic(), Ppr), 0x50U) << "in service is above TPR";
  eoi();
  apic().set_cr8(3);
  EXPECT_EQ(get(apic(), Tpr), 0x30U);
  EXPECT_EQ(apic().cr8(), 3U);
  EXPECT_EQ(apic().acknowledge(), 0x4f);
}

// A CPU whose CR8 changes unseen is told when something waits for that.
TEST_F(ApicTest, WhatTheTaskPriorityAloneHoldsBackIsTold) {
  start();
  put(apic(), Tpr, 0x40);
  msi(0xfee00000, 0x50);
  EXPECT_EQ(cpus_[0].helds, 0) << "may interrupt";
  EXPECT_FALSE(apic().held_by_task_priority());
  msi(0xfee00000, 0x4f);
  EXPECT_FALSE(apic().held_by_task_priority()) << "0x50 comes first";
  EXPECT_EQ(apic().acknowledge(), 0x50);
  EXPECT_FALSE(apic().held_by_task_priority()) << "0x50 in service holds it back as well";
  eoi();
  EXPECT_TRUE(apic().held_by_task_priority());
  EXPECT_EQ(cpus_[0].helds, 1);
  msi(0xfee00000, 0x4e);
  EXPECT_EQ(cpus_[0].helds, 1) << "told when it begins";
  apic().set_cr8(3);
  EXPECT_FALSE(apic().held_by_task_priority());
  EXPECT_TRUE(cpus_[0].intr);
  apic().set_cr8(4);
  EXPECT_EQ(cpus_[0].helds, 2);
}

TEST_F(ApicTest, SpuriousWhenTaskPriorityRisesBeforeTheAcknowledge) {
  start();
  put(apic(), Svr, 0x1ef);
  msi(0xfee00000, 0x31);
  EXPECT_TRUE(cpus_[0].intr);
  put(apic(), Tpr, 0xf0);
  EXPECT_FALSE(cpus_[0].intr);
  EXPECT_EQ(apic().acknowledge(), 0xef);
  EXPECT_EQ(get(apic(), Isr + 0x70), 0U) << "a spurious vector is not in service";
  put(apic(), Tpr, 0);
  EXPECT_EQ(apic().acknowledge(), 0x31);
}

TEST_F(ApicTest, ArbitrationPriority) {
  start();
  put(apic(), Tpr, 0x25);
  EXPECT_EQ(get(apic(), Apr), 0x25U);
  msi(0xfee00000, 0x41);
  EXPECT_EQ(get(apic(), Apr), 0x40U);
  apic().acknowledge();
  msi(0xfee00000, 0x35);
  EXPECT_EQ(get(apic(), Apr), 0x40U);
  put(apic(), Tpr, 0x80);
  EXPECT_EQ(get(apic(), Apr), 0x80U);
}

TEST_F(ApicTest, LevelInterruptIsEndedAtTheIoapic) {
  start();
  machine_.write(0xfec00000, 4, 0x10 + 2 * 9);
  machine_.write(0xfec00010, 4, 0x8051);
  lint0_.connect(*ioapic_->input("in", 9));
  lint0_.raise();
  EXPECT_EQ(get(apic(), Tmr + 0x20), 0x20000U);
  EXPECT_EQ(apic().acknowledge(), 0x51);
  eoi();
  EXPECT_EQ(apic().acknowledge(), 0x51) << "the line is still high";
  lint0_.lower();
  eoi();
  EXPECT_EQ(apic().acknowledge(), -1);
  msi(0xfee00000, 0x51);
  EXPECT_EQ(get(apic(), Tmr + 0x20), 0U) << "an edge with the same vector clears TMR";
}

TEST_F(ApicTest, EoiBroadcastCanBeSuppressed) {
  start();
  machine_.write(0xfec00000, 4, 0x10 + 2 * 9);
  machine_.write(0xfec00010, 4, 0x8051);
  lint0_.connect(*ioapic_->input("in", 9));
  put(apic(), Svr, 0x11ff);
  lint0_.raise();
  apic().acknowledge();
  eoi();
  EXPECT_FALSE(cpus_[0].intr);
  EXPECT_EQ(machine_.read(0xfec00010, 4), 0xc051U);
  machine_.write(0xfec00040, 4, 0x51);  // the kernel tells the IOAPIC itself
  EXPECT_TRUE(cpus_[0].intr);
}

// --- destinations ---

TEST_F(ApicTest, PhysicalDestination) {
  start(4);
  msi(0xfee02000, 0x41);
  EXPECT_EQ(who(0x41), std::set<unsigned>({2}));
  msi(0xfeeff000, 0x42);
  EXPECT_EQ(who(0x42), std::set<unsigned>({0, 1, 2, 3})) << "FFh is everybody";
  msi(0xfee07000, 0x43);
  EXPECT_EQ(who(0x43), std::set<unsigned>());
}

TEST_F(ApicTest, LogicalFlatDestination) {
  start(4);
  for (unsigned n = 0; n < 4; ++n) put(apic(n), Ldr, 1U << (24 + n));
  msi(0xfee05004, 0x41);
  EXPECT_EQ(who(0x41), std::set<unsigned>({0, 2}));
  msi(0xfeeff004, 0x42);
  EXPECT_EQ(who(0x42), std::set<unsigned>({0, 1, 2, 3}));
}

TEST_F(ApicTest, LogicalClusterDestination) {
  start(4);
  for (unsigned n = 0; n < 4; ++n) {
    put(apic(n), Dfr, 0x0fffffff);
    put(apic(n), Ldr, ((n / 2) << 4 | 1U << n % 2) << 24);  // clusters 0 and 1 of two
  }
  msi(0xfee01004, 0x41);
  EXPECT_EQ(who(0x41), std::set<unsigned>({0}));
  msi(0xfee13004, 0x42);
  EXPECT_EQ(who(0x42), std::set<unsigned>({2, 3}));
  msi(0xfeef2004, 0x43);
  EXPECT_EQ(who(0x43), std::set<unsigned>({1, 3})) << "cluster 15 is all clusters";
}

TEST_F(ApicTest, LowestPriorityChoosesAndTakesTurns) {
  start(4);
  for (unsigned n = 0; n < 4; ++n) put(apic(n), Ldr, 1U << (24 + n));
  put(apic(0), Tpr, 0x20), put(apic(1), Tpr, 0x10), put(apic(2), Tpr, 0x10), put(apic(3), Tpr, 0x30);
  msi(0xfee0f00c, 0x0141);
  EXPECT_EQ(who(0x41).size(), 1U);
  const unsigned first = *who(0x41).begin();
  EXPECT_TRUE(first == 1 || first == 2);
  apic(first).acknowledge();
  eoi(first);
  msi(0xfee0f00c, 0x0141);
  const unsigned second = *who(0x41).begin();
  EXPECT_EQ(first + second, 3U) << "the other one of the two";
  // Who has the vector already gets it again.
  put(apic(second), Tpr, 0xff);
  msi(0xfee0f00c, 0x0141);
  EXPECT_EQ(who(0x41), std::set<unsigned>({second}));
  put(apic(second), Svr, 0x3ff);  // no focus checking
  msi(0xfee0f00c, 0x0141);
  EXPECT_EQ(who(0x41).size(), 2U);
}

TEST_F(ApicTest, RedirectionHintMeansOneOfThem) {
  start(2);
  for (unsigned n = 0; n < 2; ++n) put(apic(n), Ldr, 1U << (24 + n));
  put(apic(0), Tpr, 0x80);
  msi(0xfee0300c, 0x41);
  EXPECT_EQ(who(0x41), std::set<unsigned>({1}));
}

// --- interprocessor interrupts ---

TEST_F(ApicTest, IpiByDestination) {
  start(3);
  ipi(0, 0x4041, 2);
  EXPECT_EQ(who(0x41), std::set<unsigned>({2}));
  EXPECT_EQ(get(apic(0), IcrLow), 0x4041U) << "delivery status is idle";
  EXPECT_EQ(get(apic(0), IcrHigh), 0x02000000U);
  ipi(1, 0x4400, 0);
  EXPECT_EQ(cpus_[0].nmis, 1);
  ipi(1, 0x4200, 0);
  EXPECT_EQ(cpus_[0].smis, 1);
}

TEST_F(ApicTest, IpiShorthands) {
  start(3);
  ipi(1, 0x44041);
  EXPECT_EQ(who(0x41), std::set<unsigned>({1}));
  ipi(1, 0x84042);
  EXPECT_EQ(who(0x42), std::set<unsigned>({0, 1, 2}));
  ipi(1, 0xc4043);
  EXPECT_EQ(who(0x43), std::set<unsigned>({0, 2}));
  ipi(1, 0xc4400);
  EXPECT_EQ(cpus_[0].nmis, 1);
  EXPECT_EQ(cpus_[1].nmis, 0);
  ipi(1, 0x44400);
  EXPECT_EQ(cpus_[1].nmis, 0) << "NMI to oneself is not valid";
}

TEST_F(ApicTest, StartingTheOtherProcessors) {
  start(3);
  put(apic(1), Tpr, 0x50);
  put(apic(1), Ldr, 0x02000000);
  ipi(0, 0xc4500);  // INIT to all but self
  for (const unsigned n : {1U, 2U}) EXPECT_EQ(cpus_[n].inits, 1);
  EXPECT_EQ(cpus_[0].inits, 0);
  EXPECT_EQ(get(apic(1), Tpr), 0U) << "INIT resets the local APIC";
  EXPECT_EQ(get(apic(1), Ldr), 0U);
  EXPECT_EQ(get(apic(1), Svr), 0xffU);
  EXPECT_EQ(get(apic(1), Id), 0x01000000U) << "but not its ID";
  ipi(0, 0xc8500);  // level de-assert
  EXPECT_EQ(cpus_[1].inits, 1);
  ipi(0, 0xc4609);
  ipi(0, 0x0460a, 2);
  EXPECT_EQ(cpus_[1].sipis, (std::vector<std::uint8_t>{9}));
  EXPECT_EQ(cpus_[2].sipis, (std::vector<std::uint8_t>{9, 10})) << "a software-disabled APIC takes them";
}

TEST_F(ApicTest, SoftwareDisabledRefusesFixedOnly) {
  start(2);
  msi(0xfee01000, 0x41);
  put(apic(1), LvtTimer, 0x55);
  put(apic(1), Svr, 0xff);
  EXPECT_FALSE(cpus_[1].intr) << "what was accepted waits";
  EXPECT_EQ(get(apic(1), LvtTimer), 0x10055U) << "all entries are masked";
  put(apic(1), LvtTimer, 0x55);
  EXPECT_EQ(get(apic(1), LvtTimer), 0x10055U) << "and stay so";
  msi(0xfee01000, 0x42);
  EXPECT_FALSE(requested(1, 0x42));
  ipi(0, 0x4400, 1);
  EXPECT_EQ(cpus_[1].nmis, 1);
  put(apic(1), Svr, 0x1ff);
  EXPECT_TRUE(cpus_[1].intr);
}

// --- errors ---

TEST_F(ApicTest, ErrorsAreLatchedUntilEsrIsWritten) {
  start(2);
  put(apic(0), LvtError, 0xfe);
  ipi(0, 0x4005, 1);  // vector below 16
  EXPECT_TRUE(requested(0, 0xfe));
  EXPECT_EQ(get(apic(0), Esr), 0U) << "not before a write";
  put(apic(0), Esr, 0);
  EXPECT_EQ(get(apic(0), Esr), 0x20U);
  msi(0xfee00000, 0x0f);
  get(apic(0), 0x3d0);
  put(apic(0), Esr, 0);
  EXPECT_EQ(get(apic(0), Esr), 0xc0U) << "illegal vector received, illegal register";
  put(apic(0), Esr, 0);
  EXPECT_EQ(get(apic(0), Esr), 0U);
}

TEST_F(ApicTest, ErrorEntryWithAnIllegalVectorDoesNotLoop) {
  start();
  put(apic(), LvtError, 0x03);
  msi(0xfee00000, 0x01);
  put(apic(), Esr, 0);
  EXPECT_EQ(get(apic(), Esr), 0x40U);
}

// --- pins ---

TEST_F(ApicTest, Lint0BringsThe8259) {
  start();
  IrqOut wire;
  pic_->output("out")[0]->connect(*apic().input("lint", 0));
  wire.connect(*pic_->input("ir", 3));
  machine_.outb(0x20, 0x11);
  for (const int v : {0x20, 0x04, 0x01}) machine_.outb(0x21, static_cast<std::uint8_t>(v));
  put(apic(), LvtLint0, 0x10700);
  wire.raise();
  EXPECT_FALSE(cpus_[0].intr);
  put(apic(), LvtLint0, 0x700);
  EXPECT_TRUE(cpus_[0].intr);
  put(apic(), Tpr, 0xff);
  EXPECT_TRUE(cpus_[0].intr) << "no priority holds ExtINT back";
  EXPECT_EQ(apic().acknowledge(), 0x23);
  EXPECT_FALSE(cpus_[0].intr);
  for (std::uint32_t i = 0; i < 8; ++i) EXPECT_EQ(get(apic(), Isr + 16 * i), 0U);
  pic_->output("out")[0]->disconnect();
}

TEST_F(ApicTest, DisabledApicLetsThePinsThrough) {
  start();
  lint0_.connect(*apic().input("lint", 0));
  lint1_.connect(*apic().input("lint", 1));
  put(apic(), LvtLint0, 0x10700);
  lint0_.raise();
  EXPECT_FALSE(cpus_[0].intr);
  ASSERT_TRUE(apic().msr_write(0x1b, 0xfee00100));
  EXPECT_TRUE(cpus_[0].intr);
  EXPECT_FALSE(apic().page_enabled());
  lint1_.pulse();
  EXPECT_EQ(cpus_[0].nmis, 1);
  msi(0xfee00000, 0x41);
  EXPECT_FALSE(requested(0, 0x41));
}

TEST_F(ApicTest, Lint1IsNmiWhenProgrammed) {
  start();
  lint1_.connect(*apic().input("lint", 1));
  lint1_.pulse();
  EXPECT_EQ(cpus_[0].nmis, 0);
  put(apic(), LvtLint1, 0x400);
  lint1_.pulse();
  EXPECT_EQ(cpus_[0].nmis, 1);
}

TEST_F(ApicTest, Lint0AsALevelInterrupt) {
  start();
  lint0_.connect(*apic().input("lint", 0));
  put(apic(), LvtLint0, 0x8061);
  lint0_.raise();
  EXPECT_EQ(get(apic(), LvtLint0), 0xc061U) << "remote IRR";
  EXPECT_EQ(apic().acknowledge(), 0x61);
  eoi();
  EXPECT_EQ(apic().acknowledge(), 0x61);
  lint0_.lower();
  eoi();
  EXPECT_EQ(get(apic(), LvtLint0), 0x8061U);
  EXPECT_EQ(apic().acknowledge(), -1);
}

TEST_F(ApicTest, LocalEvents) {
  start();
  put(apic(), LvtPerformance, 0x400);
  apic().local_event(Apic::LocalEvent::Performance);
  EXPECT_EQ(cpus_[0].nmis, 1);
  EXPECT_EQ(get(apic(), LvtPerformance), 0x10400U) << "masks itself";
  put(apic(), LvtThermal, 0x200);
  apic().local_event(Apic::LocalEvent::Thermal);
  EXPECT_EQ(cpus_[0].smis, 1);
  put(apic(), LvtCmci, 0x71);
  apic().local_event(Apic::LocalEvent::Cmci);
  EXPECT_EQ(apic().acknowledge(), 0x71);
}

TEST_F(ApicTest, ExtIntMessageIsAnsweredByThe8259) {
  start();
  msi(0xfee00000, 0x0700);
  EXPECT_TRUE(cpus_[0].intr);
  EXPECT_EQ(apic().acknowledge(), 7) << "the spurious vector of an 8259 that has no request";
  EXPECT_FALSE(cpus_[0].intr);
}

// --- state ---

TEST_F(ApicTest, StateComesBack) {
  start();
  put(apic(), Tpr, 0x20);
  put(apic(), TimerDivide, 0xb);
  put(apic(), LvtTimer, 0x66);
  put(apic(), TimerInitial, 1000);
  msi(0xfee00000, 0x51), msi(0xfee00000, 0x41);
  apic().acknowledge();
  machine_.step(400);
  const ApicState saved = apic().get_state();
  const auto page = apic().registers();
  machine_.reset();
  apic().set_state(saved);
  EXPECT_EQ(apic().registers(), page);
  machine_.reset();
  EXPECT_EQ(get(apic(), Tpr), 0U);
  apic().set_registers(page);
  EXPECT_EQ(apic().registers(), page);
  EXPECT_EQ(get(apic(), TimerCurrent), 600U);
  machine_.step(600);
  EXPECT_EQ(apic().acknowledge(), 0x66);
  eoi(), eoi();
  EXPECT_EQ(apic().acknowledge(), 0x41);
}

}  // namespace
}  // namespace machina::test
