// Floppy drives: what they make of images, the disk-change line, and disks that come and go. The ports are those of
// the controller.

#include "hw/block/floppy_drive.h"

#include <gmock/gmock.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "hw/block/isa_fdc.h"
#include "hw/dma/i8237.h"
#include "tests/support/floppy_ports.h"
#include "tests/support/test_disk.h"

namespace machina::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// --- formats ---

TEST(FloppyFormat, BySize) {
  for (const FloppyFormat& f : floppy_formats()) {
    EXPECT_EQ(f.total_sectors() * 512U, f.kib * KiB);
    EXPECT_EQ(floppy_format_of(f.kib * KiB), &f);
    EXPECT_TRUE(floppy_rate(floppy_drive_for(f), f)) << f.kib;
  }
}

TEST(FloppyFormat, OtherSizesGetTheFormatThatHoldsThem) {
  EXPECT_EQ(floppy_format_of(512)->kib, 1440);
  EXPECT_EQ(floppy_format_of(1200 * KiB + 512)->kib, 1440);
  EXPECT_EQ(floppy_format_of(1441 * KiB)->kib, 2880);
  EXPECT_EQ(floppy_format_of(2881 * KiB), nullptr);
}

TEST(FloppyFormat, DrivesReadWhatFitsThem) {
  const FloppyFormat& k360 = *floppy_format_of(360 * KiB);
  const FloppyFormat& k720 = *floppy_format_of(720 * KiB);
  const FloppyFormat& m1_2 = *floppy_format_of(1200 * KiB);
  const FloppyFormat& m2_88 = *floppy_format_of(2880 * KiB);
  EXPECT_EQ(floppy_rate(FloppyType::K360, k360), 250U);
  EXPECT_EQ(floppy_rate(FloppyType::M1_2, k360), 300U) << "the drive turns faster";
  EXPECT_TRUE(floppy_double_steps(FloppyType::M1_2, k360));
  EXPECT_FALSE(floppy_double_steps(FloppyType::K360, k360));
  EXPECT_EQ(floppy_rate(FloppyType::M1_44, k720), 250U);
  EXPECT_EQ(floppy_rate(FloppyType::M2_88, m2_88), 1000U);
  EXPECT_FALSE(floppy_rate(FloppyType::M1_44, m2_88));
  EXPECT_FALSE(floppy_rate(FloppyType::M1_44, m1_2));
  EXPECT_FALSE(floppy_rate(FloppyType::K360, m1_2));
  EXPECT_FALSE(floppy_rate(FloppyType::M1_2, k720));
}

// --- drives ---

class FloppyDriveTest : public testing::Test {
 protected:
  FloppyDriveTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "machina-floppy-XXXXXX").string();
    folder = mkdtemp(pattern.data());
    m.add_isa_bus();
    m.add<I8237>("dma");
    m.add<IsaFdc>("fdc");
    disk = &m.object().add_new_child<TestDisk>("disk0");
  }
  ~FloppyDriveTest() override {
    {
      const MachineLock::Guard guard(m.system().lock);
      if (drive) drive->eject(true);
    }
    std::filesystem::remove_all(folder);
  }

  void start(std::uint64_t kib, TestMachine::Properties properties = {{"drive", "disk0"}}) {
    disk->bytes.resize(kib * KiB);
    disk->fill();
    drive = &m.add<FloppyDrive>("a", properties);
    m.start();
    io.reset();
  }
  std::string failure(std::uint64_t kib, TestMachine::Properties properties) {
    try {
      start(kib, properties);
    } catch (const Error& e) {
      drive = nullptr;
      return e.what();
    }
    return "";
  }
  std::string image(const char* name, std::uint64_t kib, char content) {
    const std::string path = (folder / name).string();
    std::ofstream(path) << std::string(kib * KiB, content);
    return path;
  }
  void change(const std::string& file, std::optional<bool> read_only = {}) {
    const MachineLock::Guard guard(m.system().lock);
    drive->change_medium({.filename = file, .format = "raw", .force = false, .read_only = read_only});
  }
  void eject() {
    const MachineLock::Guard guard(m.system().lock);
    drive->eject(false);
  }
  /// Reads or writes a sector as drivers do; the file's own requests are waited for.
  std::vector<unsigned> sector(bool read, unsigned c, unsigned h, unsigned r, unsigned eot) {
    io.dma(read, 0x10000, 512);
    io.send({read ? 0x46U : 0x45U, h << 2, c, h, r, 2, eot, 0x1b, 0xff});
    for (int i = 0; i < 50 && !m.line(6); ++i) {
      m.step(kNsPerMs);
      const MachineLock::Guard guard(m.system().lock);
      if (drive->medium()) drive->medium()->drain();
    }
    EXPECT_TRUE(m.line(6));
    return io.result();
  }
  bool changed() { return io.in(fdc::kDir)&0x80; }

  std::filesystem::path folder;
  TestMachine m{1U << 20};
  FloppyPorts io{m};
  TestDisk* disk = nullptr;
  FloppyDrive* drive = nullptr;
};

