#include "accel/kvm/kvm_tsc.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "accel/kvm/kvm_api.h"
#include "accel/kvm/kvm_msr.h"
#include "core/log.h"

namespace machina::kvm {

namespace {
/// Two frequencies within 250 ppm are one: what KVM itself takes as equal (tsc_tolerance_ppm of kvm.ko), and NTP can
/// steer.
constexpr std::uint64_t kTolerancePpm = 250;

kvm_device_attr offset_attribute(std::uint64_t& offset) {
  kvm_device_attr attribute{};
  attribute.group = KVM_VCPU_TSC_CTRL;
  attribute.attr = KVM_VCPU_TSC_OFFSET;
  attribute.addr = reinterpret_cast<std::uintptr_t>(&offset);
  return attribute;
}
}  // namespace

std::uint64_t tsc_khz(const Fd& vcpu) {
  const int khz = vcpu.call(KVM_GET_TSC_KHZ);
  return khz > 0 ? static_cast<std::uint64_t>(khz) : 0;
}

std::uint64_t set_tsc_khz(const Fd& vcpu, bool can_scale, std::uint64_t wanted_khz) {
  const std::uint64_t host = tsc_khz(vcpu);
  if (wanted_khz == 0 || wanted_khz == host) return host;
  if (can_scale && vcpu.call(KVM_SET_TSC_KHZ, wanted_khz) == 0) return wanted_khz;
  const std::string why =
      can_scale ? fmt::format("KVM_SET_TSC_KHZ: {}", std::strerror(errno)) : "it lacks KVM_CAP_TSC_CONTROL";
  const std::uint64_t distance = wanted_khz > host ? wanted_khz - host : host - wanted_khz;
  if (host != 0 && distance * 1000000 <= host * kTolerancePpm) return wanted_khz;
  log::warn_once("kvm-tsc-frequency",
                 fmt::format("tsc-frequency: KVM cannot run the TSC at {} kHz here ({}); it runs at the host's {} kHz",
                             wanted_khz, why, host));
  return host;
}

bool TscOffsets::set(const Fd& vcpu, std::uint64_t value) {
  std::uint64_t offset = 0;
  kvm_device_attr attribute = offset_attribute(offset);
  const std::lock_guard guard(mutex_);
  read_.reset();
  if (vcpu.call(KVM_HAS_DEVICE_ATTR, &attribute) < 0) return false;
  if (of_host_) return vcpu.call(KVM_SET_DEVICE_ATTR, &attribute) == 0;
  const bool again = std::find(done_.begin(), done_.end(), vcpu.get()) != done_.end();
  if (!standing_ || value != value_ || again) {
    // From what the guest would read now, so that scaling need not be known here.
    if (vcpu.call(KVM_GET_DEVICE_ATTR, &attribute) < 0) return false;
    const std::vector<X86Msr> now = get_msrs(vcpu, std::array{kMsrTsc});
    if (now.empty()) return false;
    standing_ = true;
    value_ = value;
    offset_ = offset + value - now.front().value;
    done_.clear();
  }
  offset = offset_;
  if (vcpu.call(KVM_SET_DEVICE_ATTR, &attribute) < 0) return false;
  done_.push_back(vcpu.get());
  return true;
}

void TscOffsets::join(const Fd& vcpu, const Fd& other) {
  std::uint64_t offset = 0;
  kvm_device_attr attribute = offset_attribute(offset);
  const std::vector<X86Msr> adjust = get_msrs(other, std::array{kMsrTscAdjust});
  const std::uint64_t less = adjust.empty() ? 0 : adjust.front().value;
  const std::lock_guard guard(mutex_);
  standing_ = false;  // what is set next is another moment
  done_.clear();
  if (other.call(KVM_GET_DEVICE_ATTR, &attribute) == 0) {
    offset -= less;
    if (vcpu.call(KVM_SET_DEVICE_ATTR, &attribute) == 0) return;
  }
  // KVM makes equal what is nearly so.
  for (const X86Msr& now : get_msrs(other, std::array{kMsrTsc}))
    set_msrs(vcpu, std::array{X86Msr{kMsrTsc, now.value - less}});
}

std::uint64_t TscOffsets::as_stored(const Fd& vcpu, std::uint64_t value) {
  std::uint64_t offset = 0;
  kvm_device_attr attribute = offset_attribute(offset);
  const std::lock_guard guard(mutex_);
  if (runs_ || vcpu.call(KVM_GET_DEVICE_ATTR, &attribute) < 0) return value;
  if (!read_) read_ = Moment{value, offset};
  return read_->value + (offset - read_->offset);
}

void TscOffsets::leave_to_host() {
  const std::lock_guard guard(mutex_);
  of_host_ = true;
}

void TscOffsets::guest_runs() {
  const std::lock_guard guard(mutex_);
  runs_ = true;
  standing_ = false;
  done_.clear();
  read_.reset();
}

void TscOffsets::guest_stands() {
  const std::lock_guard guard(mutex_);
  runs_ = false;
}

}  // namespace machina::kvm
