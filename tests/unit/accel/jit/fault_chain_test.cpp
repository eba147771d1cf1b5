#include "accel/jit/fault_chain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "accel/fault_text.h"
#include "tests/unit/accel/jit/descriptor_tables.h"

namespace machina::jit {
namespace {

using testing::HasSubstr;
using Tables = DescriptorTables;

TEST(JitFaultChain, TellsHowAMachineCameToReset) {
  BareMachine m;
  m.long_64();
  Tables tables(m);  // an IDT without one gate
  m.cpu().fault_chain = {};
  m.run({0x8b, 0x04, 0x25, 0, 0, 0, 0x40});  // mov eax, [40000000h]
  ASSERT_EQ(m.cpu().exit, VcpuExit::Shutdown);
  const FaultRecords chain = m.cpu().fault_chain.shutdown();
  ASSERT_EQ(chain.size(), 3U);
  EXPECT_EQ(describe_chain(chain, true),
            "  1. #PF error code 0x0 (page not present, supervisor read) CR2=0x40000000 at 0008:10000 CPL 0 "
            "RSP=0x80000, page fault\n"
            "     read IDT vector 0x0e at 0x20e0: 0000000000000000 0000000000000000: empty\n"
            "  2. #DF error code 0x0, double fault\n"
            "     read IDT vector 0x08 at 0x2080: 0000000000000000 0000000000000000: empty\n"
            "  3. #GP error code 0x43 (vector 0x08 of the IDT, while an event was delivered), general protection: "
            "triple fault\n");
  EXPECT_EQ(m.cpu().fault_chain.delivery_count, 3U);
}

TEST(JitFaultChain, KeepsTheLastOnesOnly) {
  BareMachine m;
  m.protected_32();
  Tables tables(m);
  tables.stop_at_every_vector();
  m.put_code(Tables::handler(6),
             std::array<std::uint8_t, 6>{0x83, 0x04, 0x24, 2, 0xcf, 0});  // add dword [esp], 2; iret
  m.put_code(BareMachine::kCode, std::vector<std::uint8_t>(2 * 40, 0x0b));
  for (unsigned i = 0; i < 40; ++i) m.put<std::uint8_t>(BareMachine::kCode + 2 * i, 0x0f);
  m.put<std::uint8_t>(BareMachine::kCode + 80, 0xf4);
  run_blocks(m.cpu());
  EXPECT_EQ(m.cpu().rip, BareMachine::kCode + 81);
  EXPECT_EQ(m.cpu().fault_chain.delivery_count, 40U);
  const FaultRecords last = m.cpu().fault_chain.shutdown();
  ASSERT_EQ(last.size(), 1U) << "none of them failed";
  EXPECT_THAT(describe_event(last[0]), HasSubstr("#UD at 0008:1004e"));
  const std::vector<std::string> earlier = m.cpu().fault_chain.earlier();
  EXPECT_EQ(earlier.size(), FaultChain::kDeliveries) << "all others, and the jumps";
  EXPECT_THAT(earlier.front(), HasSubstr("#UD at 0008:10030"));
}

TEST(JitFaultChain, TellsWhatAnErrorCodeNames) {
  BareMachine m;
  m.protected_32();
  Tables tables(m);
  tables.segment(Tables::kFree, 0x4013);  // a data segment that is not present
  m.cpu().fault_chain = {};
  m.run({0x66, 0xb8, Tables::kFree, 0, 0x8e, 0xd8});  // mov ax, kFree; mov ds, ax
  FaultRecords chain = m.cpu().fault_chain.shutdown();
  ASSERT_EQ(chain.size(), 3U);
  EXPECT_EQ(chain[0].vector, 11);
  EXPECT_EQ(chain[0].cause.index, Tables::kFree);
  EXPECT_EQ(chain[0].cause.linear, Tables::kGdt + Tables::kFree);
  EXPECT_THAT(describe_chain(chain, false), HasSubstr("     of GDT selector 0x0040 at 0x1040: "));
  EXPECT_THAT(describe_chain(chain, false), HasSubstr("data segment, base 0x0, limit 0xfffff, DPL 0, not present\n"));

  m.protected_32();
  m.cpu().fault_chain = {};
  m.run({0x66, 0xb8, 0x88, 9, 0x8e, 0xd8});  // beyond the GDT
  chain = m.cpu().fault_chain.shutdown();
  ASSERT_EQ(chain.size(), 3U);
  EXPECT_EQ(chain[0].cause.result, TableRead::Result::BeyondLimit);
  EXPECT_THAT(describe_chain(chain, false), HasSubstr("  1. #GP error code 0x988 (selector 0x0988 of the GDT) at"));
}

TEST(JitFaultChain, TellsOfTablesThatAreNotThere) {
  BareMachine m;
  m.long_64();
  Tables tables(m);
  m.cpu().idt = {0x40000000, 0xfff};
  m.cpu().fault_chain = {};
  m.run({0x0f, 0x0b});
  FaultRecords chain = m.cpu().fault_chain.shutdown();
  ASSERT_EQ(chain.size(), 4U) << "#UD, #PF, #DF, #PF";
  EXPECT_EQ(chain[0].gate.result, TableRead::Result::Fault);
  EXPECT_EQ(chain[0].gate.linear, 0x40000060U);
  EXPECT_EQ(chain[1].address, 0x40000060U);

  m.real_mode();
  m.cpu().idt = {0, 3};
  m.cpu().fault_chain = {};
  m.cpu().set_segment(kCs, {.selector = 0x1000, .rights = 0x9b, .limit = 0xffff, .base = BareMachine::kCode});
  m.cpu().rip = 0;
  m.put<std::uint8_t>(BareMachine::kCode, 0xcc);
  m.cpu().update_mode();
  run_blocks(m.cpu());
  chain = m.cpu().fault_chain.shutdown();
  ASSERT_EQ(chain.size(), 3U) << "#GP, #DF, #GP";
  EXPECT_EQ(chain[0].cause.table, TableRead::Table::Vectors);
  EXPECT_EQ(chain[0].cause.index, 3);
  EXPECT_THAT(describe_chain(chain, false), HasSubstr("read real-mode vector 0x0d: beyond the limit of the table"));
}

}  // namespace
}  // namespace machina::jit
