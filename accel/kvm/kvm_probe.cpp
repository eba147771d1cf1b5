#include "accel/kvm/kvm_probe.h"

#include <sys/mman.h>

#include <algorithm>
#include <chrono>
#include <cstring>

#include "accel/kvm/kvm_api.h"

namespace machina::kvm {

namespace {

constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t kGuestAddress = 0x1000;
/// Real mode: 1: dec ecx; jnz 1b; out 80h, al. Two instructions a round.
constexpr std::uint8_t kLoop[] = {0x66, 0x49, 0x75, 0xfc, 0xe6, 0x80};
constexpr unsigned kInstructionsPerRound = 2;
constexpr auto kBudget = std::chrono::milliseconds(2);

using Clock = std::chrono::steady_clock;

class TinyVm {
 public:
  explicit TinyVm(const Fd& system) : calls_(system.calls()) {
    vm_ = Fd(calls_, system.call(KVM_CREATE_VM));
    if (!vm_) return;
    page_ = ::mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page_ == MAP_FAILED) return;
    std::memcpy(page_, kLoop, sizeof kLoop);
    kvm_userspace_memory_region region{};
    region.guest_phys_addr = kGuestAddress;
    region.memory_size = kPage;
    region.userspace_addr = reinterpret_cast<std::uintptr_t>(page_);
    if (vm_.call(KVM_SET_USER_MEMORY_REGION, &region) < 0) return;
    vcpu_ = Fd(calls_, vm_.call(KVM_CREATE_VCPU));
    const int size = system.call(KVM_GET_VCPU_MMAP_SIZE);
    if (!vcpu_ || size <= 0) return;
    run_size_ = static_cast<std::size_t>(size);
    void* mapped = calls_.map(vcpu_.get(), run_size_);
    if (mapped == MAP_FAILED) return;
    run_ = static_cast<kvm_run*>(mapped);
    kvm_sregs sregs{};
    if (vcpu_.call(KVM_GET_SREGS, &sregs) < 0) return;
    sregs.cs.base = 0;
    sregs.cs.selector = 0;
    usable_ = vcpu_.call(KVM_SET_SREGS, &sregs) == 0;
  }
  ~TinyVm() {
    if (run_) calls_.unmap(run_, run_size_);
    vcpu_.reset();
    vm_.reset();
    if (page_ != MAP_FAILED) ::munmap(page_, kPage);
  }
  TinyVm(const TinyVm&) = delete;
  TinyVm& operator=(const TinyVm&) = delete;

  bool usable() const { return usable_; }
  bool run(std::uint64_t rounds) {
    kvm_regs regs{};
    regs.rip = kGuestAddress;
    regs.rcx = rounds;
    regs.rflags = 2;
    return vcpu_.call(KVM_SET_REGS, &regs) == 0 && vcpu_.call(KVM_RUN) == 0 && run_->exit_reason == KVM_EXIT_IO &&
           finish();
  }

 private:
  /// The OUT is completed by one more entry, which returns at once.
  bool finish() {
    run_->immediate_exit = 1;
    vcpu_.call(KVM_RUN);
    run_->immediate_exit = 0;
    return true;
  }

  Calls& calls_;
  Fd vm_, vcpu_;
  void* page_ = MAP_FAILED;
  kvm_run* run_ = nullptr;
  std::size_t run_size_ = 0;
  bool usable_ = false;
};

}  // namespace

double measure_kernel_mode(const Fd& system) {
  TinyVm vm(system);
  if (!vm.usable() || !vm.run(1)) return 0;  // the first entry builds the page tables
  double best = 0;
  const Clock::time_point start = Clock::now();
  for (std::uint64_t rounds = 500; rounds <= 1000000; rounds *= 4) {
    const Clock::time_point before = Clock::now();
    if (!vm.run(rounds)) break;
    const double seconds = std::chrono::duration<double>(Clock::now() - before).count();
    best = std::max(best, static_cast<double>(rounds * kInstructionsPerRound) / seconds / 1e6);
    // The next one takes up to four times as long.
    if (Clock::now() - start + 4 * (Clock::now() - before) > kBudget) break;
  }
  return best;
}

}  // namespace machina::kvm
