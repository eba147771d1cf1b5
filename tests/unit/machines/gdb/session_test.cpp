// Clients of the gdb stub, packet by packet, on CPUs that do what the test says.

#include "machines/gdb/session.h"

#include <fmt/format.h>

#include "hw/x86/x86_cpu.h"
#include "machines/gdb/packet.h"
#include "tests/support/gdb_fixture.h"

namespace machina {
namespace {

using Why = DebugStop::Why;
using Kind = BreakpointKind;

class GdbSessionThread : public test::GdbTest {
 protected:
  GdbSessionThread() { connect(true); }
  std::string gpr(unsigned n) { return ask(fmt::format("p{:x}", n)); }
};

TEST_F(GdbSessionThread, SaysWhatItIs) {
  EXPECT_EQ(ask("qSupported:multiprocess+;swbreak+;xmlRegisters=i386"),
            "PacketSize=4000;QStartNoAckMode+;qXfer:features:read+;vContSupported+;swbreak+");
  EXPECT_EQ(ask("vMustReplyEmpty"), "");
  EXPECT_EQ(ask("qUnknown"), "");
  EXPECT_EQ(ask(""), "");
  EXPECT_EQ(ask("!"), "OK");
  EXPECT_EQ(ask("?"), "T05thread:01;");
  EXPECT_EQ(ask("qAttached"), "1");
  EXPECT_EQ(ask("qC"), "QC01");
  EXPECT_EQ(ask("vCont?"), "vCont;c;C;s;S;t;r");
  EXPECT_EQ(ask("qfThreadInfo"), "m01,02,03");
  EXPECT_EQ(ask("qsThreadInfo"), "l");
  EXPECT_EQ(ask("qOffsets"), "");
}

TEST_F(GdbSessionThread, DescribesItsRegistersByTheMode) {
  std::string whole;
  for (std::size_t at = 0;; at = whole.size()) {
    const std::string piece = ask(fmt::format("qXfer:features:read:target.xml:{:x},200", at));
    ASSERT_FALSE(piece.empty());
    whole += piece.substr(1);
    if (piece[0] == 'l') break;
    ASSERT_EQ(piece[0], 'm');
    ASSERT_EQ(piece.size(), 0x201U);
  }
  EXPECT_EQ(whole.find("<architecture>"), std::string::npos) << "in real mode gdb's user decides";
  EXPECT_NE(whole.find("name=\"eip\""), std::string::npos);
  EXPECT_EQ(ask("qXfer:features:read:other.xml:0,100"), "E00");
  EXPECT_EQ(ask("qXfer:features:read:target.xml:100000,1"), "E22");
  EXPECT_EQ(ask("qXfer:features:read:target.xml:x"), "E22");
  X86State& s = vcpu(0).state();
  s.efer = 0x500, s.cr0 |= 0x80000001, s.segment[kCs].l = true;
  connect(false);
  connect(true);
  EXPECT_NE(ask("qXfer:features:read:target.xml:0,1000").find("<architecture>i386:x86-64<"), std::string::npos);
}

TEST_F(GdbSessionThread, ChoosesThreads) {
  vcpu(1).state().gpr[kRax] = 0x1234;
  EXPECT_EQ(gpr(0), "0000000000000000");
  EXPECT_EQ(ask("Hg2"), "OK");
  EXPECT_EQ(gpr(0), "3412000000000000");
  EXPECT_EQ(ask("qC"), "QC02");
  EXPECT_EQ(ask("Hgp1.1"), "OK");
  EXPECT_EQ(ask("qC"), "QC01");
  EXPECT_EQ(ask("Hc-1"), "OK");
  EXPECT_EQ(ask("Hg0"), "OK");
  EXPECT_EQ(ask("T3"), "OK");
  EXPECT_EQ(ask("T4"), "E22");
  EXPECT_EQ(ask("Hg4"), "E22");
  EXPECT_EQ(ask("Hgx"), "E22");
  EXPECT_EQ(ask("H"), "E22");
  EXPECT_EQ(ask("qThreadExtraInfo,1"), gdb_hex(std::string_view("CPU#0 [running]")));
  EXPECT_EQ(ask("qThreadExtraInfo,2"), gdb_hex(std::string_view("CPU#1 [waits for a start-up IPI]")));
  EXPECT_EQ(ask("qThreadExtraInfo,9"), "E22");
}

TEST_F(GdbSessionThread, ReadsAndWritesRegisters) {
  EXPECT_EQ(ask("P0=efcdab8967452301"), "OK");
  EXPECT_EQ(vcpu(0).state().gpr[kRax], 0x0123456789abcdefU);
  std::string all = ask("g");
  EXPECT_EQ(all.substr(0, 16), "efcdab8967452301");
  all.replace(16, 2, "77");  // rbx
  EXPECT_EQ(ask("G" + all), "OK");
  EXPECT_EQ(vcpu(0).state().gpr[kRbx], 0x77U);
  EXPECT_EQ(ask("G00"), "E22");
  EXPECT_EQ(ask("P0=00"), "E22");
  EXPECT_EQ(ask("P0"), "E22");
  EXPECT_EQ(ask("P999=00"), "E22");
  EXPECT_EQ(ask("p999"), "E22");
}

TEST_F(GdbSessionThread, ReadsAndWritesMemory) {
  EXPECT_EQ(ask("M1000,4:11223344"), "OK");
  EXPECT_EQ(ask("m1000,4"), "11223344");
  EXPECT_EQ(ask("X1002,2:\x03}"), "OK");
  EXPECT_EQ(ask("m1000,4"), "1122037d");
  EXPECT_EQ(ask("X0,0:"), "OK") << "does it know X?";
  EXPECT_EQ(ask("m1000,0"), "");
  EXPECT_EQ(ask("Mffffe,4:11223344"), "E14") << "half of it is no memory";
  EXPECT_EQ(ask("mffffe,4"), "0000") << "as much as there is";
  EXPECT_EQ(ask("m100000,4"), "E14");
  EXPECT_EQ(ask("mffffffffffffffff,10"), "E14");
  EXPECT_EQ(ask("m0,ffffffffffffffff"), "E22");
  EXPECT_EQ(ask("M0,4:112233"), "E22");
  EXPECT_EQ(ask("M0,4"), "E22");
  EXPECT_EQ(ask("m"), "E22");
  EXPECT_EQ(ask(fmt::format("m{:x},4", kDevice)), "E14");
  EXPECT_EQ(ask(fmt::format("M{:x},1:00", kDevice)), "E14");
  EXPECT_EQ(device_reads_, 0U) << "a debugger must not touch a register by accident";
  EXPECT_EQ(ask(fmt::format("M{:x},2:abcd", kRom + 8)), "OK") << "who writes to ROM means to";
  EXPECT_EQ(ask(fmt::format("m{:x},2", kRom + 8)), "abcd");
}

TEST_F(GdbSessionThread, FollowsPageTablesUnlessToldOtherwise) {
  // 32-bit paging: 400000h is at 5000h, read-only; all else is not mapped.
  EXPECT_EQ(ask("M2004,4:03300000"), "OK");
  EXPECT_EQ(ask("M3000,4:01500000"), "OK");
  EXPECT_EQ(ask("M5000,4:aabbccdd"), "OK");
  connect(false);
  X86State& s = vcpu(0).state();
  s.cr0 |= 0x80000001, s.cr3 = 0x2000;
  connect(true);
  EXPECT_EQ(ask("m400000,4"), "aabbccdd");
  EXPECT_EQ(ask("m5000,4"), "E14");
  EXPECT_EQ(ask("M400000,1:00"), "OK") << "rights are the guest's";
  EXPECT_EQ(ask("Qqemu.PhyMemMode:1"), "OK");
  EXPECT_EQ(ask("qqemu.PhyMemMode"), "1");
  EXPECT_EQ(ask("m5000,4"), "00bbccdd");
  EXPECT_EQ(ask("Z0,5000,1"), "E22") << "breakpoints have linear addresses";
  EXPECT_EQ(ask("Qqemu.PhyMemMode:2"), "E22");
  EXPECT_EQ(ask("Qqemu.PhyMemMode:0"), "OK");
  EXPECT_EQ(ask("m5000,4"), "E14");
  EXPECT_EQ(ask("qqemu.Supported"), "sstepbits;sstep;PhyMemMode");
}

TEST_F(GdbSessionThread, StopsTheMachineWhenItComesAndLetsItGo) {
  connect(false);
  start();
  EXPECT_TRUE(wait_until([&] { return vcpu(0).inside(); }));
  connect(true);
  EXPECT_EQ(machine_->run_state(), RunState::Paused);
  EXPECT_EQ(ask("Z0,1000,1"), "OK");
  EXPECT_EQ(ask("D"), "OK");
  EXPECT_EQ(machine_->run_state(), RunState::Running);
  EXPECT_TRUE(vcpu(0).request().empty()) << "breakpoints are out";
  connect(false);
  connect(true);
  EXPECT_EQ(machine_->run_state(), RunState::Paused);
  EXPECT_EQ(ask("Z0,1000,1"), "OK");
  connect(false);
  EXPECT_EQ(machine_->run_state(), RunState::Running) << "as before it came";
  EXPECT_TRUE(vcpu(0).request().empty());
}

TEST_F(GdbSessionThread, LeavesAMachineThatNeverRanAlone) {
  connect(false);
  EXPECT_EQ(machine_->run_state(), RunState::Prelaunch) << "-S, and a client that only looked";
  connect(true);
  send("vCont;c");
  EXPECT_EQ(machine_->run_state(), RunState::Running);
  raw("\x03");
  EXPECT_EQ(next(), "T02thread:01;");
  EXPECT_EQ(machine_->run_state(), RunState::Paused);
  connect(false);
  EXPECT_EQ(machine_->run_state(), RunState::Running) << "it was let run, and stood for the client";
}

TEST_F(GdbSessionThread, LeavesAMachineStoppedThatAPersonHasStopped) {
  send("vCont;c");
  locked([&] { machine_->stop(); });
  EXPECT_EQ(next(), "T02thread:01;");
  connect(false);
  EXPECT_EQ(machine_->run_state(), RunState::Paused);
}

TEST_F(GdbSessionThread, StopsAtBreakpoints) {
  EXPECT_EQ(ask("qSupported:swbreak+;hwbreak+").find("swbreak+") == std::string::npos, false);
  EXPECT_EQ(ask("Z0,1000,1"), "OK");
  EXPECT_EQ(ask("Z1,2000,1"), "OK");
  EXPECT_EQ(ask("Z2,3000,8"), "OK");
  const std::vector<Breakpoint> wanted{
      {Kind::Software, 0x1000, 1}, {Kind::Hardware, 0x2000, 1}, {Kind::Write, 0x3000, 8}};
  for (unsigned n = 0; n < kCpus; ++n) EXPECT_EQ(vcpu(n).request().breakpoints, wanted) << n;
  send("vCont;c");
  vcpu(0).stop_with({Why::Breakpoint, Kind::Software, 0x1000});
  EXPECT_EQ(next(), "T05thread:01;swbreak:;");
  EXPECT_EQ(ask("?"), "T05thread:01;swbreak:;");
  EXPECT_EQ(machine_->run_state(), RunState::Debug);
  send("c");
  vcpu(0).stop_with({Why::Breakpoint, Kind::Hardware, 0x2000});
  EXPECT_EQ(next(), "T05thread:01;hwbreak:;");
  send("c");
  vcpu(0).stop_with({Why::Watchpoint, Kind::Write, 0x3004});
  EXPECT_EQ(next(), "T05thread:01;watch:3004;");
}

TEST_F(GdbSessionThread, NamesTheKindOfAWatchpoint) {
  for (const auto& [type, kind, name] :
       {std::tuple{'3', Kind::Read, "rwatch"}, std::tuple{'4', Kind::Access, "awatch"}}) {
    EXPECT_EQ(ask(fmt::format("Z{},3000,4", type)), "OK");
    send("vCont;c");
    vcpu(0).stop_with({Why::Watchpoint, kind, 0x3001});
    EXPECT_EQ(next(), fmt::format("T05thread:01;{}:3001;", name));
    EXPECT_EQ(ask(fmt::format("z{},3000,4", type)), "OK");
  }
}

TEST_F(GdbSessionThread, DoesNotPutInAnewWhatIsIn) {
  EXPECT_EQ(ask("Z0,1000,1"), "OK");
  EXPECT_EQ(ask("Z0,2000,1"), "OK");
  const unsigned before = vcpu(0).changes;
  for (const char* packet : {"z0,1000,1", "z0,2000,1", "Z0,2000,1", "Z0,1000,1"}) EXPECT_EQ(ask(packet), "OK");
  send("vCont;c");
  EXPECT_EQ(vcpu(0).changes, before) << "as gdb does at each stop";
  vcpu(0).stop_with({Why::Breakpoint, Kind::Software, 0x1000});
  next();
  EXPECT_EQ(ask("z0,1000,1"), "OK");
  send("vCont;c");
  EXPECT_EQ(vcpu(0).request().breakpoints, (std::vector<Breakpoint>{{Kind::Software, 0x2000, 1}}));
}

TEST_F(GdbSessionThread, RefusesWhatTheAcceleratorCannot) {
  vcpu(1).refuses = true;
  EXPECT_EQ(ask("Z0,1000,1"), "E22");
  for (unsigned n = 0; n < kCpus; ++n) EXPECT_TRUE(vcpu(n).request().empty()) << n;
  for (const char* bad : {"Z5,1000,1", "Z0,1000", "Z0", "Z2,1000,0", "Z2,ffffffffffffffff,2", "z", "Z2,0,ffffffffffff"})
    EXPECT_EQ(ask(bad), "E22") << bad;
  send("vCont;s:2");
  const auto answer = packets();
  ASSERT_EQ(answer.size(), 1U) << "the text waits for its acknowledgement";
  EXPECT_EQ(answer[0], "O" + gdb_hex(std::string_view("The machine does not run: no debugging here\n")));
  EXPECT_EQ(packets().at(0), "T06thread:01;");
  EXPECT_EQ(machine_->run_state(), RunState::Prelaunch);
}

TEST_F(GdbSessionThread, StepsOneWhileOthersStay) {
  send("vCont;s:1");
  EXPECT_TRUE(wait_until([&] { return vcpu(0).inside(); }));
  EXPECT_TRUE(vcpu(0).request().single_step);
  EXPECT_TRUE(vcpu(0).request().hold_interrupts);
  EXPECT_FALSE(vcpu(1).request().single_step);
  EXPECT_TRUE(machine_->cpus().cpus()[1]->held());
  vcpu(0).stop_with({Why::Step, Kind::Software, 0});
  EXPECT_EQ(next(), "T05thread:01;");
  EXPECT_FALSE(vcpu(0).request().single_step);
  for (const X86Cpu* cpu : machine_->cpus().cpus()) EXPECT_FALSE(cpu->held());
}

TEST_F(GdbSessionThread, StepsOneWhileOthersRun) {
  connect(false);
  vcpu(1).state().mp_state = MpState::Runnable;
  locked([&] {
    X86Cpu& second = *machine_->cpus().cpus()[1];
    second.set_state(vcpu(1).state());
  });
  connect(true);
  send("vCont;s:1;c");
  EXPECT_TRUE(wait_until([&] { return vcpu(0).inside() && vcpu(1).inside(); }));
  EXPECT_TRUE(vcpu(0).request().single_step);
  EXPECT_FALSE(vcpu(1).request().single_step);
  raw("\x03");
  EXPECT_EQ(next(), "T02thread:01;");
  EXPECT_EQ(ask("Qqemu.sstep=1"), "OK");
  EXPECT_EQ(ask("qqemu.sstep"), "0x1");
  send("vCont;s:1");
  EXPECT_FALSE(vcpu(0).request().hold_interrupts);
  vcpu(0).stop_with({Why::Step, Kind::Software, 0});
  next();
}

TEST_F(GdbSessionThread, LetsAHaltedCpuTakeTheInterruptThatItWaitsFor) {
  connect(false);
  locked([&] {
    X86State s = vcpu(0).state();
    s.mp_state = MpState::Halted, s.rflags = 0x202;
    machine_->cpus().cpus()[0]->set_state(s);
  });
  connect(true);
  send("vCont;s:1");
  EXPECT_TRUE(vcpu(0).request().single_step);
  EXPECT_FALSE(vcpu(0).request().hold_interrupts) << "else the step would never end";
  raw("\x03");
  EXPECT_EQ(next(), "T02thread:01;");
}

TEST_F(GdbSessionThread, StepsThroughARange) {
  X86State& s = vcpu(0).state();
  s.segment[kCs].base = 0, s.rip = 0x100;
  send("vCont;r100,110:1");
  for (int i = 0; i < 5; ++i) vcpu(0).stop_with({Why::Step, Kind::Software, 0});
  EXPECT_TRUE(wait_until([&] { return vcpu(0).inside() && machine_->run_state() == RunState::Running; }));
  EXPECT_TRUE(packets().empty()) << "still inside";
  // A breakpoint of another kind ends it.
  vcpu(0).stop_with({Why::Breakpoint, Kind::Software, 0x100});
  EXPECT_EQ(next(), "T05thread:01;");
  send("vCont;r100,110:1");
  raw("\x03");
  EXPECT_EQ(next(), "T02thread:01;");
}

TEST_F(GdbSessionThread, TellsOfDataThatAnotherCpuTouchedAtTheSameTime) {
  connect(false);
  locked([&] {
    X86State state = vcpu(1).state();
    state.mp_state = MpState::Runnable;
    machine_->cpus().cpus()[1]->set_state(state);
  });
  connect(true);
  EXPECT_EQ(ask("Z2,3000,8"), "OK");
  // Both have what stops them before either runs: each is asked to park, and has met its data by then or does later.
  vcpu(0).stop_with({Why::Watchpoint, Kind::Write, 0x3000});
  vcpu(1).stop_with({Why::Watchpoint, Kind::Write, 0x3004});
  send("vCont;c");
  const std::string first = next();
  send("vCont;c");
  const std::string second = next();
  EXPECT_NE(first, second);
  for (const std::string& one : {first, second})
    EXPECT_TRUE(one == "T05thread:01;watch:3000;" || one == "T05thread:02;watch:3004;") << one;
}

TEST_F(GdbSessionThread, RefusesOrdersThatMakeNoSense) {
  for (const char* bad : {"vCont;", "vCont;x", "vCont;s:9", "vCont;c:", "vCont;C", "vCont;r1", "vCont;r1,", "vCont;t",
                          "vCont;c;", "vCont;s1", "cx", "C", "sg"})
    EXPECT_EQ(ask(bad), "E22") << bad;
  EXPECT_EQ(machine_->run_state(), RunState::Prelaunch);
  send("vCont;c");
  EXPECT_EQ(ask("vCont;c"), "E22") << "it runs already";
  EXPECT_EQ(ask("m1000,4"), "00000000") << "CPUs stand aside for a moment";
  EXPECT_EQ(machine_->run_state(), RunState::Running);
  EXPECT_TRUE(wait_until([&] { return vcpu(0).inside(); }));
}

TEST_F(GdbSessionThread, GoesOnAtAnAddress) {
  vcpu(0).state().segment[kCs].base = 0;
  send("c1234");
  EXPECT_TRUE(wait_until([&] { return vcpu(0).inside(); }));
  raw("\x03");
  next();
  EXPECT_EQ(vcpu(0).state().rip, 0x1234U);
  send("S05;2345");
  vcpu(0).stop_with({Why::Step, Kind::Software, 0});
  EXPECT_EQ(next(), "T05thread:01;");
  EXPECT_EQ(vcpu(0).state().rip, 0x2345U);
}

TEST_F(GdbSessionThread, TellsOfOtherStops) {
  send("vCont;c");
  locked([&] { machine_->request_stop(RunState::GuestPanicked); });
  EXPECT_EQ(next(), "O" + gdb_hex(std::string_view("The machine has stopped: guest-panicked\n")));
  EXPECT_EQ(next(), "T06thread:01;");
  send("vCont;c");
  locked([&] { machine_->request_stop(RunState::InternalError); });
  next();
  EXPECT_EQ(next(), "T06thread:01;");
  send("vCont;c");
  EXPECT_NE(next().find(gdb_hex(std::string_view("must be reset"))), std::string::npos);
  EXPECT_EQ(next(), "T06thread:01;");
  send("R00");
  EXPECT_EQ(machine_->run_state(), RunState::Paused);
  EXPECT_EQ(ask("vRun;"), "T05thread:01;");
  send("vCont;c");
  EXPECT_TRUE(wait_until([&] { return vcpu(0).inside(); }));
  machine_->no_shutdown = true;
  locked([&] { machine_->request_shutdown(ShutdownCause::GuestShutdown); });
  next();
  EXPECT_EQ(next(), "T03thread:01;");
}

TEST_F(GdbSessionThread, GoesOnWhenTheMonitorSaysSo) {
  EXPECT_EQ(ask("Z0,1000,1"), "OK");
  EXPECT_EQ(ask("z0,1000,1"), "OK");
  start();
  EXPECT_TRUE(wait_until([&] { return vcpu(0).inside(); }));
  EXPECT_TRUE(vcpu(0).request().empty()) << "it had been taken out";
  EXPECT_EQ(ask("p0").size(), 16U);
  vcpu(0).stop_with({Why::Breakpoint, Kind::Software, 0x1000});
  EXPECT_TRUE(wait_until([&] { return machine_->run_state() == RunState::Debug; }));
  EXPECT_TRUE(packets().empty()) << "nobody waits to be told";
}

TEST_F(GdbSessionThread, PassesLinesToTheMonitor) {
  send("qRcmd," + gdb_hex(std::string_view("info status")));
  EXPECT_EQ(packets().at(0), "O" + gdb_hex(std::string_view("VM status: paused (prelaunch)\n")));
  EXPECT_EQ(packets().at(0), "OK");
  EXPECT_EQ(ask("qRcmd,6"), "E22");
  // What it changes is seen at once.
  EXPECT_EQ(gpr(0), "0000000000000000");
  EXPECT_EQ(ask("Hg2"), "OK");
  send("qRcmd," + gdb_hex(std::string_view("info registers")));
  std::string text;
  for (auto all = packets(); !all.empty() && all[0] != "OK"; all = packets()) text += *gdb_unhex(all[0].substr(1));
  EXPECT_NE(text.find("CPU#1"), std::string::npos);
}

TEST_F(GdbSessionThread, RepeatsWhatIsNotAcknowledged) {
  raw("$qC#b4");
  EXPECT_EQ(std::exchange(chardev_->written, {}), "+$QC01#f5");
  raw("-");
  EXPECT_EQ(std::exchange(chardev_->written, {}), "$QC01#f5");
  raw("+-");
  EXPECT_EQ(chardev_->written, "") << "it has come, so there is nothing to repeat";
  raw("$qC#00");
  EXPECT_EQ(std::exchange(chardev_->written, {}), "-");
  raw("$QStartNoAckMode#b0");
  EXPECT_EQ(std::exchange(chardev_->written, {}), "+$OK#9a");
  raw("+$qC#b4");
  EXPECT_EQ(std::exchange(chardev_->written, {}), "$QC01#f5");
  raw("-");
  EXPECT_EQ(chardev_->written, "");
  EXPECT_EQ(ask(std::string(GdbPacketReader::kMost + 1, 'm')), "E22");
}

TEST_F(GdbSessionThread, SurvivesACpuThatIsUnplugged) {
  EXPECT_EQ(ask("Hg3"), "OK");
  EXPECT_EQ(ask("Z0,1000,1"), "OK");
  locked([&] { machine_->unplug_cpu(2); });
  EXPECT_EQ(ask("qfThreadInfo"), "m01,02");
  EXPECT_EQ(ask("T3"), "E22");
  EXPECT_EQ(ask("g"), "E22");
  EXPECT_EQ(ask("Hg1"), "OK");
  locked([&] { machine_->plug_cpu(2, ""); });
  EXPECT_EQ(ask("qfThreadInfo"), "m01,02,03");
  EXPECT_EQ(vcpu(2).request().breakpoints.size(), 1U) << "of those that come later, too";
}

TEST_F(GdbSessionThread, LetsGoOfABreakpointThatIsMetAsItsClientLeaves) {
  EXPECT_EQ(ask("Z0,1000,1"), "OK");
  send("vCont;c");
  EXPECT_TRUE(wait_until([&] { return vcpu(0).inside(); }));
  vcpu(0).stop_with({Why::Breakpoint, Kind::Software, 0x1000});
  // The stop is on its way, or is not yet: the client is gone either way.
  connect(false);
  EXPECT_TRUE(wait_until([&] { return machine_->run_state() == RunState::Running && vcpu(0).inside(); }));
  EXPECT_TRUE(vcpu(0).request().empty());
}

TEST_F(GdbSessionThread, EndsTheMachine) {
  send("k");
  EXPECT_TRUE(wait_until([&] { return machine_->run_state() == RunState::Shutdown; }));
}

TEST_F(GdbSessionThread, IsToldOfTheEnd) {
  send("vCont;c");
  locked([&] { machine_->request_shutdown(ShutdownCause::GuestShutdown, 7); });
  EXPECT_TRUE(wait_until([&] { return machine_->run_state() == RunState::Shutdown; }));
  locked([&] {
    qom::unrealize_tree(*server_);
    server_ = nullptr;
  });
  EXPECT_EQ(packets().at(0), "W07");
}

}  // namespace
}  // namespace machina
