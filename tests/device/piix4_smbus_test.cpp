// The SMBus of the PIIX4, against the 82371AB datasheet, 7.3, and SMBus 2.0, 5.5; EEPROMs on it, against AT24C02.

#include "hw/i2c/piix4_smbus.h"

#include <gtest/gtest.h>

#include "hw/acpi/piix4_pm.h"
#include "hw/i2c/smbus_eeprom.h"
#include "hw/isa/piix3.h"
#include "hw/pci-host/i440fx.h"
#include "tests/support/pci_config.h"

namespace machina {

/// Writes down what it sees on the wire, and gives 1, 2, 3, …
class WireRecorder final : public I2cSlave {
 public:
  static constexpr const char* kType = "test-wire-recorder";
  static void class_init(DeviceClass& c) { c.set_default("address", 0x20U); }

  bool start(bool read) override { return log += read ? "R" : "W", true; }
  bool send(std::uint8_t byte) override {
    constexpr const char* kDigits = "0123456789abcdef";
    log += std::string(" ") + kDigits[byte >> 4] + kDigits[byte & 15];
    return sent++ != refused;
  }
  std::uint8_t receive() override { return log += " r", next++; }
  void stop() override { log += " P\n"; }

  std::string log;
  std::uint8_t next = 1;
  unsigned sent = 0, refused = 1000;  ///< which byte it does not acknowledge
};
MACHINA_TYPE(WireRecorder, I2cSlave);

/// The SMI input of a CPU.
class SmiCounter final : public Device {
 public:
  static constexpr const char* kType = "test-smi-counter";
  static void class_init(DeviceClass& c) { c.inputs(&SmiCounter::smi, "smi"); }
  unsigned smis = 0;
  IrqInBank smi{"smi", 1, [this](unsigned, bool level) { smis += level ? 1 : 0; }};
};
MACHINA_TYPE(SmiCounter, Device);

}  // namespace machina

namespace machina::test {
namespace {

using namespace piix4_smbus;

constexpr std::uint16_t kBase = 0x700;
constexpr std::uint8_t kIdle = 0;

class SmbusTest : public testing::Test {
 protected:
  SmbusTest() {
    smi = &m.add<SmiCounter>("cpu");
    m.add<I440fxHost>("i440fx");
    piix3 = &m.add<Piix3>("piix3", {{"addr", "1"}});
    pm = &m.add<Piix4Pm>("pm", {{"addr", "1.3"}, {"sci", "piix3.9"}, {"smi", "cpu"}, {"smm-enabled", "on"}});
    wire = &m.add<WireRecorder>("wire");
    m.add<SmbusEeprom>("spd0", {{"address", "0x50"}, {"dimm", "0"}});
    m.add<SmbusEeprom>("spd1", {{"address", "0x51"}, {"dimm", "1"}});
    m.add<SmbusEeprom>("blank", {{"address", "0x57"}});
    m.start();
    set_up(kSmbIrq9);
  }
  static constexpr unsigned kSmbIrq9 = 0x09, kSmbSmi = 0x01;
  void set_up(unsigned host_config) {
    config.l(0x90, kBase | 1);
    config.b(0xd2, host_config);
    config.w(0x04, 1);
  }
  static std::uint16_t at(unsigned reg) { return static_cast<std::uint16_t>(kBase + reg); }
  std::uint8_t status() { return m.inb(at(kSmbHstSts)); }
  void start(Protocol protocol, std::uint8_t address, bool read, unsigned extra = 0) {
    m.outb(at(kSmbHstAdd), static_cast<std::uint8_t>(address << 1 | (read ? 1 : 0)));
    m.outb(at(kSmbHstCnt), static_cast<std::uint8_t>(static_cast<unsigned>(protocol) << 2 | kStart | extra));
  }
  /// The whole transaction; its status, which is cleared.
  std::uint8_t transfer(Protocol protocol, std::uint8_t address, bool read) {
    start(protocol, address, read);
    m.step(10'000'000);
    const std::uint8_t result = status();
    m.outb(at(kSmbHstSts), 0x1e);
    return result;
  }
  std::uint8_t read_byte(std::uint8_t address, std::uint8_t command) {
    m.outb(at(kSmbHstCmd), command);
    EXPECT_EQ(transfer(Protocol::ByteData, address, true), kInter);
    return m.inb(at(kSmbHstDat0));
  }

