/// A stopped machine goes on under another accelerator, again and again: docs/crossing.md.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <sstream>
#include <string>
#include <vector>

#include "accel/jit/jit_accelerator.h"
#include "accel/kvm/kvm_accelerator.h"
#include "accel/kvm/kvm_api.h"
#include "core/error.h"
#include "tests/support/crossing_options.h"
#include "tests/support/fake_kvm.h"
#include "tests/support/guest_machine.h"
#include "tests/support/interrupt_board.h"

namespace machina::test {
namespace {

using testing::AnyOf;
using testing::HasSubstr;

// crossing.S
constexpr std::uint64_t kFlags = 0x2f000, kBlocks = 0x30000;
constexpr unsigned kLoops = 0, kErrors = 8, kTicks = 16, kClock = 32, kVirtual = 40;
constexpr std::uint64_t kUseAvx = 1, kUseClock = 2;

GuestOptions guest_options(const std::string& first, unsigned cpus, std::uint64_t flags) {
  GuestOptions o = crossing_options("crossing", first, cpus, flags & kUseAvx);
  o.devices = [](Machine& m) { return add_interrupt_board(m); };
  return o;
}

/// The guest `crossing`, and what it says of itself.
class Crossed {
 public:
  Crossed(const std::string& first, unsigned cpus, std::uint64_t flags)
      : guest_(guest_options(first, cpus, flags)), cpus_(cpus) {
    const MachineLock::Guard guard(guest_.system().lock);
    guest_.system().memory.store(kFlags, 4, flags);
  }

  GuestMachine& guest() { return guest_; }
  Machine& machine() { return guest_.machine(); }

  std::uint64_t of(unsigned cpu, unsigned what) { return guest_.system().memory.load(kBlocks + 0x100 * cpu + what, 8); }

  /// Runs until each CPU has come so far in its work, and stops. Empty, or what went wrong.
  std::string run(unsigned loops, unsigned ticks) {
    std::vector<std::uint64_t> before;
    for (unsigned i = 0; i < cpus_; ++i) before.push_back(of(i, kLoops)), before.push_back(of(i, kTicks));
    const auto far_enough = [&] {
      for (unsigned i = 0; i < cpus_; ++i)
        if (of(i, kLoops) < before[2 * i] + loops || of(i, kTicks) < before[2 * i + 1] + ticks) return false;
      return true;
    };
    {
      const MachineLock::Guard guard(guest_.system().lock);
      machine().start();
    }
    const bool done = guest_.run_until(far_enough, 30);
    const MachineLock::Guard guard(guest_.system().lock);
    if (machine().run_state() != RunState::Running)
      return fmt::format("it stopped: {}", run_state_name(machine().run_state()));
    machine().stop();
    for (unsigned i = 0; i < cpus_; ++i)
      if (of(i, kErrors) != 0) return fmt::format("cpu {} found changes: {:#x}", i, of(i, kErrors));
    if (done) return {};
    std::string where;
    for (unsigned i = 0; i < cpus_; ++i)
      where += fmt::format(" cpu {}: {} loops, {} ticks, rip {:#x};", i, of(i, kLoops) - before[2 * i],
                           of(i, kTicks) - before[2 * i + 1], guest_.cpu(i).state().rip);
    return "it stands:" + where;
  }

  std::vector<X86State> states() {
    const MachineLock::Guard guard(guest_.system().lock);
    std::vector<X86State> all;
    for (unsigned i = 0; i < cpus_; ++i) all.push_back(guest_.cpu(i).state());
    return all;
  }

  /// Empty, or the error.
  std::string go_to(qom::Ref<Accelerator> next) {
    const MachineLock::Guard guard(guest_.system().lock);
    try {
      machine().change_accelerator(std::move(next));
      return {};
    } catch (const Error& e) {
      return fmt::format("{}: {} ({})", e.message(), e.cause(), e.advice());
    }
  }

  /// Paravirtual clock less virtual time, ns.
  std::int64_t clock_ahead() {
    return static_cast<std::int64_t>(of(0, kClock)) - 1000 * static_cast<std::int64_t>(of(0, kVirtual));
  }

