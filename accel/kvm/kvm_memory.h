#pragma once
/// Guest memory as KVM sees it: a slot for each flat range of RAM, kept right by listening to the address space.
///
/// A range that is read-only becomes a read-only slot: writes to it exit and are dispatched like any access without
/// RAM. Ranges that are not whole pages cannot be slots; the guest's accesses to them exit, which is slow and right.
///
/// Changes are collected and made when the transaction commits, and only those that differ from what the kernel has: a
/// slot costs it 0.6 us for each MiB and a grace period, and a guest that is in a slot while that is taken away exits
/// for each access.

#include <cstdint>
#include <map>
#include <memory>
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
  void commit() override;
  void sync_dirty_log(const FlatRange& range) override;

  /// Of all that is logged.
  void sync_all();

  /// Pages that the kernel is not to have, so that each access to them exits: reads and writes (true), or writes alone.
  /// Instead of those before. Machine lock.
  void hold(std::map<std::uint64_t, bool> pages);

  struct Slot {
    std::uint32_t id = 0;
    std::uint64_t first = 0, size = 0;
    std::uint8_t* host = nullptr;
    std::shared_ptr<RamBlock> ram;
    bool readonly = false, logging = false;
  };
  /// What the kernel has, in no order.
  const std::vector<Slot>& slots() const { return slots_; }
  /// The first range that KVM refused at the last commit, as a sentence; empty when there was none. A listener cannot
  /// throw: the range is left to the dispatcher, which is right for data and slow, and tried again at the next commit;
  /// the accelerator asks before the machine starts.
  const std::string& failure() const { return failure_; }

 private:
  bool set(const Slot& slot, std::uint64_t size);
  void add(Slot slot);
  void remove(const Slot& slot);
  void set_logging(Slot& slot, bool on);
  void sync(const Slot& slot);
  void refused(const std::string& why);
  std::map<std::uint64_t, Slot> without_held() const;

  const Fd& vm_;
  unsigned max_slots_;
  bool readonly_supported_;
  std::map<std::uint64_t, Slot> wanted_;  ///< by first address; without ids
  std::map<std::uint64_t, bool> held_;    ///< as hold() was told
  std::vector<Slot> slots_;
  std::vector<std::uint32_t> free_ids_;
  std::uint32_t next_id_ = 0;
  std::string failure_;
};

}  // namespace machina::kvm
