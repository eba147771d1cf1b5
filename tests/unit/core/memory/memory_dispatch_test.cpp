#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <latch>
#include <memory>
#include <new>
#include <thread>
#include <vector>

#include "core/memory/address_space.h"
#include "tests/unit/core/memory/memory_world.h"

namespace machina {
namespace {

using test::ByteDevice;
using test::MemoryWorld;
using Access = ByteDevice::Access;

constexpr std::uint64_t kTop = ~std::uint64_t{0};

TEST(MemoryDispatch, FollowsEachChangeOfTheView) {
  MemoryWorld world;
  ByteDevice a("a", 16), b("b", 16);
  world.root.add(0, a.region);
  MemoryDispatch dispatch(world.space);
  EXPECT_EQ(dispatch.read(3, 1), 3U);
  EXPECT_EQ(dispatch.read(3, 1), 3U);
  world.root.add(2, b.region, 1);
  EXPECT_EQ(dispatch.read(3, 1), 1U);
  b.region.set_enabled(false);
  EXPECT_EQ(dispatch.read(3, 1), 3U);
  a.region.set_enabled(false);
  EXPECT_EQ(dispatch.read(3, 1), 0xffU);
  EXPECT_EQ(&dispatch.space(), &world.space);
}

TEST(MemoryDispatch, RemembersTheLastHitAndStillFindsTheOthers) {
  MemoryWorld world;
  std::vector<std::unique_ptr<ByteDevice>> devices;
  for (int i = 0; i < 20; ++i) {
    devices.push_back(std::make_unique<ByteDevice>("d" + std::to_string(i), 16));
    world.root.add(static_cast<Offset>(i) * 32, devices.back()->region);
  }
  MemoryDispatch dispatch(world.space);
  for (const std::uint64_t i : {5U, 5U, 19U, 0U, 0U, 6U, 5U}) {
    EXPECT_EQ(dispatch.read(i * 32 + 7, 1), 7U);
    EXPECT_EQ(dispatch.read(i * 32 + 16, 1), 0xffU);
    dispatch.write(i * 32 + 1, 1, i);
    EXPECT_EQ(devices[i]->byte(1), i);
  }
}

TEST(MemoryDispatch, AccessAcrossRangesGoesWhereEachPartBelongs) {
  MemoryWorld world;
  RamRegion ram("ram", RamBlock::create("ram", 4096));
  ByteDevice device("device", 3);
  world.root.add(0, ram);
  world.root.add(4096, device.region);
  MemoryDispatch dispatch(world.space);
  dispatch.write(4092, 8, 0x8877665544332211);
  EXPECT_EQ(world.space.load(4092, 4), 0x44332211U);
  EXPECT_EQ(device.log, (std::vector<Access>{{true, 0, 2, 0x6655}, {true, 2, 1, 0x77}}));
  EXPECT_EQ(dispatch.read(4092, 8), 0xff77665544332211);
  EXPECT_EQ(dispatch.read(4098, 2), 0xff77U);
  EXPECT_EQ(dispatch.read(4099, 8), kTop);
}

TEST(MemoryDispatch, PortSpaceEndsAt64K) {
  MemoryWorld ports(0x10000);
  ByteDevice device("device", 1);
  ports.root.add(0xffff, device.region);
  MemoryDispatch dispatch(ports.space);
  EXPECT_EQ(dispatch.read(0xffff, 2), 0xff00U);
  EXPECT_EQ(dispatch.read(0x10000, 1), 0xffU);
}

TEST(MemoryDispatch, HandlersRunUnderTheMachineLockUnlessLockless) {
  MemoryWorld world;
  const auto held = [&](Offset, Width) { return IoResult(world.lock.held() ? 1U : 0U); };
  IoRegion locked("locked", 1, Widths::only(1), held, nullptr), lockless("lockless", 1, Widths::only(1), held, nullptr);
  lockless.set_lockless(true);
  world.root.add(0, locked);
  world.root.add(1, lockless);
  MemoryDispatch dispatch(world.space);
  EXPECT_EQ(dispatch.read(0, 1), 1U);
  EXPECT_EQ(dispatch.read(1, 1), 0U);
  EXPECT_FALSE(world.lock.held());
  const MachineLock::Guard guard(world.lock);
  EXPECT_EQ(dispatch.read(0, 1), 1U);
  EXPECT_EQ(dispatch.read(1, 1), 1U);
  EXPECT_TRUE(world.lock.held());
}

TEST(MemoryDispatchThread, MemoryNeedsNoLock) {
  MemoryWorld world;
  RamRegion ram("ram", RamBlock::create("ram", 4096));
  world.root.add(0, ram);
  const MachineLock::Guard guard(world.lock);
  std::thread([&] {  // would wait for ever if it took the lock
    world.space.store(8, 4, 42);
    EXPECT_EQ(MemoryDispatch(world.space).read(8, 4), 42U);
    EXPECT_EQ(world.space.map(0, 4096, true).bytes.size(), 4096U);
  })
      .join();
}

// A lockless handler may hold back the end of its region, for which somebody may wait with the machine lock held.
TEST(MemoryDispatch, LocklessHandlersDoNotReachLockedRegisters) {
  MemoryWorld world;
  ByteDevice locked("locked", 16);
  RamRegion ram("ram", RamBlock::create("ram", 4096));
  IoRegion lockless(
      "lockless", 1, Widths::only(1),
      [&](Offset, Width) -> IoResult {
        EXPECT_EQ(world.space.load(0x1003, 1), world.lock.held() ? 3U : 0xffU);
        world.space.store(0, 1, 7);
        return world.space.load(0, 1);
      },
      nullptr);
  lockless.set_lockless(true);
  world.root.add(0, ram);
  world.root.add(0x1000, locked.region);
  world.root.add(0x2000, lockless);
  EXPECT_EQ(world.space.load(0x2000, 1), 7U);
  EXPECT_TRUE(locked.log.empty());
  const MachineLock::Guard guard(world.lock);
  EXPECT_EQ(world.space.load(0x2000, 1), 7U);
  EXPECT_EQ(locked.log.size(), 1U);
}

TEST(MemoryDispatch, SignalsEventFdsThatNoAcceleratorTook) {
  MemoryWorld world;
  ByteDevice device("device", 16);
  const int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  ASSERT_GE(fd, 0);
  const IoEventFd event{.offset = 4, .width = 2, .match = true, .value = 3, .fd = fd};
  device.region.add_eventfd(event);
  world.root.add(0x100, device.region);
  const auto signals = [fd] {
    std::uint64_t count = 0;
    return ::read(fd, &count, sizeof count) == sizeof count ? count : 0;
  };
  MemoryDispatch dispatch(world.space);
  dispatch.write(0x104, 2, 3);
  dispatch.write(0x104, 2, 0xffff0003);  // the upper half is not part of the access
  EXPECT_EQ(signals(), 2U);
  EXPECT_TRUE(device.log.empty()) << "instead of the write";
  dispatch.write(0x104, 2, 4);
  dispatch.write(0x104, 4, 3);
  EXPECT_EQ(signals(), 0U);
  EXPECT_EQ(device.log.size(), 2U);
  device.region.set_lockless(true);
  dispatch.write(0x104, 2, 3);
  EXPECT_EQ(signals(), 1U);
  device.region.remove_eventfd(event);
  dispatch.write(0x104, 2, 3);
  EXPECT_EQ(signals(), 0U);
  close(fd);
}

// --- several threads ------------------------------------------------------------------------------------------------

TEST(MemoryDispatchThread, AlignedAccessesAreNeverTorn) {
  MemoryWorld world;
  RamRegion ram("ram", RamBlock::create("ram", 4096));
  world.root.add(0, ram);
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    MemoryDispatch dispatch(world.space);
    while (!stop) {
      dispatch.write(8, 8, 0);
      const std::array<std::uint8_t, 8> ones{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
      (void)world.space.write(8, ones);
    }
  });
  MemoryDispatch dispatch(world.space);
  for (int i = 0; i < 100'000; ++i) {
    const std::uint64_t value = dispatch.read(8, 8);
    ASSERT_TRUE(value == 0 || value == kTop) << std::hex << value;
  }
  stop = true;
  writer.join();
}

// Two regions trade places in one transaction, again and again: a reader sees the one or the other at each place, never
// nothing, and never a mixture within a view.
TEST(MemoryDispatchThread, ReadersSeeEachTransactionAsAWhole) {
  MemoryWorld world;
  RamRegion a("a", RamBlock::create("a", 4096)), b("b", RamBlock::create("b", 4096));
  a.block()->host()[0] = 0xa;
  b.block()->host()[0] = 0xb;
  IoRegion device(
      "device", 1, Widths::only(1), [](Offset, Width) { return IoResult(0xdU); }, nullptr);
  world.root.add(0, a);
  world.root.add(4096, b);
  world.root.add(8192, device);
  std::atomic<bool> stop{false};
  std::vector<std::thread> readers;
  std::latch started(3);
  for (int i = 0; i < 2; ++i) {
    readers.emplace_back([&] {
      MemoryDispatch dispatch(world.space);
      started.count_down();
      while (!stop) {
        const std::uint64_t low = dispatch.read(0, 1);
        EXPECT_TRUE(low == 0xa || low == 0xb) << low;
        EXPECT_EQ(dispatch.read(8192, 1), 0xdU);
        const auto view = world.space.view();
        EXPECT_NE(view->find(0)->ram, view->find(4096)->ram);
        EXPECT_EQ(view->ranges().size(), 3U);
      }
    });
  }
  started.arrive_and_wait();
  for (int i = 0; i < 3000; ++i) {
    const MachineLock::Guard guard(world.lock);
    const MemoryTransaction transaction;
    const Offset offset = a.offset();
    a.set_offset(b.offset());
    b.set_offset(offset);
  }
  stop = true;
  for (std::thread& reader : readers) reader.join();
}

// Devices come and go while others keep calling them through views of any age. A handler that runs finds its device
// alive; AddressSanitizer and ThreadSanitizer watch.
void come_and_go(bool lockless) {
  struct Victim {
    explicit Victim(bool without_lock) : region("victim", 4096, {1, 8, false}, this, &Victim::read, &Victim::write) {
      region.set_lockless(without_lock);
    }
    ~Victim() {
      region.~IoRegion();  // as a device does it: nobody is inside any more before its state goes
      alive = 0;
      new (&region) IoRegion("ghost", 0, Widths::only(1), nullptr, nullptr);
    }
    IoResult read(Offset, Width) { return alive == 0x600d ? IoResult(1U) : IoResult(0xdeadU); }
    IoResult write(Offset, Width, std::uint64_t) {
      EXPECT_EQ(alive, 0x600d);
      return io_ok();
    }
    int alive = 0x600d;
    IoRegion region;
  };
  MemoryWorld world;
  RamRegion ram("ram", RamBlock::create("ram", 4096));
  world.root.add(4096, ram);
  std::atomic<bool> stop{false};
  std::atomic<int> answered{0};
  std::vector<std::thread> readers;
  for (int i = 0; i < 2; ++i) {
    readers.emplace_back([&] {
      MemoryDispatch dispatch(world.space);
      while (!stop) {
        const std::uint64_t value = dispatch.read(8, 2);
        EXPECT_TRUE(value == 1 || value == 0xffff) << value;
        if (value == 1) ++answered;
        dispatch.write(8, 4, 0);
        dispatch.write(4096, 8, value);
      }
    });
  }
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  for (int i = 0; i < 2000 || (answered < 100 && std::chrono::steady_clock::now() < give_up); ++i) {
    std::unique_ptr<Victim> victim;
    {
      const MachineLock::Guard guard(world.lock);
      victim = std::make_unique<Victim>(lockless);
      world.root.add(0, victim->region);
    }
    // A mutex is not fair: without a pause now and then the readers would hardly get it.
    if (i % 8 == 0) std::this_thread::sleep_for(std::chrono::microseconds(20));
    const MachineLock::Guard guard(world.lock);
    victim.reset();
  }
  stop = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_GE(answered, 100);
}

TEST(MemoryDispatchThread, DevicesComeAndGoUnderTheMachineLock) { come_and_go(false); }
TEST(MemoryDispatchThread, LocklessDevicesComeAndGo) { come_and_go(true); }

// The order of events that the check of the generation is for, step by step.
TEST(MemoryDispatchThread, LooksAgainAfterWaitingForTheLock) {
  MemoryWorld world;
  auto old_device = std::make_unique<ByteDevice>("old", 16);
  ByteDevice new_device("new", 16);
  new_device.bytes[0] = 0x77;
  world.root.add(0, old_device->region);
  std::atomic<bool> looked_up{false};
  std::thread vcpu;
  std::uint64_t value = 0;
  {
    const MachineLock::Guard guard(world.lock);
    vcpu = std::thread([&] {
      MemoryDispatch dispatch(world.space);
      (void)dispatch.read(0x100, 1);  // takes the view of now
      looked_up = true;
      value = dispatch.read(0, 1);  // finds the old device, then waits for the lock
    });
    while (!looked_up) std::this_thread::yield();
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    const MemoryTransaction transaction;
    old_device.reset();
    world.root.add(0, new_device.region);
  }
  vcpu.join();
  EXPECT_EQ(value, 0x77U);
}

TEST(MemoryDispatchThread, TheEndOfALocklessRegionWaitsForItsHandlers) {
  MemoryWorld world;
  std::atomic<bool> inside{false}, go_on{false}, finished{false};
  auto region = std::make_unique<IoRegion>(
      "slow", 1, Widths::only(1),
      [&](Offset, Width) -> IoResult {
        inside = true;
        while (!go_on) std::this_thread::yield();
        finished = true;
        return 1;
      },
      nullptr);
  region->set_lockless(true);
  world.root.add(0, *region);
  std::thread vcpu([&] { EXPECT_EQ(world.space.load(0, 1), 1U); });
  while (!inside) std::this_thread::yield();
  std::thread releaser([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    go_on = true;
  });
  {
    const MachineLock::Guard guard(world.lock);
    region.reset();
    EXPECT_TRUE(finished);
  }
  vcpu.join();
  releaser.join();
  EXPECT_EQ(world.space.load(0, 1), 0xffU);
}

}  // namespace
}  // namespace machina
