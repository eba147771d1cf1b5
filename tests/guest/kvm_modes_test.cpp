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

}  // namespace
}  // namespace machina::test
