// Floppy controller: commands that read, write and format, from the Intel 82078 datasheet (290474-003).

#include <gmock/gmock.h>

#include "tests/device/fdc_fixture.h"

namespace machina::test {
namespace {

using testing::ElementsAre;

// --- READ DATA (6.1.1) ---

TEST_F(FdcTest, ReadsSectorsByDma) {
  start();
  const unsigned rises = m.rises(6);
  io.dma(true, kBuffer, 3 * kSector);
  io.send({0x46, 0x00, 0, 0, 4, 2, kSectors, 0x1b, 0xff});
  EXPECT_EQ(io.msr(), 0x10);
  EXPECT_FALSE(m.line(6));
  ASSERT_TRUE(io.wait());
  EXPECT_EQ(io.msr(), 0xd0);
  EXPECT_EQ(io.in(fdc::kFifo), 0x00);
  EXPECT_FALSE(m.line(6)) << "the first byte of the result acknowledges";
  EXPECT_THAT(io.result(), ElementsAre(0, 0, 0, 0, 7, 2));
  EXPECT_EQ(memory(3 * kSector), on_disk(0, 0, 4, 3 * kSector));
  EXPECT_EQ(m.rises(6) - rises, 1U);
  EXPECT_EQ(io.msr(), 0x80);
}

TEST_F(FdcTest, ReadTakesLongerForMoreSectors) {
  start();
  const std::int64_t begin = m.now();
  read(0, 0, 1, kSector);
  const std::int64_t one = m.now() - begin;
  read(0, 0, 1, 10 * kSector);
  EXPECT_GE(m.now() - begin - one, one + 9 * Fdc::kSectorTime);
  EXPECT_GE(one, Fdc::kAccessTime);
}

TEST_F(FdcTest, TheResultTellsTheNextSector) {  // table 6-5
  start();
  EXPECT_THAT(read(0, 0, 18, kSector), ElementsAre(0, 0, 0, 1, 0, 1, 2)) << "side 0, single track, at EOT";
  EXPECT_THAT(read(0, 1, 18, kSector), ElementsAre(4, 0, 0, 1, 1, 1, 2));
  EXPECT_THAT(read(0, 0, 18, kSector, 0xc6), ElementsAre(0, 0, 0, 0, 1, 1, 2)) << "multi-track";
  EXPECT_THAT(read(0, 1, 18, kSector, 0xc6), ElementsAre(4, 0, 0, 1, 0, 1, 2));
  EXPECT_THAT(read(0, 1, 17, kSector, 0xc6), ElementsAre(4, 0, 0, 0, 1, 18, 2));
}

TEST_F(FdcTest, MultiTrackGoesOnOnTheOtherSide) {
  start();
  io.seek(0, 12);
  EXPECT_THAT(read(12, 0, 17, 4 * kSector, 0xc6), ElementsAre(4, 0, 0, 12, 1, 3, 2));
  EXPECT_EQ(memory(4 * kSector), on_disk(12, 0, 17, 4 * kSector));
}

TEST_F(FdcTest, WithoutTerminalCountTheTrackEndsTheCommand) {
  start();
  EXPECT_THAT(read(0, 0, 17, 8 * kSector), ElementsAre(0x40, 0x80, 0, 1, 0, 1, 2));
  EXPECT_EQ(memory(2 * kSector), on_disk(0, 0, 17, 2 * kSector));
  EXPECT_THAT(read(0, 1, 17, 8 * kSector, 0xc6), ElementsAre(0x44, 0x80, 0, 1, 0, 1, 2));
}

TEST_F(FdcTest, TerminalCountWithinASectorEndsTheCommand) {
  start();
  fill_memory(std::vector<std::uint8_t>(kSector, 0xee));
  EXPECT_THAT(read(0, 0, 2, 100), ElementsAre(0, 0, 0, 0, 0, 3, 2));
  EXPECT_EQ(memory(100), on_disk(0, 0, 2, 100));
  EXPECT_EQ(memory(1, kBuffer + 100), std::vector<std::uint8_t>{0xee});
}

TEST_F(FdcTest, VerifyingDmaReadsWithoutMemory) {
  start();
  fill_memory(std::vector<std::uint8_t>(kSector, 0xee));
  io.dma_mode(0x42, kBuffer, kSector);
  EXPECT_THAT(io.run({0x46, 0, 0, 0, 1, 2, kSectors, 0x1b, 0xff}), ElementsAre(0, 0, 0, 0, 0, 2, 2));
  EXPECT_EQ(memory(kSector), std::vector<std::uint8_t>(kSector, 0xee));
}

TEST_F(FdcTest, ASectorThatIsNotThere) {
  start();
  EXPECT_THAT(read(0, 0, 19, kSector, 0x46, 20), ElementsAre(0x40, 0x04, 0, 0, 0, 19, 2));
  EXPECT_THAT(read(0, 0, 0, kSector), ElementsAre(0x40, 0x04, 0, 0, 0, 0, 2));
  EXPECT_THAT(read(1, 0, 1, kSector), ElementsAre(0x40, 0x04, 0x10, 1, 0, 1, 2)) << "another cylinder";
  io.dma(true, kBuffer, kSector);
  EXPECT_THAT(io.run({0x46, 0, 0, 1, 1, 2, 18, 0x1b, 0xff}), ElementsAre(0x40, 0x04, 0, 0, 1, 1, 2))
      << "another head in the ID";
  io.dma(true, kBuffer, kSector);
  EXPECT_THAT(io.run({0x46, 0, 0, 0, 1, 3, 18, 0x1b, 0xff}), ElementsAre(0x40, 0x04, 0, 0, 0, 1, 3)) << "another size";
}

TEST_F(FdcTest, ImpliedSeek) {
  start();
  io.command({0x13, 0, 0x60, 0});
  EXPECT_THAT(read(33, 1, 5, kSector), ElementsAre(0x24, 0, 0, 33, 1, 6, 2));
  EXPECT_EQ(memory(kSector), on_disk(33, 1, 5));
  EXPECT_EQ(drive->cylinder(), 33U);
  EXPECT_EQ(io.command({0x0e})[0], 33U);
}

TEST_F(FdcTest, AnUnreadableSectorIsADataError) {
  start();
  disk->bad_sector = 2;
  EXPECT_THAT(read(0, 0, 1, 5 * kSector), ElementsAre(0x40, 0x20, 0x20, 0, 0, 3, 2));
  EXPECT_EQ(memory(2 * kSector), on_disk(0, 0, 1, 2 * kSector)) << "those before it";
}

TEST_F(FdcTest, NothingIsReadAtAnotherRate) {
  start();
  for (const unsigned kbps : {250U, 300U, 1000U}) {
    io.rate(kbps);
    EXPECT_THAT(read(0, 0, 1, kSector), ElementsAre(0x40, 0x01, 0, 0, 0, 1, 2)) << kbps;
    EXPECT_THAT(io.run({0x4a, 0}), ElementsAre(0x40, 0x01, 0, 0, 0, 0, 0)) << kbps;
  }
  io.rate(500);
  EXPECT_THAT(read(0, 0, 1, kSector, 0x06), ElementsAre(0x40, 0x01, 0, 0, 0, 1, 2)) << "FM";
  EXPECT_EQ(read(0, 0, 1, kSector)[0], 0U);
}

TEST_F(FdcTest, TheMotorMustTurn) {
  start();
  io.out(fdc::kDor, 0x0c);
  EXPECT_THAT(read(0, 0, 1, kSector), ElementsAre(0x40, 0x01, 0, 0, 0, 1, 2));
  io.out(fdc::kDor, 0x1c);
  EXPECT_EQ(read(0, 0, 1, kSector)[0], 0U);
}

TEST_F(FdcTest, AMaskedChannelLetsTheDiskWait) {
  start();
  io.dma(true, kBuffer, kSector);
  m.outb(0x0a, 6);
  io.send({0x46, 0, 0, 0, 1, 2, 18, 0x1b, 0xff});
  EXPECT_FALSE(io.wait(kNsPerSecond));
  EXPECT_EQ(m.inb(0x08) & 0x40, 0x40) << "DREQ 2";
  m.outb(0x0a, 2);
  ASSERT_TRUE(io.wait());
  EXPECT_EQ(io.result()[0], 0U);
}

TEST_F(FdcTest, AResetInTheMidstEndsTheRequestForDma) {
  start();
  io.dma(true, kBuffer, kSector);
  m.outb(0x0a, 6);
  io.send({0x46, 0, 0, 0, 1, 2, 18, 0x1b, 0xff});
  m.step(10 * kNsPerMs);
  io.reset();
  EXPECT_EQ(m.inb(0x08) & 0x40, 0x00);
  EXPECT_EQ(read(0, 0, 1, kSector)[0], 0U);
}

TEST_F(FdcTest, AnAnswerOfTheDiskThatComesAfterResetIsForNobody) {
  start();
  disk->delayed = true;
  io.dma(true, kBuffer, kSector);
  io.send({0x46, 0, 0, 0, 1, 2, 18, 0x1b, 0xff});
  m.step(10 * kNsPerMs);
  EXPECT_EQ(disk->in_flight(), 1U);
  io.reset();
  // The next request waits for the old one.
  io.dma(true, kBuffer, kSector);
  io.send({0x46, 0, 0, 0, 9, 2, 18, 0x1b, 0xff});
  m.step(10 * kNsPerMs);
  EXPECT_EQ(disk->in_flight(), 1U);
  disk->complete_one();
  EXPECT_FALSE(m.line(6));
  m.step(10 * kNsPerMs);
  disk->complete_one();
  ASSERT_TRUE(io.wait());
  EXPECT_THAT(io.result(), ElementsAre(0, 0, 0, 0, 0, 10, 2));
  EXPECT_EQ(memory(kSector), on_disk(0, 0, 9));
}

// --- READ TRACK, READ ID, VERIFY ---

TEST_F(FdcTest, ReadTrackBeginsAtTheIndexHole) {
  start();
  io.dma(true, kBuffer, kSectors * kSector);
  EXPECT_THAT(io.run({0x42, 0, 0, 0, 1, 2, kSectors, 0x1b, 0xff}), ElementsAre(0, 0, 0, 1, 0, 1, 2));
  EXPECT_EQ(memory(kSectors * kSector), on_disk(0, 0, 1, kSectors * kSector));
  io.dma(true, kBuffer, 2 * kSector);
  EXPECT_EQ(io.run({0x42, 0, 9, 0, 1, 2, 2, 0x1b, 0xff})[1], 0x04U) << "read although the IDs are others";
  EXPECT_EQ(memory(2 * kSector), on_disk(0, 0, 1, 2 * kSector));
}

TEST_F(FdcTest, ReadIdTellsWhatPasses) {
  start();
  io.seek(0, 21);
  std::vector<unsigned> seen;
  for (unsigned i = 0; i < 40; ++i) {
    const auto id = io.run({0x4a, 0x04});
    EXPECT_EQ(id[0], 0x04U);
    EXPECT_EQ(id[3], 21U);
    EXPECT_EQ(id[4], 1U);
    EXPECT_GE(id[5], 1U);
    EXPECT_LE(id[5], kSectors);
    EXPECT_EQ(id[6], 2U);
    seen.push_back(id[5]);
    m.step(Fdc::kSectorTime);
  }
  std::sort(seen.begin(), seen.end());
  EXPECT_GT(std::unique(seen.begin(), seen.end()) - seen.begin(), 3) << "the disk turns";
}

TEST_F(FdcTest, TracksBeyondTheFormatHaveNoIds) {
  start();
  io.seek(0, 81);
  EXPECT_THAT(io.run({0x4a, 0}), ElementsAre(0x40, 0x01, 0, 0, 0, 0, 0));
}

TEST_F(FdcTest, VerifyNeedsNoDma) {
  start();
  EXPECT_THAT(io.run({0x56, 0, 0, 0, 1, 2, kSectors, 0x1b, 0xff}), ElementsAre(0, 0, 0, 1, 0, 1, 2));
  EXPECT_THAT(io.run({0x56, 0x80, 0, 0, 3, 2, kSectors, 0x1b, 4}), ElementsAre(0, 0, 0, 0, 0, 7, 2))
      << "a number of sectors";
  EXPECT_THAT(io.run({0x56, 0, 0, 0, 1, 2, 20, 0x1b, 0xff}), ElementsAre(0x40, 0x04, 0, 0, 0, 19, 2));
  disk->bad_sector = 4;
  EXPECT_THAT(io.run({0x56, 0, 0, 0, 1, 2, kSectors, 0x1b, 0xff}), ElementsAre(0x40, 0x20, 0x20, 0, 0, 5, 2));
}

// --- writing ---

TEST_F(FdcTest, WritesSectorsByDma) {
  start();
  const auto data = noise(2 * kSector);
  fill_memory(data);
  io.seek(0, 40);
  EXPECT_THAT(write(40, 1, 18, kSector), ElementsAre(4, 0, 0, 41, 1, 1, 2));
  EXPECT_EQ(on_disk(40, 1, 18), std::vector<std::uint8_t>(data.begin(), data.begin() + kSector));
  EXPECT_THAT(write(40, 0, 18, 2 * kSector, 0xc5), ElementsAre(4, 0, 0, 40, 1, 2, 2));
  EXPECT_EQ(on_disk(40, 0, 18, 2 * kSector), data);
}

TEST_F(FdcTest, AShortWriteEndsInZeros) {
  start();
  const auto data = noise(100);
  fill_memory(data);
  EXPECT_EQ(write(0, 0, 1, 100)[0], 0U);
  EXPECT_EQ(on_disk(0, 0, 1, 100), data);
  auto rest = on_disk(0, 0, 1);
  rest.erase(rest.begin(), rest.begin() + 100);
  EXPECT_EQ(rest, std::vector<std::uint8_t>(412));
}

TEST_F(FdcTest, AWriteProtectedDiskIsNotWritten) {
  start();
  disk->write_protected = true;
  const auto before = disk->bytes;
  EXPECT_THAT(write(0, 0, 1, kSector), ElementsAre(0x40, 0x02, 0, 0, 0, 1, 2));
  io.dma(false, kBuffer, 4);
  EXPECT_THAT(io.run({0x4d, 0, 2, 1, 0x54, 0xf6}), ElementsAre(0x40, 0x02, 0, 0, 0, 0, 2));
  EXPECT_EQ(disk->bytes, before);
}

TEST_F(FdcTest, AWriteThatTheHostRefusesIsAFault) {
  start();
  disk->bad_sector = 1;
  EXPECT_THAT(write(0, 0, 1, 3 * kSector), ElementsAre(0x50, 0, 0, 0, 0, 2, 2));
}

TEST_F(FdcTest, DeletedSectors) {  // tables 6-3 and 6-4
  start();
  fill_memory(noise(kSector));
  EXPECT_EQ(write(0, 0, 3, kSector, 0x49)[0], 0U);
  EXPECT_EQ(on_disk(0, 0, 3), noise(kSector));
  // READ DATA reads it and ends there, or with SK passes it over.
  EXPECT_THAT(read(0, 0, 2, 4 * kSector), ElementsAre(0, 0, 0x40, 0, 0, 3, 2));
  EXPECT_EQ(memory(2 * kSector), on_disk(0, 0, 2, 2 * kSector));
  EXPECT_THAT(read(0, 0, 2, 2 * kSector, 0x66), ElementsAre(0, 0, 0x40, 0, 0, 5, 2));
  EXPECT_EQ(memory(kSector, kBuffer + kSector), on_disk(0, 0, 4));
  // READ DELETED DATA the other way round.
  EXPECT_THAT(read(0, 0, 3, kSector, 0x4c), ElementsAre(0, 0, 0, 0, 0, 4, 2));
  EXPECT_THAT(read(0, 0, 1, kSector, 0x6c), ElementsAre(0, 0, 0x40, 0, 0, 4, 2));
  EXPECT_EQ(memory(kSector), noise(kSector));
  // Writing it again as usual takes the mark away.
  EXPECT_EQ(write(0, 0, 3, kSector)[0], 0U);
  EXPECT_EQ(read(0, 0, 3, kSector)[2], 0U);
}

TEST_F(FdcTest, FormatTrackFillsTheSectorsItNames) {
  start();
  io.seek(0, 2);
  std::vector<std::uint8_t> ids;
  for (std::uint8_t r = 1; r <= kSectors; ++r) ids.insert(ids.end(), {2, 1, r, 2});
  fill_memory(ids);
  io.dma(false, kBuffer, kSectors * 4);
  EXPECT_EQ(io.run({0x4d, 0x04, 2, kSectors, 0x54, 0xf6})[0], 0x04U);
  EXPECT_EQ(on_disk(2, 1, 1, kSectors * kSector), std::vector<std::uint8_t>(kSectors * kSector, 0xf6));
  EXPECT_NE(on_disk(2, 0, 18)[0], 0xf6);
  EXPECT_NE(on_disk(3, 0, 1)[0], 0xf6);
  EXPECT_EQ(io.command({0x0e})[6], kSectors);
}

TEST_F(FdcTest, FormatsThatAnImageCannotHoldAreAFault) {
  start();
  for (const std::vector<std::uint8_t>& id :
       std::initializer_list<std::vector<std::uint8_t>>{{5, 0, 1, 2}, {0, 1, 1, 2}, {0, 0, 19, 2}, {0, 0, 1, 3}}) {
    fill_memory(id);
    io.dma(false, kBuffer, 4);
    EXPECT_EQ(io.run({0x4d, 0, id[3], 1, 0x54, 0xf6})[0], 0x50U) << int{id[0]};
  }
  io.rate(250);
  io.dma(false, kBuffer, 4);
  EXPECT_EQ(io.run({0x4d, 0, 2, 1, 0x54, 0xf6})[0], 0x50U);
}

// --- scans (6.1.12) ---

TEST_F(FdcTest, ScanEqualFindsTheSector) {
  start();
  std::vector<std::uint8_t> wanted = on_disk(0, 0, 3);
  wanted[5] = 0xff;  // matches anything
  std::vector<std::uint8_t> three;
  for (int i = 0; i < 3; ++i) three.insert(three.end(), wanted.begin(), wanted.end());
  fill_memory(three);
  io.dma(false, kBuffer, 3 * kSector);
  EXPECT_THAT(io.run({0x51, 0, 0, 0, 1, 2, kSectors, 0x1b, 1}), ElementsAre(0, 0, 0x08, 0, 0, 3, 2));
  fill_memory(std::vector<std::uint8_t>(2 * kSector, 0x01));
  io.dma(false, kBuffer, 2 * kSector);
  EXPECT_THAT(io.run({0x51, 0, 0, 0, 1, 2, kSectors, 0x1b, 1}), ElementsAre(0, 0, 0x04, 0, 0, 3, 2))
      << "not satisfied up to terminal count";
}

TEST_F(FdcTest, ScanLowAndHigh) {
  start();
  std::vector<std::uint8_t> other = on_disk(0, 0, 1);
  ++other[0];
  fill_memory(other);
  io.dma(false, kBuffer, kSector);
  EXPECT_EQ(io.run({0x59, 0, 0, 0, 1, 2, 1, 0x1b, 1})[2], 0x00U) << "the disk's is lower";
  io.dma(false, kBuffer, kSector);
  EXPECT_EQ(io.run({0x5d, 0, 0, 0, 1, 2, 1, 0x1b, 1})[2], 0x04U);
  other[0] = 0;
  disk->bytes[0] = 1;
  fill_memory(other);
  io.dma(false, kBuffer, kSector);
  EXPECT_EQ(io.run({0x5d, 0, 0, 0, 1, 2, 1, 0x1b, 1})[2], 0x00U) << "the disk's is higher";
}

TEST_F(FdcTest, AScanByTwosComesToEveryOtherSector) {
  start();
  const auto wanted = on_disk(0, 0, 5);
  std::vector<std::uint8_t> many;
  for (int i = 0; i < 9; ++i) many.insert(many.end(), wanted.begin(), wanted.end());
  fill_memory(many);
  io.dma(false, kBuffer, 9 * kSector);
  EXPECT_THAT(io.run({0x51, 0, 0, 0, 1, 2, kSectors, 0x1b, 2}), ElementsAre(0, 0, 0x08, 0, 0, 5, 2));
  io.dma(false, kBuffer, 9 * kSector);
  EXPECT_EQ(io.run({0x51, 0, 0, 0, 2, 2, kSectors, 0x1b, 2})[2], 0x04U) << "5 is not among 2, 4, 6, …";
}

// --- without DMA (5.2) ---

class FdcWithoutDma : public FdcTest, public testing::WithParamInterface<unsigned> {
 protected:
  void begin() {
    start();
    io.command({0x03, 0xdf, 0x03});
    io.command({0x13, 0, GetParam(), 0});
  }
};

TEST_P(FdcWithoutDma, TheCpuReadsByInterrupts) {
  begin();
  io.send({0x46, 0, 0, 0, 18, 2, kSectors, 0x1b, 0xff});
  std::vector<std::uint8_t> got;
  while (got.size() < kSector) {
    ASSERT_TRUE(io.wait());
    while ((io.msr() & 0xf0) == 0xf0) got.push_back(io.in(fdc::kFifo));
    ASSERT_FALSE(m.line(6));
  }
  EXPECT_EQ(got, on_disk(0, 0, 18));
  ASSERT_TRUE(io.wait());
  // Nobody can say TC.
  EXPECT_THAT(io.result(), ElementsAre(0x40, 0x80, 0, 1, 0, 1, 2));
}

TEST_P(FdcWithoutDma, TheCpuWritesByInterrupts) {
  begin();
  const auto data = noise(kSector);
  io.send({0x45, 0, 0, 0, 18, 2, kSectors, 0x1b, 0xff});
  std::size_t at = 0;
  while (at < kSector) {
    ASSERT_TRUE(io.wait());
    while (at < kSector && (io.msr() & 0xf0) == 0xb0) io.out(fdc::kFifo, data[at++]);
  }
  ASSERT_TRUE(io.wait());
  EXPECT_EQ(io.result()[1], 0x80U);
  EXPECT_EQ(on_disk(0, 0, 18), data);
}

// FIFO off; on, with thresholds of 1, 9 and 16.
INSTANTIATE_TEST_SUITE_P(Fifo, FdcWithoutDma, testing::Values(0x20U, 0x00U, 0x08U, 0x0fU));

TEST(FdcBoard, AControllerWithoutAChannel) {
  TestMachine m{1U << 20};
  m.add_isa_bus();
  m.add<IsaFdc>("fdc", {{"dma", "-1"}});
  m.add<FloppyDrive>("a");
  m.start();
  FloppyPorts io(m);
  io.reset();
  EXPECT_THAT(io.command({0x10}), ElementsAre(0x90));
}

TEST(FdcBoard, AChannelNeedsAController) {
  TestMachine m;
  m.add_isa_bus();
  m.add<IsaFdc>("fdc");
  EXPECT_THROW(m.start(), Error);
}

// --- any program ---

TEST_F(FdcTest, SurvivesAnyProgram) {
  m.add<FloppyDrive>("b", {{"unit", "1"}});
  start({{"drive", "disk0"}, {"unit", "0"}});
  std::mt19937 engine(82078);
  const auto random = [&engine] { return static_cast<unsigned>(engine()); };
  for (int i = 0; i < 40000; ++i) {
    const unsigned v = random();
    switch (v % 16) {
      case 0:
        io.out(2 + (v >> 8) % 4, v >> 16);
        break;
      case 1:
        io.out(fdc::kCcr, v >> 16);
        break;
      case 2:
        (void)io.in(2 + (v >> 8) % 6);
        break;
      case 3:
        m.outb(static_cast<std::uint16_t>(v >> 8 & 15), static_cast<std::uint8_t>(v >> 16));
        break;
      case 4:
        m.step(v >> 8 & 0x3ffff);
        break;
      case 5:
        if (v & 0x100) io.dma_mode(v >> 8, v >> 4 & 0xfffff, (v >> 16 & 0xfff) + 1);
        break;
      case 6:
        disk->delayed = v & 0x100;
        disk->complete_all();
        break;
      case 7:
        io.out(fdc::kDor, 0x3c | (v >> 8 & 1));
        break;
      default: {  // bytes that are commands now and then
        static constexpr std::uint8_t kCodes[] = {0x46, 0xc5, 0x4d, 0x0f, 0x07, 0x4a, 0x42, 0x56,
                                                  0x51, 0x66, 0x4c, 0x49, 0x13, 0x03, 0x8e, 0x4e};
        io.out(fdc::kFifo, v & 0x100 ? kCodes[v >> 12 & 15] : v >> 16 & (v & 0x200 ? 0x07 : 0xff));
        if (v & 0x400) (void)io.in(fdc::kFifo);
      }
    }
  }
  disk->delayed = false;
  disk->complete_all();
  m.reset();
  io.reset();
  io.recalibrate();
  io.recalibrate();
  EXPECT_EQ(read(0, 0, 1, kSector)[0], 0U);
  EXPECT_EQ(memory(kSector), on_disk(0, 0, 1));
}

}  // namespace
}  // namespace machina::test
