/// The choice of an accelerator asks this host's KVM how fast it is.

#include "accel/kvm/kvm_probe.h"

#include <gtest/gtest.h>

#include "hw/x86/accelerator.h"
#include "tests/support/guest_machine.h"

namespace machina::test {
namespace {

// Which figure is right depends on the host; that there is one, and that the verdict follows from it, does not. Only
// hosts whose KVM is an emulation take less than kEmulatedBelow, and none takes more instructions than it has cycles.
TEST(KvmProbe, MeasuresKernelModeInLongMode) {
  SKIP_WITHOUT_KVM();
  const auto accelerator = qom::TypeRegistry::global().create_as<Accelerator>("kvm-accel");
  const Accelerator::Probe probe = accelerator->probe();
  ASSERT_TRUE(probe.usable) << probe.reason;
  EXPECT_GT(probe.figure, 0.01) << probe.reason;
  EXPECT_LT(probe.figure, 50000) << probe.reason;
  EXPECT_EQ(probe.slow, probe.figure < kvm::kEmulatedBelow);
  EXPECT_EQ(probe.slow, probe.reason.find("(emulated)") != std::string::npos) << probe.reason;
}

}  // namespace
}  // namespace machina::test
