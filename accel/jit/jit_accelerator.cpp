#include "accel/jit/jit_accelerator.h"

#include <fmt/format.h>

#include <algorithm>

#include "accel/jit/code_area.h"
#include "accel/jit/jit_cpuid.h"
#include "accel/jit/jit_vcpu.h"
#include "accel/jit/tlb.h"
#include "core/system.h"
#include "qom/error.h"

namespace machina {

void JitAccelerator::class_init(qom::ObjectClass& c) {
  c.description = "The software CPU: needs nothing of the host but memory for code that is made at run time";
}

JitAccelerator::JitAccelerator() = default;

JitAccelerator::~JitAccelerator() {
  for (const auto& [ram, uses] : watched_) ram->watch_writes(nullptr);
  if (!system_) return;
  const MachineLock::Guard guard(system_->lock);
  if (smm_memory_) smm_memory_->remove_listener(*this);
  system_->memory.remove_listener(*this);
}

// Code that is made at run time is what hardened hosts forbid.
Accelerator::Probe JitAccelerator::probe() {
  constexpr std::uint8_t kRet = 0xc3;
  try {
    jit::CodeArea().add({&kRet, 1});
  } catch (const Error& e) {
    return {false, 0, fmt::format("{}: {}", e.message(), e.cause())};
  }
  return {true, 0, "interprets decoded blocks; needs no help of the host"};
}

std::string JitAccelerator::details() {
  return "Interprets blocks of decoded instructions. x87, SSE and AVX instructions execute on the host's own units.\n";
}

void JitAccelerator::init_machine(System& system, unsigned /*max_cpus*/) {
  system_ = &system;
  smm_memory_alias_ = std::make_unique<AliasRegion>("smm-memory", system.memory_root, 0, MemoryRegion::kWholeSpace);
  smm_smram_alias_ = std::make_unique<AliasRegion>("smm-smram", system.smram_root, 0, MemoryRegion::kWholeSpace);
  smm_root_.add(0, *smm_memory_alias_, 0);
  smm_root_.add(0, *smm_smram_alias_, 1);
  smm_memory_ = std::make_unique<AddressSpace>("smm", smm_root_, system.lock);
  system.memory.add_listener(*this);
  smm_memory_->add_listener(*this);
}

std::unique_ptr<Vcpu> JitAccelerator::create_vcpu(X86Cpu& cpu) { return std::make_unique<jit::JitVcpu>(*this, cpu); }

CpuidTable JitAccelerator::supported_cpuid() const { return jit::supported_cpuid(); }

void JitAccelerator::add_vcpu(jit::JitVcpu& vcpu) {
  const std::lock_guard guard(vcpus_mutex_);
  vcpus_.push_back(&vcpu);
}

void JitAccelerator::remove_vcpu(jit::JitVcpu& vcpu) {
  {
    const std::lock_guard guard(vcpus_mutex_);
    std::erase(vcpus_, &vcpu);
  }
  forget_removed();
}

void JitAccelerator::empty_cache() {
  const auto for_all = [this](auto&& what) {
    const std::lock_guard guard(vcpus_mutex_);
    for (jit::JitVcpu* vcpu : vcpus_) what(*vcpu);
  };
  world_.stop([&] { for_all([](jit::JitVcpu& vcpu) { vcpu.kick(); }); },
              [&] {
                if (!blocks_.full()) return;                                 // another CPU was faster
                for_all([](jit::JitVcpu& vcpu) { vcpu.memory_changed(); });  // before they run a block again
                blocks_.clear();
              });
}

std::optional<std::uint64_t> JitAccelerator::guest_clock() {
  const std::lock_guard guard(vcpus_mutex_);
  if (vcpus_.empty()) return {};
  return vcpus_.front()->guest_clock();
}

// A block tells one watcher, and another software CPU may have been it.
void JitAccelerator::take_over() {
  for (const auto& [ram, uses] : watched_) ram->watch_writes(this);
}

// --- memory ---

void JitAccelerator::range_added(const FlatRange& range) {
  if (range.ram && watched_[range.ram]++ == 0) range.ram->watch_writes(this);
}

// The memory may be gone soon, and other memory at its place in this process. Its blocks die now, so that no CPU finds
// one that it does not hold; and again once no CPU has translations that lead there, since until then it may make more.
void JitAccelerator::range_removed(const FlatRange& range) {
  if (!range.host) return;
  forget_blocks(range);
  {
    const std::lock_guard guard(vcpus_mutex_);
    removed_.push_back({range, map_changes_ + 1});
  }
  const auto watched = watched_.find(range.ram);
  if (watched == watched_.end() || --watched->second != 0) return;
  range.ram->watch_writes(nullptr);
  watched_.erase(watched);
}

void JitAccelerator::forget_blocks(const FlatRange& range) {
  blocks_.forget_range(reinterpret_cast<std::uintptr_t>(range.host), range.size());
}

void JitAccelerator::commit() {
  {
    const std::lock_guard guard(vcpus_mutex_);
    ++map_changes_;
    for (jit::JitVcpu* vcpu : vcpus_) vcpu->memory_changed();
  }
  forget_removed();
}

void JitAccelerator::forget_removed() {
  std::vector<Removed> gone;  // dies without the lock: with it the last of a range's memory may go
  const std::lock_guard guard(vcpus_mutex_);
  std::uint64_t all_know = map_changes_;
  for (const jit::JitVcpu* vcpu : vcpus_) all_know = std::min(all_know, vcpu->map_known());
  const auto first = std::stable_partition(removed_.begin(), removed_.end(),
                                           [all_know](const Removed& r) { return r.change > all_know; });
  gone.assign(std::make_move_iterator(first), std::make_move_iterator(removed_.end()));
  removed_.erase(first, removed_.end());
  for (const Removed& r : gone) forget_blocks(r.range);
}

void JitAccelerator::written(const std::uint8_t* host, std::uint64_t length) {
  auto at = reinterpret_cast<std::uintptr_t>(host);
  for (const std::uintptr_t end = at + length; at < end;) {
    const std::uint64_t piece = std::min<std::uint64_t>(end - at, jit::kPageSize - (at & (jit::kPageSize - 1)));
    blocks_.written(at, static_cast<unsigned>(piece));
    at += piece;
  }
}

MACHINA_TYPE(JitAccelerator, Accelerator);

}  // namespace machina