TEST_F(FloppyDriveTest, TheDiskSaysWhatTheDriveIs) {
  start(2880);
  EXPECT_EQ(drive->type(), FloppyType::M2_88);
  io.rate(1000);
  EXPECT_THAT(sector(true, 0, 1, 36, 36), ElementsAre(4, 0, 0, 1, 1, 1, 2));
  EXPECT_EQ(m.read(0x10000, 1), TestDisk::pattern(71 * 512));
}

TEST_F(FloppyDriveTest, AnOldDiskInADriveOfItsTime) {
  start(360);
  EXPECT_EQ(drive->type(), FloppyType::K360);
  io.rate(250);
  io.seek(0, 39);
  EXPECT_EQ(sector(true, 39, 1, 9, 9)[0] & 0xc0, 0U);
  EXPECT_EQ(m.read(0x10000, 1), TestDisk::pattern(719 * 512));
}

TEST_F(FloppyDriveTest, AnOldDiskInALaterDriveTakesDoubleSteps) {
  start(360, {{"drive", "disk0"}, {"drive-type", "120"}});
  EXPECT_EQ(drive->type(), FloppyType::M1_2);
  io.rate(300);
  io.seek(0, 20);
  EXPECT_EQ(io.run({0x4a, 0})[3], 10U);
  EXPECT_EQ(sector(true, 10, 0, 1, 9)[0], 0U);
  EXPECT_EQ(m.read(0x10000, 1), TestDisk::pattern(180 * 512));
}

TEST_F(FloppyDriveTest, OneSidedDisksHaveNothingOnTheOther) {
  start(160);
  io.rate(250);
  EXPECT_THAT(sector(true, 0, 1, 1, 8), ElementsAre(0x44, 0x01, 0, 0, 1, 1, 2));
  EXPECT_EQ(sector(true, 0, 0, 8, 8)[0], 0U);
}

TEST_F(FloppyDriveTest, AShortImageEndsInBlankSectors) {
  start(3);  // six sectors of 1.44 MB
  EXPECT_EQ(sector(true, 0, 0, 6, 18)[0], 0U);
  EXPECT_EQ(m.read(0x10000, 1), TestDisk::pattern(5 * 512));
  EXPECT_EQ(sector(true, 0, 0, 7, 18)[0], 0U);
  EXPECT_EQ(m.read(0x10000, 8), 0U);
  EXPECT_EQ(sector(false, 0, 0, 6, 18)[0], 0U);
  EXPECT_EQ(sector(false, 0, 0, 7, 18)[0], 0x50U) << "there is no place for it";
}

TEST_F(FloppyDriveTest, AnEmptyDriveIs144AndFindsNothing) {
  start(1440, {});
  EXPECT_EQ(drive->type(), FloppyType::M1_44);
  EXPECT_EQ(drive->drive_name(), "floppy0");
  const std::int64_t begin = m.now();
  EXPECT_THAT(io.run({0x4a, 0}), ElementsAre(0x40, 0x01, 0, 0, 0, 0, 0));
  EXPECT_LT(m.now() - begin, 100 * kNsPerMs);
  EXPECT_THAT(io.command({0x04, 0}), ElementsAre(0x38));
}

TEST_F(FloppyDriveTest, WhatDoesNotFitIsRefused) {
  EXPECT_THAT(failure(2880, {{"drive", "disk0"}, {"drive-type", "144"}}), HasSubstr("does not fit into a 1.44M drive"));
}
TEST_F(FloppyDriveTest, ADiskIsNoFloppy) {
  EXPECT_THAT(failure(4096, {{"drive", "disk0"}}), HasSubstr("too large for a floppy"));
}
TEST_F(FloppyDriveTest, ACableHasTwoDrives) {
  m.add<FloppyDrive>("b");
  m.add<FloppyDrive>("c");
  EXPECT_THAT(failure(1440, {}), HasSubstr("a cable has two drives"));
}
TEST_F(FloppyDriveTest, AUnitHasOneDrive) {
  m.add<FloppyDrive>("b", {{"unit", "1"}});
  EXPECT_THAT(failure(1440, {{"unit", "1"}}), HasSubstr("choose the other unit"));
}

// --- the line "disk changed" ---

