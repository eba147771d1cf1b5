// ATA/ATAPI-6 (T13/1410D): the task file (7), commands (8), protocols (9), reset (9.2) and one drive alone (9.16), on
// an ISA channel, where there is nothing but the drive.

#include "hw/ide/ide_disk.h"

#include <gmock/gmock.h>

#include <numeric>

#include "hw/ide/isa_ide.h"
#include "tests/support/ide_ports.h"
#include "tests/support/test_disk.h"

namespace machina::test {
namespace {

using namespace ata;
using testing::HasSubstr;

constexpr std::uint8_t kReady = kDrdy | kDsc;

class IdeDiskTest : public testing::Test {
 protected:
  IdeDiskTest() {
    m.add_isa_bus();
    m.add<IsaIde>("ide");
    disk = &m.object().add_new_child<TestDisk>("disk0");
    disk->fill();
  }
  IdeDisk& add_disk(const char* id, TestMachine::Properties properties = {}, const char* drive = "disk0") {
    auto& d = m.add<IdeDisk>(id, properties);
    d.set_text("drive", drive);
    return d;
  }
  void start() {
    drive = &add_disk("hd");
    m.start();
  }
  std::string error_of_start() {
    try {
      m.start();
    } catch (const Error& e) {
      return e.what();
    }
    return "";
  }
  std::vector<std::uint8_t> sectors(std::uint64_t lba, unsigned count) {
    const auto at = disk->bytes.begin() + static_cast<std::ptrdiff_t>(lba * 512);
    return {at, at + count * 512};
  }
  std::vector<std::uint16_t> identify(unsigned unit = 0) {
    io.select(unit);
    io.command(Command::IdentifyDevice);
    EXPECT_EQ(io.status(), kReady | kDrq);
    std::vector<std::uint16_t> words;
    for (unsigned i = 0; i < 256; ++i) words.push_back(io.data());
    EXPECT_EQ(io.status(), kReady);
    return words;
  }
  static std::string text(const std::vector<std::uint16_t>& words, unsigned first, unsigned count) {
    std::string s;
    for (unsigned i = first; i < first + count; ++i) {
      s += static_cast<char>(words[i] >> 8);
      s += static_cast<char>(words[i]);
    }
    return s;
  }
  void expect_failure(std::uint8_t error) {
    EXPECT_TRUE(m.line(14));
    EXPECT_EQ(io.status(), kReady | kErr);
    EXPECT_EQ(io.error(), error);
  }
  void expect_success() {
    EXPECT_TRUE(m.line(14));
    EXPECT_EQ(io.status(), kReady);
    EXPECT_FALSE(m.line(14));
  }

