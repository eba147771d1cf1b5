// From the Motorola MC146818A datasheet (ADI1149).

#include "hw/rtc/mc146818rtc.h"

#include "core/units.h"
#include "hw/rtc/calendar.h"
#include "tests/support/test_machine.h"

namespace machina::test {
namespace {

using namespace rtc;  // NOLINT(google-build-using-namespace): the chip's own register names

constexpr std::int64_t kSecond = kNsPerSecond;
constexpr std::int64_t kStart = 1'790'000'000;  // 2026-09-21 14:13:20, a Monday

class RtcTest : public testing::Test {
 protected:
  explicit RtcTest(std::int64_t epoch_ns = kStart * kSecond) : machine_(0, epoch_ns) { machine_.add_isa_bus(); }
  void start(TestMachine::Properties properties = {}) {
    rtc_ = &machine_.add<Mc146818Rtc>("rtc", properties);
    machine_.start();
  }
  void start_at(const char* date) { start({{"base", date}}); }

  std::uint8_t get(unsigned index) {
    machine_.outb(0x70, static_cast<std::uint8_t>(index));
    return machine_.inb(0x71);
  }
  void put(unsigned index, std::uint8_t value) {
    machine_.outb(0x70, static_cast<std::uint8_t>(index));
    machine_.outb(0x71, value);
  }
  /// Year, month, day, hour, minute, second as the registers hold them.
  std::string time() {
    return fmt("%02x%02x-%02x-%02x %02x:%02x:%02x", get(Century), get(Year), get(Month), get(DayOfMonth), get(Hours),
               get(Minutes), get(Seconds));
  }
  template <class... Args>
  static std::string fmt(const char* format, Args... args) {
    char text[64];
    std::snprintf(text, sizeof text, format, args...);
    return text;
  }
  void set_time(std::uint8_t century, std::uint8_t year, std::uint8_t month, std::uint8_t day, std::uint8_t hour,
                std::uint8_t minute, std::uint8_t second) {
    const std::uint8_t b = get(B);
    put(B, b | kBSet);
    put(Century, century), put(Year, year), put(Month, month), put(DayOfMonth, day);
    put(Hours, hour), put(Minutes, minute), put(Seconds, second);
    put(B, b & static_cast<std::uint8_t>(~kBSet));
  }
  void seconds(std::int64_t n) { machine_.step(n * kSecond); }
  bool irq() { return machine_.line(8); }

