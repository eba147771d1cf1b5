// A guest that writes anything anywhere: the chipset of the pc board under accesses that no datasheet describes. What
// is tested is that the machine survives and still works; the same sequence each time.

#include <gtest/gtest.h>

#include <random>

#include "hw/acpi/piix4_pm.h"
#include "hw/ide/ide_disk.h"
#include "hw/ide/piix3_ide.h"
#include "hw/isa/piix3.h"
#include "hw/pci-host/i440fx.h"
#include "tests/support/ide_ports.h"
#include "tests/support/pci_config.h"
#include "tests/support/test_disk.h"

namespace machina::test {
namespace {

class Random {
 public:
  explicit Random(unsigned seed) : engine_(seed) {}
  std::uint32_t operator()() { return static_cast<std::uint32_t>(engine_()); }

 private:
  std::mt19937 engine_;
};

class PcChipset {
 public:
  PcChipset() {
    m.add<I440fxHost>("i440fx");
    m.add<Piix3>("piix3", {{"addr", "1"}});
    m.add<Piix3Ide>("ide", {{"addr", "1.1"}, {"irqs", "piix3.irq.14"}});
    m.add<Piix4Pm>("pm", {{"addr", "1.3"}, {"sci", "piix3.irq.9"}});
    for (const char* id : {"disk0", "disk1"}) {
      disks.push_back(&m.object().add_new_child<TestDisk>(id));
      disks.back()->delayed = true;
      disks.back()->bytes.resize(1 << 20);
    }
    m.add<IdeDisk>("hd0", {}, "ide.0").set_text("drive", "disk0");
    m.add<IdeDisk>("hd1", {}, "ide.0").set_text("drive", "disk1");
    m.start();
    set_up();
  }
  void set_up() {
    PciConfig ide(m, 1, 1);
    ide.l(0x20, 0xc000);
    ide.w(0x04, 5);
    ide.l(0x40, 0x80008000);
    PciConfig pm(m, 1, 3);
    pm.l(0x40, 0x601);
    pm.b(0x80, 1);
  }
  void out(std::uint16_t port, unsigned log2_width, std::uint32_t value) {
    switch (log2_width) {
      case 0:
        return m.outb(port, static_cast<std::uint8_t>(value));
      case 1:
        return m.outw(port, static_cast<std::uint16_t>(value));
      default:
        return m.outl(port, value);
    }
  }
  void in(std::uint16_t port, unsigned log2_width) {
    switch (log2_width) {
      case 0:
        m.inb(port);
        return;
      case 1:
        m.inw(port);
        return;
      default:
        m.inl(port);
        return;
    }
  }

  TestMachine m{2 << 20};
  std::vector<TestDisk*> disks;
};

/// The chipset does what it should after all of that, once reset.
void expect_alive(PcChipset& pc) {
  for (TestDisk* disk : pc.disks) {
    disk->complete_all();
    disk->delayed = false;
    disk->bytes.assign(1 << 20, 0x3c);
  }
  pc.m.reset();
  pc.set_up();
  IdePorts io(pc.m, 0x1f0, 0x3f6);
  io.lba28(ata::Command::ReadSectors, 3, 1);
  std::vector<std::uint8_t> got;
  io.read_block(got);
  EXPECT_EQ(got, std::vector<std::uint8_t>(512, 0x3c));
  EXPECT_EQ(PciConfig(pc.m, 0, 0).l(0), 0x12378086U);
  pc.m.write(0x1000, 4, 0x12345678);
  EXPECT_EQ(pc.m.read(0x1000, 4), 0x12345678U);
}

TEST(PcChipsetHostileTest, RandomPorts) {
  PcChipset pc;
  Random random(20240607);
  const std::uint16_t bases[] = {0x1f0, 0x1f0, 0x1f4, 0x3f6, 0x170, 0xc000, 0xc004, 0xcf8, 0xcfc, 0x600, 0xb2, 0xafe0};
  for (unsigned i = 0; i < 60000; ++i) {
    const auto port = static_cast<std::uint16_t>(bases[random() % std::size(bases)] + random() % 8);
    const unsigned width = random() % 3;
    if (random() % 3 == 0) {
      pc.in(port, width);
    } else {
      pc.out(port, width, random());
    }
    if (random() % 8 == 0) pc.disks[random() % 2]->complete_one();
    if (random() % 64 == 0) pc.m.step(1 + random() % 10'000'000);
    if (random() % 1024 == 0) pc.set_up();
    if (random() % 4096 == 0) pc.m.reset();
  }
  expect_alive(pc);
}

TEST(PcChipsetHostileTest, RandomConfigurationSpace) {
  PcChipset pc;
  Random random(7);
  for (unsigned i = 0; i < 20000; ++i) {
    constexpr unsigned kFunctions[] = {0x00, 0x08, 0x09, 0x0b};
    const std::uint32_t devfn = kFunctions[random() % 4];
    pc.m.outl(0xcf8, 0x80000000U | devfn << 8 | (random() & 0xfc));
    pc.out(static_cast<std::uint16_t>(0xcfc + random() % 4), random() % 3, random());
    if (random() % 16 == 0) pc.m.read(0xa0000 + random() % 0x60000, 4);
    if (random() % 16 == 0) pc.m.write(0xa0000 + random() % 0x60000, 4, random());
    if (random() % 2048 == 0) pc.m.reset();
  }
  expect_alive(pc);
}

TEST(PcChipsetHostileTest, RandomCommandsWithRandomTables) {
  PcChipset pc;
  Random random(99);
  IdePorts io(pc.m, 0x1f0, 0x3f6);
  for (unsigned i = 0; i < 10000; ++i) {
    const std::uint32_t table = 0x10000 + (random() % 64) * 4;
    for (unsigned entry = 0; entry < 4; ++entry) {
      pc.m.write(table + 8 * entry, 4, random() % 3 ? random() % 0x280000 : random());
      pc.m.write(table + 8 * entry + 4, 4, random() & (random() % 4 ? 0x80001fff : 0xffffffff));
    }
    pc.m.outl(0xc004, table);
    io.out(ata::kSectorCount, random() % 4 ? 1 + random() % 4 : random() & 0xff);
    // Mostly sectors that exist: the disks have 2048.
    io.out(ata::kLbaLow, random() & 0xff);
    io.out(ata::kLbaMid, random() % 9);
    io.out(ata::kLbaHigh, random() % 8 ? 0 : random() & 0xff);
    io.out(ata::kDevice, 0xe0 | (random() & 0x10));
    constexpr unsigned kCommands[] = {0xc8, 0xca, 0x25, 0x35, 0x20, 0x30, 0xc6, 0xc4, 0x40, 0xef, 0xe7, 0xec};
    io.out(ata::kCommand, kCommands[random() % std::size(kCommands)]);
    pc.m.outb(0xc000, static_cast<std::uint8_t>(random() & 9));
    for (unsigned n = random() % 4; n; --n) pc.disks[random() % 2]->complete_one();
    if (random() % 4 == 0) io.control(random() & 0x86);
    if (random() % 2 == 0) io.control(0);
    if (random() % 2 == 0 && io.alt_status() & ata::kBsy) io.control(ata::kSrst), io.control(0);
    const bool in = random() % 2;
    for (unsigned n = random() % 700; n; --n) in ? void(io.data()) : io.data(0x1234);
  }
  EXPECT_GT(pc.disks[0]->reads + pc.disks[1]->reads, 100U) << "commands got as far as the disks";
  EXPECT_GT(pc.disks[0]->writes + pc.disks[1]->writes, 100U);
  expect_alive(pc);
}

}  // namespace
}  // namespace machina::test
