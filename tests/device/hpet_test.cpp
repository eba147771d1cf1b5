// IA-PC HPET Specification 1.0a, 2.3: registers, time, interrupts by line, by legacy replacement and by message.

#include "hw/timer/hpet.h"

#include <gtest/gtest.h>

#include "hw/intc/gsi.h"
#include "hw/rtc/mc146818rtc.h"
#include "hw/timer/i8254.h"
#include "tests/support/test_machine.h"

namespace machina::test {
namespace {

using namespace hpet;

constexpr std::uint64_t kConf = kBase + kGenConf, kStatus = kBase + kGintrSta, kCounter = kBase + kMainCnt;
constexpr std::uint64_t conf(unsigned n) { return kBase + kTimers + n * kTimerSize; }
constexpr std::uint64_t comparator(unsigned n) { return conf(n) + kTimerComparator; }
constexpr std::uint64_t fsb(unsigned n) { return conf(n) + kTimerFsb; }
constexpr std::uint32_t route(unsigned line) { return line << kIntRouteShift; }

class HpetTest : public testing::Test {
 protected:
  /// With the board's interrupts, an 8254 and a clock on its ISA lines 0 and 8.
  void start(TestMachine::Properties properties = {{"hpet-intcap", "0xf00104"}}) {
    m.add_isa_bus();
    gsi = &m.add<Gsi>("gsi");
    hpet = &m.add<Hpet>("hpet", {{"irqs", "gsi.hpet"}, {"legacy", "gsi.legacy"}});
    for (const auto& [name, value] : properties) hpet->set_text(name, value);
    m.add<I8254>("pit", {{"irq", "gsi.0"}});
    m.add<Mc146818Rtc>("rtc", {{"irq", "gsi.8"}});
    for (unsigned n = 0; n < 24; ++n) {
      pins[n] = std::make_unique<IrqIn>("pin", n, [this](unsigned pin, bool level) {
        levels[pin] = level;
        rises[pin] += level ? 1 : 0;
      });
    }
    m.start();
    for (unsigned n = 0; n < 24; ++n) gsi->output("ioapic")[n]->connect(*pins[n]);
    rises = {};  // the 8254's output is high from the beginning
  }
  void one_shot(unsigned n, std::uint32_t config, std::uint64_t at) {
    m.write(conf(n), 4, config | kIntEnbCnf);
    m.write(comparator(n), 8, at);
  }
  void periodic(unsigned n, std::uint32_t config, std::uint64_t first, std::uint64_t period) {
    m.write(conf(n), 4, config | kIntEnbCnf | kTypeCnf | kValSetCnf);
    m.write(comparator(n), 8, first);
    m.write(comparator(n), 8, period);
  }
  std::uint64_t counter() { return m.read(kCounter, 8); }

