#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "accel/jit/cpuid_leaf.h"
#include "tests/unit/accel/jit/descriptor_tables.h"

namespace machina::jit {
namespace {

TEST(JitWait, HltTellsWhatCanEndIt) {
  BareMachine m;
  m.long_64();
  EXPECT_EQ(m.run({0xf4}), VcpuExit::HaltedMasked);
  EXPECT_EQ(m.cpu().rip, BareMachine::kCode + 1);
  m.cpu().set_eflags(kIf | 2);
  EXPECT_EQ(m.run({0xf4}), VcpuExit::Halted);
}

TEST(JitWait, StiHltHaltsWithInterruptsEnabled) {
  BareMachine m;
  m.long_64();
  EXPECT_EQ(m.run({0xfb, 0xf4}), VcpuExit::Halted);
  EXPECT_EQ(m.cpu().interrupt_shadow, 0);
}

// SDM vol. 2, MONITOR and MWAIT.
TEST(JitWait, MwaitEndsWhenTheLineIsWritten) {
  BareMachine m;
  m.long_64();
  m.cpu().gpr[kRax] = 0x20010;
  m.cpu().gpr[kRcx] = 0;
  m.cpu().gpr[kRdx] = 0;
  std::atomic_ref<std::uint32_t> word(*reinterpret_cast<std::uint32_t*>(m.ram() + 0x20020));
  std::thread writer([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(3));
    word.store(1);
  });
  // l: monitor; cmp dword [20020], 0; jne done; mwait; jmp l; done: hlt
  EXPECT_EQ(m.run({0x0f, 0x01, 0xc8, 0x83, 0x3c, 0x25, 0x20, 0, 2, 0, 0, 0x75, 5, 0x0f, 0x01, 0xc9, 0xeb, 0xee, 0xf4}),
            VcpuExit::HaltedMasked);
  writer.join();
  EXPECT_EQ(word.load(), 1U);
}

TEST(JitWait, MwaitWithoutAnythingEndsAllTheSame) {
  BareMachine m;
  m.long_64();
  m.cpu().gpr[kRax] = 0x20010;
  m.cpu().gpr[kRcx] = 0;
  EXPECT_EQ(m.run({0x0f, 0x01, 0xc8, 0x0f, 0x01, 0xc9, 0xf4}), VcpuExit::HaltedMasked);
  m.cpu().gpr[kRcx] = 1;
  EXPECT_EQ(m.run({0x0f, 0x01, 0xc8, 0xf4}), VcpuExit::Shutdown) << "an extension of MONITOR";
  m.cpu().gpr[kRcx] = 2;
  EXPECT_EQ(m.run({0x0f, 0x01, 0xc9, 0xf4}), VcpuExit::Shutdown);
}

// SDM vol. 2, MONITOR and MWAIT: #UD, where other instructions of the system give #GP(0).
TEST(JitWait, ProgramsHaveNoMonitorAndNoMwait) {
  BareMachine m;
  m.long_64();
  DescriptorTables tables(m);
  tables.stop_at_every_vector();
  for (const unsigned last : {0xc8U, 0xc9U}) {
    tables.user();
    m.run({0x0f, 0x01, static_cast<std::uint8_t>(last)});
    EXPECT_EQ(tables.stopped_at(), 6);
  }
}

TEST(JitWait, TimeStampsAndProcessorIds) {
  BareMachine m;
  m.long_64();
  Cpu& c = m.cpu();
  m.time_stamp = 0x1122334455667788;
  c.msrs.tsc_aux = 0x99;
  m.run({0x0f, 0x31, 0x89, 0xc3, 0x0f, 0x01, 0xf9, 0xf3, 0x0f, 0xc7, 0xfe, 0xf4});  // rdtsc; mov ebx,eax; rdtscp; rdpid
  EXPECT_EQ(c.gpr[kRbx], 0x55667788U);
  EXPECT_EQ(c.gpr[kRdx], 0x11223344U);
  EXPECT_EQ(c.gpr[kRcx], 0x99U);
  EXPECT_EQ(c.gpr[kRsi], 0x99U);
  EXPECT_EQ(m.run({0x0f, 0x33, 0xf4}), VcpuExit::Shutdown) << "no counters";
  BareMachine user;
  user.long_64(3);
  user.run({0x0f, 0x31, 0x0f, 0x0b});
  EXPECT_EQ(user.cpu().rip, BareMachine::kCode + 2);
  user.cpu().cr4 |= kCr4Tsd;
  user.run({0x0f, 0x31, 0x0f, 0x0b});
  EXPECT_EQ(user.cpu().rip, BareMachine::kCode) << "CR4.TSD";
}

// Linux Documentation/virt/kvm/x86/hypercalls.rst.
TEST(JitWait, HypercallsAnswerThatThereAreNone) {
  BareMachine m;
  m.long_64();
  EXPECT_EQ(m.run({0x0f, 0x01, 0xc1, 0xf4}), VcpuExit::Shutdown) << "#UD without KVM's signature";
  CpuidTable table;
  table.set({0x40000000, 0, false, 0x40000001, 0x4b4d564b, 0x564b4d56, 0x4d});
  m.cpu().cpuid = &table;
  EXPECT_EQ(m.run({0x0f, 0x01, 0xc1, 0x48, 0x89, 0xc3, 0x0f, 0x01, 0xd9, 0xf4}), VcpuExit::HaltedMasked);
  EXPECT_EQ(m.cpu().gpr[kRax], static_cast<std::uint64_t>(-1000));
  EXPECT_EQ(m.cpu().gpr[kRbx], m.cpu().gpr[kRax]);
}

// The same, KVM_HC_SEND_IPI: RBX and RCX are sets of APIC IDs, the first of which is RDX; RSI is as in the ICR.
TEST(JitWait, AHypercallSendsToManyCpus) {
  BareMachine m;
  m.long_64();
  CpuidTable table;
  table.set({0x40000000, 0, false, 0x40000001, 0x4b4d564b, 0x564b4d56, 0x4d});
  m.cpu().cpuid = &table;
  const auto call = [&m](std::uint64_t low, std::uint64_t high, std::uint64_t first, std::uint64_t icr) {
    auto& r = m.cpu().gpr;
    r[kRax] = 10, r[kRbx] = low, r[kRcx] = high, r[kRdx] = first, r[kRsi] = icr;
    m.ipis.clear();
    EXPECT_EQ(m.run({0x0f, 0x01, 0xc1, 0xf4}), VcpuExit::HaltedMasked);
    return static_cast<std::int64_t>(r[kRax]);
  };
  using Ipi = BareMachine::Ipi;
  EXPECT_EQ(call(0x8000000000000005, 2, 7, 0x40fd), 4);
  EXPECT_EQ(m.ipis, (std::vector<Ipi>{{7, 0x8000000000000005, false, 0xfd}, {71, 2, false, 0xfd}}));
  EXPECT_EQ(call(1, 0, 0xfffffff0, 0x400), 1) << "an NMI; nothing beyond the last ID";
  EXPECT_EQ(m.ipis, (std::vector<Ipi>{{0xfffffff0, 1, true, 0}}));
  for (const std::uint64_t bad : {0x8fdU, 0x400fdU, 0x5fdU}) EXPECT_EQ(call(1, 0, 0, bad), -22) << std::hex << bad;
  EXPECT_TRUE(m.ipis.empty());

  m.protected_32();
  m.cpu().gpr[kRbx] = 0xf00000001;
  EXPECT_EQ(call(0xf00000001, 1, 0, 0x33), 2) << "registers of 32 bits";
  EXPECT_EQ(m.ipis, (std::vector<Ipi>{{0, 1, false, 0x33}, {32, 1, false, 0x33}}));
}

}  // namespace
}  // namespace machina::jit
