// Devices that come and go on the PC board: what the monitor is told, and what is left behind (nothing). The guest's
// part, ejecting a slot, is written to the controller's port.

#include "machines/hotplug.h"

#include <gtest/gtest.h>

#include "core/machine_events.h"
#include "hw/pci/pci_device.h"
#include "machines/cli/launch.h"
#include "tests/support/board_test_types.h"

namespace machina::test {
namespace {

class HotplugTest : public testing::Test {
 protected:
  HotplugTest()
      : launch_(CommandLine::parse({"-M", "pc", "-accel", "qtest", "-S", "-nodefaults", "-display", "none", "-smp",
                                    "1,maxcpus=4", "-m", "8"})) {
    observer_ = machine().add_observer([this](const Machine::EventData& e) {
      if (e.event == Machine::Event::Other)
        events_ += std::string(e.name) + " " + e.data.front().second.to_string() + " ";
    });
  }
  Machine& machine() { return launch_.machine(); }
  Device& add(const std::string& type, const std::string& id, const qom::ValueMap& properties = {}) {
    const MachineLock::Guard guard(machine().system().lock);
    return hotplug_device(machine(), type, id, properties);
  }
  std::string refusal(const std::string& type, const std::string& id, const qom::ValueMap& properties = {}) {
    try {
      add(type, id, properties);
    } catch (const Error& e) {
      return e.message();
    }
    return "accepted";
  }
  std::uint32_t inl(std::uint16_t port) { return static_cast<std::uint32_t>(machine().system().io.load(port, 4)); }
  void outl(std::uint16_t port, std::uint32_t value) {
    {
      const MachineLock::Guard guard(machine().system().lock);
      machine().system().io.store(port, 4, value);
    }
    machine().system().loop.poll();
  }

  Launch launch_;
  int observer_ = 0;
  std::string events_;
};

constexpr std::uint16_t kUp = 0xae00, kDown = 0xae04, kEject = 0xae08;

TEST_F(HotplugTest, APciCardComesAndGoes) {
  const long before = qom::TypeRegistry::global().class_of(PciCard::kType).live_instances();
  for (int round = 0; round < 3; ++round) {
    Device& card = add(PciCard::kType, "card", {{"addr", "7"}});
    EXPECT_EQ(card.path(), "/machine/peripheral/card");
    EXPECT_TRUE(card.realized());
    EXPECT_EQ(static_cast<PciDevice&>(card).address().slot, 7U);
    EXPECT_EQ(inl(kUp), 1U << 7);
    {
      const MachineLock::Guard guard(machine().system().lock);
      request_unplug(machine(), card);
    }
    EXPECT_EQ(inl(kDown), 1U << 7) << "the guest is asked";
    EXPECT_TRUE(card.realized()) << "and has not answered";
    outl(kEject, 1U << 7);
    EXPECT_EQ(events_, "DEVICE_DELETED card ");
    events_.clear();
    EXPECT_EQ(qom::TypeRegistry::global().class_of(PciCard::kType).live_instances(), before);
  }
}

TEST_F(HotplugTest, WhatFailsLeavesNothing) {
  EXPECT_EQ(refusal("nonsense", "x"), "'nonsense' is not a valid device model name");
  EXPECT_EQ(refusal(PciCard::kType, "x", {{"addr", "1.0"}, {"bus", "pci.9"}}), "Bus 'pci.9' not found");
  EXPECT_NE(refusal(PciCard::kType, "x", {{"addr", "0.0"}}), "accepted") << "the host bridge is there";
  EXPECT_NE(refusal(PciCard::kType, "x", {{"nonsense", 1}}), "accepted");
  EXPECT_EQ(refusal("isa-serial", "x"), "Bus 'isa.0' does not support hotplugging");
  add(PciCard::kType, "x");
  EXPECT_EQ(refusal(PciCard::kType, "x"), "Duplicate device ID 'x'");
  const qom::Object* peripherals = machine().child("peripheral");
  ASSERT_TRUE(peripherals);
  EXPECT_EQ(peripherals->children().size(), 1U);
  EXPECT_EQ(add(PciCard::kType, "").path(), "/machine/peripheral-anon/device[0]");
}

TEST_F(HotplugTest, ACpuComesAndGoes) {
  const qom::ValueMap place{{"socket-id", 2}, {"core-id", 0}, {"thread-id", 0}};
  EXPECT_EQ(refusal(X86Cpu::kType, "c", {{"socket-id", 2}}), "CPU core-id is not set");
  EXPECT_EQ(refusal(X86Cpu::kType, "c", {{"socket-id", 9}, {"core-id", 0}, {"thread-id", 0}}),
            "Invalid CPU socket-id: 9 must be in range 0:3");
  EXPECT_EQ(refusal(X86Cpu::kType, "c", {{"socket-id", 0}, {"core-id", 0}, {"thread-id", 0}}), "CPU[0] exists already");
  Device& cpu = add(X86Cpu::kType, "c", place);
  EXPECT_EQ(cpu.path(), "/machine/peripheral/c");
  EXPECT_EQ(cpu.get("apic-bus").to_string(), "/machine/apics") << "wired as the first one is";
  EXPECT_EQ(machine().cpus().cpus().size(), 2U);
  EXPECT_EQ(refusal(X86Cpu::kType, "d", place), "CPU[2] exists already");
  // The guest lets it go: selector, then the eject bit of the control register.
  outl(0xaf00, 2);
  {
    const MachineLock::Guard guard(machine().system().lock);
    request_unplug(machine(), cpu);
    machine().system().io.store(0xaf04, 1, 1 << 3);
  }
  machine().system().loop.poll();
  EXPECT_EQ(events_, "DEVICE_DELETED c ");
  EXPECT_EQ(machine().cpus().cpus().size(), 1U);
  add(X86Cpu::kType, "c", place);
  EXPECT_EQ(machine().cpus().cpus().size(), 2U) << "and again";
}

}  // namespace
}  // namespace machina::test
