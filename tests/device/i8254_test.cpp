// From the Intel 82C54 datasheet (231244-006); port 61h from the PIIX3's (290550-002, 2.5.6.1). What each mode does
// pulse by pulse is tested in tests/unit/hw/timer/i8254_counter_test.cpp.

#include "hw/timer/i8254.h"

#include "core/units.h"
#include "hw/timer/pcspk.h"
#include "tests/support/test_machine.h"

namespace machina::test {
namespace {

constexpr std::int64_t kSecond = kNsPerSecond;

class I8254Test : public testing::Test {
 protected:
  I8254Test() {
    machine_.add_isa_bus();
    pit_ = &machine_.add<I8254>("pit");
    speaker_ = &machine_.add<PcSpeaker>("pcspk", {{"pit", "pit"}});
    machine_.start();
  }
  void control(std::uint8_t v) { machine_.outb(0x43, v); }
  void count(unsigned counter, std::uint16_t v) {
    const auto port = static_cast<std::uint16_t>(0x40 + counter);
    machine_.outb(port, static_cast<std::uint8_t>(v));
    machine_.outb(port, static_cast<std::uint8_t>(v >> 8));
  }
  unsigned read(unsigned counter) { return machine_.inb(static_cast<std::uint16_t>(0x40 + counter)); }
  unsigned read_word(unsigned counter) {
    const unsigned low = read(counter);
    return low | read(counter) << 8;
  }
  /// To right after CLK pulse `n` from the start of the test.
  void clk(std::uint64_t n) { machine_.step(I8254Common::to_ns(n) - machine_.now()); }
  bool out(unsigned counter) { return pit_->out(counter); }
  bool system_timer_armed() { return machine_.system().clock.next_deadline() != Clock::kNever; }

