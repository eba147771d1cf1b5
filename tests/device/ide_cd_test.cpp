// ATA/ATAPI-6 (T13/1410D), 8.9, 8.16, 8.23, 9.8 and 9.9: the PACKET feature set, by PIO and by DMA.

#include "tests/device/ide_cd_fixture.h"

#include <random>

#include "hw/ide/ide_disk.h"
#include "hw/ide/isa_ide.h"

namespace machina::test {
namespace {

using testing::ElementsAre;

// --- who it is ---

TEST_F(IdeCdTest, TheSignatureAfterResetAndNoDrdyBeforeACommand) {
  EXPECT_EQ(io.status(), 0);
  EXPECT_EQ(io.error(), 1);
  expect_signature();
  EXPECT_FALSE(line());
  io.control(kSrst);
  EXPECT_EQ(io.status(), kBsy);
  io.control(0);
  EXPECT_EQ(io.status(), 0);
  expect_signature();
  io.out(kLbaMid, 0);
  io.command(Command::ExecuteDeviceDiagnostic);
  EXPECT_TRUE(line());
  EXPECT_EQ(io.status(), 0);
  EXPECT_EQ(io.error(), 1);
  expect_signature();
}

TEST_F(IdeCdTest, WhoTakesItForADiskLearnsWhatItIs) {
  for (const Command c : {Command::IdentifyDevice, Command::ReadSectors}) {
    io.lba28(c, 0x123456, 1);
    EXPECT_TRUE(line());
    EXPECT_EQ(io.status(), kReady | kErr);
    EXPECT_EQ(io.error(), kAbrt);
    expect_signature();
  }
}

TEST_F(IdeCdTest, OtherCommandsOfDisksAreAborted) {
  for (const unsigned c : {0x00U, 0x10U, 0x21U, 0x24U, 0x25U, 0x30U, 0x40U, 0x70U, 0x91U, 0xb0U, 0xc4U, 0xc6U, 0xc8U,
                           0xcaU, 0xdaU, 0xe7U, 0xf5U, 0xf8U, 0xffU}) {
    io.out(kCommand, c);
    EXPECT_TRUE(line());
    EXPECT_EQ(io.status(), kReady | kErr) << c;
    EXPECT_EQ(io.error(), kAbrt) << c;
  }
}

TEST_F(IdeCdTest, PowerModes) {
  const auto mode = [&] {
    io.command(Command::CheckPowerMode);
    EXPECT_EQ(io.status(), kReady);
    return io.in(kSectorCount);
  };
  EXPECT_EQ(mode(), 0xff);
  io.command(Command::StandbyImmediate);
  EXPECT_EQ(io.status(), kReady);
  EXPECT_EQ(mode(), 0x00);
  io.command(Command::IdleImmediate);
  EXPECT_EQ(mode(), 0xff);
  io.command(Command::Sleep);
  EXPECT_EQ(mode(), 0x00);
  wake();
  EXPECT_EQ(mode(), 0xff) << "a packet wakes it";
}

TEST_F(IdeCdTest, IdentifyPacketDevice) {
  const auto w = identify();
  EXPECT_EQ(w[0], 0x85c0) << "ATAPI, CD-ROM, removable, DRQ without an interrupt, packets of 12 bytes";
  EXPECT_EQ(w[10], 'S' << 8 | '1');
  EXPECT_EQ(w[23], '2' << 8 | '.');
  EXPECT_EQ(w[27], 'M' << 8 | 'A');
  EXPECT_EQ(w[49], 0x0b00) << "DMA, LBA, IORDY, no overlap";
  EXPECT_EQ(w[53] & 6, 6);
  EXPECT_EQ(w[63], 0x0407);
  EXPECT_EQ(w[88], 0x003f);
  EXPECT_EQ(w[80], 0x0070);
  EXPECT_EQ(w[82], 0x4218) << "NOP, DEVICE RESET, PACKET, power management";
  EXPECT_EQ(w[85], w[82]);
  EXPECT_EQ(w[125], 0);
  unsigned sum = 0;
  for (const std::uint16_t word : w) sum += (word & 0xff) + (word >> 8);
  EXPECT_EQ(sum % 256, 0U);
}

TEST_F(IdeCdTest, SetFeaturesTakesTransferModesOnly) {
  const auto set = [&](unsigned feature, unsigned count) {
    io.out(kFeatures, feature);
    io.out(kSectorCount, count);
    io.command(Command::SetFeatures);
    return io.status();
  };
  EXPECT_EQ(set(3, 0x42), kReady);
  EXPECT_EQ(identify()[88], 0x043f);
  EXPECT_EQ(identify()[63], 0x0007);
  EXPECT_EQ(set(3, 0x0c), kReady);
  EXPECT_EQ(set(3, 0x46), kReady | kErr);
  EXPECT_EQ(set(0x02, 0), kReady | kErr) << "no write cache";
  EXPECT_EQ(set(0x5d, 0), kReady | kErr) << "no release interrupt";
  EXPECT_EQ(set(0x66, 0), kReady);
  EXPECT_EQ(identify()[88], 0x043f);
}

TEST_F(IdeCdTest, DeviceResetIsHeardWhileBusy) {
  wake();
  disc->delayed = true;
  ports.begin(read10(0, 1), 0, 2048);
  EXPECT_EQ(io.status(), kBsy);
  io.command(Command::Packet);
  EXPECT_EQ(io.status(), kBsy) << "other commands are not";
  io.command(Command::DeviceReset);
  EXPECT_EQ(io.status(), kBsy) << "until the disc is at rest";
  disc->complete_all();
  EXPECT_EQ(io.status(), 0);
  expect_signature();
  EXPECT_FALSE(line());
  disc->delayed = false;
  EXPECT_EQ(reply_to(read10(0, 1)), blocks(0, 1)) << "and no attention is asked for";
}

TEST_F(IdeCdTest, DeviceResetOfOneDriveLeavesTheOther) {
  io.select(1);
  io.select(0);
  io.command(Command::DeviceReset);
  EXPECT_EQ(io.in(kDevice)&0x10, 0);
  EXPECT_EQ(io.status(), 0);
}

// --- the packet protocol ---

TEST_F(IdeCdTest, PhasesOfACommandWithoutData) {
  wake();
  io.out(kFeatures, 0);
  io.out(kByteCountLow, 0);
  io.out(kByteCountHigh, 0);
  io.command(Command::Packet);
  EXPECT_EQ(io.alt_status(), kReady | kDrq);
  EXPECT_EQ(io.in(kInterruptReason), 1) << "command, to the drive";
  for (unsigned i = 0; i < 6; ++i) {
    EXPECT_FALSE(line());
    EXPECT_EQ(io.alt_status(), kReady | kDrq) << i;
    io.data(0);
  }
  EXPECT_TRUE(line());
  EXPECT_EQ(io.in(kInterruptReason), 3);
  EXPECT_EQ(io.status(), kReady);
  EXPECT_FALSE(line());
  io.data(0xffff);
  EXPECT_EQ(io.status(), kReady) << "no more than six words are taken";
}

TEST_F(IdeCdTest, PacketsAreWrittenIn32BitsToo) {
  wake();
  io.out(kFeatures, 0);
  io.out(kByteCountLow, 8);
  io.out(kByteCountHigh, 0);
  io.command(Command::Packet);
  m.outl(0x1f0, 0x25);
  m.outl(0x1f0, 0);
  m.outl(0x1f0, 0);
  EXPECT_EQ(io.status(), kReady | kDrq);
  EXPECT_EQ(m.inl(0x1f0), 0xb70b0000U) << "2999, big-endian";
  EXPECT_EQ(m.inl(0x1f0), 0x00080000U);
  EXPECT_EQ(io.status(), kReady);
}

TEST_F(IdeCdTest, ANewCommandEndsOneThatWaitsForItsPacket) {
  wake();
  io.command(Command::Packet);
  io.data(0x28);
  EXPECT_EQ(identify()[0], 0x85c0);
  ports.begin(read10(5, 2), 0, 2048);
  io.data();
  EXPECT_EQ(reply_to(read10(7, 1)), blocks(7, 1));
}

TEST_F(IdeCdTest, OverlapIsRefused) {
  io.out(kFeatures, kPacketOverlap);
  io.command(Command::Packet);
  EXPECT_TRUE(line());
  EXPECT_EQ(io.status(), kReady | kErr);
  EXPECT_EQ(io.error(), kAbrt);
}

TEST(IdeCdOnIsaTest, DmaIsRefusedWhereThereIsNone) {
  TestMachine m;
  m.add_isa_bus();
  m.add<IsaIde>("ide");
  m.add<IdeCd>("cd");
  m.start();
  IdePorts io{m, 0x1f0, 0x3f6};
  EXPECT_EQ(io.in(kLbaHigh), 0xeb);
  io.out(kFeatures, kPacketDma);
  io.command(Command::Packet);
  EXPECT_EQ(io.status(), kReady | kErr);
  EXPECT_EQ(io.error(), kAbrt);
  io.command(Command::IdentifyPacketDevice);
  io.status();
  std::vector<std::uint16_t> w;
  for (unsigned i = 0; i < 256; ++i) w.push_back(io.data());
  EXPECT_EQ(w[49] & 0x100, 0);
  EXPECT_EQ(w[63] | w[88], 0);
}

TEST(IdeCdOnIsaTest, ACdAndADiskShareACable) {
  TestMachine m;
  m.add_isa_bus();
  m.add<IsaIde>("ide");
  auto& disc = m.object().add_new_child<BlockDisc>("disc0");
  m.add<IdeCd>("cd", {{"unit", "1"}}).set_text("drive", "disc0");
  auto& disk = m.object().add_new_child<BlockDisc>("disk0");
  disk.blocks = 512;
  m.add<IdeDisk>("hd", {{"unit", "0"}}).set_text("drive", "disk0");
  m.start();
  IdePorts io{m, 0x1f0, 0x3f6};
  EXPECT_EQ(io.status(), kReady);
  EXPECT_EQ(io.in(kLbaHigh), 0);
  io.select(1);
  EXPECT_EQ(io.status(), 0);
  EXPECT_EQ(io.in(kLbaHigh), 0xeb);
  PacketPorts ports{io, [&] { return m.line(14); }};
  EXPECT_EQ(ports.pio(kTestUnitReady).sense_key(), 6U);
  EXPECT_EQ(ports.pio(read10(9, 1)).data, BlockDisc::bytes(9 * kBlock, kBlock));
  io.lba28(Command::ReadSectors, 3, 1, 0);
  Bytes got;
  io.status();
  io.read_block(got);
  EXPECT_EQ(got, BlockDisc::bytes(3 * 512, 512));
  io.select(1);
  EXPECT_EQ(disc.reads, 1U);
  EXPECT_EQ(ports.pio(read10(10, 1)).data, BlockDisc::bytes(10 * kBlock, kBlock));
}

// --- how data is cut into blocks ---

TEST_F(IdeCdTest, TheByteCountLimitCutsTheData) {
  wake();
  const Bytes wanted = blocks(11, 3);  // 6144 bytes
  const auto blocks_of = [&](unsigned limit) {
    const Result r = ports.pio(read10(11, 3), limit);
    EXPECT_EQ(r.status, kReady);
    EXPECT_EQ(r.data, wanted) << limit;
    return r.blocks;
  };
  EXPECT_THAT(blocks_of(2048), ElementsAre(2048, 2048, 2048));
  EXPECT_THAT(blocks_of(4096), ElementsAre(4096, 2048));
  EXPECT_THAT(blocks_of(5000), ElementsAre(5000, 1144)) << "blocks need not end where those of the disc do";
  EXPECT_THAT(blocks_of(6144), ElementsAre(6144));
  EXPECT_THAT(blocks_of(0xfffe), ElementsAre(6144));
  EXPECT_THAT(blocks_of(0xffff), ElementsAre(6144));
  EXPECT_THAT(blocks_of(4097), ElementsAre(4096, 2048)) << "whole words, while there is more";
  EXPECT_EQ(blocks_of(2).size(), 3072U);
  EXPECT_EQ(blocks_of(3).size(), 3072U);
}

TEST_F(IdeCdTest, ManyBlocksWithALimitThatFitsNothing) {
  wake();
  const Result r = ports.pio(read10(100, 200), 0xffff);
  EXPECT_EQ(r.data, blocks(100, 200));
  EXPECT_EQ(r.blocks.front(), 0xfffeU);
  EXPECT_EQ(ports.pio(read10(100, 200), 7778).data, blocks(100, 200));
}

TEST_F(IdeCdTest, ALimitOfNothingAbortsBeforeAnythingHappens) {
  const Result r = ports.pio(request_sense(), 0);
  EXPECT_EQ(r.status, kReady | kErr);
  EXPECT_EQ(r.error, kAbrt);
  EXPECT_EQ(sense(), kReset) << "it has not been told";
  EXPECT_EQ(ports.pio(kTestUnitReady, 0).status, kReady) << "without data it does not matter";
  EXPECT_EQ(ports.pio(read10(0, 1), 1).error, kAbrt) << "nor is there half a word";
  EXPECT_EQ(dma(read10(0, 1), kBlock).status, kReady) << "it is not for DMA";
}

TEST_F(IdeCdTest, AnOddNumberOfBytesEndsInAPaddedWord) {
  const Result r = ports.pio(packet(Opcode::Inquiry, {0, 0, 0, 35}));
  EXPECT_THAT(r.blocks, ElementsAre(35));
  EXPECT_EQ(r.data.size(), 35U);
  EXPECT_THAT(ports.pio(packet(Opcode::Inquiry, {0, 0, 0, 35}), 35).blocks, ElementsAre(35));
  EXPECT_THAT(ports.pio(packet(Opcode::Inquiry, {0, 0, 0, 35}), 33).blocks, ElementsAre(32, 3));
  EXPECT_THAT(ports.pio(packet(Opcode::Inquiry, {0, 0, 0, 1}), 1).blocks, ElementsAre(1));
  EXPECT_EQ(ports.pio(packet(Opcode::Inquiry, {0, 0, 0, 0})).blocks.size(), 0U);
}

TEST_F(IdeCdTest, ReadDma) {
  wake();
  EXPECT_EQ(dma(read10(40, 5), 5 * kBlock).status, kReady);
  EXPECT_EQ(m.inb(kBm + 2), kBmInterrupt);
  EXPECT_EQ(memory(5 * kBlock), blocks(40, 5));
  EXPECT_EQ(dma(read10(1, 1200), 1200 * kBlock).status, kReady);
  EXPECT_EQ(memory(1200 * kBlock), blocks(1, 1200));
  EXPECT_EQ(dma(packet(Opcode::Inquiry, {0, 0, 0, 36}), 64).status, kReady);
  EXPECT_EQ(m.inb(kBm + 2), kBmInterrupt | kBmActive) << "the table was longer than the data";
  EXPECT_EQ(memory(1)[0], 5);
}

TEST_F(IdeCdTest, NothingMovesBeforeTheEngineIsStarted) {
  wake();
  m.write(kTable, 4, kBuffer);
  m.write(kTable + 4, 4, 0x80000000U | kBlock);
  m.outl(kBm + 4, kTable);
  ports.begin(read10(3, 1), kPacketDma, 0);
  EXPECT_EQ(io.alt_status(), kBsy);
  EXPECT_FALSE(line());
  EXPECT_EQ(memory(1)[0], 0);
  m.outb(kBm, kBmToMemory | kBmStart);
  EXPECT_TRUE(line());
  EXPECT_EQ(io.status(), kReady);
  EXPECT_EQ(memory(kBlock), blocks(3, 1));
}

TEST_F(IdeCdTest, ErrorsOfDma) {
  wake();
  disc->bad_block = 7;
  EXPECT_EQ(dma(read10(7, 1), kBlock).error, 0x30);
  EXPECT_EQ(m.inb(kBm + 2), kBmInterrupt | kBmActive);
  config.w(0x04, 1);
  EXPECT_EQ(dma(read10(1, 1), kBlock).error, 0xb0 | kAbrt) << "memory does not answer";
  EXPECT_EQ(m.inb(kBm + 2), kBmInterrupt | kBmError);
  EXPECT_EQ(sense(), (SenseCode{0xb, 0x4b, 0}));
  config.w(0x04, 5);
  m.write(kTable, 4, kBuffer);
  m.write(kTable + 4, 4, 0x80000000U | 512);
  m.outb(kBm, 0);
  m.outb(kBm + 2, kBmInterrupt | kBmError);
  m.outl(kBm + 4, kTable);
  ports.begin(read10(1, 1), kPacketDma, 0);
  m.outb(kBm, kBmToMemory | kBmStart);
  EXPECT_EQ(io.alt_status(), kBsy) << "the table was too short: the drive waits";
  EXPECT_FALSE(line());
  io.command(Command::DeviceReset);
  EXPECT_EQ(io.status(), 0);
  disc->bad_block = ~std::uint64_t{0};
  EXPECT_EQ(dma(read10(7, 1), kBlock).status, kReady);
}

TEST_F(IdeCdTest, ParametersByDma) {
  wake();
  const Bytes list = {0, 0, 0, 0, 0, 0, 0, 0, 0x0d, 6, 0, 0x0c, 0, 60, 0, 75};
  for (std::size_t i = 0; i < list.size(); ++i) m.write(kBuffer + i, 1, list[i]);
  EXPECT_EQ(dma(packet(Opcode::ModeSelect10, {0x10, 0, 0, 0, 0, 0, 0, 16}), 16, false).status, kReady);
  EXPECT_EQ(reply_to(packet(Opcode::ModeSense10, {0, 0x0d, 0, 0, 0, 0, 0, 16})).at(11), 0x0c);
}

// --- a hostile guest ---

TEST_F(IdeCdTest, AnyPacketEnds) {
  std::mt19937 random(20);
  const auto next = [&](unsigned limit) { return static_cast<unsigned>(random() % limit); };
  const unsigned codes[] = {0x00, 0x03, 0x12, 0x1b, 0x1e, 0x25, 0x28, 0x2b, 0x42, 0x43, 0x46,
                            0x4a, 0x51, 0x55, 0x5a, 0xa8, 0xad, 0xb9, 0xbb, 0xbd, 0xbe};
  for (unsigned n = 0; n < 3000; ++n) {
    Packet p;
    for (auto& b : p) b = static_cast<std::uint8_t>(next(3) ? 0 : next(256));
    p[0] = static_cast<std::uint8_t>(next(16) ? codes[next(std::size(codes))] : next(256));
    const unsigned limit = next(4) ? 2048 : next(0x10000);
    io.out(kFeatures, 0);
    io.out(kByteCountLow, limit);
    io.out(kByteCountHigh, limit >> 8);
    io.command(Command::Packet);
    for (unsigned i = 0; i < 12; i += 2) io.data(static_cast<std::uint16_t>(p[i] | p[i + 1] << 8));
    // It may leave in the middle of the data.
    for (unsigned i = next(5000); i && io.alt_status() & kDrq; --i) {
      if (io.in(kInterruptReason)&kReasonToHost) {
        io.data();
      } else {
        io.data(static_cast<std::uint16_t>(next(0x10000)));
      }
    }
    EXPECT_FALSE(io.alt_status() & kBsy);
    EXPECT_EQ(disc->in_flight(), 0U);
  }
}

}  // namespace
}  // namespace machina::test
