/// Interrupts of guests under KVM, each with the controllers in the kernel, split, and in user space.

#include <gtest/gtest.h>

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
    options.devices = [](Machine& m) { return add_interrupt_board(m, {.ioapic = false}); };
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

INSTANTIATE_TEST_SUITE_P(Irqchip, KvmIrq, testing::Values("on", "split", "off"),
                         [](const auto& param) { return std::string(param.param); });

}  // namespace
}  // namespace machina::test
