// What a debugger asks of CPUs, under each accelerator: breakpoints, single steps, watchpoints. The guests are a few
// bytes that each test puts into RAM, in a mode that it puts the CPU into.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/support/debug_session.h"
#include "tests/support/guest_test.h"

namespace machina::test {
namespace {

class GuestDebug : public GuestTest {
 protected:
  /// What `script` says, a line for each thing that happened.
  static std::string play(
      const std::function<void(DebugSession&, const std::function<void(const std::string&)>&)>& script,
      unsigned cpus = 1) {
    const IsolatedResult r = run_isolated(60, [&] {
      DebugSession s(options("hello", cpus));
      std::string text;
      script(s, [&](const std::string& line) { text += line + "\n"; });
      return text;
    });
    return r.failure().empty() ? r.result : r.failure() + "\n" + r.result + r.stderr_;
  }
  static bool is_emulating_kvm() {
    if (!is_kvm()) return false;
    auto accelerator = qom::TypeRegistry::global().create_as<Accelerator>("kvm-accel");
    return accelerator->probe().slow;
  }
  static constexpr Mode kModes[] = {Mode::Real, Mode::Protected16, Mode::Protected32, Mode::Long};
};

// nop; mov al, 1; add al, 2; out F4h, al
const Bytes kStraight = {0x90, 0xb0, 0x01, 0x04, 0x02, 0xe6, 0xf4, 0xeb, 0xfe};

TEST_P(GuestDebug, StopsStepsAndGoesOnInEachMode) {
  for (const Mode mode : kModes) {
    const std::string said = play([mode](DebugSession& s, const auto& say) {
      s.put(kCode, kStraight);
      s.enter(mode);
      say(s.ask(stops({software(kCode + 1)})));
      say(s.go());
      say(s.step());
      say(s.step());
      say(s.ask({}));
      say(s.go());
    });
    EXPECT_EQ(said, "ok\nbreakpoint 0x7c01\nstep 0x7c03\nstep 0x7c05\nok\nshutdown\n") << static_cast<int>(mode);
  }
}

TEST_P(GuestDebug, AnyNumberOfBreakpoints) {
  for (const Mode mode : kModes) {
    if (mode == Mode::Real && is_emulating_kvm()) continue;  // refused there
    const std::string said = play([mode](DebugSession& s, const auto& say) {
      s.put(kCode, Bytes(12, 0x90));
      s.put(kCode + 12, {0xe6, 0xf4, 0xeb, 0xfe});
      s.enter(mode);
      std::vector<Breakpoint> all;
      for (std::uint64_t i = 0; i < 6; ++i) all.push_back(software(kCode + 2 * i + 1));
      for (unsigned i = 0; i < 6; ++i) {
        s.ask(stops(all));
        say(s.go());
        s.step();
      }
      for (std::uint64_t i = 0; i < 12; ++i)
        if (s.get(kCode + i, 1) != 0x90) say(fmt::format("{:#x} is changed", kCode + i));
      s.ask({});
      say(s.go());
    });
    EXPECT_EQ(said,
              "breakpoint 0x7c01\nbreakpoint 0x7c03\nbreakpoint 0x7c05\nbreakpoint 0x7c07\nbreakpoint 0x7c09\n"
              "breakpoint 0x7c0b\nshutdown\n")
        << static_cast<int>(mode);
  }
}

TEST_P(GuestDebug, AnEmulatingKvmSaysWhatItCannotDo) {
  if (!is_emulating_kvm()) GTEST_SKIP() << "not of " << GetParam();
  const std::string said = play([](DebugSession& s, const auto& say) {
    s.enter(Mode::Real);
    say(s.ask(stops({software(1), software(2), software(3), software(4), software(5)})));
    s.enter(Mode::Long);
    say(s.ask(stops({{BreakpointKind::Write, 0x6ff0, 4}})));
    say(s.ask(stops({{BreakpointKind::Write, 0x7fffffff0000, 4}})));
  });
  EXPECT_THAT(said, testing::HasSubstr("four breakpoints in real mode"));
  EXPECT_THAT(said, testing::HasSubstr("0x6ff0 is on a page with the stack"));
  EXPECT_THAT(said, testing::HasSubstr("no memory is mapped at 0x7fffffff0000 now"));
}

// The code writes its own page, in which there is more than what is watched.
TEST_P(GuestDebug, WatchesThePageOfTheCode) {
  const std::string said = play([](DebugSession& s, const auto& say) {
    // mov byte [7d00h], 1; mov byte [7d01h], 2; nop; out
    s.put(kCode,
          {0xc6, 0x04, 0x25, 0x00, 0x7d, 0, 0, 1, 0xc6, 0x04, 0x25, 0x01, 0x7d, 0, 0, 2, 0x90, 0xe6, 0xf4, 0xeb, 0xfe});
    s.enter(Mode::Long);
    X86State state = s.state();
    state.gpr[kRsp] = 0x6000;
    s.set(state);
    say(s.ask(stops({{BreakpointKind::Write, 0x7d01, 1}})));
    say(s.go());
    say(fmt::format("{:#x}", s.get(0x7d00, 2)));
    say(s.go());
  });
  EXPECT_EQ(said, "ok\nwrite 0x7d01 before 0x7c10\n0x201\nshutdown\n");
}

TEST_P(GuestDebug, WatchesRepeatedStringsAndLockedInstructions) {
  const std::string said = play([](DebugSession& s, const auto& say) {
    // mov edi, 20000h; mov ecx, 4; rep stosb; lock inc dword [20000h]; nop; out
    s.put(kCode, {0xbf, 0x00, 0x00, 0x02, 0x00, 0xb9, 4, 0,    0,    0,    0xf3, 0xaa, 0xf0,
                  0xff, 0x04, 0x25, 0,    0,    2,    0, 0x90, 0xe6, 0xf4, 0xeb, 0xfe});
    s.enter(Mode::Long);
    say(s.ask(stops({{BreakpointKind::Write, kData + 1, 1}})));
    say(s.go());
    say(s.go());
    say(fmt::format("{:#x}", s.get(kData, 4) & 0xff));
    say(s.go());
  });
  EXPECT_THAT(said, testing::StartsWith("ok\nwrite 0x20001 before 0x7c0a\nwrite 0x20001 before 0x7c14\n"));
  EXPECT_THAT(said, testing::EndsWith("shutdown\n"));
}

// Four CPUs count in one word, which is watched beside: not one is lost.
TEST_P(GuestDebug, LockedInstructionsOnAWatchedPageAreOnePiece) {
  const std::string said = play(
      [](DebugSession& s, const auto& say) {
        // mov ecx, 2000; l: lock inc dword [20010h]; dec ecx; jnz l; lock inc dword [30000h]; m: pause; jmp m
        s.put(kCode, {0xb9, 0xd0, 7,    0,    0,    0xf0, 0xff, 0x04, 0x25, 0x10, 0,    2,    0,    0xff, 0xc9,
                      0x75, 0xf4, 0xf0, 0xff, 0x04, 0x25, 0,    0,    3,    0,    0xf3, 0x90, 0xeb, 0xfc});
        for (unsigned n = 0; n < 4; ++n) s.enter(Mode::Long, n);
        say(s.ask(stops({{BreakpointKind::Write, kData, 4}})));
        for (unsigned i = 0; i < 100 && s.get(0x30000, 4) != 4; ++i) s.go(0.2);
        say(fmt::format("{} {}", s.get(0x30000, 4), s.get(kData + 16, 4)));
      },
      4);
  EXPECT_EQ(said, "ok\n4 8000\n");
}

TEST_P(GuestDebug, WatchesWrites) {
  for (const Mode mode : {Mode::Protected32, Mode::Long}) {
    const std::string said = play([mode](DebugSession& s, const auto& say) {
      // mov edi, 20000h; mov eax, [rdi]; mov [rdi+8], eax; mov byte [rdi+3], 7; nop; out
      s.put(kCode, {0xbf, 0x00, 0x00, 0x02, 0x00, 0x8b, 0x07, 0x89, 0x47, 0x08, 0xc6, 0x47, 0x03, 0x07, 0x90, 0xe6,
                    0xf4, 0xeb, 0xfe});
      s.enter(mode);
      say(s.ask(stops({{BreakpointKind::Write, kData, 4}})));
      say(s.go());
      say(fmt::format("{:#x}", s.get(kData, 4)));
      say(s.go());
    });
    EXPECT_EQ(said, "ok\nwrite 0x20003 before 0x7c0e\n0x7000000\nshutdown\n") << static_cast<int>(mode);
  }
}

// CMPXCHG16B: a KVM that emulates kernel mode leaves it to the software CPU.
const Bytes kExchange = {0xbf, 0x00, 0x00, 0x02, 0x00,         // mov edi, 20000h
                         0xbb, 0x05, 0x00, 0x00, 0x00,         // mov ebx, 5
                         0x31, 0xc0, 0x31, 0xd2, 0x31, 0xc9,   // eax, edx, ecx = 0
                         0xf0, 0x48, 0x0f, 0xc7, 0x0f,         // lock cmpxchg16b [rdi]
                         0xff, 0xc3, 0xe6, 0xf4, 0xeb, 0xfe};  // inc ebx; out F4h, al

TEST_P(GuestDebug, StepsOverWhatKvmMayNotKnow) {
  const std::string said = play([](DebugSession& s, const auto& say) {
    s.put(kCode, kExchange);
    s.enter(Mode::Long);
    say(s.ask(stops({software(kCode + 16)})));
    say(s.go());
    say(s.step());
    say(fmt::format("{:#x}", s.get(kData, 8)));
    say(s.step());
    say(s.ask({}));
    say(s.go());
  });
  EXPECT_EQ(said, "ok\nbreakpoint 0x7c10\nstep 0x7c15\n0x5\nstep 0x7c17\nok\nshutdown\n");
}

TEST_P(GuestDebug, BreakpointsRightBehindWhatKvmMayNotKnow) {
  const std::string said = play([](DebugSession& s, const auto& say) {
    s.put(kCode, kExchange);
    s.enter(Mode::Long);
    say(s.ask(stops({software(kCode + 21)})));
    say(s.go());
    say(s.ask({}));
    say(s.go());
  });
  EXPECT_EQ(said, "ok\nbreakpoint 0x7c15\nok\nshutdown\n");
}

TEST_P(GuestDebug, WatchesWhatKvmMayNotKnow) {
  const std::string said = play([](DebugSession& s, const auto& say) {
    s.put(kCode, kExchange);
    s.enter(Mode::Long);
    say(s.ask(stops({{BreakpointKind::Write, kData + 8, 4}})));
    say(s.go());
    say(s.go());
  });
  EXPECT_EQ(said, "ok\nwrite 0x20008 before 0x7c15\nshutdown\n");
}

TEST_P(GuestDebug, WatchesAccesses) {
  const std::string said = play([](DebugSession& s, const auto& say) {
    s.put(kCode, {0xbf, 0x00, 0x00, 0x02, 0x00, 0x8b, 0x07, 0x89, 0x47, 0x08, 0xc6, 0x47, 0x03, 0x07, 0x90, 0xe6, 0xf4,
                  0xeb, 0xfe});
    s.enter(Mode::Long);
    say(s.ask(stops({{BreakpointKind::Access, kData, 4}, software(kCode + 10)})));
    say(s.go());
    say(s.go());
    say(s.ask(stops({{BreakpointKind::Access, kData, 4}})));
    say(s.go());
    say(s.go());
  });
  EXPECT_EQ(said, "ok\naccess 0x20000 before 0x7c07\nbreakpoint 0x7c0a\nok\naccess 0x20003 before 0x7c0e\nshutdown\n");
}

// The reset vector: ROM, and the first instruction there is.
TEST_P(GuestDebug, StopsInRom) {
  const std::string said = play([](DebugSession& s, const auto& say) {
    say(s.ask(stops({software(0xfffffff0)})));
    say(s.go());
    say(s.ask({}));
    say(s.go());
    say(s.machine().output());
  });
  EXPECT_EQ(said, "ok\nbreakpoint 0xfffffff0\nok\nshutdown\nhello\n\n");
}

TEST_P(GuestDebug, CodeThatIsWrittenLaterStops) {
  const std::string said = play([](DebugSession& s, const auto& say) {
    // mov byte [7c20h], 90h; jmp 7c20h
    s.put(kCode, {0xc6, 0x04, 0x25, 0x20, 0x7c, 0, 0, 0x90, 0xeb, 0x16});
    s.put(kCode + 0x20, {0xf4, 0xe6, 0xf4, 0xeb, 0xfe});
    s.enter(Mode::Long);
    say(s.ask(stops({software(kCode + 0x20)})));
    say(s.go());
    say(s.step());
    say(s.ask({}));
    say(s.go());
  });
  EXPECT_EQ(said, "ok\nbreakpoint 0x7c20\nstep 0x7c21\nok\nshutdown\n");
}

TEST_P(GuestDebug, CodeThatIsMappedLaterStops) {
  const std::string said = play([](DebugSession& s, const auto& say) {
    s.enter(Mode::Long);
    s.put_entry(kTables + 0x2000 + 8 * 7, 0);
    // mov qword [102038h], E00083h; jmp E00000h by register
    s.put(kCode, {0x48, 0xc7, 0x04, 0x25, 0x38, 0x20, 0x10, 0, 0x83, 0, 0xe0, 0, 0xb8, 0, 0, 0xe0, 0, 0xff, 0xe0});
    s.put(0xe00000, {0x90, 0xe6, 0xf4, 0xeb, 0xfe});
    say(s.ask(stops({hardware(0xe00001)})));
    say(s.go());
    say(s.ask({}));
    say(s.go());
  });
  EXPECT_EQ(said, "ok\nbreakpoint 0xe00001\nok\nshutdown\n");
}

TEST_P(GuestDebug, AStepOverHltHaltsUntilAnInterrupt) {
  const std::string said = play([](DebugSession& s, const auto& say) {
    s.put(kCode, {0xf4, 0xe6, 0xf4, 0xeb, 0xfe});  // hlt; out
    s.enter(Mode::Real);
    say(s.step());
    say(s.state().mp_state == MpState::Halted ? "halted" : "not halted");
    say(s.ask({}));
    say(s.go(0.3));
  });
  EXPECT_EQ(said, "step 0x7c01\nhalted\nok\nruns on\n");
}

TEST_P(GuestDebug, TheGuestsFlagsAreItsOwn) {
  const std::string said = play([](DebugSession& s, const auto& say) {
    s.put(kCode, {0x9c, 0x58, 0x50, 0x9d, 0x90});  // pushf; pop rax; push rax; popf; nop
    for (const Mode mode : {Mode::Real, Mode::Long}) {
      s.enter(mode);
      for (unsigned i = 0; i < 4; ++i) say(s.step());
      const X86State state = s.state();
      say(fmt::format("{:#x} {:#x} {:#x} {:#x}", state.gpr[kRax] & 0xffff, state.rflags & 0x1ffff, state.dr7,
                      state.gpr[kRsp]));
    }
  });
  EXPECT_EQ(said,
            "step 0x7c01\nstep 0x7c02\nstep 0x7c03\nstep 0x7c04\n0x2 0x2 0x400 0x7000\n"
            "step 0x7c01\nstep 0x7c02\nstep 0x7c03\nstep 0x7c04\n0x2 0x2 0x400 0x7000\n");
}

// One of four stops, and all do; and go on.
TEST_P(GuestDebug, OneOfFourCpusStopsAll) {
  const std::string said = play(
      [](DebugSession& s, const auto& say) {
        // Each counts in its own word: inc dword [rbx]; jmp; CPU 3 goes to kCode + 0x40, which joins the others
        s.put(kCode, {0xff, 0x03, 0xeb, 0xfc});
        s.put(kCode + 0x40, {0xff, 0x03, 0x90, 0xeb, 0xfb});
        for (unsigned n = 0; n < 4; ++n) {
          s.enter(Mode::Long, n, n == 3 ? kCode + 0x40 : kCode);
          X86State state = s.state(n);
          state.gpr[kRbx] = kData + 64 * n;
          s.set(state, n);
        }
        say(s.ask(stops({software(kCode + 0x42)})));
        for (unsigned round = 0; round < 3; ++round) {
          say(s.go());
          const std::uint64_t before = s.get(kData, 4);
          say(fmt::format("{} {}", s.get(kData + 64 * 3, 4), s.get(kData, 4) == before ? "all stand" : "some run"));
          DebugRequest step = stops({});
          step.single_step = step.hold_interrupts = true;
          for (unsigned n = 0; n < 4; ++n) s.ask_one(n, n == 3 ? step : DebugRequest{});
          say(s.go());
          s.ask(stops({software(kCode + 0x42)}));
        }
      },
      4);
  EXPECT_EQ(said,
            "ok\nbreakpoint 0x7c42\n1 all stand\nstep 0x7c43\nbreakpoint 0x7c42\n2 all stand\nstep 0x7c43\n"
            "breakpoint 0x7c42\n3 all stand\nstep 0x7c43\n");
}

// A breakpoint in code that a CPU runs at that moment.
TEST_P(GuestDebug, ARequestFindsTheGuestRunning) {
  const std::string said = play([](DebugSession& s, const auto& say) {
    s.put(kCode, {0xff, 0xc0, 0x90, 0xeb, 0xfb});
    s.enter(Mode::Long);
    say(s.go(0.2));
    say(s.ask(stops({software(kCode + 2)})));
    say(s.go());
    say(s.ask(stops({software(kCode + 3)})));
    say(s.go());
    say(s.ask({}));
    say(s.go(0.2));
  });
  EXPECT_EQ(said, "runs on\nok\nbreakpoint 0x7c02\nok\nbreakpoint 0x7c03\nok\nruns on\n");
}

INSTANTIATE_FOR_GUESTS(GuestDebug);

}  // namespace
}  // namespace machina::test
