/// What a debugger has asked for stays in force when a machine goes on under another accelerator: docs/crossing.md. The
/// guests are a few bytes.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include "tests/support/crossing_options.h"
#include "tests/support/debug_session.h"

namespace machina::test {
namespace {

struct Pair {
  std::string name, from, to;
};
void PrintTo(const Pair& pair, std::ostream* out) { *out << pair.name; }

class CrossingDebug : public testing::TestWithParam<Pair> {
 protected:
  void SetUp() override {
    if (GetParam().from == kKvmOff || GetParam().to == kKvmOff) SKIP_WITHOUT_KVM();
  }

  using Say = std::function<void(const std::string&)>;
  /// What `script` says, a line for each thing that happened.
  static std::string play(const std::function<void(DebugSession&, const Say&)>& script) {
    const IsolatedResult r = run_isolated(60, [&] {
      DebugSession s(crossing_options("hello", GetParam().from));
      std::string text;
      script(s, [&](const std::string& line) { text += line + "\n"; });
      return text;
    });
    return r.failure().empty() ? r.result : r.failure() + "\n" + r.result + r.stderr_;
  }
  static std::string there(DebugSession& s) { return s.go_to(crossing_accelerator(GetParam().to)); }
  static std::string back(DebugSession& s) { return s.go_to(crossing_accelerator(GetParam().from)); }
  static std::string bytes(DebugSession& s, std::uint64_t address) { return fmt::format("{:#x}", s.get(address, 8)); }
};

INSTANTIATE_TEST_SUITE_P(Pairs, CrossingDebug,
                         testing::Values(Pair{"jit_jit", "jit", "jit"}, Pair{"jit_kvm", "jit", kKvmOff},
                                         Pair{"kvm_jit", kKvmOff, "jit"}, Pair{"kvm_kvm", kKvmOff, kKvmOff}),
                         [](const auto& tested) { return tested.param.name; });

// More than there are debug registers, so that KVM needs int3 in memory.
TEST_P(CrossingDebug, BreakpointsAreMetOnEachSide) {
  const std::string said = play([](DebugSession& s, const Say& say) {
    s.put(kCode, Bytes(12, 0x90));
    s.put(kCode + 12, {0xe6, 0xf4, 0xeb, 0xfe});
    s.enter(Mode::Long);
    std::vector<Breakpoint> all;
    for (std::uint64_t i = 0; i < 6; ++i) all.push_back(software(kCode + 2 * i + 1));
    const auto past_it = [&] {  // a breakpoint is met again where the CPU goes on
      s.step();
      s.set_breakpoints({});
      s.set_breakpoints(all);
    };
    say(s.set_breakpoints(all));
    for (unsigned i = 0; i < 3; ++i) {
      say(there(s));
      say(s.go());
      past_it();
      say(back(s));
      say(s.go());
      past_it();
      say(bytes(s, kCode));
    }
    say(s.set_breakpoints({}));
    say(s.go());
  });
  std::string expected = "ok\n";
  for (unsigned i = 0; i < 3; ++i)
    expected +=
        fmt::format("ok\nbreakpoint {:#x}\nok\nbreakpoint {:#x}\n0x9090909090909090\n", 0x7c01 + 4 * i, 0x7c03 + 4 * i);
  EXPECT_EQ(said, expected + "ok\nshutdown\n");
}

TEST_P(CrossingDebug, WatchpointsAreMetOnEachSide) {
  const std::string said = play([](DebugSession& s, const Say& say) {
    // mov edi, 20000h; l: inc dword [rdi]; nop; cmp dword [rdi], 4; jne l; out
    s.put(kCode, {0xbf, 0, 0, 2, 0, 0xff, 0x07, 0x90, 0x83, 0x3f, 0x04, 0x75, 0xf8, 0xe6, 0xf4, 0xeb, 0xfe});
    s.enter(Mode::Long);
    say(s.set_breakpoints({{BreakpointKind::Write, kData, 4}}));
    for (unsigned i = 0; i < 2; ++i) {
      say(s.go());
      say(there(s));
      say(s.go());
      say(back(s));
    }
    say(s.go());
  });
  const std::string met = "write 0x20000 before 0x7c07\nok\n";
  EXPECT_EQ(said, "ok\n" + met + met + met + met + "shutdown\n");
}

TEST_P(CrossingDebug, StepsGoOnWhereTheyWere) {
  const std::string said = play([](DebugSession& s, const Say& say) {
    s.put(kCode, {0x90, 0xb0, 0x01, 0x04, 0x02, 0xe6, 0xf4, 0xeb, 0xfe});  // nop; mov al, 1; add al, 2; out
    s.enter(Mode::Long);
    say(s.step());
    say(there(s));
    say(s.step());
    say(back(s));
    say(s.step());
    say(fmt::format("{}", s.state().gpr[kRax] & 0xff));
    say(there(s));
    say(s.ask({}));
    say(s.go());
  });
  EXPECT_EQ(said, "step 0x7c01\nok\nstep 0x7c03\nok\nstep 0x7c05\n3\nok\nok\nshutdown\n");
}

// What a debugger asked for is a reason like others not to go: nothing has changed then.
TEST(CrossingDebugRefusal, WhatTheOtherOneCannotWatch) {
  SKIP_WITHOUT_KVM();
  const IsolatedResult r = run_isolated(60, [] {
    DebugSession s(crossing_options("hello", "jit"));
    s.put(kCode, {0xbf, 0, 0, 2, 0, 0x8b, 0x07, 0x90, 0xe6, 0xf4, 0xeb, 0xfe});  // mov edi, 20000h; mov eax, [rdi]; nop
    s.enter(Mode::Long);
    s.put_entry(kTables + 0x2000 + 8 * 7, 0);  // nothing is mapped at E00000h
    std::vector<Breakpoint> all{{BreakpointKind::Read, kData, 4}};
    for (std::uint64_t i = 0; i < 5; ++i) all.push_back(software(0xe00000 + i));
    s.set_breakpoints(all);
    std::string text = s.go_to(crossing_accelerator(kKvmOff)) + "\n" + s.go() + "\n";
    s.set_breakpoints({});
    return text + s.go_to(crossing_accelerator(kKvmOff)) + "\n" + s.go();
  });
  ASSERT_EQ(r.failure(), "");
  EXPECT_THAT(r.result, testing::AnyOf(testing::HasSubstr("no memory is mapped at 0xe0000"),
                                       testing::HasSubstr("cannot watch reads alone")));
  EXPECT_THAT(r.result, testing::EndsWith("\nread 0x20000 before 0x7c07\nok\nshutdown"));
}

}  // namespace
}  // namespace machina::test
