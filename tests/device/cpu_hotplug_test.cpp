#include "hw/acpi/cpu_hotplug.h"

#include <gtest/gtest.h>

#include "tests/support/test_machine.h"

namespace machina {
namespace test {

/// Counts general-purpose events.
class GpeCounter final : public Device, public AcpiEvents {
 public:
  static constexpr const char* kType = "test-gpe-counter";
  static void class_init(DeviceClass&) {}
  void raise_gpe(unsigned n) override { raised.push_back(n); }
  std::vector<unsigned> raised;
};

}  // namespace test
using test::GpeCounter;
MACHINA_TYPE(GpeCounter, Device, AcpiEvents);

namespace test {
namespace {

// docs/specs/acpi_cpu_hotplug: registers of the modern block.
constexpr std::uint16_t kSelector = 0xaf00, kStatus = 0xaf04, kControl = 0xaf04, kCommand = 0xaf05, kData = 0xaf08;
constexpr std::uint8_t kEnabled = 1, kInsert = 2, kRemove = 4, kEject = 8;

class CpuHotplugTest : public testing::Test {
 protected:
  CpuHotplugTest() {
    gpe = &m.add<GpeCounter>("gpe");
    hotplug = &m.add<CpuHotplug>("cpuhp", {{"events", "gpe"}});
    for (unsigned i = 0; i < 4; ++i) hotplug->add_slot(0x10 + i, i < 2);
    hotplug->on_eject([this](unsigned n) { ejected.push_back(n); });
    m.start();
  }
  std::uint8_t status(std::uint32_t cpu) {
    m.outl(kSelector, cpu);
    return m.inb(kStatus);
  }
  /// What an operating system does when the event comes: who has one, and which.
  std::pair<std::uint32_t, std::uint8_t> next_event() {
    m.outb(kCommand, 0);
    return {m.inl(kData), m.inb(kStatus)};
  }

  TestMachine m;
  GpeCounter* gpe;
  CpuHotplug* hotplug;
  std::vector<unsigned> ejected;
};

TEST_F(CpuHotplugTest, TellsWhichCpusAreThere) {
  EXPECT_EQ(status(0), kEnabled);
  EXPECT_EQ(status(1), kEnabled);
  EXPECT_EQ(status(2), 0);
  EXPECT_EQ(status(3), 0);
  EXPECT_TRUE(gpe->raised.empty());
}

TEST_F(CpuHotplugTest, ASelectorBeyondTheLastCpuSelectsNone) {
  for (const std::uint32_t n : {4U, 0x80000000U, 0xffffffffU}) {
    EXPECT_EQ(status(n), 0);
    m.outb(kControl, kEject);
    m.outb(kCommand, 3);
    EXPECT_EQ(m.inl(kData), 0U);
  }
  EXPECT_TRUE(ejected.empty());
  // Searching starts at a CPU: nothing is selected by it.
  hotplug->plug(2);
  m.outl(kSelector, 99);
  m.outb(kCommand, 0);
  EXPECT_EQ(m.inb(kStatus), 0);
}

TEST_F(CpuHotplugTest, GetCpuIdGivesTheApicId) {
  m.outl(kSelector, 3);
  m.outb(kCommand, 3);
  EXPECT_EQ(m.inl(kData), 0x13U);
  EXPECT_EQ(m.inl(kSelector), 0U);  // its upper half
}

TEST_F(CpuHotplugTest, ACpuThatComesRaisesTheEventAndIsFound) {
  hotplug->plug(3);
  EXPECT_EQ(gpe->raised, std::vector<unsigned>{2});
  EXPECT_EQ(status(3), kEnabled | kInsert);
  m.outl(kSelector, 0);
  EXPECT_EQ(next_event(), (std::pair<std::uint32_t, std::uint8_t>{3, kEnabled | kInsert}));
  m.outb(kControl, kInsert);  // written as 1 it is cleared
  EXPECT_EQ(m.inb(kStatus), kEnabled);
  // Without an event the selection stays.
  EXPECT_EQ(next_event(), (std::pair<std::uint32_t, std::uint8_t>{3, kEnabled}));
}

TEST_F(CpuHotplugTest, TheSearchGoesAround) {
  hotplug->plug(2);
  hotplug->request_unplug(1);
  m.outl(kSelector, 3);
  EXPECT_EQ(next_event().first, 1U);
  m.outb(kControl, kRemove);
  EXPECT_EQ(next_event().first, 2U);
  m.outb(kControl, kRemove);  // has no such event: its insertion stays
  EXPECT_EQ(next_event(), (std::pair<std::uint32_t, std::uint8_t>{2, kEnabled | kInsert}));
}

TEST_F(CpuHotplugTest, ACpuGoesWhenTheGuestLetsItGo) {
  hotplug->request_unplug(1);
  EXPECT_EQ(gpe->raised, std::vector<unsigned>{2});
  EXPECT_EQ(status(1), kEnabled | kRemove);
  EXPECT_TRUE(hotplug->present(1));
  m.outb(kControl, kRemove);
  EXPECT_EQ(status(1), kEnabled);
  m.outb(kControl, kEject);
  EXPECT_EQ(ejected, std::vector<unsigned>{1});
  EXPECT_EQ(status(1), 0);
  EXPECT_FALSE(hotplug->present(1));
  m.outb(kControl, kEject);  // nobody there any more
  EXPECT_EQ(ejected.size(), 1U);
  hotplug->plug(1);
  EXPECT_EQ(status(1), kEnabled | kInsert);
}

TEST_F(CpuHotplugTest, TheFirstCpuStays) {
  EXPECT_THROW(hotplug->request_unplug(0), Error);
  m.outl(kSelector, 0);
  m.outb(kControl, kEject);
  EXPECT_EQ(status(0), kEnabled);
  EXPECT_TRUE(ejected.empty());
}

TEST_F(CpuHotplugTest, WhatCannotBeIsRefused) {
  EXPECT_THROW(hotplug->plug(0), Error);
  EXPECT_THROW(hotplug->plug(4), Error);
  EXPECT_THROW(hotplug->request_unplug(2), Error);
  EXPECT_THROW(hotplug->request_unplug(4), Error);
  EXPECT_TRUE(gpe->raised.empty());
}

TEST_F(CpuHotplugTest, ResetForgetsEventsButNotCpus) {
  hotplug->plug(2);
  m.outl(kSelector, 2);
  m.outb(kCommand, 3);
  m.reset();
  EXPECT_EQ(m.inl(kData), 0U);  // command 0, selector 0
  EXPECT_EQ(status(2), kEnabled);
}

TEST_F(CpuHotplugTest, OddAccessesDoNothing) {
  m.outl(kSelector, 1);
  m.outb(kSelector, 2);  // the selector takes doublewords
  m.outw(kControl, 0x0008);
  m.outl(kControl, 0x0000ff08);
  m.outb(0xaf06, 0xff);
  m.outb(0xaf07, 0xff);
  EXPECT_EQ(m.inb(kStatus), kEnabled);
  EXPECT_TRUE(ejected.empty());
  for (std::uint16_t port = 0xaf00; port < 0xaf0c; ++port)
    for (unsigned value = 0; value < 0x100; ++value) m.outb(port, static_cast<std::uint8_t>(value));
  EXPECT_EQ(status(0), kEnabled);
}

}  // namespace
}  // namespace test
}  // namespace machina