 private:
  GuestMachine guest_;
  unsigned cpus_;
};

/// What differs although nothing may: less what docs/crossing.md says of TSC, XSAVE areas and MSRs.
std::string lost(X86State before, X86State after, bool same_tsc) {
  before.xsave = canonical_xsave(before.xsave);
  after.xsave = canonical_xsave(after.xsave);
  // Areas differ in size where the one accelerator has components that the other has not: zeros, then.
  const std::size_t size = std::max(before.xsave.size(), after.xsave.size());
  before.xsave.resize(size), after.xsave.resize(size);
  before.tsc_khz = after.tsc_khz = 0;
  for (X86State* s : {&before, &after})
    if (!s->events.interrupt_injected) s->events.interrupt_vector = 0;
  constexpr std::uint32_t kTsc = 0x10;
  if (!same_tsc) after.set_msr(kTsc, before.msr(kTsc));
  std::vector<X86Msr> both;
  for (const X86Msr& m : before.msrs)
    if (std::any_of(after.msrs.begin(), after.msrs.end(), [&](const X86Msr& o) { return o.index == m.index; }))
      both.push_back(m);
  before.msrs = both;
  std::string text;
  for (const std::string& line : differences(before, after)) text += "\n  " + line;
  return text;
}

struct Route {
  std::string name;
  std::vector<std::string> accelerators;  ///< the first one, and then in turn
  unsigned moves;
};
void PrintTo(const Route& route, std::ostream* out) { *out << route.name; }

class Crossing : public testing::TestWithParam<Route> {
 protected:
  void SetUp() override {
    const auto& all = GetParam().accelerators;
    if (std::find(all.begin(), all.end(), kKvmOff) != all.end()) SKIP_WITHOUT_KVM();
  }
  static std::uint64_t avx() { return !has_kvm() || CrossingHost::get().avx ? kUseAvx : 0; }
  static bool has_kvm() { return GetParam().name != "jit_jit"; }

