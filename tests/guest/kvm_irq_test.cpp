/// Interrupts of guests under KVM, each with the controllers in the kernel, split, and in user space.

#include <gtest/gtest.h>

#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "tests/support/interrupt_board.h"
#include "tests/support/kvm_machine.h"

namespace machina::test {
namespace {

std::vector<unsigned> hex_words(const std::string& text) {
  std::istringstream in(text);
  std::vector<unsigned> words;
  for (unsigned word; in >> std::hex >> word;) words.push_back(word);
  return words;
}

class KvmIrq : public testing::TestWithParam<const char*> {
 protected:
  GuestRun run(const std::string& guest, unsigned cpus = 1, double seconds = 20) {
    GuestOptions options{.guest = guest, .cpus = cpus, .accel = {{"kernel-irqchip", GetParam()}}};
    options.devices = [](Machine& m) { return add_interrupt_board(m); };
    return run_guest(options, seconds);
  }
};

TEST_P(KvmIrq, PicTakesTimerClockAndLines) {
  SKIP_WITHOUT_KVM();
  const GuestRun r = run("irq_pic");
  ASSERT_EQ(r.failure, "");
  EXPECT_EQ(r.exit_code, 1) << r.output << r.stderr_;
  const std::vector<unsigned> words = hex_words(r.output);
  ASSERT_EQ(words.size(), 7U) << r.output;
  EXPECT_EQ(words[0], 1U) << "one shot";
  EXPECT_EQ(words[1], 10U);
  EXPECT_GE(words[2], 190U) << "ten periods of 2 ms, in 0.1 ms";
  EXPECT_EQ(words[3], 8U);
  EXPECT_GE(words[4], 273U) << "eight periods of 1/256 s, the first of which may have begun before";
  EXPECT_EQ(words[5], 3U) << "edges";
  EXPECT_EQ(words[6], 3U) << "level";
}

TEST_P(KvmIrq, LocalApicTakesPinsMessagesTimerAndNmi) {
  SKIP_WITHOUT_KVM();
  for (const char* guest : {"irq_apic", "irq_x2apic"}) {
    const GuestRun r = run(guest);
    ASSERT_EQ(r.failure, "") << guest;
    EXPECT_EQ(r.exit_code, 1) << guest << ": " << r.output << r.stderr_;
    const std::vector<unsigned> n = hex_words(r.output);
    ASSERT_EQ(n.size(), 11U) << guest << ": " << r.output;
    EXPECT_EQ(n[0], 1U) << "PIT, one shot";
    EXPECT_EQ(n[1], 10U) << "PIT, periodic";
    if (n[4] == n[2]) {
      EXPECT_EQ(n[2], 3U) << "level triggered";
      EXPECT_EQ(n[3], 3U) << "remote IRR while in service";
    } else {
      // Some KVMs without hardware help end an interrupt when they deliver it to ring 0 (the ISR of the local APIC
      // stays empty), so that the line is sampled again before the handler has lowered it.
      EXPECT_STRNE(GetParam(), "off");
      EXPECT_EQ(n[4], 0U);
      EXPECT_EQ(n[2], 4U);
      std::cout << "this KVM ends interrupts at their delivery\n";
    }
    EXPECT_EQ(n[5], 0U) << "remote IRR after the EOI";
    EXPECT_EQ(n[6], 3U) << "messages";
    EXPECT_EQ(n[7], 1U) << "local APIC timer, one shot";
    EXPECT_EQ(n[8], 5U) << "local APIC timer, periodic";
    EXPECT_EQ(n[9], 1U) << "NMI";
    EXPECT_EQ(n[10], 1U) << "to itself";
  }
}

TEST_P(KvmIrq, FourProcessorsStartAndInterruptEachOther) {
  SKIP_WITHOUT_KVM();
  for (const char* guest : {"irq_smp", "irq_smp_x2apic"}) {
    const GuestRun r = run(guest, 4);
    ASSERT_EQ(r.failure, "") << guest;
    EXPECT_EQ(r.exit_code, 1) << guest << ": " << r.output << r.stderr_;
    EXPECT_EQ(hex_words(r.output), (std::vector<unsigned>{3, 0xe, 6, 3, 6})) << guest;
  }
}

INSTANTIATE_TEST_SUITE_P(Irqchip, KvmIrq, testing::Values("on", "split", "off"),
                         [](const auto& param) { return std::string(param.param); });

}  // namespace
}  // namespace machina::test
