#include <gtest/gtest.h>

#include "tests/support/kvm_machine.h"

namespace machina::test {
namespace {

TEST(KvmModes, FirstInstructionToExit) {
  SKIP_WITHOUT_KVM();
  const GuestRun run = run_guest({.guest = "hello"});
  EXPECT_EQ(run.failure, "");
  EXPECT_EQ(run.output, "hello\n");
  EXPECT_EQ(run.exit_code, 1);
}

TEST(KvmModes, ResetStateIsReadBackAsItWasSet) {
  SKIP_WITHOUT_KVM();
  for (const char* irqchip : {"on", "split", "off"}) {
    const GuestRun run = run_guest({.guest = "hello", .accel = {{"kernel-irqchip", irqchip}, {"verify-state", "on"}}});
    EXPECT_EQ(run.failure, "") << irqchip;
    EXPECT_EQ(run.output, "hello\n");
  }
}

}  // namespace
}  // namespace machina::test
