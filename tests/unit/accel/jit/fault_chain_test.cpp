#include "accel/jit/fault_chain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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
  const std::string text = describe(m.cpu());
  EXPECT_THAT(text, HasSubstr("#PF (0x0e) error code 0x0000 CR2 0x40000000 at 0008:10000 CPL 0 RSP 80000; "
                              "read at 0x20e0: 0000000000000000; could not be delivered"));
  EXPECT_THAT(text, HasSubstr("#DF (0x08) error code 0x0000 at 0008:10000"));
  EXPECT_THAT(text, HasSubstr("#GP (0x0d) error code 0x0043"));
  EXPECT_THAT(text, HasSubstr("IDT=2000 limit fff"));
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
  const std::string text = describe(m.cpu());
  EXPECT_THAT(text, HasSubstr("#UD (0x06) at 0008:1004e"));
  EXPECT_THAT(text, HasSubstr("#UD (0x06) at 0008:10030"));
  EXPECT_THAT(text, testing::Not(HasSubstr("0008:1002e")));
  EXPECT_THAT(text, testing::Not(HasSubstr("could not")));
}

}  // namespace
}  // namespace machina::jit
