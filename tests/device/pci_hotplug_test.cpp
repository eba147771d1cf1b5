#include "hw/acpi/pci_hotplug.h"

#include <gtest/gtest.h>

#include "hw/acpi/piix4_pm.h"
#include "hw/pci/pci_device.h"
#include "tests/support/test_machine.h"

namespace machina {
namespace test {

/// A function that a user may add.
class HotplugCard final : public PciDevice {
 public:
  static constexpr const char* kType = "test-hotplug-card";
  static void class_init(PciDeviceClass& c) {
    c.vendor_id = 0x1234;
    c.device_id = 0x5678;
    c.category = Category::Misc;
    c.user_creatable = true;
  }

 private:
  void realize() override { add_bar(0, BarKind::Io, region_); }
  IoRegion region_{"card", 16, Widths::only(1), [](Offset, Width) -> IoResult { return 0x5a; },
                   [](Offset, Width, std::uint64_t) -> IoResult { return io_ok(); }};
};

}  // namespace test
using test::HotplugCard;
MACHINA_TYPE(HotplugCard, PciDevice);

namespace test {
namespace {

// docs/specs/acpi_pci_hotplug.
constexpr std::uint16_t kUp = 0xae00, kDown = 0xae04, kEject = 0xae08, kRemovable = 0xae0c, kBus = 0xae10;
// General-purpose events of the PIIX4 as this machine's firmware finds them.
constexpr std::uint16_t kGpeStatus = 0xafe0;

class PciHotplugTest : public testing::Test {
 protected:
  PciHotplugTest() {
    m.add("i440FX-pcihost", "pcihost");
    m.add("PIIX3", "piix3", {{"addr", "1.0"}});
    m.add("PIIX4_PM", "pm", {{"addr", "1.3"}});
    m.add("VGA", "vga", {{"addr", "2.0"}, {"romfile", ""}});
    hotplug = &m.add<PciHotplug>("pcihp", {{"pci", "pci.0"}, {"events", "pm"}});
    m.start();
    bus = qom::cast<PciBus>(qom::resolve_path(m.object(), "pci.0"));
  }
  /// Puts a card into a slot of the running machine.
  void insert(unsigned slot, unsigned function = 0) {
    const MachineLock::Guard guard(m.system().lock);
    auto card = qom::create<HotplugCard>();
    m.object().add_child("card" + std::to_string(slot) + std::to_string(function), card);
    card->set_text("addr", PciAddress{slot, function}.to_string());
    card->set("multifunction", true);
    card->set_parent_bus(*bus);
    qom::realize_tree(*card);
    reset_tree(*card);
  }

  TestMachine m{16 << 20};
  PciHotplug* hotplug;
  PciBus* bus = nullptr;
};

TEST_F(PciHotplugTest, SlotsOfTheBoardStay) {
  EXPECT_EQ(m.inl(kRemovable), 0xfffffff8U);  // bridges, the PIIX, the screen
  EXPECT_EQ(m.inl(kUp), 0U);
  EXPECT_EQ(m.inl(kDown), 0U);
  for (const unsigned slot : {0U, 1U, 2U}) {
    EXPECT_THROW(hotplug->request_unplug(slot), Error) << slot;
    EXPECT_THROW(hotplug->plug(slot), Error) << slot;
  }
  EXPECT_THROW(hotplug->plug(5), Error);  // empty
  EXPECT_THROW(hotplug->request_unplug(32), Error);
}

TEST_F(PciHotplugTest, ACardThatComesIsToldOfOnce) {
  insert(5);
  hotplug->plug(5);
  EXPECT_EQ(m.inb(kGpeStatus), 1U << 1);
  EXPECT_EQ(m.inl(kUp), 1U << 5);
  EXPECT_EQ(m.inl(kUp), 0U);
  m.outl(0xcf8, 0x80000000 | 5 << 11);
  EXPECT_EQ(m.inl(0xcfc), 0x56781234U);
}

TEST_F(PciHotplugTest, ACardGoesWhenTheGuestEjectsIt) {
  insert(5, 0);
  insert(5, 3);
  insert(6);
  hotplug->request_unplug(5);
  EXPECT_EQ(m.inb(kGpeStatus), 1U << 1);
  EXPECT_EQ(m.inl(kDown), 1U << 5);
  EXPECT_EQ(m.inl(kDown), 1U << 5);  // until it has gone
  EXPECT_NE(bus->function(5, 0), nullptr);
  m.outl(kEject, 1U << 5);
  m.system().loop.poll();
  EXPECT_EQ(bus->function(5, 0), nullptr);
  EXPECT_EQ(bus->function(5, 3), nullptr);
  EXPECT_NE(bus->function(6, 0), nullptr);
  EXPECT_EQ(m.inl(kDown), 0U);
  m.outl(0xcf8, 0x80000000 | 5 << 11);
  EXPECT_EQ(m.inl(0xcfc), 0xffffffffU);
  // And the slot is free for another one.
  insert(5);
  hotplug->plug(5);
  EXPECT_EQ(m.inl(kUp), 1U << 5);
}

TEST_F(PciHotplugTest, EjectingWhatIsNoCardDoesNothing) {
  insert(6);
  m.outl(kEject, ~(1U << 6));
  m.system().loop.poll();
  EXPECT_NE(bus->function(0, 0), nullptr);
  EXPECT_NE(bus->function(1, 0), nullptr);
  EXPECT_NE(bus->function(2, 0), nullptr);
  EXPECT_NE(bus->function(6, 0), nullptr);
}

TEST_F(PciHotplugTest, OtherBusesHaveNoSlots) {
  insert(6);
  hotplug->plug(6);
  m.outl(kBus, 1);
  EXPECT_EQ(m.inl(kBus), 1U);
  EXPECT_EQ(m.inl(kUp), 0U);
  EXPECT_EQ(m.inl(kRemovable), 0U);
  m.outl(kEject, 1U << 6);
  m.system().loop.poll();
  EXPECT_NE(bus->function(6, 0), nullptr);
  m.outl(kBus, 0);
  EXPECT_EQ(m.inl(kUp), 1U << 6);
}

TEST_F(PciHotplugTest, EjectingTwiceBeforeItIsDoneIsOnce) {
  insert(6);
  m.outl(kEject, 1U << 6);
  m.outl(kEject, 1U << 6);
  m.system().loop.poll();
  EXPECT_EQ(bus->function(6, 0), nullptr);
}

TEST_F(PciHotplugTest, ResetForgetsEvents) {
  insert(6);
  hotplug->plug(6);
  hotplug->request_unplug(6);
  m.outl(kBus, 3);
  m.reset();
  EXPECT_EQ(m.inl(kBus), 0U);
  EXPECT_EQ(m.inl(kUp), 0U);
  EXPECT_EQ(m.inl(kDown), 0U);
  EXPECT_NE(bus->function(6, 0), nullptr);
}

}  // namespace
}  // namespace test
}  // namespace machina
