// Intel 82371SB (PIIX3) function 1, 2.3 and 2.6; SFF-8038i: the bus master's registers and table; ATA/ATAPI-6, 9.7:
// DMA.

#include "hw/ide/piix3_ide.h"

#include <gtest/gtest.h>

#include "hw/ide/ide_disk.h"
#include "hw/isa/piix3.h"
#include "hw/pci-host/i440fx.h"
#include "tests/support/ide_ports.h"
#include "tests/support/pci_config.h"
#include "tests/support/test_disk.h"

namespace machina::test {
namespace {

using namespace ata;

constexpr std::uint16_t kBm = 0xc000;
constexpr std::uint32_t kTable = 0x10000;
constexpr std::uint32_t kBuffer = 0x200000;
constexpr std::uint8_t kReady = kDrdy | kDsc;
constexpr std::uint8_t kStart = 1, kToMemory = 8;                  // command
constexpr std::uint8_t kActive = 1, kBmError = 2, kInterrupt = 4;  // status

class Piix3IdeTest : public testing::Test {
 protected:
  Piix3IdeTest() {
    m.add<I440fxHost>("i440fx");
    piix3 = &m.add<Piix3>("piix3", {{"addr", "1"}});
    m.add<Piix3Ide>("ide", {{"addr", "1.1"}, {"irqs", "piix3.14"}});
    disk = &m.object().add_new_child<TestDisk>("disk0");
    disk->fill();
    m.add<IdeDisk>("hd", {{"unit", "0"}}, "ide.0").set_text("drive", "disk0");
    m.start();
    set_up();
  }
  void set_up() {
    config.l(0x20, kBm);
    config.w(0x04, 5);
    config.w(0x40, 0x8000);
    config.w(0x42, 0x8000);
  }
  bool line(unsigned n) { return piix3->input("irq", n)->level(); }
  std::uint8_t bm_status() { return m.inb(kBm + 2); }
  void bm_command(unsigned v) { m.outb(kBm, static_cast<std::uint8_t>(v)); }

  struct Region {
    std::uint32_t address, count;
  };
  void table(std::initializer_list<Region> regions, std::uint32_t at = kTable, bool end = true) {
    std::size_t left = regions.size();
    std::uint32_t entry = at;
    for (const Region& r : regions) {
      const bool last = --left == 0 && end;
      m.write(entry, 4, r.address);
      m.write(entry + 4, 4, (r.count & 0xffff) | (last ? 0x80000000U : 0U));
      entry += 8;
    }
    m.outl(kBm + 4, at);
  }
  std::vector<std::uint8_t> memory(std::uint32_t at, std::size_t n) {
    const auto* p = m.system().ram->host() + at;
    return {p, p + n};
  }
  std::vector<std::uint8_t> sectors(std::uint64_t lba, std::size_t count) {
    const auto* p = disk->bytes.data() + lba * 512;
    return {p, p + count * 512};
  }
  void expect_done(std::uint8_t bm) {
    EXPECT_TRUE(line(14));
    EXPECT_EQ(bm_status(), bm);
    EXPECT_EQ(io.status(), kReady);
    EXPECT_FALSE(line(14));
  }

