#pragma once
/// A CD drive on the PIIX3's first channel, and the packets that its tests send.

#include <gmock/gmock.h>

#include "hw/ide/ide_cd.h"
#include "hw/ide/piix3_ide.h"
#include "hw/isa/piix3.h"
#include "hw/pci-host/i440fx.h"
#include "tests/support/block_disc.h"
#include "tests/support/packet_ports.h"
#include "tests/support/pci_config.h"

namespace machina::test {

using namespace ata;
using mmc::Opcode;
using Result = PacketPorts::Result;
using Bytes = std::vector<std::uint8_t>;

inline constexpr std::uint16_t kBm = 0xc000;
inline constexpr std::uint32_t kTable = 0x10000, kBuffer = 0x200000;
inline constexpr std::uint8_t kReady = kDrdy | kDsc;
inline constexpr std::uint8_t kBmStart = 1, kBmToMemory = 8;                  // command
inline constexpr std::uint8_t kBmActive = 1, kBmError = 2, kBmInterrupt = 4;  // status
inline constexpr unsigned kBlock = mmc::kBlockSize;

inline std::uint32_t be(const Bytes& bytes, std::size_t at, std::size_t size) {
  std::uint32_t v = 0;
  for (std::size_t i = 0; i < size; ++i) v = v << 8 | bytes.at(at + i);
  return v;
}

inline Packet read10(std::uint32_t lba, unsigned blocks) {
  return packet(Opcode::Read10, {0, lba >> 24, lba >> 16, lba >> 8, lba, 0, blocks >> 8, blocks});
}
inline Packet request_sense() { return packet(Opcode::RequestSense, {0, 0, 0, 18}); }
inline Packet read_toc(unsigned format, unsigned from, bool msf, unsigned allocation = 0x800) {
  return packet(Opcode::ReadTocPmaAtip, {msf ? 2U : 0U, format, 0, 0, 0, from, allocation >> 8, allocation});
}
inline Packet event_status(unsigned classes, unsigned allocation = 8) {
  return packet(Opcode::GetEventStatusNotification, {1, 0, 0, classes, 0, 0, allocation >> 8, allocation});
}
inline Packet start_stop(unsigned bits) { return packet(Opcode::StartStopUnit, {0, 0, 0, bits}); }
inline Packet prevent(unsigned bits) { return packet(Opcode::PreventAllowMediumRemoval, {0, 0, 0, bits}); }
inline const Packet kTestUnitReady = packet(Opcode::TestUnitReady);

struct SenseCode {
  unsigned key, code, qualifier;
  bool operator==(const SenseCode&) const = default;
  friend void PrintTo(const SenseCode& s, std::ostream* os) {
    *os << std::hex << s.key << '/' << s.code << '/' << s.qualifier;
  }
};
inline constexpr SenseCode kNothing{0, 0, 0}, kNoDiscClosed{2, 0x3a, 1}, kNoDiscOpen{2, 0x3a, 2},
    kBadOpcode{5, 0x20, 0}, kBadField{5, 0x24, 0}, kBeyond{5, 0x21, 0}, kChanged{6, 0x28, 0}, kReset{6, 0x29, 0},
    kLocked{5, 0x53, 2}, kWrongMode{5, 0x64, 0};

class IdeCdTest : public testing::Test {
 protected:
  /// A drive alone on the first channel, with a disc of `blocks` (0: none).
  explicit IdeCdTest(std::uint64_t blocks = 3000) {
    m.add<I440fxHost>("i440fx");
    piix3 = &m.add<Piix3>("piix3", {{"addr", "1"}});
    m.add<Piix3Ide>("ide", {{"addr", "1.1"}, {"irqs", "piix3.14"}});
    cd = &m.add<IdeCd>("cd", {{"unit", "0"}, {"serial", "S1"}, {"ver", "2.5"}}, "ide.0");
    if (blocks) {
      disc = &m.object().add_new_child<BlockDisc>("disc0");
      disc->blocks = blocks;
      cd->set_text("drive", "disc0");
    }
    m.start();
    set_up();
  }
  void set_up() {
    config.l(0x20, kBm);
    config.w(0x04, 5);
    config.w(0x40, 0x8000);
    config.w(0x42, 0x8000);
  }
  bool line() { return piix3->input("irq", 14)->level(); }
  /// Takes note of the reset, as software does first.
  void wake() { EXPECT_EQ(ports.pio(kTestUnitReady).sense_key(), 6U); }
  SenseCode sense() {
    const Result r = ports.pio(request_sense());
    EXPECT_EQ(r.status, kReady);
    if (r.data.size() != 18) return {99, 0, 0};
    EXPECT_EQ(r.data[0] & 0x7f, 0x70);
    EXPECT_EQ(r.data[7], 10);
    return {r.data[2], r.data[12], r.data[13]};
  }
  SenseCode sense_after(const Packet& p) {
    const Result r = ports.pio(p);
    if (r.status == kReady) return kNothing;
    EXPECT_EQ(r.status, kReady | kErr);
    EXPECT_TRUE(r.data.empty());
    const SenseCode s = sense();
    EXPECT_EQ(r.sense_key(), s.key);
    EXPECT_EQ(r.error & 0x0f, s.key == 5 ? kAbrt : 0);
    return s;
  }
  Bytes reply_to(const Packet& p) {
    const Result r = ports.pio(p);
    EXPECT_EQ(r.status, kReady) << "error " << +r.error;
    return r.data;
  }
  /// One command by DMA, into a region of `bytes`.
  Result dma(const Packet& p, std::uint32_t bytes, bool to_memory = true) {
    m.outb(kBm, 0);
    m.outb(kBm + 2, kBmInterrupt | kBmError);
    std::uint32_t entry = kTable, at = kBuffer;
    for (std::uint32_t left = bytes; left;) {
      const std::uint32_t n = std::min(left, 0x10000U);
      left -= n;
      m.write(entry, 4, at);
      m.write(entry + 4, 4, (n & 0xffff) | (left ? 0U : 0x80000000U));
      entry += 8, at += n;
    }
    m.outl(kBm + 4, kTable);
    ports.begin(p, kPacketDma, 0);
    m.outb(kBm, to_memory ? kBmToMemory | kBmStart : kBmStart);
    Result r;
    ports.end(r);
    return r;
  }
  Bytes memory(std::size_t n) {
    const auto* p = m.system().ram->host() + kBuffer;
    return {p, p + n};
  }
  static Bytes blocks(std::uint64_t lba, unsigned count) {
    return BlockDisc::bytes(lba * kBlock, std::size_t{count} * kBlock);
  }
  std::vector<std::uint16_t> identify() {
    io.command(Command::IdentifyPacketDevice);
    EXPECT_EQ(io.status(), kReady | kDrq);
    std::vector<std::uint16_t> words;
    for (unsigned i = 0; i < 256; ++i) words.push_back(io.data());
    EXPECT_EQ(io.status(), kReady);
    return words;
  }
  void expect_signature() {
    EXPECT_EQ(io.in(kSectorCount), 1);
    EXPECT_EQ(io.in(kLbaLow), 1);
    EXPECT_EQ(io.in(kLbaMid), 0x14);
    EXPECT_EQ(io.in(kLbaHigh), 0xeb);
  }

  TestMachine m{16 << 20};
  PciConfig config{m, 1, 1};
  IdePorts io{m, 0x1f0, 0x3f6};
  PacketPorts ports{io, [this] { return line(); }};
  Piix3* piix3 = nullptr;
  IdeCd* cd = nullptr;
  BlockDisc* disc = nullptr;
};

class IdeCdEmptyTest : public IdeCdTest {
 protected:
  IdeCdEmptyTest() : IdeCdTest(0) {}
};

class IdeCdDvdTest : public IdeCdTest {
 protected:
  static constexpr std::uint64_t kBlocks = 2295104;  // 4.7 GB
  IdeCdDvdTest() : IdeCdTest(kBlocks) {}
};

}  // namespace machina::test
