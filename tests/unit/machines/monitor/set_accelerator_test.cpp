// x-set-accelerator: what it refuses, and that nothing has changed then. tests/guest/crossing_test.cpp moves guests.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/monitor_fixture.h"

namespace machina::test {
namespace {

using testing::HasSubstr;

class SetAcceleratorTest : public MonitorTest {
 protected:
  SetAcceleratorTest() { negotiate(); }
  std::string refusal(const char* accelerator) {
    return refusal_of("x-set-accelerator", to_json(ValueMap{{"accelerator", accelerator}}));
  }
};

TEST_F(SetAcceleratorTest, RefusalsChangeNothing) {
  const Accelerator* const before = &machine_->accelerator();
  if (machine_->run_state() != RunState::Running) run("cont");
  EXPECT_THAT(refusal("jit"), HasSubstr("stop it first"));
  run("stop");
  EXPECT_THAT(refusal("kwm"), HasSubstr("kwm"));
  EXPECT_THAT(refusal("jit,colour=blue"), HasSubstr("colour"));
  EXPECT_THAT(refusal("qtest"), HasSubstr("no CPUs"));
  EXPECT_EQ(&machine_->accelerator(), before);
  run("cont");
  EXPECT_EQ(machine_->run_state(), RunState::Running);
}

}  // namespace
}  // namespace machina::test
