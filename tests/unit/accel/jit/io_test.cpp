#include <gtest/gtest.h>

#include "tests/unit/accel/jit/bare_machine.h"

namespace machina::jit {
namespace {

TEST(JitIo, InAndOutOfEachWidth) {
  BareMachine m;
  m.protected_32();
  m.ports[0x60] = 0xffffffffffffff5a;
  m.ports[0x1f0] = 0x12345678;
  Cpu& c = m.cpu();
  c.gpr[kRax] = 0xaabbccdd;
  c.gpr[kRdx] = 0x1f0;
  // in al, 60; mov ebx, eax; in ax, dx; mov ecx, eax; in eax, dx; out 80, al; out dx, ax; out dx, eax; hlt
  EXPECT_EQ(m.run({0xe4, 0x60, 0x89, 0xc3, 0x66, 0xed, 0x89, 0xc1, 0xed, 0xe6, 0x80, 0x66, 0xef, 0xef, 0xf4}),
            VcpuExit::HaltedMasked);
  EXPECT_EQ(c.gpr[kRbx], 0xaabbcc5aU);
  EXPECT_EQ(c.gpr[kRcx], 0xaabb5678U);
  EXPECT_EQ(c.gpr[kRax], 0x12345678U);
  ASSERT_EQ(m.port_writes.size(), 3U);
  EXPECT_EQ(m.port_writes[0].port, 0x80);
  EXPECT_EQ(m.port_writes[0].width, 1U);
  EXPECT_EQ(m.port_writes[0].value, 0x78U);
  EXPECT_EQ(m.port_writes[1].width, 2U);
  EXPECT_EQ(m.port_writes[1].value, 0x5678U);
  EXPECT_EQ(m.port_writes[2].value, 0x12345678U);
}

TEST(JitIo, RepeatedStringsMoveEachItem) {
  BareMachine m;
  m.protected_32();
  Cpu& c = m.cpu();
  m.ports[0x1f0] = 0xbeef;
  c.gpr[kRdx] = 0x1f0;
  c.gpr[kRdi] = 0x20000;
  c.gpr[kRcx] = 3;
  m.run({0xfc, 0xf3, 0x66, 0x6d, 0xf4});  // cld; rep insw; hlt
  EXPECT_EQ(m.get<std::uint64_t>(0x20000), 0xbeefbeefbeefU);
  EXPECT_EQ(c.gpr[kRdi], 0x20006U);
  EXPECT_EQ(c.gpr[kRcx], 0U);
  c.gpr[kRsi] = 0x20007;
  c.gpr[kRcx] = 2;
  m.put<std::uint32_t>(0x20004, 0x44332211);
  m.run({0xfd, 0xf3, 0x6e, 0xf4});  // std; rep outsb; hlt
  ASSERT_EQ(m.port_writes.size(), 2U);
  EXPECT_EQ(m.port_writes[0].value, 0x44U);
  EXPECT_EQ(m.port_writes[1].value, 0x33U);
  EXPECT_EQ(c.gpr[kRsi], 0x20005U);
  c.gpr[kRcx] = 0;
  m.run({0xf3, 0x6e, 0xf4});
  EXPECT_EQ(m.port_writes.size(), 2U) << "a count of 0 does nothing";
}

/// Counts reads, and has somebody outside kick the CPU in the midst of a REP.
class KickingMachine : public BareMachine {
 public:
  std::uint64_t read_port(std::uint16_t, unsigned) override {
    if (++reads == 5) cpu().request(kRequestKick);
    return static_cast<std::uint64_t>(reads);
  }
  int reads = 0;
};

TEST(JitIo, ALongRepeatSeesRequestsAndGoesOnAfterwards) {
  KickingMachine m;
  m.protected_32();
  Cpu& c = m.cpu();
  c.gpr[kRdi] = 0x20000;
  c.gpr[kRcx] = 100;
  EXPECT_EQ(m.run({0xf3, 0x6c, 0xf4}), VcpuExit::Interrupted);
  EXPECT_EQ(c.rip, BareMachine::kCode);
  EXPECT_EQ(c.gpr[kRcx], 95U);
  EXPECT_EQ(c.gpr[kRdi], 0x20005U);
  EXPECT_EQ(run_blocks(c), VcpuExit::HaltedMasked);
  EXPECT_EQ(m.reads, 100);
  EXPECT_EQ(m.get<std::uint8_t>(0x20063), 100);
}

TEST(JitIo, AFaultComesBeforeThePortIsRead) {
  KickingMachine m;
  m.protected_32();
  Cpu& c = m.cpu();
  Segment es = c.segment[kEs];
  es.limit = 0x2000f;
  es.rights = 0x4093;
  c.set_segment(kEs, es);
  c.update_mode();
  c.gpr[kRdi] = 0x2000e;
  c.gpr[kRcx] = 4;
  EXPECT_EQ(m.run({0xf3, 0x6c, 0xf4}), VcpuExit::Shutdown);
  EXPECT_EQ(m.reads, 2);
  EXPECT_EQ(c.gpr[kRcx], 2U);
  EXPECT_EQ(c.rip, BareMachine::kCode);
}

// SDM vol. 1, 19.5.2.
class JitIoBitmap : public testing::Test {
 protected:
  JitIoBitmap() {
    m.long_64(3);
    Cpu& c = m.cpu();
    c.tr = {.selector = 0x28, .rights = 0x8b, .limit = 0x67 + 0x10, .base = 0x30000};
    m.put<std::uint16_t>(0x30000 + 0x66, 0x68);
    for (unsigned i = 0; i < 0x10; ++i) m.put<std::uint8_t>(0x30068 + i, 0xff);
    m.put<std::uint8_t>(0x30068 + 0xc, 0xfe);  // port 60h is allowed
    m.ports[0x60] = 7;
    c.gpr[kRdx] = 0x60;
  }
  /// In ring 3 nothing but a fault ends the code: was the port reached?
  bool allowed(std::uint8_t opcode) {
    m.cpu().gpr[kRax] = 0;
    m.run({opcode, 0x0f, 0x0b});
    return m.cpu().rip == BareMachine::kCode + 1;
  }
  BareMachine m;
};

TEST_F(JitIoBitmap, DecidesWhereIoplDoesNot) {
  EXPECT_TRUE(allowed(0xec));
  EXPECT_EQ(m.cpu().gpr[kRax] & 0xff, 7U);
  EXPECT_FALSE(allowed(0xed)) << "all bits of a doubleword";
  m.cpu().gpr[kRdx] = 0x61;
  EXPECT_FALSE(allowed(0xec));
  m.cpu().set_eflags(0x3002);
  EXPECT_TRUE(allowed(0xec)) << "IOPL 3";
}

TEST_F(JitIoBitmap, EndsWithTheTss) {
  m.cpu().gpr[kRdx] = 0x78;  // byte 0fh, the last one: its successor is beyond the limit
  m.put<std::uint8_t>(0x30068 + 0xf, 0);
  EXPECT_FALSE(allowed(0xec));
  m.cpu().tr.limit += 1;
  EXPECT_TRUE(allowed(0xec));
  m.cpu().tr.rights = 0x83;  // 16-bit: it has no bitmap
  EXPECT_FALSE(allowed(0xec));
}

}  // namespace
}  // namespace machina::jit
