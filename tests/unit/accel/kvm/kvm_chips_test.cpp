/// State of the chips in the kernel, to the form that all implementations share and back.

#include <gtest/gtest.h>

#include "accel/kvm/kvm_api.h"
#include "accel/kvm/kvm_ioapic.h"
#include "accel/kvm/kvm_pic.h"
#include "accel/kvm/kvm_pit.h"

namespace machina::kvm {
namespace {

TEST(KvmChips, PicKeepsEveryRegister) {
  I8259Chip chip;
  chip.irr = 0x12, chip.imr = 0x34, chip.isr = 0x56, chip.elcr = 0x20, chip.lines = 0x9a, chip.vector_base = 0x70;
  chip.lowest_priority = 4;
  chip.icw4_needed = chip.auto_eoi = chip.special_fully_nested = chip.rotate_in_auto_eoi = true;
  chip.special_mask = chip.read_isr = chip.poll = true;
  for (const std::uint8_t next : std::initializer_list<std::uint8_t>{0, 2, 3, 4}) {
    chip.next_icw = next;
    EXPECT_EQ(from_kvm(to_kvm(chip, true)), chip) << "next ICW " << int{next};
  }
  EXPECT_EQ(to_kvm(chip, true).priority_add, 5) << "the level above the lowest one";
  EXPECT_EQ(to_kvm(I8259Chip{}, false).priority_add, 0);
  EXPECT_EQ(to_kvm(chip, false).elcr_mask, 0xf8) << "ELCR of the master: IRQ 0 to 2 are always edge";
  EXPECT_EQ(to_kvm(chip, true).elcr_mask, 0xde);
}

TEST(KvmChips, IoapicKeepsEveryRegister) {
  IoapicState s;
  s.id = 5, s.select = 0x12, s.irr = 1U << 11, s.lines = 1U << 11;
  for (unsigned pin = 0; pin < ioapic::kPins; ++pin) s.redirection[pin] = ioapic::kMasked;
  s.redirection[11] = 0x0300000000008051 | ioapic::kRemoteIrr;
  EXPECT_EQ(from_kvm(to_kvm(s, ioapic::kAddress)), s);
  EXPECT_EQ(to_kvm(s, ioapic::kAddress).base_address, 0xfec00000U);
}

TEST(KvmChips, PitThatWasNeverProgrammed) {
  const kvm_pit_channel_state k = to_kvm(I8254Counter{});
  EXPECT_EQ(k.mode, 0xff);
  EXPECT_EQ(from_kvm(k, 0, 0), I8254Counter{});
}

TEST(KvmChips, PitCountsOnFromWhenItWasLoaded) {
  kvm_pit_channel_state k{};
  k.mode = 2, k.rw_mode = 3, k.read_state = k.write_state = 3, k.count = 1000, k.gate = 1;
  // 250 clocks, rounded up to nanoseconds, and the clock that loads
  const std::int64_t elapsed = I8254Common::to_ns(250);
  I8254Counter c = from_kvm(k, elapsed, 5000);
  EXPECT_EQ(c.clk, 5000U);
  EXPECT_EQ(c.mode(), 2U);
  EXPECT_EQ(c.cr, 1000U);
  EXPECT_NEAR(static_cast<double>(c.ce), 750, 1);
  EXPECT_TRUE(c.out);
  // A whole period and a half later it is in the second.
  c = from_kvm(k, I8254Common::to_ns(1500), 5000);
  EXPECT_NEAR(static_cast<double>(c.ce), 500, 1);
}

TEST(KvmChips, PitKeepsModeCountGateAndLatches) {
  I8254Counter c;
  c.write_control(0x36);  // LSB then MSB, mode 3
  c.write(0x34);
  c.write(0x12);
  c.gate = false;
  c.ol = 0x1122;
  c.count_latched = c.read_msb = true;
  c.status_latched = true, c.status = 0xb6;
  const kvm_pit_channel_state k = to_kvm(c);
  EXPECT_EQ(k.mode, 3);
  EXPECT_EQ(k.count, 0x1234U);
  EXPECT_EQ(k.gate, 0);
  const I8254Counter back = from_kvm(k, 0, 0);
  EXPECT_EQ(back.control, c.control);
  EXPECT_EQ(back.cr, c.cr);
  EXPECT_EQ(back.gate, c.gate);
  EXPECT_EQ(back.ol, c.ol);
  EXPECT_EQ(back.count_latched, c.count_latched);
  EXPECT_EQ(back.read_msb, c.read_msb);
  EXPECT_EQ(back.status, c.status);
  c.cr = 0;
  EXPECT_EQ(to_kvm(c).count, 65536U) << "0 counts as the whole";
}

}  // namespace
}  // namespace machina::kvm
