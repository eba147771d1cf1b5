#include "accel/kvm/kvm_probe.h"

#include <sys/mman.h>

#include <algorithm>
#include <chrono>
#include <cstring>

#include "accel/kvm/kvm_api.h"

namespace machina::kvm {

namespace {

// The mode that kernels live in, 64-bit code in ring 0 behind page tables: real mode and the mode without paging are
// emulated on some hosts whose hardware runs this one, and would speak ill of them.
constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t kGuestAddress = 0x1000;  ///< of the three tables that map the first 2 MiB, then the code
constexpr std::uint64_t kCode = kGuestAddress + 3 * kPage;
constexpr std::uint64_t kSize = 4 * kPage;
constexpr std::uint64_t kPresentWritable = 3, kLargePage = 0x80;                 // SDM vol. 3, 4.5
constexpr std::uint64_t kCr0 = 0x80000031, kCr4Pae = 0x20, kEferLmeLma = 0x500;  // PG, NE, ET, PE
/// 1: dec rcx; jnz 1b; out 80h, al. Two instructions a round.
constexpr std::uint8_t kLoop[] = {0x48, 0xff, 0xc9, 0x75, 0xfb, 0xe6, 0x80};
constexpr unsigned kInstructionsPerRound = 2;
/// A hundred instructions first: an emulation that takes 10 us for each costs a millisecond, and is known.
constexpr std::uint64_t kFirstRounds = 50, kMostRounds = 1'000'000;
constexpr auto kBudget = std::chrono::milliseconds(2);

using Clock = std::chrono::steady_clock;

/// One CPU and four pages.
class TinyVm {
 public:
  explicit TinyVm(const Fd& system) : calls_(system.calls()) {
    vm_ = Fd(calls_, system.call(KVM_CREATE_VM));
    if (!vm_) return;
    page_ = ::mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page_ == MAP_FAILED) return;
    auto* const tables = static_cast<std::uint64_t*>(page_);
    tables[0] = (kGuestAddress + kPage) | kPresentWritable;
    tables[kPage / 8] = (kGuestAddress + 2 * kPage) | kPresentWritable;
    tables[2 * kPage / 8] = kPresentWritable | kLargePage;
    std::memcpy(static_cast<std::uint8_t*>(page_) + (kCode - kGuestAddress), kLoop, sizeof kLoop);
    kvm_userspace_memory_region region{};
    region.guest_phys_addr = kGuestAddress;
    region.memory_size = kSize;
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
    sregs.cs = flat(8, 11, true);
    sregs.ds = flat(16, 3, false);
    sregs.es = sregs.fs = sregs.gs = sregs.ss = sregs.ds;
    sregs.cr0 = kCr0;
    sregs.cr3 = kGuestAddress;
    sregs.cr4 = kCr4Pae;
    sregs.efer = kEferLmeLma;
    usable_ = vcpu_.call(KVM_SET_SREGS, &sregs) == 0;
  }
  ~TinyVm() {
    if (run_) calls_.unmap(run_, run_size_);
    vcpu_.reset();
    vm_.reset();
    if (page_ != MAP_FAILED) ::munmap(page_, kSize);
  }
  TinyVm(const TinyVm&) = delete;
  TinyVm& operator=(const TinyVm&) = delete;

  bool usable() const { return usable_; }
  bool run(std::uint64_t rounds) {
    kvm_regs regs{};
    regs.rip = kCode;
    regs.rcx = rounds;
    regs.rflags = 2;
    return vcpu_.call(KVM_SET_REGS, &regs) == 0 && vcpu_.call(KVM_RUN) == 0 && run_->exit_reason == KVM_EXIT_IO &&
           finish();
  }

 private:
  static kvm_segment flat(std::uint16_t selector, std::uint8_t type, bool long_mode) {
    kvm_segment segment{};
    segment.limit = 0xffffffff;
    segment.selector = selector;
    segment.type = type;
    segment.present = segment.s = segment.g = 1;
    segment.l = long_mode;
    segment.db = !long_mode;
    return segment;
  }
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
  for (std::uint64_t rounds = kFirstRounds; rounds <= kMostRounds; rounds *= 4) {
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
