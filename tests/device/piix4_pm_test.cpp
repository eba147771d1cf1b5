// Intel 82371AB (PIIX4) datasheet, 7.1 and 7.2: ACPI events, the timer, sleep states; the APM ports.

#include "hw/acpi/piix4_pm.h"

#include <gtest/gtest.h>

#include "hw/isa/piix3.h"
#include "hw/pci-host/i440fx.h"
#include "tests/support/pci_config.h"

namespace machina {

/// Two wires of a test: the CPU's SMI, and something that acts as an RTC.
class PmWires final : public Device {
 public:
  static constexpr const char* kType = "test-pm-wires";
  static void class_init(DeviceClass& c) {
    c.inputs(&PmWires::smi, "smi");
    c.output("alarm", &PmWires::alarm);
  }
  unsigned smis = 0;
  IrqInBank smi{"smi", 1, [this](unsigned, bool level) { smis += level ? 1 : 0; }};
  IrqOut alarm;
};
MACHINA_TYPE(PmWires, Device);

}  // namespace machina

namespace machina::test {
namespace {

constexpr std::uint16_t kBase = 0x600;

class Piix4PmTest : public testing::Test {
 protected:
  void start(TestMachine::Properties more = {}) {
    wires = &m.add<PmWires>("wires", {{"alarm", "pm.rtc-alarm.0"}});
    m.add<I440fxHost>("i440fx");
    piix3 = &m.add<Piix3>("piix3", {{"addr", "1"}});
    pm = &m.add<Piix4Pm>("pm", {{"addr", "1.3"}, {"sci", "piix3.9"}, {"smi", "wires"}});
    for (const auto& [name, value] : more) pm->set_text(name, value);
    m.start();
    set_up();
  }
  void set_up() {
    config.l(0x40, kBase | 1);
    config.b(0x80, 1);
  }
  bool sci() { return piix3->input("irq", 9)->level(); }
  std::uint16_t status() { return m.inw(kBase); }
  std::uint32_t timer() { return m.inl(kBase + 8); }
  /// Ticks since reset in which `ns` end.
  static std::uint64_t ticks(std::int64_t ns) {
    return static_cast<std::uint64_t>(static_cast<__int128>(ns) * 3579545 / 1000000000);
  }