  TestMachine m{16 << 20};
  PciConfig config{m, 1, 1};
  IdePorts io{m, 0x1f0, 0x3f6};
  IdePorts io2{m, 0x170, 0x376};
  Piix3* piix3 = nullptr;
  TestDisk* disk = nullptr;
};

TEST_F(Piix3IdeTest, IdentityAndResetValues) {
  m.reset();
  EXPECT_EQ(config.l(0x00), 0x70108086U);
  EXPECT_EQ(config.w(0x04), 0);
  EXPECT_EQ(config.w(0x06), 0x0280);
  EXPECT_EQ(config.l(0x08) >> 8, 0x010180U);
  EXPECT_EQ(config.l(0x20), 1U);
  EXPECT_EQ(config.b(0x3d), 0) << "legacy interrupts, no pin";
  EXPECT_EQ(config.l(0x40), 0x80008000U) << "both channels are decoded before firmware says so";
  for (unsigned reg = 0x10; reg < 0x28; reg += 4) config.l(reg, 0xffffffff);
  EXPECT_EQ(config.l(0x20), 0xfffffff1U) << "16 ports";
  EXPECT_EQ(config.l(0x10), 0U);
  config.w(0x04, 0xffff);
  EXPECT_EQ(config.w(0x04), 5) << "I/O and bus master";
}

TEST_F(Piix3IdeTest, LegacyPortsNeedBothEnableBits) {
  EXPECT_EQ(io.status(), kReady);
  config.w(0x40, 0);
  EXPECT_EQ(io.status(), 0xff);
  EXPECT_EQ(io.alt_status(), 0xff);
  EXPECT_EQ(io2.status(), 0x7f) << "the other channel has its own bit";
  config.w(0x40, 0x8000);
  EXPECT_EQ(io.status(), kReady);
  config.w(0x04, 4);
  EXPECT_EQ(io.status(), 0xff);
  EXPECT_EQ(m.inb(kBm + 2), 0xff);
  config.w(0x04, 5);
  m.reset();
  EXPECT_EQ(io.status(), 0xff);
}

TEST_F(Piix3IdeTest, ChannelsInterruptOn14And15) {
  io.command(Command::IdleImmediate);
  EXPECT_TRUE(line(14));
  EXPECT_FALSE(line(15));
  EXPECT_EQ(bm_status(), kInterrupt) << "the drive's interrupt shows without DMA, too";
  m.reset();
  EXPECT_FALSE(line(14));
}

TEST_F(Piix3IdeTest, TheSecondChannelIsAnotherCable) {
  io2.lba28(Command::ReadSectors, 0, 1);
  EXPECT_EQ(io2.status(), 0x7f);
  EXPECT_EQ(disk->reads, 0U);
  m.outl(kBm + 12, 0x12345677);
  EXPECT_EQ(m.inl(kBm + 12), 0x12345674U);
  EXPECT_EQ(m.inl(kBm + 4), 0U);
}

TEST_F(Piix3IdeTest, BusMasterRegisters) {
  m.outl(kBm + 4, 0xffffffff);
  EXPECT_EQ(m.inl(kBm + 4), 0xfffffffcU);
  m.outb(kBm + 6, 0x12);
  EXPECT_EQ(m.inw(kBm + 6), 0xff12);
  bm_command(0xff & ~kStart);
  EXPECT_EQ(m.inb(kBm), kToMemory);
  m.outb(kBm + 2, 0x60);
  EXPECT_EQ(bm_status(), 0x60);
  m.outb(kBm + 2, 0x20);
  EXPECT_EQ(bm_status(), 0x20) << "drive bits are plain storage";
  EXPECT_EQ(m.inb(kBm + 1), 0);
  EXPECT_EQ(m.inb(kBm + 3), 0);
  m.outb(kBm + 2, kActive | 0x20);
  EXPECT_EQ(bm_status(), 0x20) << "active is read-only";
}

TEST_F(Piix3IdeTest, ReadDma) {
  table({{kBuffer, 1024}, {kBuffer + 0x8000, 512}});
  io.lba28(Command::ReadDma, 77, 3);
  EXPECT_FALSE(line(14)) << "nothing moves before the engine is started";
  bm_command(kToMemory | kStart);
  expect_done(kInterrupt);
  EXPECT_EQ(memory(kBuffer, 1024), sectors(77, 2));
  EXPECT_EQ(memory(kBuffer + 0x8000, 512), sectors(79, 1));
  EXPECT_EQ(memory(kBuffer + 1024, 1)[0], 0);
  m.outb(kBm + 2, kInterrupt);
  EXPECT_EQ(bm_status(), 0);
  EXPECT_EQ(m.inb(kBm), kToMemory | kStart) << "the start bit is software's to clear";
}

TEST_F(Piix3IdeTest, TheEngineMayBeStartedFirst) {
  table({{kBuffer, 512}});
  bm_command(kToMemory | kStart);
  EXPECT_EQ(bm_status(), kActive);
  io.lba28(Command::ReadDma, 5, 1);
  expect_done(kInterrupt);
  EXPECT_EQ(memory(kBuffer, 512), sectors(5, 1));
}

TEST_F(Piix3IdeTest, ADelayedDiskKeepsTheEngineActive) {
  disk->delayed = true;
  table({{kBuffer, 512}});
  io.lba28(Command::ReadDma, 5, 1);
  bm_command(kToMemory | kStart);
  EXPECT_EQ(bm_status(), kActive);
  EXPECT_TRUE(io.alt_status() & kBsy);
  disk->complete_all();
  expect_done(kInterrupt);
}

TEST_F(Piix3IdeTest, WriteDma) {
  for (unsigned i = 0; i < 1536; ++i) m.write(kBuffer + i, 1, (i * 3) & 0xff);
  table({{kBuffer, 512}, {kBuffer + 512, 1024}});
  io.lba28(Command::WriteDma, 9, 3);
  bm_command(kStart);
  expect_done(kInterrupt);
  EXPECT_EQ(sectors(9, 3), memory(kBuffer, 1536));
  EXPECT_EQ(disk->bytes[12 * 512], TestDisk::pattern(12 * 512));
}

TEST_F(Piix3IdeTest, Lba48DmaOfMoreThanOneChunk) {
  // 5000 sectors: regions of 64 KiB (count 0) and a rest.
  std::uint32_t entry = kTable, at = kBuffer;
  for (std::uint32_t left = 5000 * 512; left;) {
    const std::uint32_t n = std::min(left, 0x10000U);
    left -= n;
    m.write(entry, 4, at);
    m.write(entry + 4, 4, (n & 0xffff) | (left ? 0U : 0x80000000U));
    entry += 8, at += n;
  }
  m.outl(kBm + 4, kTable);
  io.lba48(Command::ReadDmaExt, 300, 5000);
  bm_command(kToMemory | kStart);
  expect_done(kInterrupt);
  EXPECT_EQ(memory(kBuffer, 5000 * 512), sectors(300, 5000));
  EXPECT_GT(disk->reads, 1U);

  for (std::uint32_t i = 0; i < 5000; ++i) m.write(kBuffer + i * 512, 4, i);
  m.outb(kBm + 2, kInterrupt);
  bm_command(0);
  io.lba48(Command::WriteDmaExt, 11000, 5000);
  bm_command(kStart);
  expect_done(kInterrupt);
  EXPECT_EQ(sectors(11000, 5000), memory(kBuffer, 5000 * 512));
}

TEST_F(Piix3IdeTest, IdentifyOffersDmaAndRemembersTheMode) {
  const auto identify = [&] {
    io.command(Command::IdentifyDevice);
    io.status();
    std::vector<std::uint16_t> words;
    for (unsigned i = 0; i < 256; ++i) words.push_back(io.data());
    return words;
  };
  EXPECT_TRUE(identify()[49] & 0x100);
  EXPECT_EQ(identify()[63], 0x0407) << "multiword mode 2 is selected";
  EXPECT_EQ(identify()[88], 0x003f);
  io.out(kFeatures, 3);
  io.out(kSectorCount, 0x42);
  io.command(Command::SetFeatures);
  EXPECT_EQ(io.status(), kReady);
  EXPECT_EQ(identify()[63], 0x0007);
  EXPECT_EQ(identify()[88], 0x043f);
  io.control(kSrst);
  io.control(0);
  EXPECT_EQ(identify()[88], 0x043f) << "the mode survives a soft reset";
  m.reset();
  set_up();
  EXPECT_EQ(identify()[88], 0x003f);
}

// --- errors ---

TEST_F(Piix3IdeTest, AMediumErrorEndsTheCommand) {
  disk->bad_sector = 6;
  table({{kBuffer, 1024}});
  io.lba28(Command::ReadDma, 5, 2);
  bm_command(kToMemory | kStart);
  EXPECT_TRUE(line(14));
  EXPECT_EQ(bm_status(), kInterrupt | kActive);
  EXPECT_EQ(io.status(), kReady | kErr);
  EXPECT_EQ(io.error(), kUnc);
  EXPECT_EQ(memory(kBuffer, 4), std::vector<std::uint8_t>(4, 0));
}

TEST_F(Piix3IdeTest, ALongerTableLeavesTheEngineActive) {
  table({{kBuffer, 4096}});
  io.lba28(Command::ReadDma, 5, 1);
  bm_command(kToMemory | kStart);
  expect_done(kInterrupt | kActive);
  bm_command(0);
  EXPECT_EQ(bm_status(), kInterrupt);
}

TEST_F(Piix3IdeTest, AShorterTableStopsTheEngineAndTheDriveWaits) {
  table({{kBuffer, 512}});
  io.lba28(Command::ReadDma, 5, 2);
  bm_command(kToMemory | kStart);
  EXPECT_EQ(bm_status(), 0) << "neither active nor interrupt: the table was too short";
  EXPECT_TRUE(io.alt_status() & kBsy);
  EXPECT_FALSE(line(14));
  bm_command(0);
  bm_command(kToMemory | kStart);
  EXPECT_TRUE(io.alt_status() & kBsy) << "it cannot be resumed";
  bm_command(0);
  io.control(kSrst);
  io.control(0);
  EXPECT_EQ(io.status(), kReady);
}

TEST_F(Piix3IdeTest, DmaWithoutBusMasteringIsAnError) {
  config.w(0x04, 1);
  table({{kBuffer, 512}});
  io.lba28(Command::ReadDma, 5, 1);
  bm_command(kToMemory | kStart);
  EXPECT_EQ(bm_status(), kInterrupt | kBmError);
  EXPECT_EQ(io.status(), kReady | kErr);
  EXPECT_EQ(memory(kBuffer, 4), std::vector<std::uint8_t>(4, 0));
  m.outb(kBm + 2, kBmError | kInterrupt);
  EXPECT_EQ(bm_status(), 0);
}

TEST_F(Piix3IdeTest, DmaIsRefusedBeforeItStartsWhereThereAreNoSectors) {
  table({{kBuffer, 512}});
  io.lba48(Command::ReadDmaExt, 0xffffffffffff, 1);
  EXPECT_EQ(io.status(), kReady | kErr);
  EXPECT_EQ(io.error(), kIdnf);
  EXPECT_EQ(disk->reads, 0U);
}

// --- tables that a guest should not write ---

TEST_F(Piix3IdeTest, ATableOutsideRam) {
  m.outl(kBm + 4, 0x50000000);
  io.lba28(Command::ReadDma, 5, 1);
  bm_command(kToMemory | kStart);
  EXPECT_EQ(bm_status(), kInterrupt | kBmError);
  EXPECT_EQ(io.status(), kReady | kErr);
  EXPECT_EQ(io.error(), kAbrt);
}

TEST_F(Piix3IdeTest, ARegionOutsideRam) {
  table({{kBuffer, 512}, {0x50000000, 512}});
  io.lba28(Command::ReadDma, 5, 2);
  bm_command(kToMemory | kStart);
  EXPECT_EQ(bm_status(), kInterrupt | kBmError);
  EXPECT_EQ(io.status(), kReady | kErr);
  EXPECT_EQ(memory(kBuffer, 512), sectors(5, 1)) << "what came before has been moved";
  m.outb(kBm + 2, kInterrupt | kBmError);
  bm_command(0);
  table({{0x50000000, 512}});
  io.lba28(Command::WriteDma, 5, 1);
  bm_command(kStart);
  EXPECT_EQ(bm_status(), kInterrupt | kBmError);
  EXPECT_EQ(disk->writes, 0U) << "nothing reaches the disk that memory did not answer";
}

TEST_F(Piix3IdeTest, ARegionAtTheTopOfTheAddressSpace) {
  table({{0xfffffe00, 0}});  // 64 KiB from 512 bytes below 4 GiB
  io.lba28(Command::ReadDma, 0, 128);
  bm_command(kToMemory | kStart);
  EXPECT_EQ(bm_status(), kInterrupt | kBmError);
}

TEST_F(Piix3IdeTest, OddAddressesAndCountsAreRoundedDown) {
  table({{kBuffer + 1, 511}, {kBuffer + 0x1001, 3}});
  io.lba28(Command::ReadDma, 5, 1);
  bm_command(kToMemory | kStart);
  expect_done(kInterrupt);
  const auto data = sectors(5, 1);
  EXPECT_EQ(memory(kBuffer, 510), std::vector<std::uint8_t>(data.begin(), data.begin() + 510));
  EXPECT_EQ(memory(kBuffer + 0x1000, 2), std::vector<std::uint8_t>(data.begin() + 510, data.end()));
}

TEST_F(Piix3IdeTest, ATableWithoutAnEndStopsAtItsBoundary) {
  // 8192 regions of two bytes fill 64 KiB and never end: 16 KiB are moved, and no more.
  for (std::uint32_t i = 0; i < 8192; ++i) {
    m.write(kTable + 8 * i, 4, kBuffer);
    m.write(kTable + 8 * i + 4, 4, 2);
  }
  m.write(kTable + 0x10000, 4, 0xdead0000);
  m.outl(kBm + 4, kTable);
  io.lba28(Command::ReadDma, 0, 0);
  bm_command(kToMemory | kStart);
  EXPECT_EQ(bm_status(), kInterrupt | kBmError);
  EXPECT_EQ(io.status(), kReady | kErr);
  EXPECT_EQ(memory(kBuffer, 2), std::vector<std::uint8_t>(disk->bytes.begin() + 16382, disk->bytes.begin() + 16384));
}

TEST_F(Piix3IdeTest, ATableThatCrosses64KiBIsNone) {
  table({{kBuffer, 256}, {kBuffer + 256, 256}}, kTable + 0xfff8);
  io.lba28(Command::ReadDma, 5, 1);
  bm_command(kToMemory | kStart);
  EXPECT_EQ(bm_status(), kInterrupt | kBmError);
}

TEST_F(Piix3IdeTest, ATableThatTheTransferOverwrites) {
  // The first region is the table itself: the second entry is what the disk said.
  std::fill_n(disk->bytes.begin() + 5 * 512, 1024, std::uint8_t{0xff});
  table({{kTable, 512}, {kBuffer, 512}});
  io.lba28(Command::ReadDma, 5, 2);
  bm_command(kToMemory | kStart);
  EXPECT_EQ(bm_status(), kInterrupt | kBmError) << "region FFFFFFFEh is no memory";
}

TEST_F(Piix3IdeTest, ARegionThatIsADevicesRegister) {
  // The disk writes into configuration space of nobody and into ROM-less memory behind PCI: an error, no crash.
  table({{0xa0000, 512}});
  io.lba28(Command::ReadDma, 5, 1);
  bm_command(kToMemory | kStart);
  EXPECT_EQ(bm_status(), kInterrupt | kBmError);
}

// --- stop and reset ---

TEST_F(Piix3IdeTest, StoppingTheEngineHoldsTheDriveBack) {
  disk->delayed = true;
  table({{kBuffer, 512}});
  io.lba28(Command::ReadDma, 5, 1);
  bm_command(kToMemory | kStart);
  bm_command(0);
  EXPECT_EQ(bm_status(), 0);
  disk->complete_all();
  EXPECT_EQ(memory(kBuffer, 4), std::vector<std::uint8_t>(4, 0)) << "nothing is written after the stop";
  EXPECT_FALSE(line(14));
  bm_command(kToMemory | kStart);
  expect_done(kInterrupt);
  EXPECT_EQ(memory(kBuffer, 512), sectors(5, 1));
}

TEST_F(Piix3IdeTest, ADmaInFlightAtSoftResetWritesNothing) {
  disk->delayed = true;
  table({{kBuffer, 512}});
  io.lba28(Command::ReadDma, 5, 1);
  bm_command(kToMemory | kStart);
  io.control(kSrst);
  io.control(0);
  disk->complete_all();
  EXPECT_EQ(memory(kBuffer, 4), std::vector<std::uint8_t>(4, 0));
  EXPECT_EQ(io.status(), kReady);
  EXPECT_FALSE(line(14));
}

TEST_F(Piix3IdeTest, ADmaInFlightAtMachineResetWritesNothing) {
  disk->delayed = true;
  table({{kBuffer, 512}});
  io.lba28(Command::ReadDma, 5, 1);
  bm_command(kToMemory | kStart);
  m.reset();
  set_up();
  EXPECT_EQ(bm_status(), 0);
  EXPECT_EQ(io.status(), kBsy);
  disk->complete_all();
  EXPECT_EQ(io.status(), kReady);
  EXPECT_EQ(memory(kBuffer, 4), std::vector<std::uint8_t>(4, 0));
  EXPECT_FALSE(line(14));
}

}  // namespace
}  // namespace machina::test
