#include "accel/kvm/kvm_memory.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "accel/kvm/kvm_api.h"
#include "core/log.h"
#include "core/trace/trace_event.h"

namespace machina::kvm {

namespace {

const TraceEvent<unsigned, unsigned, std::uint64_t, std::uint64_t, std::uint64_t, bool> kvm_set_user_memory{
    "kvm_set_user_memory", "slot={} flags={:#x} addr={:#x} size={:#x} host={:#x} ok={:d}"};

constexpr std::uint64_t kPage = 4096;
/// Firmware switches the memory below 1 MiB while it works (PAM segments, SMRAM, the VGA window). What a range has
/// above is a slot of its own, so that gigabytes need not be taken away and given back for a segment of 16 KiB.
constexpr std::uint64_t kSplit = 0x100000;

/// Whether the kernel need not be told more than, perhaps, of logging.
bool same_place(const MemorySlots::Slot& a, const MemorySlots::Slot& b) {
  return a.first == b.first && a.size == b.size && a.host == b.host && a.ram == b.ram && a.readonly == b.readonly;
}

/// Calls `use(first, size)` for the slots that a range consists of: whole pages only, what sticks out stays with the
/// dispatcher.
template <class Use>
void for_each_piece(const FlatRange& range, Use use) {
  std::uint64_t first = (range.first + kPage - 1) & ~(kPage - 1);
  const std::uint64_t end = (range.last + 1) & ~(kPage - 1);
  if (first < kSplit && end > kSplit) {
    use(first, kSplit - first);
    first = kSplit;
  }
  if (first < end) use(first, end - first);
}

}  // namespace

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
  const bool taken = vm_.call(KVM_SET_USER_MEMORY_REGION, &region) == 0;
  const int error = errno;
  kvm_set_user_memory(region.slot, region.flags, std::uint64_t{region.guest_phys_addr},
                      std::uint64_t{region.memory_size}, std::uint64_t{region.userspace_addr}, taken);
  log::write(log::Category::Mmu, "KVM slot {}: {:#x}, {:#x} bytes{}{}", slot.id, slot.first, size,
             slot.readonly ? ", read-only" : "", taken ? "" : ", refused");
  if (taken) return true;
  refused(fmt::format("KVM refuses guest memory {:#x} to {:#x}: {}", slot.first, slot.first + slot.size - 1,
                      std::strerror(error)));
  return false;
}

void MemorySlots::range_added(const FlatRange& range) {
  if (!range.ram || (range.readonly && !readonly_supported_)) return;
  for_each_piece(range, [&](std::uint64_t first, std::uint64_t size) {
    std::uint8_t* const host = range.host + (first - range.first);
    if (reinterpret_cast<std::uintptr_t>(host) % kPage != 0) return;  // the host's pages are out of step
    wanted_[first] = Slot{0, first, size, host, range.ram, range.readonly, range.dirty_log};
  });
}

void MemorySlots::range_removed(const FlatRange& range) {
  if (!range.ram) return;
  for_each_piece(range, [this](std::uint64_t first, std::uint64_t) { wanted_.erase(first); });
}

void MemorySlots::range_logging(const FlatRange& range) {
  if (!range.ram) return;
  for_each_piece(range, [&](std::uint64_t first, std::uint64_t) {
    if (const auto it = wanted_.find(first); it != wanted_.end()) it->second.logging = range.dirty_log;
  });
}

void MemorySlots::commit() {
  failure_.clear();
  const std::map<std::uint64_t, Slot> cut = held_.empty() ? std::map<std::uint64_t, Slot>{} : without_held();
  const std::map<std::uint64_t, Slot>& wanted = held_.empty() ? wanted_ : cut;
  std::vector<Slot> kept;
  for (Slot& slot : slots_) {  // what goes, goes first: KVM allows no overlap
    const auto it = wanted.find(slot.first);
    if (it != wanted.end() && same_place(it->second, slot)) {
      set_logging(slot, it->second.logging);
      kept.push_back(std::move(slot));
    } else {
      remove(slot);
    }
  }
  slots_ = std::move(kept);
  for (const auto& [first, slot] : wanted) {
    const bool there = std::any_of(slots_.begin(), slots_.end(), [&f = first](const Slot& s) { return s.first == f; });
    if (!there) add(slot);
  }
}

void MemorySlots::hold(std::map<std::uint64_t, bool> pages) {
  held_ = std::move(pages);
  commit();
}

std::map<std::uint64_t, MemorySlots::Slot> MemorySlots::without_held() const {
  std::map<std::uint64_t, Slot> pieces;
  for (const auto& [first, whole] : wanted_) {
    const auto add = [&pieces, &whole = whole](std::uint64_t from, std::uint64_t end) -> Slot* {
      if (from >= end) return nullptr;
      Slot& piece = pieces[from] = whole;
      piece.first = from;
      piece.size = end - from;
      piece.host = whole.host + (from - whole.first);
      return &piece;
    };
    const std::uint64_t end = first + whole.size;
    std::uint64_t at = first;
    for (auto it = held_.lower_bound(first); it != held_.end() && it->first < end; ++it) {
      add(at, it->first);
      at = it->first + kPage;
      if (it->second || !readonly_supported_) continue;
      Slot* page = add(it->first, at);
      page->readonly = true;
      page->logging = false;  // writes come to the dispatcher, which notes them
    }
    add(at, end);
  }
  return pieces;
}

void MemorySlots::remove(const Slot& slot) {
  if (slot.logging) sync(slot);
  set(slot, 0);
  free_ids_.push_back(slot.id);
}

void MemorySlots::add(Slot slot) {
  if (!free_ids_.empty()) {
    slot.id = free_ids_.back();
    free_ids_.pop_back();
  } else {
    if (next_id_ >= max_slots_) {
      return refused(
          fmt::format("KVM has no memory slot left for {:#x} to {:#x}", slot.first, slot.first + (slot.size - 1)));
    }
    slot.id = next_id_++;
  }
  if (slot.logging) slot.ram->enable_dirty_log();
  if (set(slot, slot.size)) {
    slots_.push_back(std::move(slot));
  } else {
    free_ids_.push_back(slot.id);
  }
}

void MemorySlots::set_logging(Slot& slot, bool on) {
  if (slot.logging == on) return;
  if (slot.logging) sync(slot);
  slot.logging = on;
  if (slot.logging) slot.ram->enable_dirty_log();
  set(slot, slot.size);
}

void MemorySlots::sync_dirty_log(const FlatRange& range) {
  for (const Slot& slot : slots_)
    if (slot.logging && slot.first >= range.first && slot.first <= range.last) sync(slot);
}

void MemorySlots::sync_all() {
  for (const Slot& slot : slots_)
    if (slot.logging) sync(slot);
}

void MemorySlots::sync(const Slot& slot) {
  const std::uint64_t pages = slot.size / kPage;
  std::vector<std::uint64_t> bitmap((pages + 63) / 64);
  kvm_dirty_log log{};
  log.slot = slot.id;
  log.dirty_bitmap = bitmap.data();
  if (vm_.call(KVM_GET_DIRTY_LOG, &log) < 0) return;  // ENOENT: nothing was written yet
  const auto base = static_cast<std::uint64_t>(slot.host - slot.ram->host());
  for (std::uint64_t page = 0; page < pages; ++page)
    if (bitmap[page / 64] >> (page % 64) & 1) slot.ram->mark_dirty(base + page * kPage, kPage);
}

}  // namespace machina::kvm