  /// From accelerator to accelerator, with a stay under each; empty, or what went wrong.
  static std::string travel(unsigned cpus, unsigned moves, std::uint64_t flags) {
    const std::vector<std::string>& route = GetParam().accelerators;
    Crossed g(route.front(), cpus, flags);
    std::int64_t ahead = 0;
    for (unsigned i = 0; i <= moves; ++i) {
      if (const std::string wrong = g.run(2, 1); !wrong.empty())
        return fmt::format("stay {} ({}): {}", i, g.machine().accelerator().type_name(), wrong);
      if (i == 0) ahead = g.clock_ahead();
      if (i == moves) break;
      const std::vector<X86State> before = g.states();
      const std::string& next = route[(i + 1) % route.size()];
      if (const std::string wrong = g.go_to(crossing_accelerator(next)); !wrong.empty())
        return fmt::format("move {} to {}: {}", i, next, wrong);
      const std::vector<X86State> after = g.states();
      for (unsigned n = 1; n < cpus; ++n)
        if (after[n].msr(0x10) != after[0].msr(0x10))
          return fmt::format("move {} to {}: TSC of cpu 0 {}, of cpu {} {}", i, next, after[0].msr(0x10), n,
                             after[n].msr(0x10));
      for (unsigned n = 0; n < cpus; ++n)
        if (const std::string what = lost(before[n], after[n], !has_kvm()); !what.empty())
          return fmt::format("move {} to {}, cpu {}:{}", i, next, n, what);
    }
    if (!(flags & kUseClock)) return {};
    // The clock and virtual time are read one after the other, and are stopped one after the other at each stop.
    const std::int64_t off = g.clock_ahead() - ahead, bound = 5'000'000 + 2'000'000 * std::int64_t{moves};
    return std::abs(off) < bound ? std::string() : fmt::format("the clock is {} ns off after {} moves", off, moves);
  }
};

TEST_P(Crossing, AGuestGoesOnUnderTheOtherAccelerator) {
  const IsolatedResult r = run_isolated(150, [] { return travel(1, GetParam().moves, avx()); });
  ASSERT_EQ(r.failure(), "");
  EXPECT_EQ(r.result, "") << r.stderr_;
}

TEST_P(Crossing, SeveralProcessorsAndTheParavirtualClockGoOn) {
  const IsolatedResult r = run_isolated(150, [] { return travel(3, GetParam().moves / 2, avx() | kUseClock); });
  ASSERT_EQ(r.failure(), "");
  EXPECT_EQ(r.result, "") << r.stderr_;
}

INSTANTIATE_TEST_SUITE_P(Routes, Crossing,
                         testing::Values(Route{"jit_jit", {"jit"}, 100}, Route{"jit_kvm", {"jit", kKvmOff}, 60},
                                         Route{"kvm_jit", {kKvmOff, "jit"}, 20}, Route{"kvm_kvm", {kKvmOff}, 20}),
                         [](const auto& tested) { return tested.param.name; });

// --- what cannot be had ---

/// A KVM whose CPUs have all that the software CPU's have.
void give_features(FakeKvm& fake) {
  JitAccelerator jit;
  const CpuidTable table = jit.supported_cpuid();
  for (const CpuidLeaf& l : table.leaves()) {
    kvm_cpuid_entry2 e{};
    e.function = l.leaf;
    e.index = l.subleaf;
    e.flags = l.has_subleaves ? KVM_CPUID_FLAG_SIGNIFCANT_INDEX : 0;
    e.eax = l.eax, e.ebx = l.ebx, e.ecx = l.ecx, e.edx = l.edx;
    fake.supported.push_back(e);
  }
}

qom::Ref<Accelerator> fake_accelerator(FakeKvm& fake) {
  const auto made = qom::TypeRegistry::global().create_as<KvmAccelerator>(KvmAccelerator::kType);
  made->set_calls(fake);
  made->set_text("kernel-irqchip", "off");
  return made;
}

/// Tries each, in an order that the test names; between two the guest must go on. What was said, a line each.
std::string refusals(Crossed& g, const std::vector<std::function<qom::Ref<Accelerator>()>>& tries) {
  std::string said;
  for (const auto& make : tries) {
    const std::string error = g.go_to(make());
    said += (error.empty() ? "it was taken" : error) + "\n";
    if (const std::string wrong = g.run(2, 1); !wrong.empty()) return said + wrong;
  }
  return said;
}

TEST(CrossingRefusals, AMachineThatRunsMustBeStoppedFirst) {
  const IsolatedResult r = run_isolated(60, [] {
    Crossed g("jit", 1, 0);
    {
      const MachineLock::Guard guard(g.guest().system().lock);
      g.machine().start();
    }
    const std::string error = g.go_to(crossing_accelerator("jit"));
    return error + (g.guest().run_until([&] { return g.of(0, kLoops) > 5; }, 20) ? "" : "it stands");
  });
  ASSERT_EQ(r.failure(), "");
  EXPECT_EQ(r.result, "the machine runs: stop it first:  ()");
}

TEST(CrossingRefusals, AnAcceleratorThatIsNotThereOrRunsNothing) {
  EXPECT_THROW(crossing_accelerator("hvf"), Error);
  EXPECT_THROW(crossing_accelerator("kvm,irqchips=off"), Error);
  EXPECT_THROW(crossing_accelerator(""), Error);
  const IsolatedResult r = run_isolated(60, [] {
    Crossed g("jit", 2, 0);
    FakeKvm gone;
    gone.open_error = ENOENT;
    return refusals(
        g, {[] { return crossing_accelerator("qtest"); }, [] { return crossing_accelerator("kvm"); },
            [] { return crossing_accelerator("kvm,kernel-irqchip=split"); }, [&] { return fake_accelerator(gone); }});
  });
  ASSERT_EQ(r.failure(), "");
  std::istringstream lines(r.result);
  std::string line;
  std::getline(lines, line);
  EXPECT_THAT(line, HasSubstr("'qtest-accel' runs no CPUs"));
  for (int i = 0; i < 2; ++i) {
    std::getline(lines, line);
    EXPECT_THAT(line, HasSubstr("-accel kvm,kernel-irqchip=off"));
  }
  std::getline(lines, line);
  EXPECT_THAT(line, HasSubstr("cannot open /dev/kvm"));
  EXPECT_FALSE(std::getline(lines, line)) << line;
}

// Whatever the kernel refuses on the way, the guest goes on where it was, and nothing of the attempt stays open.
TEST(CrossingRefusals, AKernelThatRefusesAnything) {
  const std::vector<unsigned long> requests = {
      KVM_CREATE_VM, KVM_CREATE_VCPU, KVM_SET_CPUID2, KVM_SET_SREGS2,      KVM_SET_REGS,
      KVM_SET_XSAVE, KVM_SET_XCRS,    KVM_SET_MSRS,   KVM_SET_VCPU_EVENTS, KVM_SET_USER_MEMORY_REGION};
  const IsolatedResult r = run_isolated(60, [&] {
    Crossed g("jit", 2, kUseAvx | kUseClock);
    std::string said;
    for (const unsigned long request : requests) {
      FakeKvm fake;
      give_features(fake);
      fake.tsc_khz = CrossingHost::get().tsc_khz;
      fake.errors[request] = EINVAL;
      said += refusals(g, {[&] { return fake_accelerator(fake); }});
      if (!fake.open_fds.empty()) said += fmt::format("{} descriptors are open\n", fake.open_fds.size());
    }
    return said;
  });
  ASSERT_EQ(r.failure(), "");
  std::istringstream lines(r.result);
  std::size_t count = 0;
  for (std::string line; std::getline(lines, line); ++count)
    EXPECT_THAT(line, AnyOf(HasSubstr("Invalid argument"), HasSubstr("KVM refuses guest memory"))) << count;
  EXPECT_EQ(count, requests.size()) << r.result;
}

TEST(CrossingRefusals, ACpuThatTheGuestWouldNotKnowAgain) {
  const IsolatedResult r = run_isolated(60, [] {
    Crossed g("jit", 1, kUseAvx);
    FakeKvm poor, slow;
    give_features(poor);
    give_features(slow);
    poor.tsc_khz = CrossingHost::get().tsc_khz;
    slow.tsc_khz = CrossingHost::get().tsc_khz / 2;
    slow.capabilities[KVM_CAP_TSC_CONTROL] = 0;
    for (kvm_cpuid_entry2& e : poor.supported)
      if (e.function == 1) e.ecx &= ~(1U << 28 | 1U << 13);
    return refusals(g, {[&] { return fake_accelerator(poor); }, [&] { return fake_accelerator(slow); }});
  });
  ASSERT_EQ(r.failure(), "");
  EXPECT_THAT(r.result, HasSubstr("a CPU that KVM does not support: it lacks cx16, avx"));
  EXPECT_THAT(r.result, HasSubstr("add ,-cx16,-avx to its -cpu"));
  EXPECT_THAT(r.result, HasSubstr("cannot go on at its frequency"));
  EXPECT_THAT(r.result, HasSubstr("tsc-frequency="));
}

TEST(CrossingRefusals, AMachineWhoseControllersAreInTheKernelStaysThere) {
  SKIP_WITHOUT_KVM();
  const IsolatedResult r = run_isolated(60, [] {
    Crossed g("kvm,kernel-irqchip=on", 1, 0);
    return refusals(g, {[] { return crossing_accelerator("jit"); }, [] { return crossing_accelerator(kKvmOff); }});
  });
  ASSERT_EQ(r.failure(), "");
  std::istringstream lines(r.result);
  for (std::string line; std::getline(lines, line);) {
    EXPECT_THAT(line, HasSubstr("the machine cannot change its accelerator"));
    EXPECT_THAT(line, HasSubstr("-accel kvm,kernel-irqchip=off"));
  }
}

}  // namespace
}  // namespace machina::test
