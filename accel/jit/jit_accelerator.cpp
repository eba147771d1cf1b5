#include "accel/jit/jit_accelerator.h"

#include <fmt/format.h>

#include <algorithm>

#include "accel/jit/jit_vcpu.h"
#include "accel/jit/tlb.h"
#include "core/system.h"

namespace machina {

void JitAccelerator::class_init(qom::ObjectClass& c) {
  c.description = "The software CPU: runs everywhere, needs nothing of the host";
}

JitAccelerator::JitAccelerator() = default;

JitAccelerator::~JitAccelerator() {
  for (const auto& ram : watched_) ram->watch_writes(nullptr);
  if (!system_) return;
  const MachineLock::Guard guard(system_->lock);
  if (smm_memory_) smm_memory_->remove_listener(*this);
  system_->memory.remove_listener(*this);
}

Accelerator::Probe JitAccelerator::probe() { return {true, 0, "interprets decoded blocks; needs nothing of the host"}; }

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

void JitAccelerator::add_vcpu(jit::JitVcpu& vcpu) {
  const std::lock_guard guard(vcpus_mutex_);
  vcpus_.push_back(&vcpu);
}

void JitAccelerator::remove_vcpu(jit::JitVcpu& vcpu) {
  const std::lock_guard guard(vcpus_mutex_);
  std::erase(vcpus_, &vcpu);
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

// --- memory ---

void JitAccelerator::range_added(const FlatRange& range) {
  if (!range.ram || std::find(watched_.begin(), watched_.end(), range.ram) != watched_.end()) return;
  watched_.push_back(range.ram);
  range.ram->watch_writes(this);
}

// The memory may be gone soon, and other memory at its place in this process.
void JitAccelerator::range_removed(const FlatRange& range) {
  if (range.host) blocks_.forget_range(reinterpret_cast<std::uintptr_t>(range.host), range.size());
}

void JitAccelerator::commit() {
  const std::lock_guard guard(vcpus_mutex_);
  for (jit::JitVcpu* vcpu : vcpus_) vcpu->memory_changed();
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
