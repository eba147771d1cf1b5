/// Guests that end in a triple fault, each in another way, and the report that tells how.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "core/log.h"
#include "tests/support/guest_test.h"

namespace machina::test {

/// A port that cannot be read.
class BrokenDevice final : public Device {
 public:
  static constexpr const char* kType = "test-broken-device";
  static void class_init(DeviceClass& c) { c.description = "A port whose read throws"; }

 protected:
  void realize() override { map(system().io_root, 0x600, port_); }

 private:
  IoRegion port_{"port", 1, Widths::only(1), [](Offset, Width) -> IoResult { throw Error("the test breaks it"); }, {}};
};

}  // namespace machina::test

namespace machina {
using test::BrokenDevice;
MACHINA_TYPE(BrokenDevice, Device);
}  // namespace machina

namespace machina::test {
namespace {

using testing::HasSubstr;
using testing::Not;

/// As in deaths.S.
enum class Way : std::uint8_t {
  RealMode,
  EmptyIdt,
  Gate,
  Selector,
  PageFault,
  Stack,
  TaskState,
  Nowhere,
  NoMemory,
  Device
};

class GuestDeaths : public GuestTest {
 protected:
  /// What the user is shown. `log_items` as for -d.
  static std::string die(Way way, bool no_reboot = true, const char* log_items = nullptr) {
    GuestOptions o = options("deaths");
    if (way == Way::Device) {
      o.devices = [](Machine& m) -> std::vector<Device*> {
        auto device = qom::create<BrokenDevice>();
        m.add_child("broken", device);
        return {device.get()};
      };
    }
    o.no_reboot = no_reboot;
    const IsolatedResult r = run_isolated(20, [&] {
      if (log_items) log::enable(log_items);
      GuestMachine m(o);
      m.system().ram->host()[0x500] = static_cast<std::uint8_t>(way);
      unsigned resets = 0;
      if (!no_reboot) {
        const MachineLock::Guard guard(m.system().lock);
        m.machine().add_observer([&](const Machine::EventData& event) {
          if (event.event == Machine::Event::Reset && ++resets == 5)
            m.system().control.request_shutdown(ShutdownCause::HostSignal);
        });
      }
      m.run();
      return std::string();
    });
    EXPECT_EQ(r.failure(), "");
    return r.stderr_;
  }
};

TEST_P(GuestDeaths, InRealMode) {
  if (is_kvm()) GTEST_SKIP() << "a KVM that emulates real mode does not look at the IDTR's limit";
  const std::string text = die(Way::RealMode);
  EXPECT_THAT(text, HasSubstr("stopped: triple fault\nat f000:"));
  EXPECT_THAT(text, HasSubstr(": cc  int3\nfault chain:\n  1. #GP error code 0x0 at f000:"));
  EXPECT_THAT(text, HasSubstr("     of real-mode vector 0x03: beyond the limit of the table\n"));
  EXPECT_THAT(text, HasSubstr("read real-mode vector 0x0d: beyond the limit of the table"));
  EXPECT_THAT(text, HasSubstr("hint: the IDTR's limit 0x3 leaves no room for vector 0x03"));
}

TEST_P(GuestDeaths, WithAnEmptyIdt) {
  const std::string text = die(Way::EmptyIdt);
  EXPECT_THAT(text, HasSubstr("  ud2\nfault chain:\n  1. #UD at 0008:"));
  EXPECT_THAT(text, HasSubstr("read IDT vector 0x06: beyond the limit of the table\n"));
  EXPECT_THAT(text, Not(HasSubstr("MSR"))) << "the guest uses none; a state that is stored is no exit";
  EXPECT_THAT(text, HasSubstr("last exits, oldest first:\n  SHUTDOWN\n"));
  EXPECT_THAT(text, HasSubstr("hint: the IDT holds nothing (base 0x0, limit 0x0)"));
}

TEST_P(GuestDeaths, ByAGateThatIsNotPresent) {
  const std::string text = die(Way::Gate);
  EXPECT_THAT(text, HasSubstr("read IDT vector 0x06 at 0x20030: 00000e0000081234: interrupt gate to 0008:1234, DPL 0, "
                              "not present\n  2. #NP error code 0x33 (vector 0x06 of the IDT, while"));
  EXPECT_THAT(text, HasSubstr("hint: there is no handler for #UD: IDT vector 0x06"));
}

TEST_P(GuestDeaths, ByASelector) {
  const std::string text = die(Way::Selector);
  EXPECT_THAT(text, HasSubstr("  1. #GP error code 0x88 (selector 0x0088 of the GDT) at 0008:"));
  EXPECT_THAT(text, HasSubstr("     of GDT selector 0x0088: beyond the limit of the table\n"));
  EXPECT_THAT(text, HasSubstr("hint: a selector leads nowhere"));
}

TEST_P(GuestDeaths, ByAPageThatIsNotThere) {
  const std::string text = die(Way::PageFault);
  EXPECT_THAT(text, HasSubstr("mov byte ptr [r11], 0x01\nfault chain:\n"));
  EXPECT_THAT(text,
              HasSubstr("  1. #PF error code 0x2 (page not present, supervisor write) CR2=0x7f0000001000 at 0018:"));
  EXPECT_THAT(text,
              HasSubstr("     read IDT vector 0x0e at 0x200e0: 0000000000000000 0000000000000000: empty\n  2. #DF"));
  EXPECT_THAT(text, HasSubstr("R11=00007f0000001000"));
  EXPECT_THAT(text, HasSubstr("hint: there is no handler for #PF"));
}

TEST_P(GuestDeaths, WithoutAStack) {
  const std::string text = die(Way::Stack);
  EXPECT_THAT(text, HasSubstr("push rax\nfault chain:\n"));
  EXPECT_THAT(text,
              HasSubstr("  1. #PF error code 0x2 (page not present, supervisor write) CR2=0x7f0000000ff8 at 0018:"));
  EXPECT_THAT(text, HasSubstr("64-bit code segment"));
  EXPECT_THAT(text, HasSubstr("  2. #DF error code 0x0"));
  EXPECT_THAT(text, HasSubstr("  3. #PF error code 0x2"));
  EXPECT_THAT(text, HasSubstr("hint: CR2 0x7f0000000ff8 lies at the top of the stack"));
}

TEST_P(GuestDeaths, ByATaskStateSegment) {
  const std::string text = die(Way::TaskState);
  EXPECT_THAT(text, HasSubstr("  2. #TS error code 0x29 (selector 0x0028 of the GDT, while an event was delivered)"));
  EXPECT_THAT(text, HasSubstr("hint: the task state segment is no good: TR 0028, base 0x0, limit 0x20"));
}

TEST_P(GuestDeaths, ByAJumpToNowhere) {
  const std::string text = die(Way::Nowhere);
  EXPECT_THAT(text, HasSubstr("at 0018:7f0000001000, where no memory is\n"));
  EXPECT_THAT(text, HasSubstr("CR2=0x7f0000001000"));
  EXPECT_THAT(text, HasSubstr("hint: RIP is not mapped"));
}

TEST_P(GuestDeaths, ByAJumpToWhereNoMemoryIs) {
  const std::string text = die(Way::NoMemory);
  EXPECT_THAT(text, HasSubstr("at 0018:c0000000, where no memory is\n"));
  EXPECT_THAT(text, HasSubstr("hint: RIP leads to physical address 0xc0000000, where neither RAM nor ROM is"));
}

TEST_P(GuestDeaths, ByAnErrorOfMachinasOwn) {
  const std::string text = die(Way::Device);
  EXPECT_THAT(text, HasSubstr("machine-run: error: /machine/cpu[0] stopped: the test breaks it\nat 0018:"));
  EXPECT_THAT(text, HasSubstr("RDX=0000000000000600"));
  EXPECT_THAT(text, Not(HasSubstr("chain")));
}

TEST_P(GuestDeaths, AMachineThatGoesOnTellsThreeTimesInALine) {
  const std::string text = die(Way::PageFault, false);
  std::size_t lines = 0;
  for (std::size_t at = 0; (at = text.find("triple fault at 0018:", at)) != std::string::npos; ++at) ++lines;
  EXPECT_EQ(lines, 3U);
  EXPECT_THAT(text, HasSubstr(": #PF, #DF, #GP. The machine resets; -d cpu_reset, or -no-reboot, tells why\n"));
  EXPECT_THAT(text, Not(HasSubstr("fault chain")));
}

TEST_P(GuestDeaths, AResetThatIsMeantIsQuiet) {
  EXPECT_EQ(die(Way::EmptyIdt, false), "");
  EXPECT_THAT(die(Way::EmptyIdt, false, "cpu_reset"), HasSubstr("fault chain:\n  1. #UD"));
}

INSTANTIATE_FOR_GUESTS(GuestDeaths);

}  // namespace
}  // namespace machina::test
