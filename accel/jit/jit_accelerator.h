#pragma once
/// The software CPU as an accelerator: it runs everywhere, by interpreting decoded blocks (docs/jit.md).

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "accel/jit/block_cache.h"
#include "accel/jit/cpu_group.h"
#include "accel/jit/world.h"
#include "accel/triple_fault.h"
#include "core/memory/address_space.h"
#include "core/memory/memory_region.h"
#include "core/memory/ram_block.h"
#include "hw/x86/accelerator.h"
#include "hw/x86/cpuid_source.h"

namespace machina {

namespace jit {
class JitVcpu;
}

class JitAccelerator final : public Accelerator, public CpuidSource, private MemoryListener, private WriteWatcher {
 public:
  static constexpr const char* kType = "jit-accel";
  static void class_init(qom::ObjectClass& c);
  JitAccelerator();
  ~JitAccelerator() override;

  Probe probe() override;
  std::string details() override;
  void init_machine(System& system, unsigned max_cpus) override;
  std::unique_ptr<Vcpu> create_vcpu(X86Cpu& cpu) override;
  CpuidTable supported_cpuid() const override;
  bool has_smm() const override { return true; }
  std::optional<std::uint64_t> guest_clock() override;
  void go_on_from(std::optional<std::uint64_t> guest_clock) override { clock_before_ = guest_clock; }
  void take_over() override;

  /// The guest_clock() of the accelerator that the machine had before, if any.
  std::optional<std::uint64_t> clock_before() const { return clock_before_; }

  System& system() const { return *system_; }
  /// Memory as a CPU in system management mode sees it.
  AddressSpace& smm_memory() const { return *smm_memory_; }
  jit::BlockCache& blocks() { return blocks_; }
  jit::World& world() { return world_; }
  jit::CpuGroup& cpus() { return cpus_; }
  /// See Environment::bus_lock().
  std::mutex& bus_lock() { return bus_lock_; }

  // Called by vCPUs as they come and go; machine lock held.
  void add_vcpu(jit::JitVcpu& vcpu);
  void remove_vcpu(jit::JitVcpu& vcpu);

  TripleFaults& triple_faults() { return triple_faults_; }

  /// How often the memory map has changed. Any thread.
  std::uint64_t map_changes() const { return map_changes_; }
  /// A CPU has forgotten its translations: blocks of memory that none can reach any more die. Any thread.
  void forget_removed();
  /// A vCPU's thread, outside of blocks: empties the cache if it is still full.
  void empty_cache();

 private:
  // MemoryListener, of memory as all see it and as seen in system management mode
  void range_added(const FlatRange& range) override;
  void range_removed(const FlatRange& range) override;
  void commit() override;
  // WriteWatcher: devices write into RAM
  void written(const std::uint8_t* host, std::uint64_t length) override;

  void forget_blocks(const FlatRange& range);

  System* system_ = nullptr;
  std::optional<std::uint64_t> clock_before_;
  ContainerRegion smm_root_{"smm", MemoryRegion::kWholeSpace};
  std::unique_ptr<AliasRegion> smm_memory_alias_, smm_smram_alias_;
  std::unique_ptr<AddressSpace> smm_memory_;

  jit::BlockCache blocks_;
  jit::World world_;
  jit::CpuGroup cpus_;
  std::mutex bus_lock_;
  /// RAM that is gone from the map, and kept until all CPUs know of the change that took it.
  struct Removed {
    FlatRange range;
    std::uint64_t change;
  };
  /// Of vcpus_ and removed_; taken under the machine lock or without it, and under it the cache's.
  std::mutex vcpus_mutex_;
  std::vector<jit::JitVcpu*> vcpus_;
  std::vector<Removed> removed_;
  std::atomic<std::uint64_t> map_changes_{0};
  std::map<std::shared_ptr<RamBlock>, unsigned> watched_;  ///< how many ranges show it; machine lock
  TripleFaults triple_faults_;
};

}  // namespace machina
