#pragma once
/// A test of guests that runs once under each accelerator that executes code; KVM with its interrupt controllers in the
/// kernel, split, and in user space. The parameter is the name of such a setting: kvm_on, kvm_split, kvm_off, jit.

#include <gtest/gtest.h>

#include <string>

#include "tests/support/guest_machine.h"

namespace machina::test {

class GuestTest : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    if (!is_kvm()) return;
    SKIP_WITHOUT_KVM();
  }

  static bool is_kvm() { return GetParam().starts_with("kvm_"); }
  /// The kernel has the local APICs, and with "kvm_on" the rest of the interrupt controllers and the timer.
  static bool is_apic_in_kernel() { return GetParam() == "kvm_on" || GetParam() == "kvm_split"; }

  static GuestOptions options(const std::string& guest, unsigned cpus = 1) {
    GuestOptions o{.guest = guest, .cpus = cpus, .accelerator = is_kvm() ? "kvm" : GetParam()};
    if (is_kvm()) o.accel = {{"kernel-irqchip", GetParam().substr(4)}};
    return o;
  }
};

#define INSTANTIATE_FOR_GUESTS(suite)                                                              \
  INSTANTIATE_TEST_SUITE_P(Accel, suite, testing::Values("kvm_on", "kvm_split", "kvm_off", "jit"), \
                           [](const auto& tested) { return tested.param; })

}  // namespace machina::test
