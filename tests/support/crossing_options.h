#pragma once
/// Machines that may go from one accelerator to the other on this host: what their CPUs may have.

#include <fmt/format.h>

#include <cstdint>
#include <string>

#include "accel/kvm/kvm_api.h"
#include "accel/kvm/kvm_cpuid.h"
#include "accel/kvm/kvm_tsc.h"
#include "hw/x86/cpu_features.h"
#include "machines/cli/accel_choice.h"
#include "tests/support/guest_machine.h"

namespace machina::test {

inline constexpr const char* kKvmOff = "kvm,kernel-irqchip=off";

inline qom::Ref<Accelerator> crossing_accelerator(const std::string& text) {
  return make_accelerator("x-set-accelerator", text);
}

/// What a guest may have that is to cross to KVM. Without KVM: whatever.
struct CrossingHost {
  std::uint64_t tsc_khz = 1'000'000;
  bool pni = true, avx = true;

  static const CrossingHost& get() {
    static const CrossingHost host;
    return host;
  }

 private:
  CrossingHost() {
    kvm::Calls& calls = kvm::Calls::system();
    const int device = calls.open_device();
    if (device < 0) return;
    const kvm::Fd system(calls, device);
    const kvm::Fd vm(calls, system.must(KVM_CREATE_VM, std::uintptr_t{0}, "KVM_CREATE_VM"));
    const kvm::Fd vcpu(calls, vm.must(KVM_CREATE_VCPU, std::uintptr_t{0}, "KVM_CREATE_VCPU"));
    tsc_khz = kvm::tsc_khz(vcpu);
    const FeatureSet features = features_of(kvm::read_supported_cpuid(system));
    pni = has_feature(features, "pni");
    avx = has_feature(features, "xsave") && has_feature(features, "avx");
  }
};

/// A machine that begins under `first`, as behind -accel.
inline GuestOptions crossing_options(const std::string& guest, const std::string& first, unsigned cpus = 1,
                                     bool avx = false) {
  GuestOptions o{.guest = guest, .cpus = cpus};
  const CrossingHost& host = CrossingHost::get();
  o.cpu_model = fmt::format("qemu64,-kvm-steal-time{}{},tsc-frequency={}", host.pni ? "" : ",-pni",
                            avx ? ",+xsave,+avx" : "", host.tsc_khz * 1000);
  o.accelerator = first.substr(0, first.find(','));
  if (first != o.accelerator) o.accel = {{"kernel-irqchip", first.substr(first.find('=') + 1)}};
  return o;
}

}  // namespace machina::test
