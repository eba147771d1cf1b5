// Trace events of accelerators and vCPUs, while guests run.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "tests/support/guest_test.h"
#include "tests/support/trace_capture.h"

namespace machina::test {
namespace {

class GuestTrace : public GuestTest {
 protected:
  /// The events that a guest makes: of each name the first line.
  static std::string first_of_each(const GuestOptions& options, std::initializer_list<const char*> patterns) {
    const IsolatedResult r = run_isolated(60, [&] {
      TraceCapture trace(patterns);
      {
        GuestMachine m(options);
        {
          const MachineLock::Guard guard(m.system().lock);
          m.machine().start();
        }
        m.run_until([&] { return m.machine().run_state() == RunState::Shutdown; }, 30);
      }
      std::map<std::string, std::string> first;
      for (const std::string& line : trace.take()) first.try_emplace(line.substr(0, line.find(' ')), line);
      std::string text;
      for (const auto& [name, line] : first) text += line + "\n";
      return text;
    });
    return r.failure().empty() ? r.result : r.failure() + r.stderr_;
  }
};

TEST_P(GuestTrace, TheAcceleratorTellsWhatTheGuestMakesItDo) {
  const std::string said = first_of_each(options(is_kvm() ? "hello" : "long"), {"jit_*", "kvm_*", "vcpu_*"});
  if (is_kvm()) {
    EXPECT_THAT(said, testing::HasSubstr("kvm_ioctl fd="));
    EXPECT_THAT(said, testing::HasSubstr("kvm_run_exit reason=2 name=IO\n"));
    EXPECT_THAT(said, testing::HasSubstr("kvm_set_user_memory slot="));
  } else {
    EXPECT_THAT(said, testing::HasSubstr("jit_block_made host="));
    EXPECT_THAT(said, testing::HasSubstr("jit_fault vector=14 error="));
    EXPECT_THAT(said, testing::HasSubstr("jit_mode mode="));
  }
  EXPECT_THAT(said, testing::HasSubstr("vcpu_unpark cpu=0\n"));
}

TEST_P(GuestTrace, ATripleFaultIsAnEvent) {
  const std::string said = first_of_each(options("triple_fault"), {"jit_*", "kvm_*", "vcpu_*"});
  EXPECT_THAT(said, testing::HasSubstr("vcpu_stop cpu=0 why=triple fault\n"));
  if (!is_kvm()) {
    EXPECT_THAT(said, testing::HasSubstr("jit_shutdown rip="));
  }
}

INSTANTIATE_FOR_GUESTS(GuestTrace);

}  // namespace
}  // namespace machina::test