  TestMachine m;
  IdePorts io{m, 0x1f0, 0x3f6};
  TestDisk* disk;
  IdeDisk* drive = nullptr;
};

// --- who is there ---

TEST_F(IdeDiskTest, AnEmptyCableFloatsWithDd7Low) {
  m.start();
  for (unsigned reg = 1; reg < 8; ++reg) EXPECT_EQ(io.in(reg), 0x7f) << reg;
  EXPECT_EQ(io.alt_status(), 0x7f);
  EXPECT_EQ(io.data(), 0xffff);
  io.out(kSectorCount, 0x55);
  EXPECT_NE(io.in(kSectorCount), 0x55);
  io.command(Command::IdentifyDevice);
  EXPECT_FALSE(m.line(14));
}

TEST_F(IdeDiskTest, AnAbsentSecondDriveIsAnsweredForByTheFirst) {
  start();
  io.select(1);
  EXPECT_EQ(io.status(), 0);
  EXPECT_EQ(io.alt_status(), 0);
  io.out(kSectorCount, 0x55);
  io.out(kLbaLow, 0xaa);
  EXPECT_EQ(io.in(kSectorCount), 0x55) << "the registers are the first drive's";
  io.command(Command::IdentifyDevice);
  EXPECT_EQ(io.status(), 0) << "a command to it is ignored";
  EXPECT_FALSE(m.line(14));
  io.select(0);
  EXPECT_EQ(io.status(), kReady);
}

TEST_F(IdeDiskTest, ASecondDriveAlone) {
  add_disk("hd", {{"unit", "1"}});
  m.start();
  EXPECT_EQ(io.status(), 0x7f);
  io.select(1);
  EXPECT_EQ(io.status(), kReady);
  EXPECT_EQ(identify(1)[0], 0x0040);
}

TEST_F(IdeDiskTest, SignatureAfterReset) {
  start();
  EXPECT_EQ(io.status(), kReady);
  EXPECT_EQ(io.error(), 0x01);
  EXPECT_EQ(io.in(kSectorCount), 1);
  EXPECT_EQ(io.in(kLbaLow), 1);
  EXPECT_EQ(io.in(kLbaMid), 0);
  EXPECT_EQ(io.in(kLbaHigh), 0);
  EXPECT_EQ(io.in(kDevice)&0x1f, 0);
  EXPECT_FALSE(m.line(14));
}

TEST_F(IdeDiskTest, BothDrivesTakeTheRegistersAndTheSelectedOneActs) {
  auto& second = m.object().add_new_child<TestDisk>("disk1");
  second.bytes.assign(1 * MiB, 0xee);
  add_disk("hd0");
  add_disk("hd1", {}, "disk1");
  m.start();
  io.lba28(Command::ReadSectors, 3, 1, 1);
  std::vector<std::uint8_t> got;
  io.status();
  io.read_block(got);
  EXPECT_EQ(got, std::vector<std::uint8_t>(512, 0xee));
  io.select(0);
  EXPECT_EQ(io.in(kLbaLow), 3);
  EXPECT_EQ(io.status(), kReady);
  EXPECT_EQ(disk->reads, 0U);
}

TEST_F(IdeDiskTest, OnlyTheSelectedDriveDrivesTheInterrupt) {
  auto& second = m.object().add_new_child<TestDisk>("disk1");
  second.bytes.assign(1 * MiB, 0xee);
  add_disk("hd0");
  add_disk("hd1", {}, "disk1");
  m.start();
  io.lba28(Command::ReadVerify, 0, 1, 0);
  EXPECT_TRUE(m.line(14));
  io.select(1);
  EXPECT_FALSE(m.line(14));
  io.status();
  io.select(0);
  EXPECT_TRUE(m.line(14)) << "still pending in the first drive";
  io.status();
  EXPECT_FALSE(m.line(14));
}

// --- IDENTIFY DEVICE ---

TEST_F(IdeDiskTest, IdentifySaysWhatTheDiskIs) {
  drive = &add_disk("hd", {{"serial", "S123"}, {"model", "Odd"}, {"ver", "7"}});
  m.start();
  const auto w = identify();
  EXPECT_EQ(w[0], 0x0040);
  EXPECT_EQ(text(w, 10, 10), "S123                ");
  EXPECT_EQ(text(w, 23, 4), "7       ");
  EXPECT_EQ(text(w, 27, 20), "Odd                                     ");
  EXPECT_EQ(w[10], 'S' << 8 | '1') << "the first character is in the high byte";
  EXPECT_EQ(w[1], 16) << "8 MiB of 16 heads and 63 sectors";
  EXPECT_EQ(w[3], 16);
  EXPECT_EQ(w[6], 63);
  EXPECT_EQ(w[47] & 0xff, 16);
  EXPECT_TRUE(w[49] & 0x0200) << "LBA";
  EXPECT_FALSE(w[49] & 0x0100) << "no DMA on this channel";
  EXPECT_EQ(w[54], 16);
  EXPECT_EQ(w[57] | w[58] << 16, 16 * 16 * 63);
  EXPECT_EQ(w[60] | w[61] << 16, 16384);
  EXPECT_EQ(w[83] & 0xc400, 0x4400) << "48-bit addresses";
  EXPECT_EQ(w[86] & 0x0400, 0x0400);
  EXPECT_EQ(w[100], 16384);
  EXPECT_EQ(w[101] | w[102] | w[103], 0);
  EXPECT_EQ(w[255] & 0xff, 0xa5);
  unsigned sum = 0;
  for (const std::uint16_t word : w) sum += (word & 0xff) + (word >> 8);
  EXPECT_EQ(sum % 256, 0U) << "the checksum of word 255";
}

TEST_F(IdeDiskTest, GeometryOfTheUser) {
  add_disk("hd", {{"cyls", "20"}, {"heads", "4"}, {"secs", "17"}});
  m.start();
  const auto w = identify();
  EXPECT_EQ(w[1], 20);
  EXPECT_EQ(w[3], 4);
  EXPECT_EQ(w[6], 17);
}

TEST_F(IdeDiskTest, MistakesAreRefusedWithTheirReason) {
  EXPECT_THROW(add_disk("a", {{"logical_block_size", "4096"}}), Error);
  EXPECT_THROW(add_disk("b", {{"serial", "123456789012345678901"}}), Error);
  EXPECT_THROW(add_disk("c", {{"unit", "2"}}), Error);
  EXPECT_THROW(add_disk("d", {{"heads", "17"}}), Error);
}

TEST_F(IdeDiskTest, HalfAGeometryIsRefused) {
  add_disk("hd", {{"cyls", "20"}});
  EXPECT_THAT(error_of_start(), HasSubstr("together"));
}
TEST_F(IdeDiskTest, AGeometryBeyondTheDiskIsRefused) {
  add_disk("hd", {{"cyls", "1000"}, {"heads", "16"}, {"secs", "63"}});
  EXPECT_THAT(error_of_start(), HasSubstr("16384 sectors"));
}
TEST_F(IdeDiskTest, TwoDrivesOnOneUnitAreBothNamed) {
  add_disk("first", {{"unit", "0"}});
  add_disk("second", {{"unit", "0"}});
  const std::string message = error_of_start();
  EXPECT_THAT(message, HasSubstr("first"));
  EXPECT_THAT(message, HasSubstr("second"));
}
TEST_F(IdeDiskTest, ADiskNeedsADrive) {
  m.add<IdeDisk>("hd");
  EXPECT_THAT(error_of_start(), HasSubstr("drive"));
}

// --- PIO data-in ---

TEST_F(IdeDiskTest, ReadSectorsInterruptsForEachSector) {
  start();
  const unsigned rises = m.rises(14);
  io.lba28(Command::ReadSectors, 100, 3);
  std::vector<std::uint8_t> got;
  for (unsigned i = 0; i < 3; ++i) {
    EXPECT_TRUE(m.line(14));
    EXPECT_EQ(io.alt_status(), kReady | kDrq);
    EXPECT_TRUE(m.line(14)) << "the alternate status acknowledges nothing";
    EXPECT_EQ(io.status(), kReady | kDrq);
    EXPECT_FALSE(m.line(14));
    io.read_block(got);
  }
  EXPECT_EQ(io.status(), kReady);
  EXPECT_EQ(m.rises(14) - rises, 3U) << "none at the end";
  EXPECT_EQ(got, sectors(100, 3));
}

TEST_F(IdeDiskTest, DataIsReadIn32BitsToo) {
  start();
  io.lba28(Command::ReadSectors, 7, 1);
  std::vector<std::uint8_t> got;
  for (unsigned i = 0; i < 128; ++i) {
    const std::uint32_t v = m.inl(0x1f0);
    for (unsigned b = 0; b < 4; ++b) got.push_back(static_cast<std::uint8_t>(v >> (8 * b)));
  }
  EXPECT_EQ(got, sectors(7, 1));
  EXPECT_EQ(io.status(), kReady);
  EXPECT_EQ(m.inl(0x1f0), 0xffffffffU) << "no data without DRQ";
}

TEST_F(IdeDiskTest, CountZeroIs256Sectors) {
  start();
  io.lba28(Command::ReadSectors, 1000, 0);
  std::vector<std::uint8_t> got;
  for (unsigned i = 0; i < 256; ++i) {
    ASSERT_EQ(io.status(), kReady | kDrq) << i;
    io.read_block(got);
  }
  EXPECT_EQ(io.status(), kReady);
  EXPECT_EQ(got, sectors(1000, 256));
}

TEST_F(IdeDiskTest, ADelayedDiskIsBusyAndTheMachineGoesOn) {
  start();
  disk->delayed = true;
  io.lba28(Command::ReadSectors, 5, 1);
  EXPECT_EQ(io.status(), kBsy);
  EXPECT_FALSE(m.line(14));
  io.out(kSectorCount, 0x77);
  io.command(Command::IdentifyDevice);
  io.select(1);
  EXPECT_EQ(io.alt_status(), kBsy) << "a busy drive ignores its registers";
  disk->complete_all();
  EXPECT_TRUE(m.line(14));
  EXPECT_EQ(io.in(kSectorCount), 1);
  EXPECT_EQ(io.status(), kReady | kDrq);
  std::vector<std::uint8_t> got;
  io.read_block(got);
  EXPECT_EQ(got, sectors(5, 1));
}

TEST_F(IdeDiskTest, ReadMultipleTransfersWholeBlocks) {
  start();
  io.lba28(Command::ReadMultiple, 0, 4);
  expect_failure(kAbrt);  // not set yet
  for (const unsigned bad : {3U, 17U, 32U, 255U}) {
    io.out(kSectorCount, bad);
    io.command(Command::SetMultipleMode);
    expect_failure(kAbrt);
  }
  io.out(kSectorCount, 4);
  io.command(Command::SetMultipleMode);
  expect_success();
  EXPECT_EQ(identify()[59], 0x0104);
  const unsigned rises = m.rises(14);
  io.lba28(Command::ReadMultiple, 50, 10);  // 4 + 4 + 2
  std::vector<std::uint8_t> got;
  for (const unsigned n : {4U, 4U, 2U}) {
    EXPECT_EQ(io.status(), kReady | kDrq);
    io.read_block(got, n * 512);
  }
  EXPECT_EQ(io.status(), kReady);
  EXPECT_EQ(m.rises(14) - rises, 3U);
  EXPECT_EQ(got, sectors(50, 10));
}

TEST_F(IdeDiskTest, Lba48TakesTheHighHalvesFirst) {
  start();
  io.lba48(Command::ReadSectorsExt, 300, 300);
  std::vector<std::uint8_t> got;
  for (unsigned i = 0; i < 300; ++i) {
    ASSERT_EQ(io.status(), kReady | kDrq) << i;
    io.read_block(got);
  }
  EXPECT_EQ(io.status(), kReady);
  EXPECT_EQ(got, sectors(300, 300));
}

TEST_F(IdeDiskTest, HobShowsWhatWasWrittenBefore) {
  start();
  io.out(kSectorCount, 0x12);
  io.out(kSectorCount, 0x34);
  io.out(kLbaHigh, 0x56);
  io.out(kLbaHigh, 0x78);
  EXPECT_EQ(io.in(kSectorCount), 0x34);
  io.control(kHob);
  EXPECT_EQ(io.in(kSectorCount), 0x12);
  EXPECT_EQ(io.in(kLbaHigh), 0x56);
  io.out(kLbaLow, 1);
  EXPECT_EQ(io.in(kSectorCount), 0x34) << "a write to the command block clears HOB";
}

TEST_F(IdeDiskTest, ChsIsTranslatedWithTheCurrentGeometry) {
  start();
  io.chs(Command::ReadSectors, 2, 3, 5, 1);
  std::vector<std::uint8_t> got;
  io.read_block(got);
  EXPECT_EQ(got, sectors((2 * 16 + 3) * 63 + 4, 1));
  io.out(kDevice, 0xa0 | 3);  // four heads
  io.out(kSectorCount, 17);
  io.command(Command::InitializeDeviceParameters);
  io.status();
  got.clear();
  io.chs(Command::ReadSectors, 2, 3, 5, 1);
  io.read_block(got);
  EXPECT_EQ(got, sectors((2 * 4 + 3) * 17 + 4, 1));
  const auto w = identify();
  EXPECT_EQ(w[3], 16) << "the native geometry stays";
  EXPECT_EQ(w[55], 4);
  EXPECT_EQ(w[56], 17);
  EXPECT_EQ(w[54], 16384 / (4 * 17));
}

TEST_F(IdeDiskTest, ChsThatDoesNotExistIsIdNotFound) {
  start();
  io.chs(Command::ReadSectors, 0, 0, 0, 1);
  expect_failure(kIdnf);
  io.chs(Command::ReadSectors, 0, 0, 64, 1);
  expect_failure(kIdnf);
  io.chs(Command::ReadSectors, 16383, 0, 1, 1);
  expect_failure(kIdnf);
}

TEST_F(IdeDiskTest, BeyondTheEndIsIdNotFound) {
  start();
  io.lba28(Command::ReadSectors, 16384, 1);
  expect_failure(kIdnf);
  io.lba28(Command::ReadSectors, 16380, 5);
  expect_failure(kIdnf);
  io.lba48(Command::ReadSectorsExt, 0xffffffffffff, 0);
  expect_failure(kIdnf);
  io.lba48(Command::ReadSectorsExt, 0x1000000000, 1);
  expect_failure(kIdnf);
  io.lba28(Command::WriteSectors, 16384, 1);
  expect_failure(kIdnf);
  io.lba28(Command::ReadVerify, 16384, 1);
  expect_failure(kIdnf);
  EXPECT_EQ(disk->reads + disk->writes, 0U);
  io.lba28(Command::ReadSectors, 16383, 1);
  EXPECT_EQ(io.status(), kReady | kDrq) << "the last sector is one";
}

TEST_F(IdeDiskTest, AMediumErrorIsUncorrectable) {
  start();
  disk->bad_sector = 20;
  io.lba28(Command::ReadSectors, 20, 1);
  expect_failure(kUnc);
  EXPECT_EQ(io.in(kLbaLow), 20);
  disk->bad_sector.reset();
  io.lba28(Command::ReadSectors, 20, 1);
  EXPECT_EQ(io.status(), kReady | kDrq) << "the next command is a fresh start";
  EXPECT_EQ(io.error(), 0);
}

// --- PIO data-out ---

TEST_F(IdeDiskTest, WriteSectorsInterruptsAfterEachSectorButNotBeforeTheFirst) {
  start();
  const unsigned rises = m.rises(14);
  io.lba28(Command::WriteSectors, 40, 3);
  EXPECT_FALSE(m.line(14));
  for (unsigned i = 0; i < 3; ++i) {
    EXPECT_EQ(io.status(), kReady | kDrq);
    io.write_block(static_cast<std::uint8_t>(0xc0 + i));
    EXPECT_TRUE(m.line(14)) << i;
  }
  EXPECT_EQ(io.status(), kReady);
  EXPECT_EQ(m.rises(14) - rises, 3U);
  for (unsigned i = 0; i < 3; ++i)
    EXPECT_EQ(sectors(40 + i, 1), std::vector<std::uint8_t>(512, static_cast<std::uint8_t>(0xc0 + i)));
  EXPECT_EQ(disk->bytes[43 * 512], TestDisk::pattern(43 * 512)) << "and no further";
}

TEST_F(IdeDiskTest, WriteMultipleExtOfMoreThanABuffer) {
  start();
  io.out(kSectorCount, 16);
  io.command(Command::SetMultipleMode);
  io.status();
  io.lba48(Command::WriteMultipleExt, 64, 520);
  for (unsigned left = 520; left;) {
    const unsigned n = std::min(left, 16U);
    ASSERT_EQ(io.status(), kReady | kDrq) << left;
    for (unsigned i = 0; i < n; ++i) io.write_block(static_cast<std::uint8_t>(left - i));
    left -= n;
  }
  EXPECT_EQ(io.status(), kReady);
  for (unsigned i = 0; i < 520; ++i)
    ASSERT_EQ(disk->bytes[(64 + i) * 512 + 511], static_cast<std::uint8_t>(520 - i)) << i;
}

TEST_F(IdeDiskTest, WritesToAProtectedDiskAreAborted) {
  disk->write_protected = true;
  start();
  io.lba28(Command::WriteSectors, 0, 1);
  expect_failure(kAbrt);
  io.lba48(Command::WriteSectorsExt, 0, 1);
  expect_failure(kAbrt);
}

TEST_F(IdeDiskTest, AFailedWriteIsAborted) {
  start();
  disk->bad_sector = 9;
  io.lba28(Command::WriteSectors, 8, 2);
  io.status();
  io.write_block(1);
  io.status();
  io.write_block(2);
  expect_failure(kAbrt);
}

TEST_F(IdeDiskTest, WithoutAWriteCacheAWriteEndsOnTheMedium) {
  start();
  io.out(kFeatures, 0x82);
  io.command(Command::SetFeatures);
  expect_success();
  EXPECT_EQ(disk->flushes, 1U) << "turning it off empties it";
  EXPECT_FALSE(identify()[85] & 1 << 5);
  io.lba28(Command::WriteSectors, 0, 1);
  io.write_block(1);
  expect_success();
  EXPECT_EQ(disk->flushes, 2U);
}

TEST_F(IdeDiskTest, FlushWaitsForTheDisk) {
  start();
  disk->delayed = true;
  io.command(Command::FlushCache);
  EXPECT_EQ(io.status(), kBsy);
  disk->complete_all();
  expect_success();
  EXPECT_EQ(disk->flushes, 1U);
  disk->fail_flush = true;
  io.command(Command::FlushCacheExt);
  disk->complete_all();
  expect_failure(kAbrt);
}

// --- commands without data ---

TEST_F(IdeDiskTest, VerifyReadsTheMediumAndTransfersNothing) {
  start();
  io.lba28(Command::ReadVerify, 10, 0);
  expect_success();
  EXPECT_EQ(disk->reads, 1U);
  disk->bad_sector = 12;
  io.lba48(Command::ReadVerifyExt, 10, 4);
  expect_failure(kUnc);
}

TEST_F(IdeDiskTest, WhatADiskDoesNotHaveIsAborted) {
  start();
  for (const unsigned opcode : {0x00U, 0x08U, 0xa0U, 0xa1U, 0xb0U, 0xf8U, 0x22U, 0xe4U, 0x60U, 0xffU}) {
    io.out(kCommand, opcode);
    EXPECT_TRUE(m.line(14));
    EXPECT_EQ(io.status(), kReady | kErr) << opcode;
    EXPECT_EQ(io.error(), kAbrt) << opcode;
  }
}

TEST_F(IdeDiskTest, DmaNeedsABusMaster) {
  start();
  io.lba28(Command::ReadDma, 0, 1);
  expect_failure(kAbrt);
  io.lba48(Command::WriteDmaExt, 0, 1);
  expect_failure(kAbrt);
}

TEST_F(IdeDiskTest, PowerModes) {
  start();
  io.command(Command::CheckPowerMode);
  EXPECT_EQ(io.in(kSectorCount), 0xff);
  io.status();
  io.command(Command::StandbyImmediate);
  expect_success();
  EXPECT_EQ(disk->flushes, 1U);
  io.command(Command::CheckPowerMode);
  EXPECT_EQ(io.in(kSectorCount), 0x00);
  io.status();
  io.lba28(Command::ReadVerify, 0, 1);
  io.status();
  io.command(Command::CheckPowerModeOld);
  EXPECT_EQ(io.in(kSectorCount), 0xff) << "access spins it up";
}

TEST_F(IdeDiskTest, SetFeaturesKnowsItsSubcommands) {
  start();
  const auto set = [&](unsigned feature, unsigned count) {
    io.out(kFeatures, feature);
    io.out(kSectorCount, count);
    io.command(Command::SetFeatures);
    return io.status();
  };
  for (const unsigned feature : {0x02U, 0x55U, 0x66U, 0xaaU, 0xccU}) EXPECT_EQ(set(feature, 0), kReady) << feature;
  for (const unsigned mode : {0x00U, 0x01U, 0x08U, 0x0cU}) EXPECT_EQ(set(3, mode), kReady) << mode;
  for (const unsigned mode : {0x02U, 0x0dU, 0x10U, 0x20U, 0x45U}) EXPECT_EQ(set(3, mode), kReady | kErr) << mode;
  EXPECT_EQ(set(0x77, 0), kReady | kErr);
}

TEST_F(IdeDiskTest, DiagnosticGoesToBothAndTheFirstAnswers) {
  start();
  io.select(1);
  io.command(Command::ExecuteDeviceDiagnostic);
  EXPECT_TRUE(m.line(14));
  EXPECT_EQ(io.in(kDevice)&kDeviceSelect, 0);
  EXPECT_EQ(io.error(), 0x01);
  EXPECT_EQ(io.status(), kReady);
  EXPECT_EQ(io.in(kSectorCount), 1);
}

TEST_F(IdeDiskTest, NienHoldsTheInterruptBack) {
  start();
  io.control(kNien);
  io.lba28(Command::ReadVerify, 0, 1);
  EXPECT_FALSE(m.line(14));
  io.control(0);
  EXPECT_TRUE(m.line(14));
  io.status();
  EXPECT_FALSE(m.line(14));
}

TEST_F(IdeDiskTest, EachCommandMakesAnEdgeThoughNobodyReadTheStatus) {
  start();
  const unsigned rises = m.rises(14);
  io.command(Command::IdleImmediate);
  io.command(Command::IdleImmediate);
  EXPECT_EQ(m.rises(14) - rises, 2U);
}

TEST_F(IdeDiskTest, ANewCommandAbandonsDataNobodyTook) {
  start();
  io.lba28(Command::ReadSectors, 5, 2);
  io.data();
  io.lba28(Command::ReadSectors, 9, 1);
  std::vector<std::uint8_t> got;
  io.read_block(got);
  EXPECT_EQ(got, sectors(9, 1));
  EXPECT_EQ(io.status(), kReady);
}

TEST_F(IdeDiskTest, WiderAccessesReachNeighbouringRegisters) {
  start();
  m.outw(0x1f2, 0x3412);
  EXPECT_EQ(io.in(kSectorCount), 0x12);
  EXPECT_EQ(io.in(kLbaLow), 0x34);
  EXPECT_EQ(m.inw(0x1f2), 0x3412);
}

// --- reset ---

TEST_F(IdeDiskTest, SoftResetIsBusyWhileSet) {
  start();
  io.out(kSectorCount, 16);
  io.command(Command::SetMultipleMode);
  io.lba28(Command::ReadSectors, 5, 2);
  io.control(kSrst);
  EXPECT_EQ(io.status(), kBsy);
  EXPECT_FALSE(m.line(14));
  io.control(0);
  EXPECT_EQ(io.status(), kReady);
  EXPECT_EQ(io.error(), 0x01);
  EXPECT_EQ(io.in(kLbaLow), 1);
  EXPECT_FALSE(m.line(14)) << "reset ends without an interrupt";
  EXPECT_EQ(identify()[59], 0) << "settings reverted";
}

TEST_F(IdeDiskTest, SettingsSurviveASoftResetWhenAskedTo) {
  start();
  io.out(kFeatures, 0x66);
  io.command(Command::SetFeatures);
  io.out(kSectorCount, 16);
  io.command(Command::SetMultipleMode);
  io.control(kSrst);
  io.control(0);
  EXPECT_EQ(identify()[59], 0x0110);
  m.reset();
  EXPECT_EQ(identify()[59], 0);
}

TEST_F(IdeDiskTest, AReadInFlightAtSoftResetIsNotHeardOf) {
  start();
  disk->delayed = true;
  io.lba28(Command::ReadSectors, 5, 1);
  io.control(kSrst);
  io.control(0);
  EXPECT_EQ(io.status(), kBsy) << "reset lasts until the medium is done";
  disk->complete_all();
  EXPECT_EQ(io.status(), kReady);
  EXPECT_FALSE(m.line(14));
  EXPECT_EQ(io.data(), 0xffff);
  disk->delayed = false;
  io.lba28(Command::ReadSectors, 6, 1);
  std::vector<std::uint8_t> got;
  io.read_block(got);
  EXPECT_EQ(got, sectors(6, 1));
}

TEST_F(IdeDiskTest, CompletionWhileSoftResetIsSetEndsNothing) {
  start();
  disk->delayed = true;
  io.lba28(Command::ReadSectors, 5, 1);
  io.control(kSrst);
  disk->complete_all();
  EXPECT_EQ(io.status(), kBsy);
  io.control(0);
  EXPECT_EQ(io.status(), kReady);
}

TEST_F(IdeDiskTest, AWriteInFlightAtMachineResetCannotOvertakeALaterOne) {
  start();
  disk->delayed = true;
  io.lba28(Command::WriteSectors, 5, 1);
  io.write_block(0x11);
  m.reset();
  EXPECT_EQ(io.status(), kBsy);
  EXPECT_FALSE(m.line(14));
  io.lba28(Command::WriteSectors, 5, 1);  // ignored: busy
  disk->complete_all();
  EXPECT_EQ(io.status(), kReady);
  EXPECT_EQ(disk->writes, 1U);
  io.lba28(Command::WriteSectors, 5, 1);
  io.write_block(0x22);
  disk->complete_all();
  EXPECT_EQ(sectors(5, 1), std::vector<std::uint8_t>(512, 0x22));
}

TEST(IdeDiskLifeTest, ARequestThatOutlivesItsDiskTouchesNothing) {
  qom::Ref<TestDisk> disk;
  {
    TestMachine m;
    m.add_isa_bus();
    m.add<IsaIde>("ide");
    disk = qom::Ref<TestDisk>(&m.object().add_new_child<TestDisk>("disk0"));
    m.add<IdeDisk>("hd").set_text("drive", "disk0");
    m.start();
    IdePorts io{m, 0x1f0, 0x3f6};
    disk->delayed = true;
    io.lba28(Command::ReadSectors, 5, 1);
    ASSERT_EQ(disk->in_flight(), 1U);
  }
  disk->complete_all();
  EXPECT_EQ(disk->in_flight(), 0U);
}

}  // namespace
}  // namespace machina::test