  TestMachine m{2 << 20};
  Gsi* gsi = nullptr;
  Hpet* hpet = nullptr;
  std::array<std::unique_ptr<IrqIn>, 24> pins;
  std::array<bool, 24> levels{};
  std::array<unsigned, 24> rises{};
};

TEST_F(HpetTest, CapabilitiesTellTimersPeriodAndMaker) {
  start({});
  EXPECT_EQ(m.read(kBase, 8), 0x009896808086a201U) << "10,000,000 fs; 8086h; legacy, 64 bits, 3 timers; revision 1";
  EXPECT_EQ(m.read(kBase + 4, 4), 10'000'000U);
  m.write(kBase, 8, 0);
  EXPECT_EQ(m.read(kBase, 4), 0x8086a201U) << "read-only";
  EXPECT_EQ(m.read(conf(0), 8), 0x0000000400000030U) << "input 2; periodic, 64 bits";
  EXPECT_EQ(m.read(conf(3), 8), 0U) << "a fourth there is not";
  EXPECT_EQ(m.read(comparator(2), 8), ~std::uint64_t{0});
  EXPECT_EQ(m.read(kBase + 8, 8), 0U) << "reserved";
}

TEST_F(HpetTest, TimersAndRoutesAreTheBoardsToChoose) {
  start({{"timers", "24"}, {"hpet-intcap", "0xf00000"}, {"msi", "on"}});
  EXPECT_EQ(m.read(kBase, 4), 0x8086b701U);
  EXPECT_EQ(m.read(conf(23), 8), 0x00f0000000008030U);
  m.write(comparator(23), 8, 0x1234);
  EXPECT_EQ(m.read(comparator(23), 8), 0x1234U);
  EXPECT_THROW(hpet->device_class().find_property("timers")->parse("2"), Error);
}

TEST_F(HpetTest, MainCounterCountsTenNanosecondsWhileEnabled) {
  start();
  m.step(1'000'000);
  EXPECT_EQ(counter(), 0U) << "halted after reset";
  m.write(kCounter, 8, 0x1'ffff'fff0);
  m.write(kConf, 4, kEnableCnf);
  m.step(159);
  EXPECT_EQ(counter(), 0x1'ffff'ffffU);
  m.step(1);
  EXPECT_EQ(m.read(kCounter, 4), 0U);
  EXPECT_EQ(m.read(kCounter + 4, 4), 2U);
  m.write(kCounter, 8, 77);
  EXPECT_EQ(counter(), 0x2'0000'0000U) << "writes are for a halted counter";
  m.write(kConf, 4, 0);
  m.step(1'000'000);
  EXPECT_EQ(counter(), 0x2'0000'0000U) << "halted where it was";
  m.write(kCounter + 4, 4, 9);
  m.write(kCounter, 4, 5);
  EXPECT_EQ(counter(), 0x9'0000'0005U) << "written in halves";
}

TEST_F(HpetTest, MainCounterDoesNotDrift) {
  start();
  m.step(3);
  m.write(kConf, 4, kEnableCnf);
  for (int i = 0; i < 1000; ++i) {
    m.step(1'000'007);
    (void)counter();
  }
  EXPECT_EQ(counter(), 1'000'007'000U / 10);
}

TEST_F(HpetTest, NarrowWritesAreNoWrites) {
  start();
  m.write(kConf, 1, kEnableCnf);
  m.write(kConf, 2, kEnableCnf);
  EXPECT_EQ(m.read(kConf, 4), 0U);
  EXPECT_EQ(m.read(kBase + 2, 2), 0x8086U);
  m.write(kConf, 4, 0xffffffff);
  EXPECT_EQ(m.read(kConf, 8), 3U);
  m.write(kConf + 4, 4, 0);
  EXPECT_EQ(m.read(kConf, 8), 3U) << "the other half";
}

TEST_F(HpetTest, OneShotRaisesItsLineAtTheVeryTick) {
  start();
  one_shot(2, route(20), 100);
  m.write(kConf, 4, kEnableCnf);
  m.step(999);
  EXPECT_FALSE(levels[20]);
  m.step(1);
  EXPECT_TRUE(levels[20]);
  EXPECT_EQ(m.read(kStatus, 4), 0U) << "edges have no status";
  m.step(1'000'000'000);
  EXPECT_EQ(rises[20], 1U);
  // The next one is an edge of its own.
  m.write(comparator(2), 8, counter() + 10);
  m.step(100);
  EXPECT_EQ(rises[20], 2U);
  m.write(conf(2), 4, route(20));
  EXPECT_FALSE(levels[20]) << "it may not interrupt any more";
}

TEST_F(HpetTest, OneShotBehindTheCounterMatchesAfterTheWrap) {
  start();
  m.write(kConf, 4, kEnableCnf);
  m.step(10'000);
  one_shot(0, route(20) | k32ModeCnf, 999);
  m.step(1000);
  EXPECT_EQ(rises[20], 0U);
  m.step(42'949'672'960 - 11'000 + 9989);
  EXPECT_EQ(rises[20], 0U);
  m.step(1);
  EXPECT_EQ(rises[20], 1U);
  m.step(42'949'672'960);
  EXPECT_EQ(rises[20], 2U) << "in 32-bit mode it comes with each wrap-around";
}

TEST_F(HpetTest, PeriodicIsExactForEver) {
  start();
  periodic(1, route(21), 500, 12'345);
  m.write(kConf, 4, kEnableCnf);
  std::int64_t expected = 5000;
  for (int i = 0; i < 100; ++i) {
    m.step_to_next_timer();
    EXPECT_EQ(m.now(), expected);
    EXPECT_EQ(rises[21], static_cast<unsigned>(i) + 1);
    expected += 123'450;
  }
  EXPECT_EQ(m.read(comparator(1), 8), 500U + 100 * 12'345) << "the accumulator";
  m.write(comparator(1), 4, 1000);
  m.step_to_next_timer();
  EXPECT_EQ(m.now(), expected) << "a new rate counts from the next match";
  m.step_to_next_timer();
  EXPECT_EQ(m.now(), expected + 10'000);
}

TEST_F(HpetTest, PeriodsThatAreTooShortLoseInterruptsButNoTime) {
  start();
  periodic(0, route(20), 1, 1);
  m.write(kConf, 4, kEnableCnf);
  m.step(1'000'000);
  EXPECT_LE(rises[20], 101U);
  EXPECT_GE(rises[20], 99U);
  EXPECT_EQ(m.read(comparator(0), 8), 100'001U);
}

TEST_F(HpetTest, LevelTriggeredKeepsStatusAndLineUntilItIsCleared) {
  start();
  periodic(0, route(20) | kIntTypeCnf, 100, 100);
  one_shot(2, route(22) | kIntTypeCnf, 150);
  m.write(kConf, 4, kEnableCnf);
  m.step(1000);
  EXPECT_EQ(m.read(kStatus, 4), 1U);
  EXPECT_TRUE(levels[20]);
  m.step(1500);
  EXPECT_EQ(m.read(kStatus, 4), 5U);
  m.write(kStatus, 4, 4);
  EXPECT_EQ(m.read(kStatus, 4), 1U) << "ones clear";
  EXPECT_TRUE(levels[20]);
  EXPECT_FALSE(levels[22]);
  m.write(kStatus, 4, 0);
  EXPECT_TRUE(levels[20]);
  m.write(kStatus, 4, 1);
  EXPECT_FALSE(levels[20]);
  m.step(500);
  EXPECT_TRUE(levels[20]) << "the match at 300, whatever was missed";
  EXPECT_EQ(rises[20], 2U);
}

TEST_F(HpetTest, StatusIsSetWithoutInterruptEnableAndInterruptsLater) {
  start();
  m.write(conf(0), 4, kIntTypeCnf | route(20));
  m.write(comparator(0), 8, 100);
  m.write(kConf, 4, kEnableCnf);
  m.step(10'000);
  EXPECT_EQ(m.read(kStatus, 4), 1U);
  EXPECT_FALSE(levels[20]);
  m.write(conf(0), 4, kIntTypeCnf | kIntEnbCnf | route(20));
  EXPECT_TRUE(levels[20]);
  m.write(kConf, 4, 0);
  EXPECT_FALSE(levels[20]) << "halted, nobody interrupts";
  EXPECT_EQ(m.read(kStatus, 4), 1U) << "2.3.5: but the status stays";
  m.write(conf(0), 4, kIntEnbCnf | route(20));
  EXPECT_EQ(m.read(kStatus, 4), 0U) << "edges have none";
}

TEST_F(HpetTest, TwoTimersShareALine) {
  start();
  one_shot(0, route(20) | kIntTypeCnf, 100);
  one_shot(1, route(20), 200);
  m.write(kConf, 4, kEnableCnf);
  m.step(1000);
  EXPECT_EQ(rises[20], 1U);
  m.step(1000);
  EXPECT_EQ(rises[20], 2U) << "an edge on top of the level";
  EXPECT_TRUE(levels[20]);
  m.write(kStatus, 4, 1);
  EXPECT_TRUE(levels[20]);
  m.write(conf(1), 4, 0);
  EXPECT_FALSE(levels[20]);
}

TEST_F(HpetTest, RoutesThatAreNotOfferedDoNotStick) {
  start();
  EXPECT_EQ(m.read(conf(0), 4), 0x30U);
  m.write(conf(0), 4, route(21) | kIntEnbCnf);
  m.write(conf(0), 4, route(9) | kIntEnbCnf);
  EXPECT_EQ(m.read(conf(0), 4) & kIntRouteCnf, route(21));
  m.write(conf(0), 4, 0xffffffff);
  EXPECT_EQ(m.read(conf(0), 4), route(21) | kSizeCap | kPerIntCap | k32ModeCnf | kTypeCnf | kIntEnbCnf | kIntTypeCnf)
      << "no VAL_SET, no FSB";
  one_shot(1, 0, 100);
  m.write(kConf, 4, kEnableCnf);
  m.step(10'000);
  for (const unsigned r : rises) EXPECT_EQ(r, 0U) << "the route of reset is none of them";
}

TEST_F(HpetTest, LegacyReplacementTakesTheInterruptsOfTimerAndClock) {
  start();
  // The 8254 at 1 kHz, the clock at 1024 Hz.
  m.outb(0x43, 0x34), m.outb(0x40, 0xa9), m.outb(0x40, 0x04);
  m.outb(0x70, 0x0b), m.outb(0x71, 0x42);
  const auto clock_read = [this] { m.outb(0x70, 0x0c), m.inb(0x71); };
  m.step(10'500'000);
  clock_read();
  EXPECT_EQ(rises[2], 10U) << "interrupt 0 is at pin 2";
  EXPECT_EQ(rises[8], 1U);

  periodic(0, route(20), 500'000, 500'000);  // 5 ms
  one_shot(1, route(20), 700'000);
  m.write(kConf, 4, kEnableCnf | kLegRtCnf);
  rises = {};
  m.step(10'000'000);
  EXPECT_EQ(rises[2], 2U) << "the HPET's alone";
  EXPECT_EQ(rises[8], 1U);
  EXPECT_EQ(rises[20], 0U) << "routes mean nothing to timers 0 and 1";
  EXPECT_NE(m.inb(0x40) | m.inb(0x40), 0) << "the 8254 still counts";
  EXPECT_TRUE(gsi->input("gsi", 8)->level()) << "and the clock still asks";

  rises = {};
  m.write(kConf, 4, kEnableCnf);
  EXPECT_EQ(rises[20], 0U) << "a line that moves is no edge";
  clock_read();
  m.step(4'500'000);
  EXPECT_GE(rises[2], 4U) << "the 8254 again";
  EXPECT_EQ(rises[8], 2U) << "the clock that has waited, and its next tick";
  m.step(500'000);
  EXPECT_EQ(rises[20], 1U) << "timer 0 by its route";
}

TEST_F(HpetTest, MessagesGoWhereTheyAreToldTo) {
  start({{"msi", "on"}, {"hpet-intcap", "0xf00000"}});
  periodic(0, kFsbEnCnf | route(20), 100, 2000);
  m.write(fsb(0), 8, std::uint64_t{0x1000} << 32 | 0xcafe1234);
  EXPECT_EQ(m.read(fsb(0), 8), std::uint64_t{0x1000} << 32 | 0xcafe1234);
  EXPECT_TRUE(m.read(conf(0), 4) & kFsbIntDelCap);
  m.write(kConf, 4, kEnableCnf);
  m.step(999);
  EXPECT_EQ(m.read(0x1000, 4), 0U);
  m.step(1);
  EXPECT_EQ(m.read(0x1000, 8), 0xcafe1234U);
  m.write(0x1000, 4, 0);
  m.step(19'999);
  EXPECT_EQ(m.read(0x1000, 4), 0U);
  m.step(1);
  EXPECT_EQ(m.read(0x1000, 4), 0xcafe1234U);
  m.write(0x1000, 4, 0);
  m.write(conf(0), 4, kFsbEnCnf | kTypeCnf);
  m.step(1'000'000);
  EXPECT_EQ(m.read(0x1000, 4), 0U) << "not while it may not interrupt";
  EXPECT_EQ(rises[20], 0U);
}

TEST_F(HpetTest, MessageToTheChipItselfEnds) {
  start({{"msi", "on"}});
  one_shot(0, kFsbEnCnf, 100);
  m.write(fsb(0), 8, (kConf << 32) | 0);  // halts the counter
  m.write(kConf, 4, kEnableCnf);
  m.step(2000);
  EXPECT_EQ(m.read(kConf, 4), 0U);
  EXPECT_EQ(counter(), 100U);
}

// Time goes on while a message is on its way, so that the next match of a short period would be due already.
TEST_F(HpetTest, MessagesToTheChipItselfDoNotNest) {
  start({{"msi", "on"}});
  unsigned depth = 0, deepest = 0, messages = 0;
  IoRegion relay("relay", 8, Widths::only(4), {}, [&](Offset, Width, std::uint64_t value) {
    deepest = std::max(deepest, ++depth);
    ++messages;
    if (depth < 20) {
      m.step(100);
      m.write(comparator(1), 4, value);
    }
    --depth;
    return io_ok();
  });
  m.system().memory_root.add(0xe0000000, relay);
  periodic(0, kFsbEnCnf, 100, 1);
  m.write(fsb(0), 8, std::uint64_t{0xe0000000} << 32 | 0x1234);
  m.write(kConf, 4, kEnableCnf);
  m.step(1'000'000);
  EXPECT_GT(messages, 10U);
  EXPECT_EQ(deepest, 1U);
  EXPECT_EQ(m.read(comparator(1), 8) & 0xffffffff, 0x1234U);
  m.system().memory_root.remove(relay);
}

TEST_F(HpetTest, WithoutTheCapabilityThereAreNoMessages) {
  start();
  m.write(conf(0), 4, kFsbEnCnf);
  m.write(fsb(0), 8, ~std::uint64_t{0});
  EXPECT_EQ(m.read(conf(0), 4) & (kFsbEnCnf | kFsbIntDelCap), 0U);
  EXPECT_EQ(m.read(fsb(0), 8), 0U);
}

TEST_F(HpetTest, ResetHaltsAndGivesBackTheLines) {
  start();
  m.outb(0x43, 0x34), m.outb(0x40, 0xa9), m.outb(0x40, 0x04);
  periodic(0, kIntTypeCnf, 100, 100);
  m.write(kConf, 4, kEnableCnf | kLegRtCnf);
  m.step(10'000);
  EXPECT_TRUE(levels[2]);
  EXPECT_TRUE(gsi->input("legacy", 0)->level());
  m.reset();
  EXPECT_FALSE(gsi->input("legacy", 0)->level());
  EXPECT_FALSE(gsi->input("hpet", 0)->level());
  EXPECT_EQ(m.read(kConf, 4), 0U);
  EXPECT_EQ(m.read(kStatus, 4), 0U);
  EXPECT_EQ(m.read(conf(0), 4), 0x30U);
  EXPECT_EQ(m.read(comparator(0), 8), ~std::uint64_t{0});
  m.step(1'000'000);
  EXPECT_EQ(counter(), 0U);
}

TEST_F(HpetTest, StateMovesToAnotherOne) {
  start();
  periodic(0, route(20) | kIntTypeCnf, 100, 100);
  m.write(kConf, 4, kEnableCnf);
  m.step(1500);
  const HpetState saved = hpet->get_state();
  m.reset();
  EXPECT_FALSE(levels[20]);
  hpet->set_state(saved);
  EXPECT_EQ(hpet->get_state(), saved);
  EXPECT_TRUE(levels[20]);
  m.write(kStatus, 4, 1);
  m.step(500);
  EXPECT_TRUE(levels[20]);
}

TEST_F(HpetTest, TellsAcpiWhereItIs) {
  start();
  AcpiBoard board;
  hpet->acpi_facts(board);
  ASSERT_EQ(board.hpets.size(), 1U);
  EXPECT_EQ(board.hpets[0].id, 0x8086a201U);
  EXPECT_EQ(board.hpets[0].address, 0xfed00000U);
  EXPECT_EQ(board.hpets[0].number, 0U);
}

}  // namespace
}  // namespace machina::test