  /// The first nanosecond with that many ticks.
  static std::int64_t when(std::int64_t n) { return (n * 1'000'000'000 + 3579545 - 1) / 3579545; }

  TestMachine m{2 << 20};
  PciConfig config{m, 1, 3};
  PmWires* wires = nullptr;
  Piix3* piix3 = nullptr;
  Piix4Pm* pm = nullptr;
};

TEST_F(Piix4PmTest, IdentityAndBases) {
  start();
  EXPECT_EQ(config.l(0x00), 0x71138086U);
  EXPECT_EQ(config.l(0x08) >> 8, 0x068000U);
  EXPECT_EQ(config.w(0x06), 0x0280);
  EXPECT_EQ(config.b(0x3d), 1);
  m.reset();
  EXPECT_EQ(config.l(0x40), 1U);
  EXPECT_EQ(config.l(0x90), 1U);
  config.l(0x40, 0xffffffff);
  EXPECT_EQ(config.l(0x40), 0xffc1U);
  config.l(0x90, 0xffffffff);
  EXPECT_EQ(config.l(0x90), 0xfff1U);
  config.w(0x04, 0xffff);
  EXPECT_EQ(config.w(0x04), 1);
}

TEST_F(Piix4PmTest, TheIoSpaceIsWhereTheBaseSaysAndOnlyWhileEnabled) {
  start();
  EXPECT_EQ(m.inw(kBase + 2), 0);
  config.b(0x80, 0);
  EXPECT_EQ(m.inw(kBase + 2), 0xffff);
  config.b(0x80, 1);
  m.outw(kBase + 2, 0x100);
  config.l(0x40, 0xb001);
  EXPECT_EQ(m.inw(kBase + 2), 0xffff);
  EXPECT_EQ(m.inw(0xb002), 0x100);
  m.reset();
  EXPECT_EQ(m.inw(0xb002), 0xffff);
}

TEST_F(Piix4PmTest, TheTimerCountsAtItsFrequency) {
  start();
  EXPECT_EQ(timer(), 0U);
  m.step(1'000'000'000);
  EXPECT_EQ(timer(), 3579545U);
  m.step(279);  // less than a tick of 279.365 ns
  EXPECT_EQ(timer(), 3579545U);
  m.step(1);
  EXPECT_EQ(timer(), 3579546U);
  EXPECT_EQ(m.inb(kBase + 8), 3579546 & 0xff);
  EXPECT_EQ(m.inw(kBase + 9), 3579546 >> 8 & 0xffff);
  m.outl(kBase + 8, 0);
  EXPECT_EQ(timer(), 3579546U) << "read-only";
}

TEST_F(Piix4PmTest, TheTimerWrapsAt24BitsAndNeverDrifts) {
  start();
  m.step(when(1 << 24) - 1);
  EXPECT_EQ(timer(), 0xffffffU);
  m.step(1);
  EXPECT_EQ(timer(), 0U);
  for (const std::int64_t days : {1, 400}) {
    m.step(days * 86400 * 1'000'000'000LL);
    EXPECT_EQ(timer(), ticks(m.now()) & 0xffffff);
  }
}

TEST_F(Piix4PmTest, BothChangesOfTheTopBitSetTheStatus) {
  start();
  EXPECT_FALSE(status() & 1);
  m.step(when(1 << 23));
  EXPECT_TRUE(status() & 1) << "nobody needs to be listening";
  m.outw(kBase, 1);
  EXPECT_FALSE(status() & 1);
  m.step(when(1 << 24) - when(1 << 23) - 1);
  EXPECT_FALSE(status() & 1);
  m.step(1);
  EXPECT_TRUE(status() & 1);
  m.outw(kBase, 0xfffe);
  EXPECT_TRUE(status() & 1) << "a zero clears nothing";
}

TEST_F(Piix4PmTest, TheOverflowInterruptsAtTheExactTick) {
  start();
  m.outw(kBase + 4, 1);  // SCI_EN
  m.outw(kBase + 2, 1);  // TMROF_EN
  EXPECT_FALSE(sci());
  const std::int64_t distance = m.step_to_next_timer();
  EXPECT_EQ(distance, when(1 << 23));
  EXPECT_TRUE(sci());
  EXPECT_EQ(timer(), 1U << 23);
  EXPECT_EQ(m.step_to_next_timer(), 0) << "no timer runs while nothing waits for it";
  m.outw(kBase, 1);
  EXPECT_FALSE(sci());
  m.step_to_next_timer();
  EXPECT_TRUE(sci());
  EXPECT_EQ(timer(), 0U);
}

TEST_F(Piix4PmTest, SciFollowsStatusEnableAndSciEn) {
  start();
  pm->press_power_button();
  EXPECT_EQ(status(), 0x0100);
  EXPECT_FALSE(sci());
  m.outw(kBase + 2, 0x0100);
  EXPECT_FALSE(sci()) << "without SCI_EN it would be an SMI";
  m.outw(kBase + 4, 1);
  EXPECT_TRUE(sci());
  m.outw(kBase + 2, 0);
  EXPECT_FALSE(sci());
  m.outw(kBase + 2, 0x0100);
  EXPECT_TRUE(sci());
  m.outb(kBase + 1, 0x01);  // the status's high byte
  EXPECT_FALSE(sci());
  EXPECT_EQ(status(), 0);
}

TEST_F(Piix4PmTest, EnableAndControlKeepOnlyTheirBits) {
  start();
  m.outw(kBase + 2, 0xffff);
  EXPECT_EQ(m.inw(kBase + 2), 0x0521);
  m.outw(kBase + 4, 0xdfff & ~0x1c00);
  EXPECT_EQ(m.inw(kBase + 4), 0x0003);
  m.outl(kBase, 0);
  EXPECT_EQ(m.inw(kBase + 2), 0) << "a 32-bit access reaches both halves";
}

TEST_F(Piix4PmTest, SoftOff) {
  start();
  m.outw(kBase + 4, 0x0001);
  EXPECT_TRUE(m.object().shutdowns.empty());
  m.outw(kBase + 4, 0x2001);  // SUS_TYP 0, SUS_EN
  ASSERT_EQ(m.object().shutdowns.size(), 1U);
  EXPECT_EQ(m.object().shutdowns[0].first, ShutdownCause::GuestShutdown);
  EXPECT_EQ(m.inw(kBase + 4), 0x0001) << "SUS_EN reads zero";
}

TEST_F(Piix4PmTest, SuspendToRamAndToDisk) {
  start();
  m.outw(kBase + 4, 1 << 10);
  EXPECT_EQ(m.object().suspends, 0U) << "SUS_TYP alone does nothing";
  m.outw(kBase + 4, 0x2000 | 1 << 10);
  EXPECT_EQ(m.object().suspends, 1U);
  m.outw(kBase + 4, 0x2000 | 2 << 10);
  EXPECT_EQ(m.object().shutdowns.size(), 1U);
  m.outw(kBase + 4, 0x2000 | 5 << 10);
  EXPECT_EQ(m.object().shutdowns.size(), 1U) << "no such state";
  EXPECT_EQ(m.object().suspends, 1U);
}

TEST_F(Piix4PmTest, SleepStatesCanBeTakenAway) {
  start({{"disable_s3", "on"}, {"disable_s4", "on"}});
  m.outw(kBase + 4, 0x2000 | 1 << 10);
  m.outw(kBase + 4, 0x2000 | 2 << 10);
  EXPECT_EQ(m.object().suspends, 0U);
  EXPECT_TRUE(m.object().shutdowns.empty());
}

TEST_F(Piix4PmTest, SleepWrittenByteByByte) {
  start();
  m.outb(kBase + 5, 0x20 | 1 << 2);
  EXPECT_EQ(m.object().suspends, 1U);
}

TEST_F(Piix4PmTest, WakingFromSuspendLeavesItsStatus) {
  start();
  m.object().state = RunState::Suspended;
  pm->press_power_button();
  EXPECT_EQ(m.object().wakeups, std::vector<std::string>{"power-button"});
  m.reset();
  m.object().state = RunState::Running;
  set_up();
  EXPECT_EQ(status(), 0x8100) << "that it slept, and what woke it up";
  m.outw(kBase, 0x8000);
  EXPECT_EQ(status(), 0x0100);
  m.reset();
  set_up();
  EXPECT_EQ(status(), 0);
}

TEST_F(Piix4PmTest, AnEventThatHasHappenedEndsTheSleepAtOnce) {
  start();
  wires->alarm.pulse();
  m.outw(kBase + 4, 0x2000 | 1 << 10);
  EXPECT_EQ(m.object().suspends, 1U);
  EXPECT_TRUE(m.object().wakeups.empty()) << "not enabled";
  m.outw(kBase + 2, 0x0400);
  m.outw(kBase + 4, 0x2000 | 1 << 10);
  EXPECT_EQ(m.object().suspends, 2U);
  EXPECT_EQ(m.object().wakeups.size(), 1U);
  m.outw(kBase, 0x0400);
  m.outw(kBase + 4, 0x2000 | 1 << 10);
  EXPECT_EQ(m.object().wakeups.size(), 1U);
  wires->alarm.pulse();  // before the machine has come to rest
  EXPECT_EQ(m.object().wakeups.size(), 2U);
}

TEST_F(Piix4PmTest, AnRtcAlarmWakesOnlyWhenEnabled) {
  start();
  m.object().state = RunState::Suspended;
  wires->alarm.pulse();
  EXPECT_TRUE(m.object().wakeups.empty());
  EXPECT_EQ(status(), 0x0400);
  m.outw(kBase + 2, 0x0400);
  wires->alarm.pulse();
  EXPECT_EQ(m.object().wakeups, std::vector<std::string>{"rtc"});
}

TEST_F(Piix4PmTest, GeneralPurposeEvents) {
  start();
  m.outw(kBase + 4, 1);
  pm->raise_gpe(1);
  pm->raise_gpe(9);
  EXPECT_EQ(m.inl(0xafe0), 0x0202U);
  EXPECT_FALSE(sci());
  m.outb(0xafe2, 0x02);
  EXPECT_TRUE(sci());
  m.outb(0xafe0, 0x02);
  EXPECT_FALSE(sci());
  m.outb(0xafe3, 0xff);
  EXPECT_TRUE(sci());
  EXPECT_EQ(m.inl(0xafe0), 0xff020200U);
  m.reset();
  EXPECT_FALSE(sci());
  EXPECT_EQ(m.inl(0xafe0), 0U);
}

TEST_F(Piix4PmTest, AGeneralPurposeEventWakesWhenEnabledAndStaysToBeSeen) {
  start();
  m.object().state = RunState::Suspended;
  IrqOut wake;
  wake.connect(*pm->input("gpe", 4));
  wake.pulse();
  EXPECT_TRUE(m.object().wakeups.empty()) << "not enabled";
  EXPECT_EQ(m.inl(0xafe0), 0x10U);
  m.outb(0xafe2, 0x10);
  wake.pulse();
  EXPECT_EQ(m.object().wakeups, std::vector<std::string>{"gpe"});
  m.reset();
  EXPECT_EQ(m.inl(0xafe0), 0x10U) << "who woke it; what may is forgotten";
  m.object().state = RunState::Running;
  set_up();
  m.outb(0xafe2, 0x10);
  m.outw(kBase + 4, 0x2000 | 1 << 10);
  EXPECT_EQ(m.object().wakeups.size(), 2U) << "one that has happened already ends the sleep at once";
  m.reset();
  EXPECT_EQ(m.inl(0xafe0), 0U);
}

TEST_F(Piix4PmTest, ApmTurnsAcpiOnAndOff) {
  start();
  m.outb(0xb3, 0x5a);
  EXPECT_EQ(m.inb(0xb3), 0x5a);
  m.outb(0xb2, 0xf1);
  EXPECT_EQ(m.inb(0xb2), 0xf1);
  EXPECT_TRUE(m.inw(kBase + 4) & 1);
  m.outb(0xb2, 0xf0);
  EXPECT_FALSE(m.inw(kBase + 4) & 1);
  EXPECT_EQ(wires->smis, 0U);
}

TEST_F(Piix4PmTest, WithoutManagementModeFirmwareFindsItSetUp) {
  start();
  EXPECT_EQ(config.l(0x58), 0x02000000U);
  m.outl(kBase + 0x28, 1);
  m.outb(0xb2, 0);
  EXPECT_EQ(wires->smis, 0U);
}

TEST_F(Piix4PmTest, WithManagementModeAWriteToApmcIsAnSmi) {
  start({{"smm-enabled", "on"}});
  EXPECT_EQ(config.l(0x58), 0U);
  m.outb(0xb2, 0);
  config.l(0x58, 0x02000000);
  m.outb(0xb2, 0);
  EXPECT_EQ(wires->smis, 0U) << "not enabled globally";
  m.outl(kBase + 0x28, 1);
  m.outb(0xb2, 0);
  m.outb(0xb3, 0);
  EXPECT_EQ(wires->smis, 1U);
}

TEST_F(Piix4PmTest, GlobalControlReleasesTheBios) {
  start();
  m.outw(kBase + 4, 1);
  m.outw(kBase + 2, 0x20);
  m.outb(kBase + 0x28, 2);
  EXPECT_EQ(status(), 0x20);
  EXPECT_TRUE(sci());
  EXPECT_EQ(m.inb(kBase + 0x28), 0) << "BIOS_RLS reads zero";
}

TEST_F(Piix4PmTest, UnimplementedRegistersReadAsDocumented) {
  start();
  for (const unsigned reg : {0x0cU, 0x14U, 0x18U, 0x1cU, 0x30U, 0x3cU}) {
    m.outl(static_cast<std::uint16_t>(kBase + reg), 0xffffffff);
    EXPECT_EQ(m.inl(static_cast<std::uint16_t>(kBase + reg)), 0U) << reg;
  }
  for (const unsigned reg : {0x10U, 0x2cU, 0x34U}) {
    m.outl(static_cast<std::uint16_t>(kBase + reg), 0x12345678);
    EXPECT_EQ(m.inl(static_cast<std::uint16_t>(kBase + reg)), 0x12345678U) << reg;
  }
}

TEST_F(Piix4PmTest, ResetStartsTheTimerAgain) {
  start();
  m.step(123'456'789);
  m.outw(kBase + 2, 1);
  m.reset();
  set_up();
  EXPECT_EQ(timer(), 0U);
  EXPECT_EQ(m.step_to_next_timer(), 0);
  m.step(1'000'000);
  EXPECT_EQ(timer(), 3579U);
}

}  // namespace
}  // namespace machina::test
