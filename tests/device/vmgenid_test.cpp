// The generation ID: what lies in the guest's page, who is told of a new one, and what ACPI says of it.

#include "hw/misc/vmgenid.h"

#include <gtest/gtest.h>

#include "hw/acpi/piix4_pm.h"
#include "hw/pci-host/i440fx.h"
#include "tests/support/pci_config.h"

namespace machina::test {
namespace {

constexpr const char* kGuid = "324e6eaf-d1d1-4bf6-bf41-b9bb6c91fb87";
/// As it lies in memory: three little-endian numbers and eight bytes.
constexpr std::uint64_t kLow = 0x4bf6d1d1324e6eaf, kHigh = 0x87fb916cbbb941bf;

class VmGenIdTest : public testing::Test {
 protected:
  void start(TestMachine::Properties properties) {
    m.add<I440fxHost>("i440fx");
    m.add<Piix4Pm>("pm", {{"addr", "1.3"}});
    id = &m.add<VmGenId>("vmgenid", properties);
    m.start();
    id->acpi_facts(board);
  }
  bool event() { return m.inb(0xafe0) & 1 << 5; }
  void place(std::uint64_t address) {
    const MachineLock::Guard guard(m.system().lock);
    board.guest_blocks.at(0).placed(address);
  }
  void set(const char* guid) {
    const MachineLock::Guard guard(m.system().lock);
    id->set_text("guid", guid);
  }
  TestMachine m{2 << 20};
  VmGenId* id = nullptr;
  AcpiBoard board;
};

TEST_F(VmGenIdTest, PageHasTheGuidWhereTheGuestIsTold) {
  start({{"guid", kGuid}});
  ASSERT_EQ(board.guest_blocks.size(), 1U);
  const AcpiGuestBlock& page = board.guest_blocks[0];
  EXPECT_EQ(page.file, "etc/vmgenid_guid");
  EXPECT_EQ(page.address_file, "etc/vmgenid_addr");
  EXPECT_EQ(page.bytes.size(), 4096U);
  EXPECT_EQ(page.alignment, 4096U);
  EXPECT_EQ(page.offset, 40U);
  EXPECT_EQ(page.bytes[40], 0xaf);
  EXPECT_EQ(page.bytes[55], 0x87);
  EXPECT_EQ(page.bytes[56], 0);
  EXPECT_EQ(id->get("guid").to_string(), kGuid);
}

TEST_F(VmGenIdTest, ANewOneIsWrittenAndTold) {
  start({{"guid", "auto"}});
  place(0x5028);
  EXPECT_NE(m.read(0x5028, 8), 0U);
  EXPECT_FALSE(event()) << "where it is, is no news";
  set(kGuid);
  EXPECT_EQ(m.read(0x5028, 8), kLow);
  EXPECT_EQ(m.read(0x5030, 8), kHigh);
  EXPECT_EQ(m.read(0x5038, 8), 0U);
  EXPECT_TRUE(event());
  EXPECT_EQ(board.events().count(5), 1U) << "and its event has a method";
}

TEST_F(VmGenIdTest, BeforeItHasAPlaceNobodyIsTold) {
  start({{"guid", "auto"}});
  set(kGuid);
  EXPECT_FALSE(event());
  place(0x5028);
  EXPECT_EQ(m.read(0x5028, 8), kLow);
  m.reset();
  EXPECT_EQ(id->address(), 0U) << "memory is the firmware's again";
  m.write(0x5028, 8, 7);
  set("00000000-0000-0000-0000-000000000001");
  EXPECT_EQ(m.read(0x5028, 8), 7U);
}

TEST_F(VmGenIdTest, AutoIsAnotherOneEachTime) {
  start({{"guid", "auto"}});
  const std::string first = id->get("guid").to_string();
  EXPECT_EQ(first.size(), 36U);
  EXPECT_EQ(first[14], '4') << "version";
  set("auto");
  EXPECT_NE(id->get("guid").to_string(), first);
  EXPECT_THROW(set("324e6eaf-d1d1-4bf6-bf41"), Error);
  EXPECT_THROW(set(""), Error);
}

TEST(VmGenId, OneToAMachineAndNoneWithoutEvents) {
  TestMachine none;
  none.add<VmGenId>("a");
  EXPECT_THROW(none.start(), Error);
  TestMachine two{2 << 20};
  two.add<I440fxHost>("i440fx");
  two.add<Piix4Pm>("pm", {{"addr", "1.3"}});
  two.add<VmGenId>("a");
  two.add<VmGenId>("b");
  EXPECT_THROW(two.start(), Error);
}

}  // namespace
}  // namespace machina::test
