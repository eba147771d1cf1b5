/// CPUs that do not execute code when their machine goes on under another accelerator: halted, waiting for a start-up
/// IPI, in system management mode, with an event that waits. docs/crossing.md.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <ostream>
#include <string>

#include "tests/support/crossing_options.h"
#include "tests/support/debug_session.h"

namespace machina::test {
namespace {

using testing::HasSubstr;

struct Pair {
  std::string name, from, to;
};
void PrintTo(const Pair& pair, std::ostream* out) { *out << pair.name; }

/// Words that the guests count in.
constexpr std::uint64_t kAfterHalt = 0x9000, kNmis = 0x9002, kStarted = 0x9004, kSmis = 0x31000;

class CrossingRest : public testing::TestWithParam<Pair> {
 protected:
  void SetUp() override {
    if (GetParam().from == kKvmOff || GetParam().to == kKvmOff) SKIP_WITHOUT_KVM();
  }

  /// What `script` says, lines.
  static std::string play(unsigned cpus, const std::function<void(DebugSession&, std::string&)>& script) {
    const IsolatedResult r = run_isolated(60, [&] {
      DebugSession s(crossing_options("hello", GetParam().from, cpus));
      s.put(kCode, {0xf4, 0xff, 0x06, 0x00, 0x90, 0xeb, 0xf9});  // l: hlt; inc word [9000h]; jmp l
      s.put(2 * 4, {0x00, 0x7d, 0, 0});
      s.put(0x7d00, {0xff, 0x06, 0x02, 0x90, 0xcf});  // inc word [9002h]; iret
      s.put(0x8000, {0xff, 0x06, 0x04, 0x90, 0xf4});  // inc word [9004h]; hlt
      // In SMM: inc word [cs:1000h]; rsm
      s.put(0x38000, {0x2e, 0xff, 0x06, 0x00, 0x10, 0x0f, 0xaa});
      s.enter(Mode::Real);
      std::string text;
      script(s, text);
      return text;
    });
    return r.failure().empty() ? r.result : r.failure() + "\n" + r.result + r.stderr_;
  }
  static std::string there(DebugSession& s) { return s.go_to(crossing_accelerator(GetParam().to)) + "\n"; }
  static std::string back(DebugSession& s) { return s.go_to(crossing_accelerator(GetParam().from)) + "\n"; }
  template <class Do>
  static void tell(DebugSession& s, unsigned cpu, Do what) {
    const MachineLock::Guard guard(s.machine().system().lock);
    what(s.machine().cpu(cpu));
  }
  /// "halted at 0x7c01, 0 after, 0 NMIs"
  static std::string where(DebugSession& s) {
    s.go(0.1);
    const X86State state = s.state();
    return fmt::format("{} at {:#x}, {} after, {} NMIs\n", state.mp_state == MpState::Halted ? "halted" : "runs",
                       state.rip, s.get(kAfterHalt, 2), s.get(kNmis, 2));
  }
};

const Pair kJitJit{"jit_jit", "jit", "jit"}, kJitKvm{"jit_kvm", "jit", kKvmOff}, kKvmJit{"kvm_jit", kKvmOff, "jit"},
    kKvmKvm{"kvm_kvm", kKvmOff, kKvmOff};
const auto kName = [](const testing::TestParamInfo<Pair>& tested) { return tested.param.name; };
INSTANTIATE_TEST_SUITE_P(Pairs, CrossingRest, testing::Values(kJitJit, kJitKvm, kKvmJit, kKvmKvm), kName);

// There are no SMIs under KVM.
using CrossingToSmm = CrossingRest;
INSTANTIATE_TEST_SUITE_P(Pairs, CrossingToSmm, testing::Values(kJitJit, kKvmJit), kName);
using CrossingFromSmm = CrossingRest;
INSTANTIATE_TEST_SUITE_P(Pairs, CrossingFromSmm, testing::Values(kJitJit, kJitKvm), kName);

TEST_P(CrossingRest, AHaltedCpuStaysHaltedAndIsWokenOnce) {
  const std::string said = play(1, [](DebugSession& s, std::string& text) {
    text += where(s);
    text += there(s);
    text += where(s);
    tell(s, 0, [](X86Cpu& cpu) { cpu.raise_nmi(); });
    text += where(s);
    text += back(s);
    text += where(s);
    tell(s, 0, [](X86Cpu& cpu) { cpu.raise_nmi(); });
    text += where(s);
  });
  EXPECT_EQ(said,
            "halted at 0x7c01, 0 after, 0 NMIs\nok\nhalted at 0x7c01, 0 after, 0 NMIs\n"
            "halted at 0x7c01, 1 after, 1 NMIs\nok\nhalted at 0x7c01, 1 after, 1 NMIs\n"
            "halted at 0x7c01, 2 after, 2 NMIs\n");
}

TEST_P(CrossingRest, AnNmiThatWaitsGoesAlong) {
  const std::string said = play(1, [](DebugSession& s, std::string& text) {
    text += where(s);
    tell(s, 0, [](X86Cpu& cpu) { cpu.raise_nmi(); });
    text += there(s);
    text += where(s);
    text += back(s);
    text += where(s);
  });
  EXPECT_EQ(said,
            "halted at 0x7c01, 0 after, 0 NMIs\nok\nhalted at 0x7c01, 1 after, 1 NMIs\nok\n"
            "halted at 0x7c01, 1 after, 1 NMIs\n");
}

// As KVM on AMD's processors has it: NMIs are blocked already by the one that is to be delivered, and another waits.
TEST(CrossingNmi, OneThatWasAboutToBeDeliveredAndTheNext) {
  const IsolatedResult r = run_isolated(60, [] {
    DebugSession s(crossing_options("hello", "jit"));
    s.put(kCode, {0xf4, 0xeb, 0xfd});
    s.put(2 * 4, {0x00, 0x7d, 0, 0});
    s.put(0x7d00, {0xff, 0x06, 0x02, 0x90, 0xcf});  // inc word [9002h]; iret
    s.enter(Mode::Real);
    X86State state = s.state();
    state.events.nmi_injected = state.events.nmi_masked = state.events.nmi_pending = true;
    s.set(state);
    const std::string error = s.go_to(crossing_accelerator("jit"));
    s.go(0.2);
    return fmt::format("{} {} {}", error, s.get(kNmis, 2), s.state().events.nmi_masked ? "blocked" : "open");
  });
  ASSERT_EQ(r.failure(), "");
  EXPECT_EQ(r.result, "ok 2 open");
}

TEST_P(CrossingRest, ACpuThatWaitsForItsStartWaitsOn) {
  const std::string said = play(3, [](DebugSession& s, std::string& text) {
    const auto started = [&] {
      s.go(0.1);
      text += fmt::format("{} started\n", s.get(kStarted, 2));
    };
    started();
    text += there(s);
    started();
    tell(s, 1, [](X86Cpu& cpu) { cpu.raise_init(), cpu.raise_sipi(8); });
    started();
    text += back(s);
    tell(s, 1, [](X86Cpu& cpu) { cpu.raise_init(); });
    tell(s, 2, [](X86Cpu& cpu) { cpu.raise_init(), cpu.raise_sipi(8); });
    text += there(s);
    started();
    text += back(s);
    tell(s, 1, [](X86Cpu& cpu) { cpu.raise_sipi(8); });
    started();
  });
  EXPECT_EQ(said, "0 started\nok\n0 started\n1 started\nok\nok\n2 started\nok\n3 started\n");
}

// SDM vol. 3, 31.10: RSM halts a CPU again that the SMI has found halted.
TEST_P(CrossingToSmm, AnSmiReturnsToTheHalt) {
  const std::string said = play(1, [](DebugSession& s, std::string& text) {
    text += where(s);
    text += there(s);
    tell(s, 0, [](X86Cpu& cpu) { cpu.raise_smi(); });
    text += where(s);
    text += fmt::format("{} SMIs", s.get(kSmis, 2));
  });
  EXPECT_EQ(said, "halted at 0x7c01, 0 after, 0 NMIs\nok\nhalted at 0x7c01, 0 after, 0 NMIs\n1 SMIs");
}

// Under KVM there is no memory for that.
TEST_P(CrossingFromSmm, ACpuInSystemManagementMode) {
  const std::string said = play(1, [](DebugSession& s, std::string& text) {
    const auto mode = [&] { text += s.state().events.smm ? "in SMM\n" : "not in SMM\n"; };
    s.put(0x38000, {0xeb, 0xfe});
    tell(s, 0, [](X86Cpu& cpu) { cpu.raise_smi(); });
    s.go(0.1);
    mode();
    text += there(s);
    s.go(0.1);
    mode();
    s.put(0x38000, {0x0f, 0xaa});
    text += where(s);
    text += there(s);
    text += where(s);
  });
  const std::string then = "halted at 0x7c01, 0 after, 0 NMIs\nok\nhalted at 0x7c01, 0 after, 0 NMIs\n";
  if (GetParam().to == kKvmOff) {
    EXPECT_THAT(said, HasSubstr("system management mode"));
    EXPECT_THAT(said, testing::EndsWith("\nin SMM\n" + then));
  } else {
    EXPECT_EQ(said, "in SMM\nok\nin SMM\n" + then);
  }
}

}  // namespace
}  // namespace machina::test
