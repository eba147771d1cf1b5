#include "accel/kvm/kvm_gsi_routes.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "core/error.h"
#include "tests/unit/accel/kvm/recording_calls.h"

namespace machina::kvm {
namespace {

class GsiRoutesTest : public testing::Test {
 protected:
  /// "chip.pin" of every entry of `gsi` in the last table, sorted; "msi data" for messages.
  std::vector<std::string> routes_of(unsigned gsi) const {
    std::vector<std::string> list;
    for (const kvm_irq_routing_entry& e : calls_.tables.back()) {
      if (e.gsi != gsi) continue;
      if (e.type == KVM_IRQ_ROUTING_MSI) {
        list.push_back("msi " + std::to_string(e.u.msi.data));
      } else {
        list.push_back(std::to_string(e.u.irqchip.irqchip) + "." + std::to_string(e.u.irqchip.pin));
      }
    }
    std::sort(list.begin(), list.end());
    return list;
  }
  using List = std::vector<std::string>;

  RecordingCalls calls_;
  Fd vm_ = calls_.vm();
  GsiRoutes routes_{vm_, 4096};
};

TEST_F(GsiRoutesTest, BoardInterruptsReachBothKernelChips) {
  routes_.use_kernel_chips(2);
  routes_.flush();
  ASSERT_EQ(calls_.tables.size(), 1U);
  EXPECT_EQ(routes_of(0), (List{"0.0", "2.2"})) << "the timer: PIC pin 0, IOAPIC pin 2";
  EXPECT_EQ(routes_of(1), (List{"0.1", "2.1"}));
  EXPECT_EQ(routes_of(2), List{}) << "the cascade; its IOAPIC pin is the timer's";
  EXPECT_EQ(routes_of(9), (List{"1.1", "2.9"}));
  EXPECT_EQ(routes_of(16), List{"2.16"});
  EXPECT_EQ(routes_of(23), List{"2.23"});
  EXPECT_EQ(routes_of(GsiRoutes::kPicDirect + 12), List{"1.4"});
  EXPECT_EQ(routes_of(GsiRoutes::kIoapicDirect + 2), List{"2.2"});
  EXPECT_EQ(routes_.size(), calls_.tables.back().size());
}

TEST_F(GsiRoutesTest, EndOfInterruptIsToldToTheBoardsNumber) {
  routes_.use_kernel_chips(2);
  routes_.flush();
  const auto last_of = [this](unsigned chip, unsigned pin) {
    unsigned gsi = ~0U;
    for (const kvm_irq_routing_entry& e : calls_.tables.back())
      if (e.u.irqchip.irqchip == chip && e.u.irqchip.pin == pin) gsi = e.gsi;
    return gsi;
  };
  EXPECT_EQ(last_of(KVM_IRQCHIP_IOAPIC, 11), 11U);
  EXPECT_EQ(last_of(KVM_IRQCHIP_IOAPIC, 2), 0U);
  EXPECT_EQ(last_of(KVM_IRQCHIP_PIC_SLAVE, 3), 11U);
}

TEST_F(GsiRoutesTest, TimerWithoutOverrideKeepsItsNumber) {
  routes_.use_kernel_chips(0);
  routes_.flush();
  EXPECT_EQ(routes_of(0), (List{"0.0", "2.0"}));
  EXPECT_EQ(routes_of(2), List{"2.2"});
}

TEST_F(GsiRoutesTest, IsWrittenOnlyWhenSomethingChanged) {
  routes_.flush();
  EXPECT_EQ(routes_.writes(), 0U);
  routes_.set_pin(5, MsiMessage{0xfee00000, 0x8041});
  routes_.set_pin(6, MsiMessage{0xfee00000, 0x8042});
  routes_.flush();
  routes_.set_pin(5, MsiMessage{0xfee00000, 0x8041});
  routes_.flush();
  EXPECT_EQ(routes_.writes(), 1U) << "two pins at once, and no change";
  EXPECT_EQ(routes_of(5), List{"msi 32833"});
  routes_.set_pin(5, std::nullopt);
  routes_.flush();
  EXPECT_EQ(routes_of(5), List{});
  EXPECT_EQ(routes_of(6), List{"msi 32834"});
}

TEST_F(GsiRoutesTest, MessagesGetNumbersOfTheirOwnAndGiveThemBack) {
  GsiRoutes::Message a = routes_.add({0xfee00000, 1});
  unsigned freed = 0;
  {
    GsiRoutes::Message b = routes_.add({0xfee00000, 2});
    EXPECT_NE(a.gsi(), b.gsi());
    EXPECT_GE(std::min(a.gsi(), b.gsi()), GsiRoutes::kFirstMessage);
    freed = b.gsi();
    routes_.flush();
    EXPECT_EQ(routes_of(b.gsi()), List{"msi 2"});
    b.change({0xfee00000, 7});
    routes_.flush();
    EXPECT_EQ(routes_of(freed), List{"msi 7"});
  }
  GsiRoutes::Message moved = std::move(a);
  EXPECT_FALSE(a);  // NOLINT(bugprone-use-after-move): that it is empty is the point
  routes_.flush();
  EXPECT_EQ(routes_of(freed), List{});
  EXPECT_EQ(routes_of(moved.gsi()), List{"msi 1"});
  EXPECT_EQ(routes_.add({0xfee00000, 3}).gsi(), freed);
}

TEST_F(GsiRoutesTest, SaysWhenNumbersRunOut) {
  GsiRoutes small(vm_, GsiRoutes::kFirstMessage + 1);
  const GsiRoutes::Message only = small.add({});
  EXPECT_THROW((void)small.add({}), Error);
}

}  // namespace
}  // namespace machina::kvm
