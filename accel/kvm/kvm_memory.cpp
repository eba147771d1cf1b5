#include "accel/kvm/kvm_memory.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "accel/kvm/kvm_api.h"
#include "core/log.h"

namespace machina::kvm {

namespace {
constexpr std::uint64_t kPage = 4096;
}

void MemorySlots::refused(const std::string& why) {
  log::warn_once("kvm-slot-" + why, why + "; accesses to it exit to user space");
  if (failure_.empty()) failure_ = why;
}

bool MemorySlots::set(const Slot& slot, std::uint64_t size) {
  kvm_userspace_memory_region region{};
  region.slot = slot.id;
  region.flags = (slot.readonly ? KVM_MEM_READONLY : 0U) | (slot.logging ? KVM_MEM_LOG_DIRTY_PAGES : 0U);
  region.guest_phys_addr = slot.first;
  region.memory_size = size;
  region.userspace_addr = reinterpret_cast<std::uintptr_t>(slot.host);
  if (vm_.call(KVM_SET_USER_MEMORY_REGION, &region) == 0) return true;
  refused(fmt::format("KVM refuses guest memory {:#x} to {:#x}: {}", slot.first, slot.first + slot.size - 1,
                      std::strerror(errno)));
  return false;
}

MemorySlots::Slot* MemorySlots::find(std::uint64_t first) {
  const auto it = std::find_if(slots_.begin(), slots_.end(), [first](const Slot& s) { return s.first == first; });
  return it == slots_.end() ? nullptr : &*it;
}

void MemorySlots::range_added(const FlatRange& range) {
  if (!range.ram) return;
  // Only whole pages whose host address is page-aligned in step; what sticks out stays with the dispatcher.
  const std::uint64_t first = (range.first + kPage - 1) & ~(kPage - 1);
  const std::uint64_t end = (range.last + 1) & ~(kPage - 1);
  if (end <= first) return;
  std::uint8_t* host = range.host + (first - range.first);
  if (reinterpret_cast<std::uintptr_t>(host) % kPage != 0) return;
  if (range.readonly && !readonly_supported_) return;
  Slot slot{0, first, end - first, host, range.ram, range.readonly, range.dirty_log};
  if (!free_ids_.empty()) {
    slot.id = free_ids_.back();
    free_ids_.pop_back();
  } else {
    if (next_id_ >= max_slots_)
      return refused(fmt::format("KVM has no memory slot left for {:#x} to {:#x}", slot.first, end - 1));
    slot.id = next_id_++;
  }
  if (slot.logging) slot.ram->enable_dirty_log();
  if (set(slot, slot.size)) {
    slots_.push_back(std::move(slot));
  } else {
    free_ids_.push_back(slot.id);
  }
}

void MemorySlots::range_removed(const FlatRange& range) {
  if (!range.ram) return;
  Slot* slot = find((range.first + kPage - 1) & ~(kPage - 1));
  if (!slot) return;
  if (slot->logging) sync_dirty_log(range);
  set(*slot, 0);
  free_ids_.push_back(slot->id);
  slots_.erase(slots_.begin() + (slot - slots_.data()));
}

void MemorySlots::range_logging(const FlatRange& range) {
  Slot* slot = find((range.first + kPage - 1) & ~(kPage - 1));
  if (!slot || slot->logging == range.dirty_log) return;
  if (slot->logging) sync_dirty_log(range);
  slot->logging = range.dirty_log;
  if (slot->logging) slot->ram->enable_dirty_log();
  set(*slot, slot->size);
}

void MemorySlots::sync_dirty_log(const FlatRange& range) {
  const Slot* slot = find((range.first + kPage - 1) & ~(kPage - 1));
  if (!slot || !slot->logging) return;
  const std::uint64_t pages = slot->size / kPage;
  std::vector<std::uint64_t> bitmap((pages + 63) / 64);
  kvm_dirty_log log{};
  log.slot = slot->id;
  log.dirty_bitmap = bitmap.data();
  if (vm_.call(KVM_GET_DIRTY_LOG, &log) < 0) return;  // ENOENT: nothing was written yet
  const auto base = static_cast<std::uint64_t>(slot->host - slot->ram->host());
  for (std::uint64_t page = 0; page < pages; ++page)
    if (bitmap[page / 64] >> (page % 64) & 1) slot->ram->mark_dirty(base + page * kPage, kPage);
}

}  // namespace machina::kvm
