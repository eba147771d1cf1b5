// PCI Local Bus Specification 3.0: configuration mechanism #1 (3.2.2.3.2), base address registers (6.2.5), INTx
// (2.2.6), MSI (6.8.1), expansion ROM (6.2.5.2), bus mastering (6.2.2).

#include <gmock/gmock.h>

#include <cstdio>
#include <fstream>

#include "hw/pci/msi.h"
#include "hw/pci/pci_device.h"
#include "hw/pci/pci_host.h"
#include "tests/support/pci_config.h"

namespace machina {

/// A host bridge with nothing of its own, so that the bus is what is tested.
class BareHost final : public PciHost {
 public:
  static constexpr const char* kType = "test-pci-host";
  static void class_init(DeviceClass& c) { c.description = "PCI bus of a test"; }

 private:
  void realize() override {
    PciHost::realize();
    map(system().memory_root, 0, pci_memory(), -1);
  }
};

/// A card with every kind of BAR, MSI and interrupt pin.
class TestCard final : public PciDevice {
 public:
  static constexpr const char* kType = "test-pci-function";
  static void class_init(PciDeviceClass& c) {
    c.description = "PCI card of a test";
    c.vendor_id = 0x1234;
    c.device_id = 0x5678;
    c.revision = 0x9a;
    c.class_code = 0xff00;
    c.prog_if = 0x42;
    c.property("pin", &TestCard::pin_, 1U);
    c.property("vectors", &TestCard::vectors_, 4U);
    c.property("bar-size", &TestCard::bar_size_, 0x1000U);
  }
  using PciDevice::layout;
  using PciDevice::set_intx;
  MsiCapability msi{*this};

 private:
  void realize() override {
    memory_.set_size(bar_size_);
    add_bar(0, BarKind::Memory, memory_);
    add_bar(1, BarKind::Io, ports_);
    add_bar(2, BarKind::Prefetchable64, big_);
    use_interrupt_pin(pin_);
    msi.add(vectors_);
  }
  static IoResult answer(std::uint64_t what, Offset offset) { return what + offset; }

  unsigned pin_ = 1;
  unsigned vectors_ = 4;
  unsigned bar_size_ = 0x1000;
  IoRegion memory_{"card-memory", 0x1000, Widths::only(4), [](Offset o, Width) { return answer(0xaa000000, o); },
                   [](Offset, Width, std::uint64_t) { return io_ok(); }};
  IoRegion ports_{"card-ports", 0x20, Widths::only(1), [](Offset o, Width) { return answer(0x40, o); },
                  [](Offset, Width, std::uint64_t) { return io_ok(); }};
  IoRegion big_{"card-big", 0x200000000, Widths::only(4), [](Offset o, Width) { return answer(0xbb000000, o); },
                [](Offset, Width, std::uint64_t) { return io_ok(); }};
};

MACHINA_TYPE(BareHost, PciHost);
MACHINA_TYPE(TestCard, PciDevice);

}  // namespace machina

namespace machina::test {
namespace {

using testing::HasSubstr;

class PciTest : public testing::Test {
 protected:
  PciTest() { host_ = &m.add<BareHost>("host"); }
  std::string error_of_start() {
    try {
      m.start();
    } catch (const Error& e) {
      return e.what();
    }
    return "";
  }

