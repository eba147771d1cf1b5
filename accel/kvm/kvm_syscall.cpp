#include "accel/kvm/kvm_syscall.h"

#include <array>
#include <cstring>
#include <optional>

#include "accel/kvm/kvm_api.h"
#include "accel/kvm/kvm_msr.h"
#include "accel/kvm/kvm_sregs.h"

namespace machina::kvm {

namespace {

constexpr std::uint32_t kMsrStar = 0xc0000081, kMsrLstar = 0xc0000082, kMsrFmask = 0xc0000084;
constexpr std::uint64_t kEferSce = 1;
constexpr std::uint64_t kReserved = 2, kIf = 0x200, kIopl = 0x3000, kRf = 0x10000, kVm = 0x20000;
constexpr std::uint64_t kUpperHalf = std::uint64_t{1} << 63;
constexpr std::uint8_t kUser = 3;
constexpr unsigned kPageFault = 14, kGateSize = 16;
// SDM vol. 3, figure 4-12: present, user; and fetch, which is only told with EFER.NXE or CR4.SMEP.
constexpr std::uint64_t kFromUserMode = 5, kFetch = 0x10;

X86Segment flat(std::uint64_t selector, std::uint8_t type) {
  X86Segment segment;
  segment.selector = static_cast<std::uint16_t>(selector);
  segment.limit = 0xffffffff;
  segment.type = type;
  segment.g = true;
  return segment;
}

/// What SYSCALL makes of CS and SS: not what the GDT has there.
X86Segment kernel_code(std::uint64_t star) {
  constexpr std::uint8_t kExecuteRead = 11;
  X86Segment cs = flat(star >> 32 & 0xfffc, kExecuteRead);
  cs.l = true;
  return cs;
}

X86Segment kernel_stack(std::uint64_t star) {
  constexpr std::uint8_t kReadWrite = 3;
  X86Segment ss = flat((star >> 32 & 0xffff) + 8, kReadWrite);
  ss.db = true;
  return ss;
}

/// What the processor pushes in 64-bit mode: SDM vol. 3, figure 6-9.
struct Frame {
  std::uint64_t error, rip, cs, rflags, rsp, ss;
};

/// Byte by byte, since it may be on two pages.
template <class T>
std::optional<T> at_linear(const X86State& s, std::uint64_t linear, const ReadPhysical& read) {
  std::array<std::uint8_t, sizeof(T)> bytes{};
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const std::optional<std::uint64_t> physical = translate(s, linear + i, read);
    if (!physical || !read(*physical, std::span(&bytes[i], 1))) return std::nullopt;
  }
  T value;
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

bool at_page_fault_handler(const X86State& s, const ReadPhysical& read) {
  if (!is_64_bit_code(s) || (s.segment[kCs].selector & 3) != 0) return false;
  const auto gate = at_linear<std::array<std::uint64_t, 2>>(s, s.idt.base + kPageFault * kGateSize, read);
  if (!gate) return false;
  const std::uint64_t low = (*gate)[0];
  return s.rip == ((low & 0xffff) | (low >> 48 << 16) | (*gate)[1] << 32);
}

/// The fetch that failed for want of the segments may have been noted already, and waits for its delivery.
void withdraw_page_fault(const Fd& vcpu) {
  kvm_vcpu_events events{};
  vcpu.must(KVM_GET_VCPU_EVENTS, &events, "KVM_GET_VCPU_EVENTS");
  if (events.exception.nr != kPageFault || !(events.exception.injected || events.exception.pending)) return;
  events.exception = {};
  vcpu.must(KVM_SET_VCPU_EVENTS, &events, "KVM_SET_VCPU_EVENTS");
}

}  // namespace

bool finish_syscall(const Fd& vcpu) {
  kvm_regs regs{};
  if (vcpu.call(KVM_GET_REGS, &regs) < 0 || !(regs.rip & kUpperHalf)) return false;
  kvm_sregs sregs{};
  if (vcpu.call(KVM_GET_SREGS, &sregs) < 0 || sregs.cs.dpl != kUser || !sregs.cs.l) return false;
  const std::vector<X86Msr> msrs = get_msrs(vcpu, std::array{kMsrStar, kMsrLstar, kMsrFmask});
  if (msrs.size() != 3) return false;
  const std::uint64_t star = msrs[0].value, entry = msrs[1].value, mask = msrs[2].value;
  if (regs.rip != entry || !(mask & kIf) || (regs.rflags & kIf)) return false;
  sregs.cs = to_kvm(kernel_code(star));
  sregs.ss = to_kvm(kernel_stack(star));
  vcpu.must(KVM_SET_SREGS, &sregs, "KVM_SET_SREGS");
  withdraw_page_fault(vcpu);
  return true;
}

bool complete_faulted_syscall(X86State& s, const ReadPhysical& read) {
  const std::uint64_t entry = s.msr(kMsrLstar);
  if (!(s.efer & kEferSce) || s.cr2 != entry || !at_page_fault_handler(s, read)) return false;
  const auto frame = at_linear<Frame>(s, s.gpr[kRsp], read);
  if (!frame || (frame->error & ~kFetch) != kFromUserMode || frame->rip != entry || (frame->cs & 3) != 3) return false;
  // The instruction before RCX, and flags that user mode can have had: nobody else's word is taken for either.
  constexpr std::uint16_t kSyscall = 0x050f;
  if (at_linear<std::uint16_t>(s, s.gpr[kRcx] - 2, read) != kSyscall) return false;
  const std::uint64_t flags = s.gpr[kR11];
  if ((flags & kVm) || !(flags & kIf) || (flags & kIopl)) return false;

  s.rip = entry;
  s.gpr[kRsp] = frame->rsp;
  s.rflags = (flags & ~s.msr(kMsrFmask) & ~kRf) | kReserved;
  s.segment[kCs] = kernel_code(s.msr(kMsrStar));
  s.segment[kSs] = kernel_stack(s.msr(kMsrStar));
  return true;
}

}  // namespace machina::kvm
