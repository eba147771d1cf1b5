#include "accel/kvm/kvm_tsc.h"

#include <fmt/format.h>

#include "accel/kvm/kvm_api.h"
#include "core/log.h"

namespace machina::kvm {

namespace {
/// Two frequencies within 250 ppm are one: what KVM itself takes as equal (tsc_tolerance_ppm of kvm.ko), and NTP can
/// steer.
constexpr std::uint64_t kTolerancePpm = 250;
}  // namespace

std::uint64_t tsc_khz(const Fd& vcpu) {
  const int khz = vcpu.call(KVM_GET_TSC_KHZ);
  return khz > 0 ? static_cast<std::uint64_t>(khz) : 0;
}

std::uint64_t set_tsc_khz(const Fd& vcpu, bool can_scale, std::uint64_t wanted_khz) {
  const std::uint64_t host = tsc_khz(vcpu);
  if (wanted_khz == 0 || wanted_khz == host) return host;
  if (can_scale && vcpu.call(KVM_SET_TSC_KHZ, wanted_khz) == 0) return wanted_khz;
  const std::uint64_t distance = wanted_khz > host ? wanted_khz - host : host - wanted_khz;
  if (host != 0 && distance * 1000000 <= host * kTolerancePpm) return wanted_khz;
  log::warn_once("kvm-tsc-frequency",
                 fmt::format("KVM cannot run the TSC at {} kHz here, it runs at the host's {} kHz", wanted_khz, host));
  return host;
}

}  // namespace machina::kvm
