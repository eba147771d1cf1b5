// ACPI power management without PCI, against ACPI 6.4, 4.8.3.

#include "hw/acpi/isa_pm.h"

#include <gtest/gtest.h>

#include "tests/support/test_machine.h"

namespace machina {
namespace {

constexpr std::uint16_t kStatus = 0x600, kEnable = 0x602, kControl = 0x604, kReset = 0x608;
constexpr std::uint16_t kPowerButton = 0x100;

class IsaPmTest : public testing::Test {
 protected:
  IsaPmTest() {
    m_.add_isa_bus();
    pm_ = &m_.add<IsaPm>("pm", {{"sci", "9"}});
    m_.start();
  }
  test::TestMachine m_;
  IsaPm* pm_;
};

TEST_F(IsaPmTest, ComesUpInAcpiModeWithNothingPending) {
  EXPECT_EQ(m_.inl(kStatus), 0U);
  EXPECT_EQ(m_.inw(kControl), 1U);  // SCI_EN
  EXPECT_FALSE(m_.line(9));
}

TEST_F(IsaPmTest, PowerButtonIsAnEventUntilItsStatusIsCleared) {
  pm_->press_power_button();
  EXPECT_EQ(m_.inw(kStatus), kPowerButton);
  EXPECT_FALSE(m_.line(9)) << "not enabled";
  m_.outw(kEnable, 0xffff);
  EXPECT_EQ(m_.inw(kEnable), kPowerButton | 1U << 5 | 1U << 10) << "other events are not there";
  EXPECT_TRUE(m_.line(9));
  m_.outw(kStatus, 0xfeff);
  EXPECT_TRUE(m_.line(9)) << "zeros keep";
  m_.outb(kStatus + 1, 1);
  EXPECT_EQ(m_.inw(kStatus), 0U);
  EXPECT_FALSE(m_.line(9));
}

TEST_F(IsaPmTest, SleepTypeFiveWithSleepEnableIsTheEnd) {
  m_.outw(kControl, 5 << 10);  // SLP_EN is what does it
  m_.outw(kControl, 4 << 10 | 1 << 13);
  m_.outw(kControl, 0 << 10 | 1 << 13);
  EXPECT_TRUE(m_.object().shutdowns.empty()) << "other states are not there";
  EXPECT_EQ(m_.inw(kControl), 1U) << "SLP_EN reads as zero";
  m_.outw(kControl, 5 << 10 | 1 << 13);
  ASSERT_EQ(m_.object().shutdowns.size(), 1U);
  EXPECT_EQ(m_.object().shutdowns[0].first, ShutdownCause::GuestShutdown);
  EXPECT_EQ(m_.inw(kControl), 5 << 10 | 1);
}

TEST_F(IsaPmTest, ControlCanBeWrittenByTheByte) {
  m_.outb(kControl, 0xff);
  EXPECT_TRUE(m_.object().shutdowns.empty());
  m_.outb(kControl + 1, 0x34);
  EXPECT_EQ(m_.object().shutdowns.size(), 1U);
}

TEST_F(IsaPmTest, ResetRegisterTakesItsValueOnly) {
  m_.outb(kReset, 0);
  m_.outb(kReset, 3);
  EXPECT_TRUE(m_.object().resets.empty());
  m_.outb(kReset, IsaPm::kResetValue);
  EXPECT_EQ(m_.object().resets, std::vector<ShutdownCause>{ShutdownCause::GuestReset});
  EXPECT_EQ(m_.inb(kReset), 0U);
}

TEST_F(IsaPmTest, ResetClearsItsState) {
  m_.outw(kEnable, kPowerButton);
  pm_->press_power_button();
  m_.outw(kControl, 3 << 10);
  m_.reset();
  EXPECT_EQ(m_.inl(kStatus), 0U);
  EXPECT_EQ(m_.inw(kControl), 1U);
  EXPECT_FALSE(m_.line(9));
}

TEST_F(IsaPmTest, TellsAcpiWhereItIs) {
  AcpiBoard board;
  pm_->acpi_facts(board);
  EXPECT_EQ(board.fixed.pm1_event.base, kStatus);
  EXPECT_EQ(board.fixed.pm1_event.length, 4);
  EXPECT_EQ(board.fixed.pm1_control.base, kControl);
  EXPECT_EQ(board.fixed.sci, 9U);
  EXPECT_EQ(board.interrupts.level, (std::set<unsigned>{9}));
  EXPECT_EQ(board.fixed.s5, 5);
  EXPECT_EQ(board.fixed.s3, std::nullopt);
  EXPECT_EQ(board.fixed.smi_command, 0) << "there is no other mode than ACPI";
  EXPECT_EQ(board.fixed.reset_port, kReset);
  EXPECT_EQ(board.fixed.reset_value, 1);
}

}  // namespace
}  // namespace machina
