#include "accel/kvm/kvm_syscall.h"

#include <array>

#include "accel/kvm/kvm_api.h"
#include "accel/kvm/kvm_msr.h"

namespace machina::kvm {

namespace {

constexpr std::uint32_t kStar = 0xc0000081, kLstar = 0xc0000082, kFmask = 0xc0000084;
constexpr std::uint64_t kInterruptFlag = 0x200;
constexpr std::uint64_t kUpperHalf = std::uint64_t{1} << 63;
constexpr std::uint8_t kUser = 3;

}  // namespace

// SDM vol. 2, SYSCALL.
bool finish_syscall(const Fd& vcpu) {
  kvm_regs regs{};
  if (vcpu.call(KVM_GET_REGS, &regs) < 0 || !(regs.rip & kUpperHalf)) return false;
  kvm_sregs sregs{};
  if (vcpu.call(KVM_GET_SREGS, &sregs) < 0 || sregs.cs.dpl != kUser || !sregs.cs.l) return false;
  const std::vector<X86Msr> msrs = get_msrs(vcpu, std::array{kStar, kLstar, kFmask});
  if (msrs.size() != 3) return false;
  const std::uint64_t star = msrs[0].value, lstar = msrs[1].value, fmask = msrs[2].value;
  if (regs.rip != lstar || !(fmask & kInterruptFlag) || (regs.rflags & kInterruptFlag)) return false;
  sregs.cs = {};
  sregs.cs.selector = static_cast<std::uint16_t>(star >> 32 & 0xfffc);
  sregs.cs.limit = 0xffffffff;
  sregs.cs.type = 11;
  sregs.cs.s = sregs.cs.present = sregs.cs.l = sregs.cs.g = 1;
  sregs.ss = {};
  sregs.ss.selector = static_cast<std::uint16_t>((star >> 32 & 0xffff) + 8);
  sregs.ss.limit = 0xffffffff;
  sregs.ss.type = 3;
  sregs.ss.s = sregs.ss.present = sregs.ss.db = sregs.ss.g = 1;
  vcpu.must(KVM_SET_SREGS, &sregs, "KVM_SET_SREGS");
  return true;
}

}  // namespace machina::kvm
