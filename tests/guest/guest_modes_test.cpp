// Guests that show that a CPU is one: modes, accesses, CPUID, MSRs, faults, and state that survives a trip.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <map>
#include <sstream>

#include "tests/support/guest_test.h"
#include "tests/support/interrupt_board.h"

namespace machina::test {
namespace {

using testing::HasSubstr;

class GuestModes : public GuestTest {
 protected:
  /// KVM reads back every state that is loaded.
  static GuestOptions options(const std::string& guest) {
    GuestOptions o = GuestTest::options(guest);
    if (is_kvm()) o.accel.emplace_back("verify-state", "on");
    return o;
  }
  static void expect_output(const char* guest, const std::string& output) { expect_output(options(guest), output); }
  static void expect_output(const GuestOptions& options, const std::string& output) {
    const GuestRun run = run_guest(options);
    EXPECT_EQ(run.failure, "");
    EXPECT_EQ(run.output, output);
    EXPECT_EQ(run.exit_code, 1);
  }
};

TEST_P(GuestModes, FirstInstructionToExit) { expect_output("hello", "hello\n"); }
TEST_P(GuestModes, RealModePortsStringsAndInterrupts) { expect_output("real", "abcdefghijkl"); }
TEST_P(GuestModes, ProtectedModeRegistersOfEachSize) { expect_output("protected", "abcdefghijklmnopqq"); }
TEST_P(GuestModes, LongModeRegistersPortsAndPageFault) { expect_output("long", "abcdefghijkl"); }
TEST_P(GuestModes, MsrsKeepWhatIsWrittenAndUnknownOnesFault) {
  GuestOptions o = options("msr");
  o.devices = [](Machine& m) { return add_interrupt_board(m); };  // IA32_APIC_BASE is that of a CPU with an APIC
  expect_output(o, "abcdefghijk");
}

TEST_P(GuestModes, TripleFaultResetsTheMachine) {
  const GuestRun stop = run_guest(options("triple_fault"));
  EXPECT_EQ(stop.failure, "");
  EXPECT_EQ(stop.output, "t");
  EXPECT_EQ(stop.exit_code, 0);  // -no-reboot: the reset ends the machine

  GuestOptions again = options("triple_fault");
  again.no_reboot = false;
  const IsolatedResult r = run_isolated(20, [&] {
    GuestMachine m(again);
    {
      const MachineLock::Guard guard(m.system().lock);
      m.machine().start();
    }
    const bool thrice = m.run_until([&] { return m.output().size() >= 3; }, 10);
    return std::string(thrice ? "thrice" : "stuck");
  });
  EXPECT_EQ(r.failure(), "");
  EXPECT_EQ(r.result, "thrice");
}

using Leaves = std::map<std::pair<unsigned, unsigned>, std::array<unsigned, 4>>;
Leaves parse_leaves(const std::string& output) {
  Leaves leaves;
  std::istringstream lines(output);
  for (std::string line; std::getline(lines, line);) {
    unsigned v[6];
    if (std::sscanf(line.c_str(), "%x %x %x %x %x %x", &v[0], &v[1], &v[2], &v[3], &v[4], &v[5]) == 6)
      leaves[{v[0], v[1]}] = {v[2], v[3], v[4], v[5]};
  }
  return leaves;
}

TEST_P(GuestModes, GuestSeesTheCpuModel) {
  GuestOptions o = options("cpuid");
  o.cpu_model = "qemu64,model-id=Teaching CPU,stepping=3";
  const GuestRun run = run_guest(o);
  EXPECT_EQ(run.failure, "");
  Leaves l = parse_leaves(run.output);
  ASSERT_EQ(l.size(), 18U) << run.output;
  EXPECT_EQ((l[{0, 0}]), (std::array<unsigned, 4>{0xd, 0x68747541, 0x444d4163, 0x69746e65}));  // AuthenticAMD
  EXPECT_EQ((l[{1, 0}][0]), 0x00060fb3U);
  EXPECT_EQ((l[{1, 0}][1]), 0x00010800U);
  // Bits of leaves 1:ECX and 7 are not looked at: a KVM without hardware help shows the host's, whatever was set.
  EXPECT_EQ((l[{1, 0}][2] >> 31), 1U);  // a hypervisor
  // A machine without an APIC bus has CPUs without local APICs, but for those in the kernel.
  EXPECT_EQ((l[{1, 0}][3] >> 9 & 1), is_apic_in_kernel() ? 1U : 0U);
  EXPECT_EQ((l[{0x80000001, 0}][3] >> 29 & 1), 1U);  // long mode
  EXPECT_EQ((l[{0x80000002, 0}][0]), 0x63616554U);   // "Teac"
  EXPECT_EQ((l[{0xb, 0}]), (std::array<unsigned, 4>{0, 1, 0x100, 0}));
  EXPECT_EQ((l[{0xb, 1}]), (std::array<unsigned, 4>{0, 1, 0x201, 0}));
  EXPECT_EQ((l[{0x40000000, 0}]), (std::array<unsigned, 4>{0x40000001, 0x4b4d564b, 0x564b4d56, 0x4d}));
  EXPECT_NE((l[{0x40000001, 0}][0] & 8), 0U);  // kvmclock
}

TEST_P(GuestModes, CpusOnAnApicBusHaveALocalApic) {
  GuestOptions o = options("cpuid");
  o.devices = [](Machine& m) { return add_interrupt_board(m); };
  const GuestRun run = run_guest(o);
  EXPECT_EQ(run.failure, "");
  EXPECT_EQ((parse_leaves(run.output)[{1, 0}][3] >> 9 & 1), 1U);
}

TEST_P(GuestModes, HostModelRunsAlthoughAnMsrIsRefused) {
  GuestOptions o = options("cpuid");
  o.cpu_model = "host,kvm=off";
  const GuestRun run = run_guest(o);
  EXPECT_EQ(run.failure, "");
  Leaves l = parse_leaves(run.output);
  EXPECT_EQ((l[{0x40000000, 0}][1] == 0x4b4d564b), false) << "the signature is switched off";
  // Either the host's KVM takes MSR 10Ah, or its feature bit is gone and one line says so.
  const bool advertised = (l[{7, 0}][3] >> 29 & 1) != 0;
  const bool told = run.stderr_.find("0x10a") != std::string::npos;
  EXPECT_FALSE(advertised && told) << run.stderr_;
  EXPECT_EQ(run.stderr_.find("0x10a"), run.stderr_.rfind("0x10a")) << "once: " << run.stderr_;
}

TEST_P(GuestModes, UnknownFeaturesAndModelsAreOneError) {
  GuestOptions o = options("hello");
  o.cpu_model = "qemu46";
  EXPECT_THAT(run_guest(o).failure, HasSubstr("did you mean 'qemu64'?"));
  o.cpu_model = "qemu64,+amx-tile,enforce";
  const GuestRun run = run_guest(o);
  if (run.failure.empty()) GTEST_SKIP() << "this host has AMX";
  EXPECT_THAT(run.failure, HasSubstr("amx-tile (CPUID 7.0:EDX bit 24)"));
}

// Each instruction that KVM stops at on hosts where it emulates kernel mode, and each letter is one that went right.
TEST_P(GuestModes, SoftwareCpuCarriesOutWhatKvmCannot) {
  const GuestRun run = run_guest(options("steps"));
  EXPECT_EQ(run.failure, "");
  EXPECT_EQ(run.exit_code, 1) << run.stderr_;
  // CMPXCHG16B, POPCNT, RDTSCP and SMAP are the model's to have.
  EXPECT_THAT(run.output, testing::MatchesRegex("abcdef(gh|--)ijklmnopqr[s-][t-][u-]vw"));
  if (is_kvm() && run.stderr_.find("KVM cannot emulate") == std::string::npos) std::printf("KVM needed no help here\n");
}

// SYSCALL from ring 3, of which a KVM that emulates kernel mode does a part.
TEST_P(GuestModes, ProgramsCallTheirKernel) { expect_output("syscall", "kkke"); }

// A KVM that emulates kernel mode may show AVX-512, which it does not know; others know no store of it to a device.
TEST_P(GuestModes, Avx512IsCarriedOutWhereTheGuestSeesIt) {
  const GuestRun run = run_guest(options("avx512"));
  EXPECT_EQ(run.failure, "");
  EXPECT_EQ(run.exit_code, 1) << run.stderr_;
  EXPECT_THAT(run.output, testing::AnyOf("n", "abcdefgh"));
}

TEST_P(GuestModes, InstructionThatKvmCannotEmulateIsReported) {
  GuestOptions bare = options("fpu");
  if (is_kvm()) bare.accel.emplace_back("software-steps", "off");
  const GuestRun run = run_guest(bare);
  EXPECT_EQ(run.failure, "");
  if (run.output == "12" || !is_kvm()) {
    EXPECT_EQ(run.output, "12");
    EXPECT_EQ(run.exit_code, 1);
    return;  // a software CPU, or a KVM that has hardware help: nothing to report
  }
  EXPECT_EQ(run.output, "1");
  EXPECT_EQ(run.exit_code, -1);
  EXPECT_EQ(run.run_state, "internal-error");
  EXPECT_THAT(run.stderr_,
              HasSubstr("KVM cannot emulate an instruction;\nthe software CPU is not to help: software-steps=off"));
  EXPECT_THAT(run.stderr_, HasSubstr("fld1"));
  EXPECT_THAT(run.stderr_, HasSubstr("CR0=00000011"));
  EXPECT_THAT(run.stderr_, HasSubstr("IO out 0x402 1 byte: 0x31"));
  EXPECT_THAT(run.stderr_, HasSubstr("A software CPU executes it"));
}

/// A state unlike the one after reset, as far as a CPU in real mode may have it.
X86State odd_state(X86Cpu& cpu) {
  X86State s = cpu.state();
  for (unsigned i = 0; i < 16; ++i) s.gpr[i] = 0x0102030405060708 * (i + 1);
  s.rip = 0x1234;
  s.rflags = 0x8d7;
  s.segment[kDs].selector = 0x1234;
  s.segment[kDs].base = 0x12340;
  s.gdt = {0x7000, 0x7f};
  s.idt = {0x8000, 0x3ff};
  s.cr0 = 0x10;
  s.cr2 = 0xdeadb000;
  s.cr3 = 0x5000;
  s.cr4 = 0x610;  // PSE, OSFXSR, OSXMMEXCPT
  s.dr = {0x1000, 0x2000, 0x3000, 0x4000};
  s.dr7 = 0x455;
  for (std::size_t i = 160; i < 416; ++i) s.xsave[i] = static_cast<std::uint8_t>(i * 7);  // XMM0 to XMM15
  s.xsave[0] = 0x7f, s.xsave[1] = 0x03;                                                   // FCW
  s.set_msr(0x174, 0x10);
  s.set_msr(0xc0000082, 0x123456789abc);
  s.set_msr(0xc0000102, 0x7fff00001000);
  s.set_msr(0x277, 0x0606060606060606);
  s.events.nmi_masked = true;
  return s;
}

TEST_P(GuestModes, AnyStateIsReadBackAsItWasSet) {
  const IsolatedResult r = run_isolated(20, [&] {
    GuestMachine m(options("hello"));
    const MachineLock::Guard guard(m.system().lock);
    const X86State s = odd_state(m.cpu());
    m.cpu().set_state(s);  // verify-state throws where KVM lost something
    X86State back = m.cpu().state();
    std::string text;
    for (const std::string& line : differences(s, back))
      if (line.find("msr 0x10:") == std::string::npos && line.find("lapic[0x39") == std::string::npos)
        text += line + "\n";
    m.cpu().reset_hold();
    if (m.cpu().state().msr(0x174) != 0) text += "reset keeps MSR 174h\n";
    return text;
  });
  EXPECT_EQ(r.failure(), "");
  EXPECT_EQ(r.result, "");
}

TEST_P(GuestModes, ManyCpusHaveTheirOwnState) {
  GuestOptions o = options("hello");
  o.cpus = 4;
  o.devices = [](Machine& m) { return add_interrupt_board(m); };
  const IsolatedResult r = run_isolated(20, [&] {
    GuestMachine m(o);
    const MachineLock::Guard guard(m.system().lock);
    std::string text;
    for (unsigned n = 0; n < 4; ++n) {
      const X86State s = m.cpu(n).state();
      text += fmt::format("{}{}{} ", s.apic_base >> 8 & 1, s.mp_state == MpState::Runnable ? "r" : "w",
                          m.cpu(n).cpuid.find(1).ebx >> 24);
    }
    return text;
  });
  EXPECT_EQ(r.failure(), "");
  EXPECT_EQ(r.result, "1r0 0w1 0w2 0w3 ");
}

INSTANTIATE_FOR_GUESTS(GuestModes);

}  // namespace
}  // namespace machina::test