TEST_F(FloppyDriveTest, TheChangeLineGoesWithAStep) {
  start(1440);
  EXPECT_TRUE(changed()) << "at power-on";
  EXPECT_EQ(sector(true, 0, 0, 1, 18)[0], 0U);
  EXPECT_TRUE(changed()) << "reading does nothing about it";
  io.recalibrate();
  EXPECT_TRUE(changed()) << "it was at track 0 already";
  io.seek(0, 1);
  EXPECT_FALSE(changed());
  m.reset();
  io.reset();
  EXPECT_FALSE(changed()) << "the cable has no reset";
  io.out(fdc::kDor, 0x2d);
  EXPECT_FALSE(changed()) << "no drive B, and nobody drives the line";
}

TEST_F(FloppyDriveTest, WithoutADiskStepsDoNotHelp) {
  start(1440);
  io.seek(0, 1);
  EXPECT_FALSE(changed());
  eject();
  EXPECT_TRUE(changed());
  io.seek(0, 5);
  EXPECT_TRUE(changed());
  change(image("b", 1440, 'b'));
  EXPECT_TRUE(changed());
  io.seek(0, 6);
  EXPECT_FALSE(changed());
}

// --- disks come and go ---

TEST_F(FloppyDriveTest, AnotherDiskIsRead) {
  start(1440);
  EXPECT_EQ(drive->drive_name(), "disk0");
  change(image("b", 720, 'b'));
  EXPECT_TRUE(drive->has_medium());
  EXPECT_THAT(sector(true, 0, 0, 1, 9), ElementsAre(0x40, 0x01, 0, 0, 0, 1, 2)) << "at the other disk's rate";
  io.rate(250);
  EXPECT_EQ(sector(true, 0, 0, 1, 9)[0], 0U);
  EXPECT_EQ(m.read(0x10000, 1), std::uint64_t{'b'});
  EXPECT_EQ(sector(true, 0, 0, 10, 18)[1], 0x04U) << "nine sectors on a track";
}

TEST_F(FloppyDriveTest, WritesReachTheFile) {
  start(1440, {});
  const std::string file = image("b", 1440, 'b');
  change(file);
  m.write(0x10000, 4, 0x64636261);
  EXPECT_EQ(sector(false, 0, 0, 2, 18)[0], 0U);
  eject();
  std::ifstream in(file);
  in.seekg(512);
  char text[5] = {};
  in.read(text, 4);
  EXPECT_STREQ(text, "abcd");
}

TEST_F(FloppyDriveTest, AProtectedDisk) {
  start(1440, {});
  change(image("b", 1440, 'b'), true);
  EXPECT_TRUE(io.command({0x04, 0})[0] & 0x40);
  EXPECT_EQ(sector(false, 0, 0, 1, 18)[1], 0x02U);
  change(image("c", 1440, 'c'));
  EXPECT_TRUE(io.command({0x04, 0})[0] & 0x40) << "as it was";
  change(image("d", 1440, 'd'), false);
  EXPECT_FALSE(io.command({0x04, 0})[0] & 0x40);
}

TEST_F(FloppyDriveTest, WhatCannotBeTakenLeavesTheOldDisk) {
  start(1440, {});
  change(image("b", 1440, 'b'));
  io.seek(0, 1);
  EXPECT_THROW(change(image("large", 2880, 'c')), Error);
  EXPECT_THROW(change("/nowhere"), Error);
  EXPECT_TRUE(changed());
  io.recalibrate();
  EXPECT_EQ(sector(true, 0, 0, 1, 18)[0], 0U);
  EXPECT_EQ(m.read(0x10000, 1), std::uint64_t{'b'});
}

TEST_F(FloppyDriveTest, ADiskThatGoesInTheMidst) {
  start(1440);
  disk->delayed = true;
  io.dma(true, 0x10000, 1024);
  io.send({0x46, 0, 0, 0, 1, 2, 18, 0x1b, 0xff});
  m.step(5 * kNsPerMs);
  EXPECT_EQ(disk->in_flight(), 1U);
  eject();
  EXPECT_EQ(disk->in_flight(), 0U);
  ASSERT_TRUE(io.wait());
  EXPECT_THAT(io.result(), ElementsAre(0x40, 0x01, 0, 0, 0, 2, 2));
  EXPECT_EQ(m.read(0x10000, 1), TestDisk::pattern(0));
}

TEST_F(FloppyDriveTest, DeletedMarksGoWithTheDisk) {
  start(1440, {});
  const std::string file = image("b", 1440, 'b');
  change(file);
  io.dma(false, 0x10000, 512);
  io.send({0x49, 0, 0, 0, 1, 2, 18, 0x1b, 0xff});
  for (int i = 0; i < 20 && !m.line(6); ++i) {
    m.step(kNsPerMs);
    const MachineLock::Guard guard(m.system().lock);
    drive->medium()->drain();
  }
  io.result();
  EXPECT_EQ(sector(true, 0, 0, 1, 18)[2], 0x40U);
  change(file);
  EXPECT_EQ(sector(true, 0, 0, 1, 18)[2], 0x00U);
}

}  // namespace
}  // namespace machina::test