  TestMachine machine_;
  Mc146818Rtc* rtc_ = nullptr;
};

TEST_F(RtcTest, PowersUpWithTheHostsTime) {
  start();
  EXPECT_EQ(time(), "2026-09-21 14:13:20");
  EXPECT_EQ(get(DayOfWeek), 2) << "Monday";
  EXPECT_EQ(get(A), 0x26);
  EXPECT_EQ(get(B), 0x02);
  EXPECT_EQ(get(C), 0x00);
  EXPECT_EQ(get(D), 0x80);
  EXPECT_EQ(std::get<std::string>(rtc_->get("date").get()), "2026-09-21T14:13:20");
}

TEST_F(RtcTest, BaseIsADate) {
  start_at("1999-12-31T23:59:58");
  EXPECT_EQ(time(), "1999-12-31 23:59:58");
  seconds(2);
  EXPECT_EQ(time(), "2000-01-01 00:00:00");
}

TEST_F(RtcTest, BaseIsLocalTime) {
  ASSERT_EQ(setenv("TZ", "XYZ-5:30", 1), 0);
  tzset();
  start_at("localtime");
  EXPECT_EQ(time(), "2026-09-21 19:43:20");
  unsetenv("TZ");
  tzset();
}

TEST_F(RtcTest, RefusesOtherBases) {
  for (const char* bad : {"yesterday", "2026-02-30", "2026-13-01", "2026-01-01T24:00:00", "2026-1-1", ""})
    EXPECT_THROW(machine_.add<Mc146818Rtc>("rtc", {{"base", bad}}), Error) << bad;
}

TEST_F(RtcTest, BothFormatsOfBothHours) {
  start_at("2026-11-21T00:34:56");
  const struct {
    int hour;
    std::uint8_t bcd24, bin24, bcd12, bin12;
  } table[] = {{0, 0x00, 0, 0x12, 12},     {1, 0x01, 1, 0x01, 1},      {9, 0x09, 9, 0x09, 9},
               {10, 0x10, 10, 0x10, 10},   {11, 0x11, 11, 0x11, 11},   {12, 0x12, 12, 0x92, 0x8c},
               {13, 0x13, 13, 0x81, 0x81}, {21, 0x21, 21, 0x89, 0x89}, {22, 0x22, 22, 0x90, 0x8a},
               {23, 0x23, 23, 0x91, 0x8b}};
  int hour = 0;
  for (const auto& row : table) {
    seconds((row.hour - hour) * 3600);
    hour = row.hour;
    put(B, kB24Hour);
    EXPECT_EQ(get(Hours), row.bcd24);
    EXPECT_EQ(get(Minutes), 0x34);
    put(B, kB24Hour | kBBinary);
    EXPECT_EQ(get(Hours), row.bin24);
    EXPECT_EQ(get(Minutes), 34);
    EXPECT_EQ(get(Year), 26);
    EXPECT_EQ(get(Century), 20);
    put(B, 0);
    EXPECT_EQ(get(Hours), row.bcd12);
    put(B, kBBinary);
    EXPECT_EQ(get(Hours), row.bin12);
  }
}

TEST_F(RtcTest, MidnightAndNoonIn12Hours) {
  start_at("2026-11-21T11:59:59");
  put(B, 0);
  EXPECT_EQ(get(Hours), 0x11) << "11 AM";
  seconds(1);
  EXPECT_EQ(get(Hours), 0x92) << "12 PM is noon";
  EXPECT_EQ(get(DayOfMonth), 0x21);
  seconds(12 * 3600 - 1);
  EXPECT_EQ(get(Hours), 0x91) << "11 PM";
  seconds(1);
  EXPECT_EQ(get(Hours), 0x12) << "12 AM is midnight";
  EXPECT_EQ(get(DayOfMonth), 0x22);
  // And the other way, as the guest sets it.
  set_time(0x20, 0x26, 0x11, 0x21, 0x12, 0, 0);
  EXPECT_EQ(std::get<std::string>(rtc_->get("date").get()), "2026-11-21T00:00:00");
  set_time(0x20, 0x26, 0x11, 0x21, 0x92, 0, 0);
  EXPECT_EQ(std::get<std::string>(rtc_->get("date").get()), "2026-11-21T12:00:00");
}

TEST_F(RtcTest, CalendarKnowsLeapYearsAndCenturies) {
  const struct {
    const char* from;
    const char* to;
  } table[] = {{"2023-02-28T23:59:59", "2023-03-01 00:00:00"}, {"2024-02-28T23:59:59", "2024-02-29 00:00:00"},
               {"2024-02-29T23:59:59", "2024-03-01 00:00:00"}, {"2000-02-28T23:59:59", "2000-02-29 00:00:00"},
               {"1900-02-28T23:59:59", "1900-03-01 00:00:00"}, {"2100-02-28T23:59:59", "2100-03-01 00:00:00"},
               {"2099-12-31T23:59:59", "2100-01-01 00:00:00"}, {"2026-04-30T23:59:59", "2026-05-01 00:00:00"},
               {"1969-12-31T23:59:59", "1970-01-01 00:00:00"}, {"2400-02-28T23:59:59", "2400-02-29 00:00:00"}};
  int n = 0;
  for (const auto& row : table) {
    TestMachine machine(0, kStart * kSecond);
    machine.add_isa_bus();
    machine.add<Mc146818Rtc>("rtc", {{"base", row.from}});
    machine.start();
    const auto get = [&](std::uint8_t index) {
      machine.outb(0x70, index);
      return static_cast<unsigned>(machine.inb(0x71));
    };
    machine.step(kSecond);
    EXPECT_EQ(fmt("%02x%02x-%02x-%02x %02x:%02x:%02x", get(Century), get(Year), get(Month), get(DayOfMonth), get(Hours),
                  get(Minutes), get(Seconds)),
              row.to);
    ++n;
  }
  EXPECT_EQ(n, 10);
}

TEST_F(RtcTest, NoDaylightSaving) {
  ASSERT_EQ(setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1), 0);
  tzset();
  start_at("2026-03-29T01:59:59");
  put(B, kB24Hour | kBDse);
  seconds(1);
  EXPECT_EQ(time(), "2026-03-29 02:00:00");
  EXPECT_EQ(get(B), 0x03);
  unsetenv("TZ");
  tzset();
}

TEST_F(RtcTest, DayOfWeekIsTheGuests) {
  start_at("2026-11-21T23:59:59");
  EXPECT_EQ(get(DayOfWeek), 7) << "Saturday";
  seconds(1);
  EXPECT_EQ(get(DayOfWeek), 1) << "Sunday";
  put(DayOfWeek, 5);
  EXPECT_EQ(get(DayOfWeek), 5);
  seconds(86400 * 3);
  EXPECT_EQ(get(DayOfWeek), 1) << "it wraps from 7 to 1";
}

TEST_F(RtcTest, SetInhibitsUpdatesAndKeepsThePhase) {
  start();
  machine_.step(700'000'000);
  put(B, kB24Hour | kBSet);
  seconds(10);
  EXPECT_EQ(time(), "2026-09-21 14:13:20") << "frozen";
  put(Seconds, 0x58), put(Minutes, 0x59), put(Hours, 0x23), put(DayOfMonth, 0x28), put(Month, 0x02), put(Year, 0x24);
  EXPECT_EQ(get(Seconds), 0x58);
  put(B, kB24Hour);
  machine_.step(299'999'999);
  EXPECT_EQ(get(Seconds), 0x58);
  machine_.step(1);
  EXPECT_EQ(get(Seconds), 0x59) << "the divider chain went on while SET was 1";
  seconds(1);
  EXPECT_EQ(time(), "2024-02-29 00:00:00");
}

TEST_F(RtcTest, TimeSetInBinaryAfterFormatChangedUnderSet) {
  start();
  put(B, kBSet | kBBinary);
  EXPECT_EQ(get(Minutes), 0x13) << "bytes stay as they are: the guest must write all of them anew";
  put(Century, 20), put(Year, 26), put(Month, 9), put(DayOfMonth, 21);
  put(Hours, 0x8b), put(Minutes, 59), put(Seconds, 59);
  put(B, kBBinary);
  EXPECT_EQ(get(Minutes), 59);
  seconds(1);
  put(B, kB24Hour);
  EXPECT_EQ(time(), "2026-09-22 00:00:00");
}

TEST_F(RtcTest, TimeBytesCanBeWrittenWhileItRuns) {
  start();
  put(Minutes, 0x59);
  EXPECT_EQ(time(), "2026-09-21 14:59:20");
  seconds(40);
  EXPECT_EQ(time(), "2026-09-21 15:00:00");
}

TEST_F(RtcTest, DividerResetHoldsTheClockAndReleasesItHalfASecondBeforeAnUpdate) {
  start();
  machine_.step(900'000'000);
  put(A, 0x76);
  seconds(5);
  EXPECT_EQ(get(Seconds), 0x20) << "stopped";
  EXPECT_EQ(get(A), 0x76);
  put(A, 0x26);
  machine_.step(499'999'999);
  EXPECT_EQ(get(Seconds), 0x20);
  machine_.step(1);
  EXPECT_EQ(get(Seconds), 0x21);
  seconds(1);
  EXPECT_EQ(get(Seconds), 0x22);
}

TEST_F(RtcTest, UipRises244MicrosecondsBeforeTheUpdate) {
  start();
  machine_.step(kSecond - 244'001);
  EXPECT_EQ(get(A), 0x26);
  machine_.step(1);
  EXPECT_EQ(get(A), 0xa6);
  machine_.step(243'999);
  EXPECT_EQ(get(A), 0xa6);
  EXPECT_EQ(get(Seconds), 0x20);
  machine_.step(1);
  EXPECT_EQ(get(A), 0x26);
  EXPECT_EQ(get(Seconds), 0x21);
  // Neither SET nor a divider in reset lets it rise.
  machine_.step(kSecond - 1000);
  EXPECT_EQ(get(A), 0xa6);
  put(B, kB24Hour | kBSet);
  EXPECT_EQ(get(A), 0x26);
  put(B, kB24Hour);
  put(A, 0x66);
  EXPECT_EQ(get(A), 0x66);
}

TEST_F(RtcTest, UpdateEndedInterrupt) {
  start();
  put(B, kB24Hour | kBUie);
  EXPECT_FALSE(irq());
  machine_.step(kSecond - 1);
  EXPECT_FALSE(irq());
  machine_.step(1);
  EXPECT_TRUE(irq());
  EXPECT_EQ(get(C) & ~kCPf, kCIrqf | kCUf);
  EXPECT_FALSE(irq());
  EXPECT_EQ(get(C), 0) << "reading cleared it";
  seconds(1);
  EXPECT_TRUE(irq());
  put(B, kB24Hour | kBUie | kBSet);
  EXPECT_EQ(get(B), kB24Hour | kBSet) << "SET clears UIE";
  EXPECT_FALSE(irq());
}

TEST_F(RtcTest, FlagsRiseWithoutBeingEnabledAndInterruptWhenTheyAre) {
  start();
  put(A, 0x20);  // no periodic rate
  seconds(1);
  EXPECT_FALSE(irq());
  put(B, kB24Hour | kBUie);
  EXPECT_TRUE(irq()) << "the flag was up already";
  EXPECT_EQ(get(C), kCIrqf | kCUf);
  put(B, kB24Hour);
  seconds(1);
  EXPECT_EQ(get(C), kCUf) << "no IRQF";
}

TEST_F(RtcTest, PeriodicRates) {
  start();
  // Rate select: pulses of the 32768 Hz crystal in a period.
  const unsigned periods[] = {0, 128, 256, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384};
  for (std::uint8_t rate = 0; rate < 16; ++rate) {
    put(B, kB24Hour);
    put(A, 0x20 | rate);
    get(C);
    put(B, kB24Hour | kBPie);
    const unsigned before = machine_.rises(8);
    unsigned taken = 0;
    const std::int64_t end = machine_.now() + 2 * kSecond;
    if (rate == 0) {
      seconds(2);
      EXPECT_EQ(machine_.rises(8), before);
      continue;
    }
    for (unsigned n = 1; n <= 32768 * 2 / periods[rate]; ++n) {
      const auto at = static_cast<std::int64_t>(mul_div_up(n * periods[rate], kSecond, 32768));
      machine_.step(end - 2 * kSecond + at - machine_.now() - 1);
      ASSERT_FALSE(irq()) << "rate " << int{rate} << " tick " << n;
      machine_.step(1);
      ASSERT_TRUE(irq()) << "rate " << int{rate} << " tick " << n;
      ASSERT_TRUE(get(C) & kCPf);
      ++taken;
    }
    EXPECT_EQ(taken, 2 * 32768 / periods[rate]);
  }
}

TEST_F(RtcTest, PeriodicGoesOnWhileSetIsHigh) {
  start();
  put(B, kB24Hour | kBSet | kBPie);
  machine_.step(976'562);
  EXPECT_FALSE(irq());
  machine_.step(1);
  EXPECT_TRUE(irq());
  get(C);
  put(A, 0x76);
  seconds(1);
  EXPECT_FALSE(irq()) << "but not while the divider is held in reset";
}

TEST_F(RtcTest, MissedTicksAreDropped) {
  start();
  put(B, kB24Hour | kBPie);
  seconds(1);
  EXPECT_EQ(machine_.rises(8), 1U);
  get(C);
  EXPECT_FALSE(irq());
}

TEST_F(RtcTest, MissedTicksAreMadeUpFor) {
  start({{"lost_tick_policy", "slew"}});
  put(A, 0x2f);  // 2 Hz
  put(B, kB24Hour | kBPie);
  seconds(3);  // six ticks, five of them lost
  for (int n = 0; n < 6; ++n) {
    ASSERT_TRUE(irq()) << n;
    EXPECT_TRUE(get(C) & kCPf);
  }
  EXPECT_FALSE(irq());
  EXPECT_EQ(machine_.rises(8), 6U);
}

TEST_F(RtcTest, AlarmMatchesOncePerDayInBothFormats) {
  start_at("2026-11-21T12:00:00");
  const struct {
    std::uint8_t b, hour, minute, second;
  } formats[] = {
      {kB24Hour, 0x13, 0x15, 0x30}, {kB24Hour | kBBinary, 13, 15, 30}, {0, 0x81, 0x15, 0x30}, {kBBinary, 0x81, 15, 30}};
  for (const auto& f : formats) {
    put(B, f.b);
    put(HoursAlarm, f.hour), put(MinutesAlarm, f.minute), put(SecondsAlarm, f.second);
    EXPECT_EQ(get(HoursAlarm), f.hour);
    get(C);
    put(B, f.b | kBAie);
    seconds(3600 + 15 * 60 + 29);
    EXPECT_FALSE(irq());
    seconds(1);
    EXPECT_TRUE(irq());
    EXPECT_EQ(get(C) & (kCIrqf | kCAf), kCIrqf | kCAf);
    seconds(86400 - 1);
    EXPECT_FALSE(irq());
    seconds(1);
    EXPECT_TRUE(irq());
    get(C);
    seconds(86400 - (3600 + 15 * 60 + 30));
  }
}

TEST_F(RtcTest, AlarmWildcards) {
  const struct {
    std::uint8_t hour, minute, second;
    std::int64_t first, next;  // seconds until they ring, from 12:00:00
  } table[] = {{0xff, 0xff, 0xff, 1, 1},        {0xc0, 0xc0, 0x30, 30, 60},   {0xff, 0x10, 0x00, 600, 3600},
               {0xff, 0x10, 0xc1, 600, 1},      {0x13, 0xff, 0x05, 3605, 60}, {0x13, 0xfe, 0xd0, 3600, 1},
               {0x12, 0x00, 0x00, 86400, 86400}};
  for (const std::uint8_t b : {kB24Hour, static_cast<std::uint8_t>(kB24Hour | kBBinary)}) {
    for (const auto& row : table) {
      TestMachine machine(0, kStart * kSecond);
      machine.add_isa_bus();
      machine.add<Mc146818Rtc>("rtc", {{"base", "2026-11-21T12:00:00"}});
      machine.start();
      const auto put = [&](std::uint8_t index, std::uint8_t value) {
        machine.outb(0x70, index);
        machine.outb(0x71, value);
      };
      const auto in_format = [&](std::uint8_t v) {
        return static_cast<std::uint8_t>(v >= 0xc0 || !(b & kBBinary) ? v : (v >> 4) * 10 + (v & 15));
      };
      put(B, b);
      put(HoursAlarm, in_format(row.hour)), put(MinutesAlarm, in_format(row.minute));
      put(SecondsAlarm, in_format(row.second));
      put(B, b | kBAie);
      for (const std::int64_t wait : {row.first, row.next}) {
        machine.step(wait * kSecond - 1);
        EXPECT_FALSE(machine.line(8)) << int{row.hour} << ":" << int{row.minute} << ":" << int{row.second};
        machine.step(1);
        EXPECT_TRUE(machine.line(8)) << int{row.hour} << ":" << int{row.minute} << ":" << int{row.second};
        machine.outb(0x70, C);
        EXPECT_TRUE(machine.inb(0x71) & kCAf);
      }
    }
  }
}

TEST_F(RtcTest, ImpossibleAlarmNeverRings) {
  start();
  const std::uint8_t alarms[][3] = {{0x25, 0x00, 0x00}, {0xff, 0x60, 0xff}, {0xff, 0xff, 0x77}, {0xff, 0xff, 0x0a}};
  for (const auto& [hour, minute, second] : alarms) {
    put(HoursAlarm, hour), put(MinutesAlarm, minute), put(SecondsAlarm, second);
    put(B, kB24Hour | kBAie);
    seconds(86400 * 2);
    EXPECT_EQ(get(C) & kCAf, 0) << int{hour} << ":" << int{minute} << ":" << int{second};
  }
}

TEST_F(RtcTest, RegistersCAndDAndUipAreReadOnly) {
  start();
  put(A, 0xa5);
  EXPECT_EQ(get(A), 0x25);
  put(C, 0xff), put(D, 0x00);
  EXPECT_EQ(get(C), 0);
  EXPECT_EQ(get(D), 0x80);
  put(B, 0x0a);
  EXPECT_EQ(get(B), 0x0a);
}

TEST_F(RtcTest, MemoryIsKeptOverReset) {
  start();
  for (unsigned i = 0x0e; i < 0x80; ++i)
    if (i != Century) put(i, static_cast<std::uint8_t>(i * 3));
  put(SecondsAlarm, 0x11);
  put(B, kB24Hour | kBPie | kBAie | kBUie | kBSqwe);
  seconds(1);
  EXPECT_TRUE(irq());
  machine_.reset();
  EXPECT_FALSE(irq());
  EXPECT_EQ(get(C), 0);
  EXPECT_EQ(get(B), kB24Hour) << "RESET clears the enable bits and SQWE";
  EXPECT_EQ(get(SecondsAlarm), 0x11);
  EXPECT_EQ(time(), "2026-09-21 14:13:21");
  for (unsigned i = 0x0e; i < 0x80; ++i) {
    if (i == Century) continue;
    EXPECT_EQ(get(i), static_cast<std::uint8_t>(i * 3)) << i;
  }
}

TEST_F(RtcTest, ShutdownStatusIsTheGuestsUntilTheMachineWakesUp) {
  start();
  put(0x0f, 0x0a);
  machine_.reset();
  EXPECT_EQ(get(0x0f), 0x0a);
  machine_.object().state = RunState::Suspended;
  machine_.reset();
  EXPECT_EQ(get(0x0f), 0xfe);
  machine_.object().state = RunState::Running;
  put(0x0f, 0);
  machine_.reset();
  EXPECT_EQ(get(0x0f), 0);
}

TEST_F(RtcTest, IndexPortHoldsTheNmiMask) {
  start();
  EXPECT_FALSE(rtc_->nmi_disabled());
  machine_.outb(0x70, 0x80 | DayOfMonth);
  EXPECT_TRUE(rtc_->nmi_disabled());
  EXPECT_EQ(machine_.inb(0x71), 0x21) << "bit 7 is no part of the index";
  EXPECT_EQ(machine_.inb(0x70), 0xff) << "write-only";
}

TEST_F(RtcTest, FirmwareDataGoesToMemoryOnly) {
  start();
  rtc_->set_cmos(0x5f, 3);
  EXPECT_EQ(get(0x5f), 3);
  for (const unsigned index : {0x00U, 0x0aU, 0x0dU, 0x32U, 0x80U}) EXPECT_THROW(rtc_->set_cmos(index, 1), Error);
}

TEST_F(RtcTest, HostClockGoesOnWhileTheMachineIsPaused) {
  start();
  machine_.system().host_clock.step_to((kStart + 3600) * kSecond);
  EXPECT_EQ(time(), "2026-09-21 15:13:20");
}

TEST_F(RtcTest, MachineClockStopsWithTheMachine) {
  start({{"clock", "vm"}});
  machine_.system().host_clock.step_to((kStart + 3600) * kSecond);
  EXPECT_EQ(time(), "2026-09-21 14:13:20");
  machine_.system().clock.step_to(2 * kSecond);
  EXPECT_EQ(time(), "2026-09-21 14:13:22");
}

TEST_F(RtcTest, StateKeepsTheGuestsTime) {
  start();
  set_time(0x21, 0x50, 0x06, 0x15, 0x10, 0x20, 0x30);
  put(B, kB24Hour | kBUie);
  const Mc146818State saved = rtc_->get_state();
  set_time(0x19, 0x80, 0x01, 0x01, 0, 0, 0);
  machine_.reset();
  rtc_->set_state(saved);
  EXPECT_EQ(time(), "2150-06-15 10:20:30");
  seconds(1);
  EXPECT_TRUE(irq());
}

TEST_F(RtcTest, GuestMaySetYearsFarAway) {
  start();
  set_time(0x99, 0x99, 0x12, 0x31, 0x23, 0x59, 0x58);
  seconds(1);
  EXPECT_EQ(time(), "9999-12-31 23:59:59");
}

TEST_F(RtcTest, SecondsThatAreNoneDoNoHarm) {
  start();
  for (unsigned value = 0; value < 256; ++value)
    for (const unsigned index : {0U, 2U, 4U, 6U, 7U, 8U, 9U, 0x32U}) put(index, static_cast<std::uint8_t>(value));
  seconds(2);
  for (const unsigned index : {0U, 2U, 4U}) EXPECT_LE(get(index) & 0x0f, 9);
}

}  // namespace
}  // namespace machina::test