  TestMachine m{320 << 20};
  PciConfig config{m, 1, 3};
  SmiCounter* smi = nullptr;
  Piix3* piix3 = nullptr;
  Piix4Pm* pm = nullptr;
  WireRecorder* wire = nullptr;
};

TEST_F(SmbusTest, PortsAreDecodedWithBothEnablesAndABase) {
  EXPECT_EQ(status(), kIdle);
  config.b(0xd2, 0x08);
  EXPECT_EQ(status(), 0xff) << "SMB_HST_EN";
  config.b(0xd2, 0x09);
  config.w(0x04, 0);
  EXPECT_EQ(status(), 0xff) << "IOSE";
  config.w(0x04, 1);
  config.l(0x90, 0xb101);
  EXPECT_EQ(status(), 0xff);
  EXPECT_EQ(m.inb(0xb100), kIdle);
}

TEST_F(SmbusTest, ProtocolsPutOnTheWireWhatSmbusSays) {
  m.outb(at(kSmbHstCmd), 0xc0), m.outb(at(kSmbHstDat0), 0xd0), m.outb(at(kSmbHstDat1), 0xd1);
  EXPECT_EQ(transfer(Protocol::Quick, 0x20, false), kInter);
  EXPECT_EQ(transfer(Protocol::Quick, 0x20, true), kInter);
  EXPECT_EQ(transfer(Protocol::Byte, 0x20, false), kInter);
  EXPECT_EQ(transfer(Protocol::ByteData, 0x20, false), kInter);
  EXPECT_EQ(transfer(Protocol::WordData, 0x20, false), kInter);
  EXPECT_EQ(wire->log, "W P\nR P\nW c0 P\nW c0 d0 P\nW c0 d0 d1 P\n");
  wire->log.clear();
  EXPECT_EQ(transfer(Protocol::Byte, 0x20, true), kInter);
  EXPECT_EQ(m.inb(at(kSmbHstDat0)), 1);
  EXPECT_EQ(transfer(Protocol::ByteData, 0x20, true), kInter);
  EXPECT_EQ(m.inb(at(kSmbHstDat0)), 2);
  EXPECT_EQ(transfer(Protocol::WordData, 0x20, true), kInter);
  EXPECT_EQ(m.inb(at(kSmbHstDat0)), 3);
  EXPECT_EQ(m.inb(at(kSmbHstDat1)), 4);
  EXPECT_EQ(wire->log, "R r P\nW c0R r P\nW c0R r r P\n");
}

TEST_F(SmbusTest, BlocksGoThroughTheArray) {
  m.outb(at(kSmbHstCmd), 0xc0), m.outb(at(kSmbHstDat0), 3);
  (void)m.inb(at(kSmbHstCnt));  // the index is 0
  for (const unsigned b : {0xb0U, 0xb1U, 0xb2U}) m.outb(at(kSmbBlkDat), static_cast<std::uint8_t>(b));
  EXPECT_EQ(transfer(Protocol::Block, 0x20, false), kInter);
  EXPECT_EQ(wire->log, "W c0 03 b0 b1 b2 P\n");
  wire->log.clear();
  wire->next = 4;  // the count, then 5 to 8
  EXPECT_EQ(transfer(Protocol::Block, 0x20, true), kInter);
  EXPECT_EQ(wire->log, "W c0R r r r r r P\n");
  EXPECT_EQ(m.inb(at(kSmbHstDat0)), 4);
  (void)m.inb(at(kSmbHstCnt));
  for (unsigned i = 0; i < 4; ++i) EXPECT_EQ(m.inb(at(kSmbBlkDat)), 5 + i);
  // The array has 32 bytes, and the index wraps.
  for (unsigned i = 4; i < 32; ++i) (void)m.inb(at(kSmbBlkDat));
  EXPECT_EQ(m.inb(at(kSmbBlkDat)), 5);
}

TEST_F(SmbusTest, BlocksOfNoLegalLengthFail) {
  for (const unsigned count : {0U, 33U, 255U}) {
    m.outb(at(kSmbHstDat0), static_cast<std::uint8_t>(count));
    EXPECT_EQ(transfer(Protocol::Block, 0x20, false), kDevErr) << count;
    EXPECT_EQ(wire->log, "") << "nothing was sent";
    wire->next = static_cast<std::uint8_t>(count);
    EXPECT_EQ(transfer(Protocol::Block, 0x20, true), kDevErr) << count;
    wire->log.clear();
  }
  m.outb(at(kSmbHstDat0), 32);
  EXPECT_EQ(transfer(Protocol::Block, 0x20, false), kInter);
}

TEST_F(SmbusTest, NobodyThereOrNoSuchCommandIsADeviceError) {
  m.outb(at(kSmbHstDat0), 0x77);
  EXPECT_EQ(transfer(Protocol::ByteData, 0x21, true), kDevErr);
  EXPECT_EQ(m.inb(at(kSmbHstDat0)), 0x77) << "data are as they were";
  for (const unsigned protocol : {4U, 6U, 7U}) {
    EXPECT_EQ(transfer(static_cast<Protocol>(protocol), 0x20, false), kDevErr);
    EXPECT_EQ(wire->log, "");
  }
  wire->refused = 1;
  EXPECT_EQ(transfer(Protocol::WordData, 0x20, false), kDevErr);
  EXPECT_EQ(wire->log, "W 00 77 P\n") << "the second byte was refused, the third not sent";
}

TEST_F(SmbusTest, BusyForAsLongAsTheBitsTake) {
  start(Protocol::Quick, 0x20, false);  // start, nine bits, stop: 110 us
  m.step(109'999);
  EXPECT_EQ(status(), kHostBusy);
  m.step(1);
  EXPECT_EQ(status(), kInter);
  m.outb(at(kSmbHstSts), 0xff);
  EXPECT_EQ(status(), kIdle);
  start(Protocol::ByteData, 0x20, true);  // start, 18 bits, start, 18 bits, stop
  m.step(389'999);
  EXPECT_EQ(status(), kHostBusy);
  EXPECT_NE(m.inb(at(kSmbHstDat0)), 1) << "data come with the end";
  start(Protocol::Quick, 0x20, false);  // ignored
  m.outb(at(kSmbHstSts), 0xff);
  EXPECT_EQ(status(), kHostBusy) << "read-only";
  m.step(1);
  EXPECT_EQ(status(), kInter);
  EXPECT_EQ(m.inb(at(kSmbHstDat0)), 1);
  EXPECT_EQ(m.inb(at(kSmbHstCnt)), 0) << "START reads zero";
}

TEST_F(SmbusTest, KillEndsItAtOnce) {
  start(Protocol::WordData, 0x20, true, kInterEn);
  m.step(50'000);
  m.outb(at(kSmbHstCnt), kKill | kInterEn);
  EXPECT_EQ(status(), kFailed);
  EXPECT_TRUE(piix3->input("irq", 9)->level());
  m.step(10'000'000);
  EXPECT_EQ(status(), kFailed);
  start(Protocol::Quick, 0x20, false, kKill);
  EXPECT_EQ(status(), kFailed) << "nothing begins while KILL is set";
  m.outb(at(kSmbHstSts), kFailed);
  EXPECT_EQ(status(), kIdle);
  m.outb(at(kSmbHstCnt), kKill);
  EXPECT_EQ(status(), kIdle) << "there was nothing to end";
}

TEST_F(SmbusTest, InterruptsAsConfigured) {
  const auto irq9 = [this] { return piix3->input("irq", 9)->level(); };
  transfer(Protocol::Quick, 0x20, false);
  EXPECT_FALSE(irq9());
  start(Protocol::Quick, 0x20, false, kInterEn);
  m.step(100'000);
  EXPECT_FALSE(irq9());
  m.step(10'000);
  EXPECT_TRUE(irq9());
  m.outb(at(kSmbHstSts), kInter);
  EXPECT_FALSE(irq9());
  start(Protocol::Quick, 0x33, false, kInterEn);
  m.step(1'000'000);
  EXPECT_TRUE(irq9()) << "an error is an end as well";
  m.outb(at(kSmbHstCnt), 0);
  EXPECT_FALSE(irq9()) << "not enabled any more";
  m.outb(at(kSmbHstSts), kDevErr);

  set_up(kSmbSmi);
  start(Protocol::Quick, 0x20, false, kInterEn);
  m.step(1'000'000);
  EXPECT_FALSE(irq9());
  EXPECT_EQ(smi->smis, 1U);
  (void)status();
  EXPECT_EQ(smi->smis, 1U);
}

TEST_F(SmbusTest, SharesIrq9WithTheSci) {
  config.l(0x40, 0x601), config.b(0x80, 1);
  m.outw(0x604, 1), m.outw(0x602, 0x100);  // SCI_EN, PWRBTN_EN
  pm->press_power_button();
  transfer(Protocol::Quick, 0x20, false);
  start(Protocol::Quick, 0x20, false, kInterEn);
  m.step(1'000'000);
  EXPECT_TRUE(piix3->input("irq", 9)->level());
  m.outw(0x600, 0x100);
  EXPECT_TRUE(piix3->input("irq", 9)->level()) << "the SMBus still asks";
  m.outb(at(kSmbHstSts), kInter);
  EXPECT_FALSE(piix3->input("irq", 9)->level());
}

TEST_F(SmbusTest, ModulesTellTheMachinesMemory) {
  EXPECT_EQ(read_byte(0x50, 2), 4) << "SDRAM";
  // 320 MiB: 256 and 64, in two sockets.
  EXPECT_EQ(read_byte(0x50, 31), 0x40);
  EXPECT_EQ(read_byte(0x51, 31), 0x10);
  EXPECT_EQ(transfer(Protocol::Quick, 0x52, false), kDevErr) << "no socket";
  unsigned sum = 0;
  for (unsigned i = 0; i < 63; ++i) sum += read_byte(0x50, static_cast<std::uint8_t>(i));
  EXPECT_EQ(read_byte(0x50, 63), sum & 0xff);
}

TEST_F(SmbusTest, EepromKeepsItsAddressAndItsContent) {
  EXPECT_EQ(read_byte(0x57, 0x10), 0xff) << "erased";
  m.outb(at(kSmbHstCmd), 0x16), m.outb(at(kSmbHstDat0), 0x11), m.outb(at(kSmbHstDat1), 0x22);
  transfer(Protocol::WordData, 0x57, false);
  EXPECT_EQ(read_byte(0x57, 0x16), 0x11);
  EXPECT_EQ(transfer(Protocol::Byte, 0x57, true), kInter) << "from where it stands";
  EXPECT_EQ(m.inb(at(kSmbHstDat0)), 0x22);
  // Writes wrap within a page of eight bytes.
  m.outb(at(kSmbHstCmd), 0x17), m.outb(at(kSmbHstDat0), 0x33), m.outb(at(kSmbHstDat1), 0x44);
  transfer(Protocol::WordData, 0x57, false);
  EXPECT_EQ(read_byte(0x57, 0x17), 0x33);
  EXPECT_EQ(read_byte(0x57, 0x10), 0x44);
  // A send byte sets the address alone; reads wrap at the end.
  m.outb(at(kSmbHstCmd), 0xff);
  transfer(Protocol::Byte, 0x57, false);
  transfer(Protocol::WordData, 0x57, true);
  m.outb(at(kSmbHstCmd), 0xff);
  transfer(Protocol::WordData, 0x57, true);
  EXPECT_EQ(m.inb(at(kSmbHstDat0)), 0xff);
  m.reset();
  set_up(kSmbIrq9);
  EXPECT_EQ(read_byte(0x57, 0x16), 0x11) << "no reset erases it";
}

TEST_F(SmbusTest, ResetEndsWhatWasGoingOn) {
  start(Protocol::WordData, 0x20, true, kInterEn);
  m.outb(at(kSmbSlvCnt), 0xff), m.outb(at(kSmbSlvEvt), 0x12), m.outb(at(kSmbSlvEvt + 1), 0x34);
  EXPECT_EQ(m.inb(at(kSmbSlvCnt)), 0x0f);
  EXPECT_EQ(m.inb(at(kSmbSlvEvt + 1)), 0x34);
  m.outb(at(kSmbShdwCmd), 0x55);
  EXPECT_EQ(m.inb(at(kSmbShdwCmd)), 0);
  m.reset();
  EXPECT_EQ(status(), 0xff) << "not decoded";
  m.step(10'000'000);
  set_up(kSmbIrq9);
  for (unsigned reg = 0; reg < kPorts; ++reg) EXPECT_EQ(m.inb(at(reg)), 0) << reg;
}

TEST_F(SmbusTest, TwoTargetsCannotHaveOneAddress) {
  EXPECT_THROW(
      {
        TestMachine other;
        other.add<I440fxHost>("i440fx");
        other.add<Piix3>("piix3", {{"addr", "1"}});
        other.add<Piix4Pm>("pm", {{"addr", "1.3"}});
        other.add<SmbusEeprom>("a");
        other.add<SmbusEeprom>("b");
        other.start();
      },
      Error);
}

}  // namespace
}  // namespace machina::test