  TestMachine m{1 << 20};
  BareHost* host_;
};

TEST_F(PciTest, ConfigAddressTakesOnly32BitAccesses) {
  m.add<TestCard>("card", {{"addr", "3"}});
  m.start();
  m.outl(0xcf8, 0x80001800);
  EXPECT_EQ(m.inl(0xcf8), 0x80001800U);
  m.outb(0xcf8, 0x55);
  m.outw(0xcfa, 0x5555);
  EXPECT_EQ(m.inl(0xcf8), 0x80001800U) << "a narrow write is no configuration address";
  EXPECT_EQ(m.inb(0xcf8), 0xff);
  EXPECT_EQ(m.inw(0xcfa), 0xffff);
  m.outl(0xcf8, 0xffffffff);
  EXPECT_EQ(m.inl(0xcf8), 0x80fffffcU) << "reserved bits read zero";
  m.reset();
  EXPECT_EQ(m.inl(0xcf8), 0U);
}

TEST_F(PciTest, ConfigDataNeedsTheEnableBit) {
  m.add<TestCard>("card", {{"addr", "3"}});
  m.start();
  m.outl(0xcf8, 0x80001800);
  EXPECT_EQ(m.inl(0xcfc), 0x56781234U);
  m.outl(0xcf8, 0x00001800);
  EXPECT_EQ(m.inl(0xcfc), 0xffffffffU);
}

TEST_F(PciTest, EveryByteLaneReadsItsRegister) {
  m.add<TestCard>("card", {{"addr", "3"}});
  m.start();
  m.outl(0xcf8, 0x80001800);
  EXPECT_EQ(m.inb(0xcfc), 0x34);
  EXPECT_EQ(m.inb(0xcfd), 0x12);
  EXPECT_EQ(m.inb(0xcfe), 0x78);
  EXPECT_EQ(m.inb(0xcff), 0x56);
  EXPECT_EQ(m.inw(0xcfc), 0x1234);
  EXPECT_EQ(m.inw(0xcfe), 0x5678);
  PciConfig card(m, 3, 0);
  EXPECT_EQ(card.l(0x08), 0xff00429aU);
  EXPECT_EQ(card.w(0x2c), 0x1af4);
  EXPECT_EQ(card.w(0x2e), 0x1100);
}

TEST_F(PciTest, WhatIsNotThereReadsAllOnes) {
  m.add<TestCard>("card", {{"addr", "3"}});
  m.start();
  EXPECT_EQ(PciConfig(m, 4, 0).l(0), 0xffffffffU);
  EXPECT_EQ(PciConfig(m, 3, 1).w(0), 0xffff);
  EXPECT_EQ(PciConfig(m, 3, 0, 1).b(0), 0xff) << "a type 1 cycle that no bridge forwards";
  PciConfig(m, 4, 0).l(0x10, 0);
  PciConfig(m, 3, 0, 255).l(0x10, 0);
}

TEST_F(PciTest, IdentityIsReadOnlyAndMasksAreDisjoint) {
  auto& card_device = m.add<TestCard>("card", {{"addr", "3"}});
  m.start();
  EXPECT_TRUE(card_device.layout().disjoint());
  PciConfig card(m, 3, 0);
  for (unsigned reg = 0; reg < 256; reg += 4) {
    const std::uint32_t before = card.l(reg);
    const std::uint32_t writable = config_get(card_device.layout().writable(), reg, 4);
    card.l(reg, ~before);
    EXPECT_EQ((card.l(reg) ^ before) & ~writable, 0U) << std::hex << reg;
    EXPECT_EQ((card.l(reg) ^ ~before) & writable, 0U) << std::hex << reg;
    card.l(reg, before);
  }
}

TEST_F(PciTest, BarsReportTheirSizeWhenOnesAreWritten) {
  m.add<TestCard>("card", {{"addr", "3"}});
  m.start();
  PciConfig card(m, 3, 0);
  for (unsigned reg = 0x10; reg < 0x28; reg += 4) card.l(reg, 0xffffffff);
  EXPECT_EQ(card.l(0x10), 0xfffff000U);
  EXPECT_EQ(card.l(0x14), 0xffffffe1U);
  EXPECT_EQ(card.l(0x18), 0x0000000cU) << "prefetchable, 64 bits, 8 GiB";
  EXPECT_EQ(card.l(0x1c), 0xfffffffeU);
  EXPECT_EQ(card.l(0x20), 0U);
  EXPECT_EQ(card.l(0x24), 0U);
  EXPECT_EQ(card.l(0x30), 0U) << "no expansion ROM";
}

TEST_F(PciTest, BarsAreMappedAndMovedByTheGuest) {
  auto& device = m.add<TestCard>("card", {{"addr", "3"}});
  m.start();
  PciConfig card(m, 3, 0);
  card.l(0x10, 0xe0000000);
  card.l(0x14, 0xc000);
  card.l(0x18, 0);
  card.l(0x1c, 0x10);
  EXPECT_EQ(m.read(0xe0000004, 4), 0xffffffffU) << "memory decoding is off";
  EXPECT_EQ(m.inb(0xc003), 0xff);
  card.w(0x04, 2);
  EXPECT_EQ(m.read(0xe0000004, 4), 0xaa000004U);
  EXPECT_EQ(m.read(0x1000000010, 4), 0xbb000010U) << "above 4 GiB";
  EXPECT_EQ(m.inb(0xc003), 0xff) << "port decoding is still off";
  card.w(0x04, 3);
  EXPECT_EQ(m.inb(0xc003), 0x43);
  EXPECT_EQ(device.bar_address(0), 0xe0000000U);
  card.l(0x10, 0xf0000000);
  EXPECT_EQ(m.read(0xe0000004, 4), 0xffffffffU);
  EXPECT_EQ(m.read(0xf0000004, 4), 0xaa000004U);
  card.l(0x10, 0xffffffff);  // sizing while it decodes
  EXPECT_FALSE(device.bar_address(0));
  card.l(0x10, 0xf0000000);
  EXPECT_EQ(m.read(0xf0000008, 4), 0xaa000008U);
  m.reset();
  EXPECT_EQ(m.read(0xf0000008, 4), 0xffffffffU);
  EXPECT_EQ(card.l(0x10), 0U);
  EXPECT_EQ(m.inb(0xc003), 0xff);
}

TEST_F(PciTest, ABarIsProgrammedByteByByteToo) {
  auto& device = m.add<TestCard>("card", {{"addr", "3"}});
  m.start();
  PciConfig card(m, 3, 0);
  card.w(4, 2);
  card.b(0x13, 0xe1);
  card.b(0x12, 0x23);
  card.b(0x11, 0x4f);
  EXPECT_EQ(device.bar_address(0), 0xe1234000U) << "bits below the size are zero";
}

TEST_F(PciTest, OverlappingBarsAreNoErrorAndBothReturn) {
  m.add<TestCard>("one", {{"addr", "3"}});
  m.add<TestCard>("two", {{"addr", "4"}});
  m.start();
  PciConfig one(m, 3, 0), two(m, 4, 0);
  one.l(0x10, 0xe0000000), two.l(0x10, 0xe0000000);
  one.w(4, 2), two.w(4, 2);
  EXPECT_EQ(m.read(0xe0000000, 4), 0xaa000000U);
  two.l(0x10, 0xe1000000);
  EXPECT_EQ(m.read(0xe0000000, 4), 0xaa000000U);
  EXPECT_EQ(m.read(0xe1000000, 4), 0xaa000000U);
}

TEST_F(PciTest, RamHidesABarThatIsPutOverIt) {
  m.add<TestCard>("card", {{"addr", "3"}});
  m.start();
  PciConfig card(m, 3, 0);
  m.write(0x8000, 4, 0x11223344);
  card.l(0x10, 0x8000);
  card.w(4, 2);
  EXPECT_EQ(m.read(0x8000, 4), 0x11223344U) << "the host bridge does not forward what RAM answers";
}

TEST_F(PciTest, BusMasterBitGatesDma) {
  auto& device = m.add<TestCard>("card", {{"addr", "3"}});
  m.start();
  PciConfig card(m, 3, 0);
  const std::uint8_t bytes[] = {1, 2, 3, 4};
  EXPECT_EQ(device.dma().write(0x100, bytes), MemTxResult::Error);
  EXPECT_EQ(m.read(0x100, 4), 0U);
  card.w(4, 4);
  EXPECT_EQ(device.dma().write(0x100, bytes), MemTxResult::Ok);
  EXPECT_EQ(m.read(0x100, 4), 0x04030201U);
}

TEST_F(PciTest, PinsOfSlotsTurnOntoTheFourLinesAndAreOred) {
  auto& a = m.add<TestCard>("a", {{"addr", "1"}, {"pin", "1"}});
  auto& b = m.add<TestCard>("b", {{"addr", "2"}, {"pin", "1"}});
  auto& c = m.add<TestCard>("c", {{"addr", "1.1"}, {"pin", "2"}});
  auto& d = m.add<TestCard>("d", {{"addr", "1f"}, {"pin", "4"}});
  a.set_text("multifunction", "on");
  std::vector<std::pair<unsigned, bool>> seen;
  host_->bus().set_interrupt_router([&](unsigned line, bool level) { seen.emplace_back(line, level); });
  m.start();
  seen.clear();
  a.set_intx(true);
  b.set_intx(true);
  c.set_intx(true);  // shares line 1 with b
  b.set_intx(false);
  EXPECT_TRUE(host_->bus().line_level(1));
  c.set_intx(false);
  d.set_intx(true);  // slot 31, INTD#: (31 + 3 - 1) mod 4
  const std::vector<std::pair<unsigned, bool>> expected = {{0, true}, {1, true}, {1, false}};
  EXPECT_EQ(std::vector(seen.begin(), seen.begin() + 3), expected);
  EXPECT_EQ(seen.size(), 4U);
  EXPECT_EQ(seen.back(), std::pair(1U, true));
  host_->bus().set_interrupt_router({});  // `seen` is gone before the lines fall with the machine
}

TEST_F(PciTest, InterruptDisableHidesThePinAndStatusShowsTheRequest) {
  auto& device = m.add<TestCard>("card", {{"addr", "1"}});
  m.start();
  PciConfig card(m, 1, 0);
  EXPECT_EQ(card.b(0x3d), 1);
  device.set_intx(true);
  EXPECT_TRUE(host_->bus().line_level(0));
  EXPECT_TRUE(card.w(6) & 8);
  card.w(4, 0x400);
  EXPECT_FALSE(host_->bus().line_level(0));
  EXPECT_TRUE(card.w(6) & 8);
  card.w(4, 0);
  EXPECT_TRUE(host_->bus().line_level(0));
  m.reset();
  EXPECT_FALSE(host_->bus().line_level(0));
  EXPECT_FALSE(card.w(6) & 8);
}

TEST_F(PciTest, MsiIsAMemoryWriteByABusMaster) {
  auto& device = m.add<TestCard>("card", {{"addr", "1"}, {"vectors", "8"}});
  m.start();
  PciConfig card(m, 1, 0);
  ASSERT_TRUE(card.w(6) & 0x10);
  const unsigned cap = card.b(0x34);
  ASSERT_EQ(card.b(cap), 0x05);
  EXPECT_EQ(card.b(cap + 1), 0) << "the only capability";
  EXPECT_EQ(card.w(cap + 2), 0x0186) << "64 bits, maskable, asks for 8 vectors";
  card.l(cap + 4, 0x4003);
  EXPECT_EQ(card.l(cap + 4), 0x4000U) << "aligned";
  card.w(cap + 12, 0x4a47);
  device.msi.notify(0);
  EXPECT_EQ(m.read(0x4000, 4), 0U) << "disabled";
  card.w(cap + 2, 0x0021);  // enabled, four vectors
  device.msi.notify(2);
  EXPECT_EQ(m.read(0x4000, 4), 0U) << "no bus master";
  card.w(4, 4);
  device.msi.notify(2);
  EXPECT_EQ(m.read(0x4000, 4), 0x4a46U) << "the vector replaces the low bits";
  device.msi.notify(7);
  EXPECT_EQ(m.read(0x4000, 4), 0x4a47U) << "folded into those granted";
  device.set_intx(true);
  EXPECT_FALSE(host_->bus().line_level(0)) << "no INTx while MSI is on";
  card.w(cap + 2, 0);
  EXPECT_TRUE(host_->bus().line_level(0));
}

TEST_F(PciTest, AMaskedMessageWaitsUntilItIsUnmasked) {
  auto& device = m.add<TestCard>("card", {{"addr", "1"}});
  m.start();
  PciConfig card(m, 1, 0);
  const unsigned cap = card.b(0x34);
  card.w(4, 4);
  card.l(cap + 4, 0x4000);
  card.w(cap + 12, 0x40);
  card.w(cap + 2, 0x0021);
  card.l(cap + 16, 0xffffffff);
  EXPECT_EQ(card.l(cap + 16), 0xfU) << "one mask bit a vector";
  device.msi.notify(1);
  EXPECT_EQ(m.read(0x4000, 4), 0U);
  EXPECT_EQ(card.l(cap + 20), 2U);
  card.l(cap + 20, 0);
  EXPECT_EQ(card.l(cap + 20), 2U) << "pending bits are read-only";
  card.l(cap + 16, 0xd);
  EXPECT_EQ(m.read(0x4000, 4), 0x41U);
  EXPECT_EQ(card.l(cap + 20), 0U);
}

TEST_F(PciTest, ExpansionRomDecodesWithBothEnableBits) {
  const std::string path = testing::TempDir() + "/card.rom";
  {
    std::ofstream rom(path, std::ios::binary);
    rom << "\x55\xaa" << std::string(5000, 'r');
  }
  m.add<TestCard>("card", {{"addr", "1"}, {"romfile", path}});
  m.start();
  PciConfig card(m, 1, 0);
  card.l(0x30, 0xffffffff);
  EXPECT_EQ(card.l(0x30), 0xffffe001U) << "8 KiB";
  card.l(0x30, 0xe0000000);
  card.w(4, 2);
  EXPECT_EQ(m.read(0xe0000000, 2), 0xffffU);
  card.l(0x30, 0xe0000001);
  EXPECT_EQ(m.read(0xe0000000, 2), 0xaa55U);
  EXPECT_EQ(m.read(0xe0000000 + 5001, 1), std::uint64_t{'r'});
  EXPECT_EQ(m.read(0xe0000000 + 5002, 1), 0U);
  m.write(0xe0000000, 2, 0);
  EXPECT_EQ(m.read(0xe0000000, 2), 0xaa55U) << "read-only";
  card.w(4, 0);
  EXPECT_EQ(m.read(0xe0000000, 2), 0xffffU);
  std::remove(path.c_str());
}

TEST_F(PciTest, AnExpansionRomForNobodyIsMadeThisFunctions) {
  const std::string path = testing::TempDir() + "/anybody.rom";
  std::string image("\x55\xaa\x01\xeb\x4b\x37\x00", 7);
  image.resize(0x1c);
  image[0x18] = 0x1c;
  image += std::string("PCIR\0\0\0\0", 8);
  image.resize(512);
  const auto sum = [](const std::string& s) {
    unsigned total = 0;
    for (const char c : s) total += static_cast<unsigned char>(c);
    return total & 0xff;
  };
  std::ofstream(path, std::ios::binary) << image;
  m.add<TestCard>("card", {{"addr", "1"}, {"romfile", path}});
  m.start();
  PciConfig card(m, 1, 0);
  card.l(0x30, 0xe0000001);
  card.w(4, 2);
  EXPECT_EQ(m.read(0xe0000020, 4), 0x56781234U);
  std::string seen;
  for (unsigned i = 0; i < 512; ++i) seen += static_cast<char>(m.read(0xe0000000 + i, 1));
  EXPECT_EQ(sum(seen), sum(image)) << "firmware adds it up";
  std::remove(path.c_str());
}

TEST_F(PciTest, RombarOffHidesTheRom) {
  m.add<TestCard>("card", {{"addr", "1"}, {"romfile", "/nonexistent"}, {"rombar", "off"}});
  m.start();
  PciConfig card(m, 1, 0);
  card.l(0x30, 0xffffffff);
  EXPECT_EQ(card.l(0x30), 0U);
}

TEST_F(PciTest, AMissingRomIsNamed) {
  m.add<TestCard>("card", {{"addr", "1"}, {"romfile", "no-such.rom"}});
  EXPECT_THAT(error_of_start(), HasSubstr("no-such.rom"));
}

TEST_F(PciTest, FreeSlotsAreFoundAroundThoseAskedFor) {
  auto& first = m.add<TestCard>("first");
  auto& second = m.add<TestCard>("second");
  m.add<TestCard>("third", {{"addr", "0"}});
  m.add<TestCard>("fourth", {{"addr", "0x1.0"}});
  m.start();
  EXPECT_EQ(first.address(), (PciAddress{2, 0}));
  EXPECT_EQ(second.address(), (PciAddress{3, 0}));
  EXPECT_EQ(second.get("addr"), qom::Value("03.0"));
}

TEST_F(PciTest, TwoDevicesInOneSlotAreBothNamed) {
  m.add<TestCard>("first", {{"addr", "1f.3"}});
  m.add<TestCard>("second", {{"addr", "1f.3"}});
  const std::string message = error_of_start();
  EXPECT_THAT(message, HasSubstr("1f.3"));
  EXPECT_THAT(message, HasSubstr("/machine/first"));
  EXPECT_THAT(message, HasSubstr("/machine/second"));
}

TEST_F(PciTest, FunctionsBesideASingleFunctionDeviceAreRefused) {
  m.add<TestCard>("zero", {{"addr", "5"}});
  m.add<TestCard>("one", {{"addr", "5.1"}});
  EXPECT_THAT(error_of_start(), HasSubstr("multifunction"));
}

TEST_F(PciTest, AFullBusSaysSo) {
  for (int i = 0; i < 33; ++i) m.add<TestCard>(("card" + std::to_string(i)).c_str());
  EXPECT_THAT(error_of_start(), HasSubstr("no free slot"));
}

TEST_F(PciTest, AddressesAreCheckedWhenSet) {
  auto& card = m.add<TestCard>("card");
  for (const char* bad : {"20", "1.8", "x", "1.", ".1", "-1", "1.2.3", "100000000"})
    EXPECT_THROW(card.set_text("addr", bad), Error) << bad;
  for (const char* good : {"1f", "0x1F.7", "01.0", ""}) EXPECT_NO_THROW(card.set_text("addr", good)) << good;
}

TEST_F(PciTest, ABarOfOddSizeIsRefused) {
  m.add<TestCard>("card", {{"bar-size", "768"}});
  EXPECT_THAT(error_of_start(), HasSubstr("power of two"));
}

}  // namespace
}  // namespace machina::test
