/// A CPU that is plugged in is one of the machine's like the others, whatever accelerators that has had: CPUID, time,
/// and what a debugger has asked for. docs/crossing.md.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include "tests/support/crossing_options.h"
#include "tests/support/debug_session.h"

namespace machina::test {
namespace {

struct Stay {
  std::string name, from, to;  ///< `to` empty: there is no move
};
void PrintTo(const Stay& stay, std::ostream* out) { *out << stay.name; }

constexpr std::uint64_t kPages[2] = {0x5000, 0x6000};  ///< of the paravirtual clock

/// mov ecx, 4B564D01h; mov eax, page + 1; xor edx, edx; wrmsr; l: pause; jmp l
Bytes clock_to(std::uint64_t page) {
  return {0x66, 0xb9, 0x01, 0x4d, 0x56, 0x4b, 0x66, 0xb8, 1,   static_cast<std::uint8_t>(page >> 8), 0, 0,
          0x66, 0x31, 0xd2, 0x0f, 0x30, 0xf3, 0x90, 0xeb, 0xfc};
}

class CrossingPlug : public testing::TestWithParam<Stay> {
 protected:
  void SetUp() override {
    if (GetParam().from == kKvmOff || GetParam().to == kKvmOff) SKIP_WITHOUT_KVM();
  }

  /// A machine that has run, has moved, and has run; empty, or what `script` found wrong.
  static std::string play(const std::function<std::string(DebugSession&)>& script) {
    const IsolatedResult r = run_isolated(60, [&] {
      GuestOptions options = crossing_options("hello", GetParam().from);
      options.max_cpus = 3;
      DebugSession s(options);
      s.put(kCode, clock_to(kPages[0]));
      s.put(0x8000, clock_to(kPages[1]));
      s.enter(Mode::Real);
      s.go(0.1);
      if (!GetParam().to.empty()) {
        if (const std::string wrong = s.go_to(crossing_accelerator(GetParam().to)); wrong != "ok") return wrong;
        s.go(0.3);
      }
      return script(s);
    });
    return r.failure().empty() ? r.result : r.failure() + "\n" + r.result + r.stderr_;
  }
  static void plug(DebugSession& s, unsigned index) {
    const MachineLock::Guard guard(s.machine().system().lock);
    s.machine().machine().plug_cpu(index, "");
  }
  static void start(DebugSession& s, unsigned n) {
    const MachineLock::Guard guard(s.machine().system().lock);
    s.machine().cpu(n).raise_init();
    s.machine().cpu(n).raise_sipi(8);
  }
  /// What the guest reads in a CPU's page of the paravirtual clock when its TSC is `tsc`, ns.
  static std::int64_t clock(DebugSession& s, unsigned n, std::uint64_t tsc) {
    const std::uint64_t page = kPages[n];
    const auto shift = static_cast<std::int8_t>(s.get(page + 28, 1));
    const std::uint64_t ticks = tsc - s.get(page + 8, 8);
    const auto shifted = static_cast<unsigned __int128>(shift < 0 ? ticks >> -shift : ticks << shift);
    return static_cast<std::int64_t>(s.get(page + 16, 8)) +
           static_cast<std::int64_t>(shifted * s.get(page + 24, 4) >> 32);
  }
};

INSTANTIATE_TEST_SUITE_P(Stays, CrossingPlug,
                         testing::Values(Stay{"jit", "jit", ""}, Stay{"kvm", kKvmOff, ""},
                                         Stay{"jit_jit", "jit", "jit"}, Stay{"jit_kvm", "jit", kKvmOff},
                                         Stay{"kvm_jit", kKvmOff, "jit"}, Stay{"kvm_kvm", kKvmOff, kKvmOff}),
                         [](const auto& tested) { return tested.param.name; });

TEST_P(CrossingPlug, ItIsTheSameProcessor) {
  const std::string said = play([](DebugSession& s) {
    plug(s, 1);
    std::string text;
    const X86Cpu &first = s.machine().cpu(0), &second = s.machine().cpu(1);
    if (first.vcpu()->tsc_khz() != second.vcpu()->tsc_khz())
      text += fmt::format("TSC at {} and {} kHz\n", first.vcpu()->tsc_khz(), second.vcpu()->tsc_khz());
    for (CpuidLeaf a : first.cpuid.leaves()) {
      CpuidLeaf b = second.cpuid.find(a.leaf, a.subleaf);
      // The APIC ID.
      if (a.leaf == 1 && a.ebx >> 24 == 0 && b.ebx >> 24 == 1) b.ebx = a.ebx;
      if ((a.leaf == 0xb || a.leaf == 0x1f) && a.edx == 0 && b.edx == 1) b.edx = a.edx;
      if (a != b) text += fmt::format("CPUID {:#x} {} differs\n", a.leaf, a.subleaf);
    }
    if (first.cpuid.leaves().size() != second.cpuid.leaves().size()) text += "more, or fewer, leaves\n";
    return text;
  });
  EXPECT_EQ(said, "");
}

// By the page of the one and the TSC of the other: so does Linux' vDSO.
TEST_P(CrossingPlug, ItHasTheTimeThatTheOthersHave) {
  const std::string said = play([](DebugSession& s) {
    plug(s, 1);
    start(s, 1);
    s.go(0.3);
    const std::uint64_t tsc[2] = {s.state(0).msr(0x10), s.state(1).msr(0x10)};
    std::string text;
    if (tsc[0] != tsc[1]) text += fmt::format("TSC {} and {}\n", tsc[0], tsc[1]);
    if (s.get(kPages[1], 4) == 0) return text + "no clock\n";
    const std::int64_t apart = clock(s, 0, tsc[0]) - clock(s, 1, tsc[1]);
    if (std::abs(apart) > 2'000'000) text += fmt::format("clocks are {} ns apart\n", apart);
    return text;
  });
  EXPECT_EQ(said, "");
}

TEST_P(CrossingPlug, ItStopsForTheDebugger) {
  const std::string said = play([](DebugSession& s) {
    s.set_breakpoints({hardware(0x8000)});
    plug(s, 1);
    start(s, 1);
    return s.go();
  });
  EXPECT_EQ(said, "breakpoint 0x8000");
}

TEST_P(CrossingPlug, ItGoesAndComesAgain) {
  const std::string said = play([](DebugSession& s) {
    std::string text;
    for (int i = 0; i < 3; ++i) {
      plug(s, 1);
      start(s, 1);
      s.go(0.1);
      text += s.get(kPages[1], 4) != 0 ? "runs " : "stands ";
      s.put(kPages[1], {0, 0, 0, 0});
      const MachineLock::Guard guard(s.machine().system().lock);
      s.machine().machine().unplug_cpu(1);
    }
    return text;
  });
  EXPECT_EQ(said, "runs runs runs ");
}

}  // namespace
}  // namespace machina::test
