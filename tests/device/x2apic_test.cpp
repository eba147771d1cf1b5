// From the Intel SDM vol. 3A (325384-083), 11.12.

#include "tests/device/apic_fixture.h"

namespace machina::test {
namespace {

using namespace apic;  // NOLINT(google-build-using-namespace): the chip's own register names

class X2ApicTest : public ApicTest {};

TEST_F(X2ApicTest, ModesOfTheApicBaseRegister) {
  start();
  EXPECT_FALSE(apic().msr_write(0x1b, 0xfee00500)) << "x2APIC without enable";
  EXPECT_FALSE(apic().msr_write(0x1b, 0xfee00a00)) << "reserved bit 9";
  EXPECT_TRUE(apic().msr_write(0x1b, 0xfed00900));
  EXPECT_EQ(apic().page_address(), 0xfed00000U);
  EXPECT_TRUE(apic().msr_write(0x1b, 0xfee00d00)) << "xAPIC to x2APIC";
  EXPECT_FALSE(apic().page_enabled());
  EXPECT_FALSE(apic().msr_write(0x1b, 0xfee00900)) << "and not back";
  EXPECT_TRUE(apic().msr_write(0x1b, 0xfee00100)) << "but to disabled";
  EXPECT_FALSE(apic().msr_write(0x1b, 0xfee00d00)) << "from there only to xAPIC";
  EXPECT_TRUE(apic().msr_write(0x1b, 0xfee00900));
  EXPECT_TRUE(apic().page_enabled());
  EXPECT_EQ(get(apic(), Svr), 0xffU) << "reset by having been disabled";
  std::uint64_t base = 0;
  EXPECT_TRUE(apic().msr_write(0x1b, 0xfee00800));
  EXPECT_TRUE(apic().msr_read(0x1b, base));
  EXPECT_EQ(base, 0xfee00900U) << "which one is the bootstrap processor cannot be written";
}

TEST_F(X2ApicTest, ReservedBitsOfTheApicBaseRegisterAreTheModels) {
  start(2);
  cpus_[0].physical_bits = 36;
  EXPECT_FALSE(apic().msr_write(0x1b, 0x10fee00900));
  EXPECT_TRUE(apic().msr_write(0x1b, 0xffee00900));
  EXPECT_EQ(apic().page_address(), 0xffee00000U);
  cpus_[1].has_x2apic = false;
  EXPECT_FALSE(apic(1).msr_write(0x1b, 0xfee00c00)) << "a model without x2APIC";
  EXPECT_TRUE(apic(1).msr_write(0x1b, 0xfee00800));
  EXPECT_TRUE(apic(1).page_enabled());
}

TEST_F(X2ApicTest, X2ApicRegistersAreMsrs) {
  start(2);
  std::uint64_t v = 0;
  EXPECT_FALSE(apic(1).msr_read(0x802, v)) << "not in xAPIC mode";
  enter_x2apic(1);
  EXPECT_TRUE(apic(1).msr_read(0x802, v));
  EXPECT_EQ(v, 1U);
  EXPECT_TRUE(apic(1).msr_read(0x80d, v));
  EXPECT_EQ(v, 2U) << "cluster 0, second member";
  EXPECT_TRUE(apic(1).msr_read(0x803, v));
  EXPECT_EQ(v, 0x01060014U);
  EXPECT_TRUE(apic(1).msr_write(0x808, 0x30));
  EXPECT_TRUE(apic(1).msr_read(0x80a, v));
  EXPECT_EQ(v, 0x30U);
  for (const std::uint32_t absent : {0x800U, 0x809U, 0x80eU, 0x831U, 0x840U, 0x8ffU}) {
    EXPECT_FALSE(apic(1).msr_read(absent, v)) << std::hex << absent;
    EXPECT_FALSE(apic(1).msr_write(absent, 0)) << std::hex << absent;
  }
  for (const std::uint32_t read_only : {0x802U, 0x803U, 0x80aU, 0x80dU, 0x810U, 0x818U, 0x827U, 0x839U})
    EXPECT_FALSE(apic(1).msr_write(read_only, 0)) << std::hex << read_only;
  for (const std::uint32_t write_only : {0x80bU, 0x83fU})
    EXPECT_FALSE(apic(1).msr_read(write_only, v)) << std::hex << write_only;
  const std::pair<std::uint32_t, std::uint64_t> reserved[] = {
      {0x808, 0x100},   {0x80b, 1}, {0x80f, 0x2000}, {0x828, 1},
      {0x832, 0x80000}, {0x83e, 4}, {0x83f, 0x100},  {0x808, std::uint64_t{1} << 32},
      {0x830, 0x2000}};
  for (const auto& [index, value] : reserved) EXPECT_FALSE(apic(1).msr_write(index, value)) << std::hex << index;
}

TEST_F(X2ApicTest, X2ApicIpis) {
  start(3);
  for (unsigned n = 0; n < 3; ++n) enter_x2apic(n);
  std::uint64_t v = 0;
  EXPECT_TRUE(apic(0).msr_write(0x830, std::uint64_t{2} << 32 | 0x4041));
  EXPECT_TRUE(apic(0).msr_read(0x830, v));
  EXPECT_EQ(v, std::uint64_t{2} << 32 | 0x4041);
  EXPECT_TRUE(apic(2).msr_read(0x822, v));
  EXPECT_EQ(v, 2U);
  EXPECT_EQ(apic(2).acknowledge(), 0x41);
  EXPECT_TRUE(apic(2).msr_write(0x80b, 0));
  EXPECT_TRUE(apic(0).msr_write(0x830, std::uint64_t{6} << 32 | 0x4842)) << "logical: members 1 and 2 of cluster 0";
  EXPECT_FALSE(cpus_[0].intr);
  EXPECT_TRUE(cpus_[1].intr);
  EXPECT_TRUE(cpus_[2].intr);
  EXPECT_TRUE(apic(0).msr_write(0x83f, 0x43));
  EXPECT_EQ(apic(0).acknowledge(), 0x43) << "self IPI";
  EXPECT_TRUE(apic(0).msr_write(0x830, std::uint64_t{0xffffffff} << 32 | 0x4400));
  EXPECT_EQ(cpus_[0].nmis + cpus_[1].nmis + cpus_[2].nmis, 3) << "broadcast";
}

TEST_F(X2ApicTest, X2ApicIdsBeyond255) {
  machine_.add_isa_bus();
  bus_ = &machine_.add<ApicBus>("apic-bus");
  ioapic_ = &machine_.add<Ioapic>("ioapic");
  Apic& a = machine_.add<Apic>("apic0", {{"bus", "apic-bus"}, {"id", "0x12345"}});
  apics_.push_back(&a);
  cpus_[0].clock = &machine_.system().clock;
  a.connect(cpus_[0]);
  machine_.start();
  enter_x2apic(0);
  std::uint64_t v = 0;
  EXPECT_TRUE(a.msr_read(0x802, v));
  EXPECT_EQ(v, 0x12345U);
  EXPECT_TRUE(a.msr_read(0x80d, v));
  EXPECT_EQ(v, 0x12340000U | 1U << 5);
  ApicMessage m;
  m.destination = 0x12345, m.wide = true, m.delivery = ApicDelivery::Nmi;
  bus_->deliver(m);
  EXPECT_EQ(cpus_[0].nmis, 1);
}

// What a hypervisor's call does: a set of IDs instead of one.
TEST_F(X2ApicTest, OneMessageToEachOfASet) {
  start(5);
  EXPECT_EQ(apic(0).send_to_each(1, 0x8000000000000005, ApicDelivery::Fixed, 0x41), 2U) << "1 and 3; there is no 64";
  EXPECT_EQ(who(0x41), (std::set<unsigned>{1, 3}));
  EXPECT_EQ(apic(0).send_to_each(0, 0x11, ApicDelivery::Nmi, 0), 2U);
  EXPECT_EQ(cpus_[0].nmis + cpus_[4].nmis, 2);
  EXPECT_EQ(apic(0).send_to_each(0xffffffff, 1, ApicDelivery::Fixed, 0x42), 0U) << "not everybody";
  EXPECT_EQ(apic(0).send_to_each(0xfffffff0, ~std::uint64_t{0}, ApicDelivery::Fixed, 0x42), 0U);
  EXPECT_TRUE(who(0x42).empty());
}

}  // namespace
}  // namespace machina::test
