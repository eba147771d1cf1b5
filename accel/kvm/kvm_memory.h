#pragma once
/// Guest memory as KVM sees it: one slot for each flat range of RAM, kept right by listening to the address space.
///
/// A range that is read-only becomes a read-only slot: writes to it exit and are dispatched like any access without
/// RAM. Ranges that are not whole pages cannot be slots; the guest's accesses to them exit, which is slow and right.

#include <cstdint>
#include <string>
#include <vector>

#include "accel/kvm/kvm_calls.h"
#include "core/memory/address_space.h"

namespace machina::kvm {

class MemorySlots final : public MemoryListener {
 public:
  /// `max_slots` as KVM_CAP_NR_MEMSLOTS says; `readonly_supported` as KVM_CAP_READONLY_MEM.
  MemorySlots(const Fd& vm, unsigned max_slots, bool readonly_supported)
      : vm_(vm), max_slots_(max_slots), readonly_supported_(readonly_supported) {}

  void range_removed(const FlatRange& range) override;
  void range_added(const FlatRange& range) override;
  void range_logging(const FlatRange& range) override;
  void sync_dirty_log(const FlatRange& range) override;

  struct Slot {
    std::uint32_t id = 0;
    std::uint64_t first = 0, size = 0;
    std::uint8_t* host = nullptr;
    std::shared_ptr<RamBlock> ram;
    bool readonly = false, logging = false;
  };
  const std::vector<Slot>& slots() const { return slots_; }
  /// The first range that KVM refused, as a sentence; empty when there was none. A listener cannot throw: the range is
  /// left to the dispatcher, which is right for data and slow, and the accelerator asks before the machine starts.
  const std::string& failure() const { return failure_; }

 private:
  bool set(const Slot& slot, std::uint64_t size);
  void refused(const std::string& why);
  Slot* find(std::uint64_t first);

  const Fd& vm_;
  unsigned max_slots_;
  bool readonly_supported_;
  std::vector<Slot> slots_;
  std::vector<std::uint32_t> free_ids_;
  std::uint32_t next_id_ = 0;
  std::string failure_;
};

}  // namespace machina::kvm