  TestMachine machine_;
  I8254* pit_ = nullptr;
  PcSpeaker* speaker_ = nullptr;
};

TEST_F(I8254Test, Mode2InterruptsAtItsRateForAnHour) {
  control(0x34);
  count(0, 11932);  // 100.0 Hz
  const unsigned before = machine_.rises(0);
  // An hour in one step: each timer callback arms the next, none is lost and nothing drifts.
  machine_.step(3600 * kSecond);
  // Pulse 1 loads; OUT rises at pulse 1 + k * 11932.
  const std::uint64_t pulses = I8254Common::to_clk(machine_.now());
  EXPECT_EQ(machine_.rises(0) - before, (pulses - 1) / 11932);
  EXPECT_EQ(pulses, std::uint64_t{3600} * 1193182);
}

TEST_F(I8254Test, InterruptLineFollowsOutPulseByPulse) {
  control(0x34);
  count(0, 5);
  std::string seen;
  for (std::uint64_t n = 1; n <= 12; ++n) {
    clk(n);
    seen += machine_.line(0) ? '1' : '0';
    ASSERT_EQ(machine_.line(0), out(0)) << n;
  }
  EXPECT_EQ(seen, "111101111011");
}

TEST_F(I8254Test, Mode0RaisesOnceAndMode3IsSquare) {
  control(0x30);
  EXPECT_FALSE(machine_.line(0)) << "the control word lowers OUT at once";
  count(0, 3);
  clk(3);
  EXPECT_FALSE(machine_.line(0));
  clk(4);
  EXPECT_TRUE(machine_.line(0)) << "N + 1 pulses after the count";
  clk(100000);
  EXPECT_TRUE(machine_.line(0));
  EXPECT_FALSE(system_timer_armed()) << "nothing more will happen";
  control(0x36);
  count(0, 4);
  std::string seen;
  for (std::uint64_t n = 1; n <= 9; ++n) clk(100000 + n), seen += machine_.line(0) ? '1' : '0';
  EXPECT_EQ(seen, "110011001");
}

TEST_F(I8254Test, LatchHoldsUntilBothBytesAreRead) {
  control(0x34);
  count(0, 0x1234);
  clk(1);
  EXPECT_EQ(read_word(0), 0x1234U);
  control(0x00);  // counter latch command
  clk(5);
  control(0x00);  // ignored: the first one holds
  EXPECT_EQ(read(0), 0x34U);
  clk(0x100);
  EXPECT_EQ(read(0), 0x12U);
  EXPECT_EQ(read_word(0), 0x1234U - 0xffU) << "running again";
}

TEST_F(I8254Test, LatchIsDroppedByAControlWord) {
  control(0x34);
  count(0, 0x1234);
  clk(1);
  control(0x00);
  read(0);
  control(0x34);
  count(0, 0x4321);
  clk(2);
  EXPECT_EQ(read_word(0), 0x4321U) << "and reading begins with the low byte";
}

TEST_F(I8254Test, HalfWrittenCountIsNotACount) {
  control(0x34);
  count(0, 0x1000);
  clk(1);
  machine_.outb(0x40, 0x05);  // low half
  clk(2);
  EXPECT_EQ(read_word(0), 0x0fffU);
  machine_.outb(0x40, 0x00);  // high half
  clk(1 + 0x1000);
  EXPECT_EQ(read_word(0), 5U) << "the new count came in at the end of the cycle";
  // A second reload without a new control word starts with its low half again.
  count(0, 0x2006);
  clk(1 + 0x1000 + 5);
  EXPECT_EQ(read_word(0), 0x2006U);
}

TEST_F(I8254Test, HalfWrittenCountStopsMode0) {
  control(0x30);
  count(0, 0x1000);
  clk(11);
  EXPECT_EQ(read_word(0), 0x1000U - 10);
  machine_.outb(0x40, 0x20);
  clk(500);
  EXPECT_EQ(read_word(0), 0x1000U - 10) << "stopped by the first byte";
  machine_.outb(0x40, 0x00);
  clk(501);
  EXPECT_EQ(read_word(0), 0x20U);
  clk(501 + 0x20);
  EXPECT_TRUE(machine_.line(0));
}

TEST_F(I8254Test, SingleByteFormats) {
  control(0x14);  // LSB only
  machine_.outb(0x40, 0x80);
  clk(1);
  EXPECT_EQ(read(0), 0x80U);
  EXPECT_EQ(read(0), 0x80U) << "low byte again";
  control(0x24);  // MSB only
  machine_.outb(0x40, 0x02);
  clk(2);
  EXPECT_EQ(read(0), 0x02U);
  clk(3);
  EXPECT_EQ(read(0), 0x01U) << "01ffh";
}

TEST_F(I8254Test, BcdCountsDecimally) {
  control(0x35);
  count(0, 0x1000);
  clk(2);
  EXPECT_EQ(read_word(0), 0x0999U);
  clk(1 + 999);
  EXPECT_EQ(read_word(0), 0x0001U);
  EXPECT_FALSE(out(0));
  clk(1 + 1000);
  EXPECT_EQ(read_word(0), 0x1000U);
}

TEST_F(I8254Test, ReadBackBitsAreActiveLow) {
  control(0x34), count(0, 0x1111);
  control(0x74), count(1, 0x2222);
  clk(1);
  control(0xc2);  // both of counter 0: status comes first
  EXPECT_EQ(read(0), 0xb4U);
  EXPECT_EQ(read(0), 0x11U);
  EXPECT_EQ(read(0), 0x11U);
  control(0xe6);  // status only, of 0 and 1 together
  EXPECT_EQ(read(1), 0xb4U);
  EXPECT_EQ(read(0), 0xb4U);
  control(0xd6);  // counts only, of both
  clk(0x111);
  EXPECT_EQ(read_word(0), 0x1111U);
  EXPECT_EQ(read_word(1), 0x2222U);
  control(0xf2);  // neither: nothing is latched
  EXPECT_EQ(read_word(0), 0x1111U - 0x110);
}

TEST_F(I8254Test, StatusTellsOutAndNullCount) {
  control(0x30);
  control(0xe2);
  EXPECT_EQ(read(0), 0x70U) << "OUT low, null count, as programmed";
  count(0, 2);
  control(0xe2);
  EXPECT_EQ(read(0), 0x70U) << "written but not loaded";
  clk(1);
  control(0xe2);
  EXPECT_EQ(read(0), 0x30U);
  clk(3);
  control(0xe2);
  clk(4);
  control(0xe2);  // ignored while the first is unread
  EXPECT_EQ(read(0), 0xb0U);
  // In mode 2 a new count stays null until the cycle ends.
  control(0x34), count(0, 10);
  clk(5), count(0, 20);
  control(0xe2);
  EXPECT_EQ(read(0) & 0x40, 0x40U);
  clk(15);
  control(0xe2);
  EXPECT_EQ(read(0) & 0x40, 0U);
}

TEST_F(I8254Test, ControlWordPortCannotBeRead) { EXPECT_EQ(machine_.inb(0x43), 0xff); }

TEST_F(I8254Test, ResetStopsTheTimer) {
  control(0x34), count(0, 100);
  clk(10);
  machine_.reset();
  EXPECT_FALSE(system_timer_armed());
}

TEST_F(I8254Test, StateGoesOnWhereItWas) {
  control(0x36), count(0, 1000);
  clk(300);
  const I8254State saved = pit_->get_state();
  machine_.reset();
  pit_->set_state(saved);
  clk(500);
  EXPECT_TRUE(machine_.line(0));
  clk(501);
  EXPECT_FALSE(machine_.line(0));
}

// --- port 61h ---

TEST_F(I8254Test, Port61GatesCounter2) {
  EXPECT_EQ(machine_.inb(0x61) & 0x0f, 0);
  control(0xb0);  // mode 0: the way firmware and kernels calibrate with
  count(2, 0x100);
  clk(10);
  EXPECT_EQ(read_word(2), 0x100U) << "loaded, but the gate is low";
  machine_.outb(0x61, 0x01);
  clk(10 + 0xff);
  EXPECT_EQ(machine_.inb(0x61) & 0x20, 0);
  clk(10 + 0x100);
  EXPECT_EQ(machine_.inb(0x61) & 0x20, 0x20);
}

TEST_F(I8254Test, Port61KeepsItsFourBits) {
  machine_.outb(0x61, 0xff);
  EXPECT_EQ(machine_.inb(0x61) & 0xcf, 0x0f) << "no NMI source, four writable bits";
  machine_.reset();
  EXPECT_EQ(machine_.inb(0x61) & 0xcf, 0x00);
  EXPECT_FALSE(pit_->gate(2));
}

TEST_F(I8254Test, RefreshToggles) {
  unsigned changes = 0;
  bool last = machine_.inb(0x61) & 0x10;
  for (std::uint64_t n = 1; n <= 18 * 100; ++n) {
    clk(n);
    const bool now = machine_.inb(0x61) & 0x10;
    changes += now != last;
    last = now;
  }
  EXPECT_EQ(changes, 100U) << "each 15.09 us";
}

TEST_F(I8254Test, SpeakerNeedsDataBit) {
  control(0xb6), count(2, 4);
  machine_.outb(0x61, 0x01);
  clk(1);
  EXPECT_TRUE(out(2));
  EXPECT_FALSE(speaker_->speaker());
  machine_.outb(0x61, 0x03);
  EXPECT_TRUE(speaker_->speaker());
}

TEST_F(I8254Test, GateTriggersOneShot) {
  control(0xb2);  // mode 1
  count(2, 3);
  clk(5);
  EXPECT_TRUE(out(2));
  machine_.outb(0x61, 0x01);
  clk(6);
  EXPECT_FALSE(out(2));
  machine_.outb(0x61, 0x00), machine_.outb(0x61, 0x01);  // again, before it is over
  clk(9);
  EXPECT_FALSE(out(2));
  clk(10);
  EXPECT_TRUE(out(2));
}

// On a clock that runs: a guest that asks for a tick each 1.7 us does not get hold of the whole event loop.
TEST(I8254Time, FastCounterLeavesTimeForOthers) {
  const auto root = qom::create<qom::Container>();
  auto& machine = root->add_new_child<MachineObject>("machine");
  System& system = machine.system();
  auto& bus = machine.add_new_child<IsaBus>("isa.0");
  unsigned rises = 0;
  IrqInBank lines("irq", 16, [&](unsigned, bool level) { rises += level; });
  bus.set_irq_lines(lines);
  auto& pit = machine.add_new_child<I8254>("pit");
  pit.set_parent_bus(bus);
  {
    const MachineLock::Guard guard(system.lock);
    qom::realize_tree(*root);
    reset_tree(*root);
    MemoryDispatch io(system.io);
    io.write(0x43, 1, 0x34);
    io.write(0x40, 1, 2);
    io.write(0x40, 1, 0);
    system.clock.start();
  }
  unsigned turns = 0;
  std::function<void()> turn = [&] { ++turns, system.loop.post(turn); };
  system.loop.post(turn);
  const std::int64_t begin = system.clock.now_ns();
  // As long as it takes on a busy host; a counter that left no time would keep this from ever being so.
  system.loop.run_until([&] { return turns > 10 && rises > 10; }, 20 * kNsPerSecond);
  const std::int64_t took = system.clock.now_ns() - begin;
  {
    const MachineLock::Guard guard(system.lock);
    system.clock.stop();
    qom::unrealize_tree(*root);
  }
  EXPECT_GT(turns, 10U);
  EXPECT_GT(rises, 10U);
  EXPECT_LT(rises, 3 * took / I8254::kFastDelayNs + 10);
}

TEST(I8254Time, PulsesAndNanosecondsAreInverse) {
  for (std::uint64_t n : {1ULL, 2ULL, 17ULL, 1193181ULL, 1193182ULL, 4294967296ULL, 10'000'000'000'000ULL}) {
    const std::int64_t ns = I8254Common::to_ns(n);
    EXPECT_EQ(I8254Common::to_clk(ns), n);
    EXPECT_EQ(I8254Common::to_clk(ns - 1), n - 1);
  }
  EXPECT_EQ(I8254Common::to_ns(1193182ULL * 86400 * 365), 86400LL * 365 * kSecond) << "no drift in a year";
}

}  // namespace
}  // namespace machina::test
