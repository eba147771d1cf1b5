#include "accel/jit/cpu_group.h"

#include <immintrin.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "accel/jit/cpu.h"

namespace machina::jit {

namespace {

/// While it lives, the CPU counts as one that is outside of blocks, which it is: two may wait for each other.
class Outside {
 public:
  explicit Outside(Cpu& cpu) : cpu_(cpu), was_inside_(cpu.in_blocks.load(std::memory_order_relaxed)) {
    InBlocks::leave(cpu_);
  }
  ~Outside() {
    if (was_inside_) InBlocks::enter(cpu_);
  }
  Outside(const Outside&) = delete;
  Outside& operator=(const Outside&) = delete;

 private:
  Cpu& cpu_;
  bool was_inside_;
};

/// A block takes a microsecond or so, unless the host has taken its thread off.
constexpr unsigned kSpins = 200, kYields = 100;
constexpr std::chrono::microseconds kNap{20};

void wait_a_little(unsigned tries) {
  if (tries < kSpins) {
    _mm_pause();
  } else if (tries < kSpins + kYields) {
    std::this_thread::yield();
  } else {
    std::this_thread::sleep_for(kNap);
  }
}

}  // namespace

// Seen by everybody before the first look into a TLB.
void InBlocks::enter(Cpu& cpu) { cpu.in_blocks.exchange(true, std::memory_order_seq_cst); }
void InBlocks::leave(Cpu& cpu) { cpu.in_blocks.store(false, std::memory_order_seq_cst); }

void CpuGroup::add(Cpu& cpu) {
  const std::lock_guard guard(mutex_);
  cpus_.push_back(&cpu);
}

void CpuGroup::remove(Cpu& cpu) {
  const std::lock_guard guard(mutex_);
  std::erase(cpus_, &cpu);
}

void CpuGroup::protect(Cpu& self, std::uintptr_t host_page) {
  const Outside outside(self);
  const std::lock_guard one(one_at_a_time_);
  std::vector<Cpu*> asked;
  {
    const std::lock_guard guard(mutex_);
    for (Cpu* cpu : cpus_) {
      bool took = false;
      for (Tlb& tlb : cpu->tlbs) took = tlb.protect(host_page) || took;
      if (!took || cpu == &self) continue;
      cpu->request(kRequestSettle);
      asked.push_back(cpu);
    }
  }
  for (unsigned tries = 0; !settled(asked); ++tries) wait_a_little(tries);
}

/// A CPU answers by taking the request back, between blocks: what it stored before is seen by then.
bool CpuGroup::settled(std::vector<Cpu*>& asked) {
  const std::lock_guard guard(mutex_);
  std::erase_if(asked, [this](Cpu* cpu) {
    if (std::find(cpus_.begin(), cpus_.end(), cpu) == cpus_.end()) return true;  // gone meanwhile
    return !(cpu->requests.load(std::memory_order_seq_cst) & kRequestSettle) ||
           !cpu->in_blocks.load(std::memory_order_seq_cst);
  });
  return asked.empty();
}

}  // namespace machina::jit
