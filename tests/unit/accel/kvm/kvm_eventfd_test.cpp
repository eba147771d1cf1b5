#include "accel/kvm/kvm_eventfd.h"

#include <gtest/gtest.h>

#include "core/system.h"
#include "tests/support/test_machine.h"
#include "tests/unit/accel/kvm/recording_calls.h"

namespace machina::kvm {
namespace {

class KvmEventFds : public testing::Test {
 protected:
  RecordingCalls calls_;
  Fd vm_ = calls_.vm();
  test::TestMachine machine_;
};

TEST_F(KvmEventFds, FollowRegionsOfBothSpaces) {
  System& system = machine_.system();
  const MachineLock::Guard guard(system.lock);
  IoEventFds ports(vm_, true, true), memory(vm_, false, true);
  system.io.add_listener(ports);
  system.memory.add_listener(memory);
  const auto ignore = [](Offset, Width, std::uint64_t) { return io_ok(); };
  IoRegion doorbell("doorbell", 16, Widths{1, 4}, {}, ignore);
  doorbell.add_eventfd({.offset = 4, .width = 2, .match = true, .value = 3, .fd = 9});
  system.io_root.add(0xc000, doorbell);
  ASSERT_EQ(calls_.ioeventfds.size(), 1U);
  EXPECT_EQ(calls_.ioeventfds[0].addr, 0xc004U);
  EXPECT_EQ(calls_.ioeventfds[0].len, 2U);
  EXPECT_EQ(calls_.ioeventfds[0].datamatch, 3U);
  EXPECT_EQ(calls_.ioeventfds[0].fd, 9);
  EXPECT_EQ(calls_.ioeventfds[0].flags, unsigned{KVM_IOEVENTFD_FLAG_PIO} | unsigned{KVM_IOEVENTFD_FLAG_DATAMATCH});
  EXPECT_EQ(ports.active(), 1U);
  EXPECT_EQ(memory.active(), 0U);

  // Moved, as a guest moves a BAR: off at the old place, on at the new one.
  doorbell.set_offset(0xd000);
  ASSERT_EQ(calls_.ioeventfds.size(), 3U);
  EXPECT_EQ(calls_.ioeventfds[1].addr, 0xc004U);
  EXPECT_TRUE(calls_.ioeventfds[1].flags & KVM_IOEVENTFD_FLAG_DEASSIGN);
  EXPECT_EQ(calls_.ioeventfds[2].addr, 0xd004U);
  EXPECT_FALSE(calls_.ioeventfds[2].flags & KVM_IOEVENTFD_FLAG_DEASSIGN);

  IoRegion notify("notify", 4096, Widths{1, 4}, {}, ignore);
  notify.add_eventfd({.offset = 0, .width = 0, .fd = 10});
  system.memory_root.add(0xd0000000, notify);
  ASSERT_EQ(calls_.ioeventfds.size(), 4U);
  EXPECT_EQ(calls_.ioeventfds[3].len, 0U);
  EXPECT_EQ(calls_.ioeventfds[3].flags, 0U);
  system.memory_root.remove(notify);
  EXPECT_EQ(memory.active(), 0U);
  system.io.remove_listener(ports);
  system.memory.remove_listener(memory);
}

TEST_F(KvmEventFds, AnyWidthIsLeftToTheDispatcherWhereKvmCannot) {
  IoEventFds memory(vm_, false, false);
  const FlatRange range{};
  memory.eventfd_added(range, 0x1000, {.width = 0, .fd = 9});
  EXPECT_TRUE(calls_.ioeventfds.empty());
  EXPECT_EQ(memory.active(), 0U);
}

TEST_F(KvmEventFds, LinesAndMessagesAreConnectedAndCut) {
  GsiRoutes routes(vm_, 4096);
  {
    const auto line = LineEvent::create(vm_, 11, 20, 21);
    ASSERT_TRUE(line);
    EXPECT_EQ(calls_.irqfds.back().gsi, 11U);
    EXPECT_EQ(calls_.irqfds.back().resamplefd, 21U);
    EXPECT_EQ(calls_.irqfds.back().flags, unsigned{KVM_IRQFD_FLAG_RESAMPLE});
  }
  EXPECT_EQ(calls_.irqfds.back().flags, unsigned{KVM_IRQFD_FLAG_DEASSIGN});
  {
    const auto message = MessageEvent::create(vm_, routes, {0xfee01000, 0x33}, 22);
    ASSERT_TRUE(message);
    EXPECT_EQ(calls_.irqfds.back().gsi, GsiRoutes::kFirstMessage);
    EXPECT_EQ(calls_.tables.back().at(0).u.msi.data, 0x33U) << "the route is there before the irqfd";
    message->change({0xfee02000, 0x34});
    EXPECT_EQ(calls_.tables.back().at(0).u.msi.data, 0x34U);
  }
  routes.flush();
  EXPECT_TRUE(calls_.tables.back().empty());
  calls_.refused = KVM_IRQFD;
  EXPECT_FALSE(LineEvent::create(vm_, 11, 20, -1));
}

}  // namespace
}  // namespace machina::kvm
