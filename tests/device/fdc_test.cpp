// Floppy controller: registers, reset and seeks, from the Intel 82078 datasheet (290474-003).

#include <gmock/gmock.h>

#include "tests/device/fdc_fixture.h"

namespace machina::test {
namespace {

using testing::ElementsAre;

// --- registers and reset (2.1, 5.2.4) ---

TEST_F(FdcTest, TheChipIsHeldInResetAfterPowerOn) {
  drive = &m.add<FloppyDrive>("a", {{"drive", "disk0"}});
  m.start();
  EXPECT_EQ(io.in(fdc::kDor), 0x00);
  EXPECT_EQ(io.msr(), 0x00);
  io.out(fdc::kDor, 0x0c);
  EXPECT_EQ(io.msr(), 0x00) << "not at once";
  EXPECT_FALSE(m.line(6));
  ASSERT_TRUE(io.wait(kNsPerMs));
  EXPECT_EQ(io.msr(), 0x80);
}

TEST_F(FdcTest, OneInterruptAndFourStatusesAfterReset) {
  start();
  const unsigned rises = m.rises(6);
  io.out(fdc::kDor, 0x08);
  EXPECT_EQ(io.msr(), 0x00);
  io.out(fdc::kDor, 0x0c);
  ASSERT_TRUE(io.wait());
  for (unsigned n = 0; n < 4; ++n) {
    EXPECT_THAT(io.sense(), ElementsAre(0xc0 | n, 0));
    EXPECT_FALSE(m.line(6));
  }
  EXPECT_THAT(io.sense(), ElementsAre(0x80)) << "nothing more to tell";
  EXPECT_EQ(m.rises(6) - rises, 1U);
}

// "Drive polling": the mode is enabled upon a reset. As Linux does it: CONFIGURE with polling off, LOCK, and then every
// reset must interrupt.
TEST_F(FdcTest, AResetEnablesPollingAgain) {
  for (const bool locked : {false, true}) {
    SCOPED_TRACE(locked);
    if (!drive) start();
    io.command({0x13, 0, 0x1a, 0});
    io.command({locked ? 0x94U : 0x14U});
    io.out(fdc::kDsr, 0x80);
    EXPECT_EQ(io.msr(), 0x00);
    ASSERT_TRUE(io.wait(kNsPerMs));
    for (unsigned n = 0; n < 4; ++n) EXPECT_THAT(io.sense(), ElementsAre(0xc0 | n, 0));
    EXPECT_EQ(io.command({0x0e})[8], locked ? 0x0aU : 0x20U);

    io.command({0x13, 0, 0x1a, 0});
    io.out(fdc::kDor, 0x08);
    io.out(fdc::kDor, 0x0c);
    EXPECT_TRUE(io.wait(kNsPerMs)) << "by the other register";
    EXPECT_THAT(io.sense(), ElementsAre(0xc0, 0));
  }
}

TEST_F(FdcTest, TheGateKeepsTheInterruptFromTheBus) {
  start();
  io.out(fdc::kDor, 0x00);
  io.out(fdc::kDor, 0x04);
  m.step(kNsPerMs);
  EXPECT_FALSE(m.line(6));
  io.out(fdc::kDor, 0x0c);
  EXPECT_TRUE(m.line(6));
}

TEST_F(FdcTest, RegistersThatAPcDoesNotHave) {
  start();
  for (const unsigned reg : {0U, 1U, 6U}) EXPECT_EQ(io.in(reg), 0xff) << reg;
  io.out(fdc::kTdr, 0xff);
  EXPECT_EQ(io.in(fdc::kTdr), 0x03);
  EXPECT_EQ(io.in(fdc::kDor), 0x3c);
}

TEST_F(FdcTest, UnknownCommandsAreInvalid) {
  start();
  for (const unsigned code : {0x00U, 0x01U, 0x1fU, 0x0bU, 0x88U, 0x47U}) {
    EXPECT_THAT(io.command({code}), ElementsAre(0x80)) << code;
    EXPECT_FALSE(m.line(6));
    EXPECT_EQ(io.msr(), 0x80);
  }
}

TEST_F(FdcTest, BytesOfACommandShowBusy) {
  start();
  io.send({0x0f});
  EXPECT_EQ(io.msr(), 0x90);
  EXPECT_EQ(io.in(fdc::kFifo), 0) << "nothing to read, and nothing lost";
  io.send({0x00, 0x05});
  EXPECT_EQ(io.msr(), 0x81) << "drive 0 is seeking, the next command may come";
}

// --- what the chip is and knows ---

TEST_F(FdcTest, VersionAndPart) {
  start();
  EXPECT_THAT(io.command({0x10}), ElementsAre(0x90));
  EXPECT_THAT(io.command({0x18}), ElementsAre(0x41));
}

TEST_F(FdcTest, DumpRegisters) {
  start();
  io.command({0x03, 0xa1, 0x34});
  io.command({0x13, 0x00, 0x57, 0x22});
  io.command({0x12, 0x87 | 0x04});
  io.seek(0, 7);
  EXPECT_THAT(io.command({0x0e}), ElementsAre(7, 0, 0, 0, 0xa1, 0x34, 0, 0x07, 0x57, 0x22));
  io.command({0x94});
  EXPECT_EQ(io.command({0x0e})[7], 0x87U);
}

TEST_F(FdcTest, PerpendicularModeWithoutOverwriteLeavesTheDrives) {
  start();
  io.command({0x12, 0x80 | 0x14});
  io.command({0x12, 0x03});
  EXPECT_EQ(io.command({0x0e})[7], 0x17U);
  io.out(fdc::kDsr, 0x80);
  io.wait();
  EXPECT_EQ(io.command({0x0e})[7], 0x14U) << "a software reset clears GAP and WGATE only";
}

TEST_F(FdcTest, LockKeepsTheFifoThroughASoftwareReset) {
  start();
  EXPECT_THAT(io.command({0x94}), ElementsAre(0x10));
  io.command({0x13, 0x00, 0x5a, 0x33});
  io.out(fdc::kDsr, 0x80);
  io.wait();
  EXPECT_EQ(io.command({0x0e})[8], 0x4aU) << "all but the end of polling";
  EXPECT_EQ(io.command({0x0e})[9], 0x33U);
  EXPECT_THAT(io.command({0x14}), ElementsAre(0x00));
  io.out(fdc::kDsr, 0x80);
  io.wait();
  EXPECT_EQ(io.command({0x0e})[8], 0x60U) << "implied seek stays, the FIFO is off with a threshold of one";
  EXPECT_EQ(io.command({0x0e})[9], 0x00U);
  m.reset();
  io.reset();
  EXPECT_EQ(io.command({0x0e})[8], 0x20U);
}

TEST_F(FdcTest, SaveAndRestore) {
  start();
  io.command({0x03, 0xa1, 0x34});
  io.command({0x13, 0x00, 0x57, 0x22});
  io.command({0x33, 0x80});
  io.seek(0, 9);
  const auto saved = io.command({0x2e});
  ASSERT_EQ(saved.size(), 16U);
  m.reset();
  io.reset();
  EXPECT_NE(io.command({0x2e}), saved);
  io.send({0x4e});
  for (const unsigned byte : saved) io.send({byte});
  EXPECT_EQ(io.command({0x2e}), saved);
}

TEST_F(FdcTest, DriveSpecificationsAreAList) {
  start();
  EXPECT_THAT(io.command({0x8e, 0x15, 0x2a, 0x80}), ElementsAre(0x15, 0x0a, 0, 0));
  EXPECT_THAT(io.command({0x8e, 0x61, 0xc0}), ElementsAre());
  EXPECT_EQ(io.msr(), 0x80);
  EXPECT_THAT(io.command({0x8e, 0x80}), ElementsAre(0x15, 0x0a, 0, 0x01));
}

TEST_F(FdcTest, PowerdownModeReadsBack) {
  start();
  EXPECT_THAT(io.command({0x17, 0x05}), ElementsAre(0x05));
}

TEST_F(FdcTest, SenseDriveStatus) {
  start();
  EXPECT_THAT(io.command({0x04, 0x00}), ElementsAre(0x38)) << "at track 0";
  io.seek(0, 3);
  EXPECT_THAT(io.command({0x04, 0x04}), ElementsAre(0x2c));
  disk->write_protected = true;
  EXPECT_THAT(io.command({0x04, 0x00}), ElementsAre(0x68));
  EXPECT_THAT(io.command({0x04, 0x01}), ElementsAre(0x29)) << "no such drive";
}

// --- heads ---

TEST_F(FdcTest, SeekTakesTimeAndEndsWithOneInterrupt) {
  start();
  const std::int64_t begin = m.now();
  io.send({0x0f, 0x00, 40});
  EXPECT_FALSE(m.line(6));
  EXPECT_EQ(io.msr(), 0x81);
  ASSERT_TRUE(io.wait());
  EXPECT_GE(m.now() - begin, kNsPerMs);
  EXPECT_EQ(io.msr(), 0x80);
  EXPECT_THAT(io.sense(), ElementsAre(0x20, 40));
  EXPECT_FALSE(m.line(6));
  EXPECT_EQ(drive->cylinder(), 40U);
  const std::int64_t near = m.now();
  io.seek(0, 41);
  EXPECT_LT(m.now() - near, near - begin) << "a short way takes less time";
}

TEST_F(FdcTest, RecalibrateFindsTrackZero) {
  start();
  io.seek(0, 79);
  EXPECT_THAT(io.recalibrate(), ElementsAre(0x20, 0));
  EXPECT_TRUE(drive->at_track_0());
}

TEST_F(FdcTest, RecalibrateGivesUpAfter79Steps) {
  start();
  io.seek(0, 83);
  EXPECT_THAT(io.recalibrate(), ElementsAre(0x70, 0));
  EXPECT_EQ(drive->cylinder(), 4U);
  EXPECT_THAT(io.recalibrate(), ElementsAre(0x20, 0));
  EXPECT_THAT(io.recalibrate(1), ElementsAre(0x71, 0)) << "no drive there";
}

TEST_F(FdcTest, SeekGoesByWhatTheControllerBelieves) {
  start();
  io.seek(0, 20);
  m.reset();  // the controller forgets, the head stays
  io.reset();
  EXPECT_THAT(io.seek(0, 5), ElementsAre(0x20, 5));
  EXPECT_EQ(drive->cylinder(), 25U);
}

TEST_F(FdcTest, RelativeSeekInAndOut) {
  start();
  io.send({0xcf, 0x00, 12});
  io.wait();
  EXPECT_THAT(io.sense(), ElementsAre(0x20, 12));
  io.send({0x8f, 0x00, 2});
  io.wait();
  EXPECT_THAT(io.sense(), ElementsAre(0x20, 10));
  io.send({0x8f, 0x00, 11});
  io.wait();
  EXPECT_THAT(io.sense(), ElementsAre(0x70, 0)) << "beyond track 0";
}

TEST_F(FdcTest, TwoDrivesSeekAtOnce) {
  m.add<FloppyDrive>("b", {{"unit", "1"}});
  start({{"drive", "disk0"}, {"unit", "0"}});
  io.send({0x0f, 0x01, 10});
  io.send({0x0f, 0x00, 5});
  EXPECT_EQ(io.msr(), 0x83);
  m.step(50 * kNsPerMs);
  EXPECT_EQ(io.msr(), 0x80);
  EXPECT_THAT(io.sense(), ElementsAre(0x20, 5));
  EXPECT_TRUE(m.line(6)) << "one more to tell";
  EXPECT_THAT(io.sense(), ElementsAre(0x21, 10));
  EXPECT_FALSE(m.line(6));
}

}  // namespace
}  // namespace machina::test
