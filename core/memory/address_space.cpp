#include "core/memory/address_space.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "core/memory/ram_access.h"
#include "core/memory/transaction_state.h"
#include "core/trace/trace_event.h"

namespace machina {
namespace {

const TraceEvent<std::string_view, std::uint64_t, std::uint64_t> memory_map_commit{"memory_map_commit",
                                                                                   "space={} before={} after={}"};

/// The same memory or registers at the same place; only the logging may differ.
bool same_place(const FlatRange& a, const FlatRange& b) {
  return a.first == b.first && a.last == b.last && a.region == b.region && a.offset == b.offset &&
         a.readonly == b.readonly && a.ram == b.ram && a.host == b.host && a.gate == b.gate;
}

bool same_event(const FlatEventFd& a, const FlatEventFd& b) { return a.address == b.address && a.event == b.event; }

/// Walks two ascending lists: what only the first has, what only the second has, what both have.
struct RangeDiff {
  std::vector<const FlatRange*> removed, added, logging;
};

RangeDiff diff_ranges(const std::vector<FlatRange>& before, const std::vector<FlatRange>& after) {
  RangeDiff diff;
  auto old_range = before.begin();
  auto new_range = after.begin();
  while (old_range != before.end() || new_range != after.end()) {
    const bool both = old_range != before.end() && new_range != after.end();
    if (both && same_place(*old_range, *new_range)) {
      if (old_range->dirty_log != new_range->dirty_log) diff.logging.push_back(&*new_range);
      ++old_range, ++new_range;
    } else if (old_range != before.end() && (!both || old_range->first <= new_range->first)) {
      diff.removed.push_back(&*old_range++);
    } else {
      diff.added.push_back(&*new_range++);
    }
  }
  return diff;
}

bool same_view(const FlatView& a, const FlatView& b) {
  return a.ranges() == b.ranges() &&
         std::equal(a.eventfds().begin(), a.eventfds().end(), b.eventfds().begin(), b.eventfds().end(), same_event);
}

}  // namespace

AddressSpace::AddressSpace(std::string name, MemoryRegion& root, MachineLock& lock)
    : name_(std::move(name)),
      root_(root),
      lock_(lock),
      view_(std::make_shared<const FlatView>(FlatView::render(root))) {
  root_.root_of_.push_back(this);
}

AddressSpace::~AddressSpace() {
  std::erase(root_.root_of_, this);
  TransactionState::of_this_thread().forget(this);
}

std::shared_ptr<const FlatView> AddressSpace::view() const {
  const std::lock_guard guard(view_mutex_);
  return view_;
}

std::pair<std::shared_ptr<const FlatView>, std::uint64_t> AddressSpace::snapshot() const {
  const std::lock_guard guard(view_mutex_);
  return {view_, generation_.load(std::memory_order_relaxed)};
}

void AddressSpace::update() {
  const std::shared_ptr<const FlatView> before = view();
  const auto after = std::make_shared<const FlatView>(FlatView::render(root_));
  if (same_view(*before, *after)) return;
  memory_map_commit(name(), before->ranges().size(), after->ranges().size());
  {
    const std::lock_guard guard(view_mutex_);
    view_ = after;
    generation_.fetch_add(1, std::memory_order_release);
  }
  // Published first: a listener that throws away what was cached of the old view must not see it filled in again.
  const auto listeners = listeners_;  // a copy, since a listener may remove itself or another
  for (MemoryListener* listener : listeners) {
    if (std::find(listeners_.begin(), listeners_.end(), listener) != listeners_.end())
      notify(*listener, *before, *after);
  }
}

void AddressSpace::notify(MemoryListener& listener, const FlatView& before, const FlatView& after) {
  const RangeDiff ranges = diff_ranges(before.ranges(), after.ranges());
  listener.begin();
  for (const FlatRange* range : ranges.removed) listener.range_removed(*range);
  for (const FlatRange* range : ranges.added) listener.range_added(*range);
  for (const FlatRange* range : ranges.logging) listener.range_logging(*range);

  const auto missing_in = [](const std::vector<FlatEventFd>& list, const FlatEventFd& event) {
    const auto [from, to] = std::equal_range(list.begin(), list.end(), event);
    return from == to;
  };
  for (const FlatEventFd& event : before.eventfds()) {
    if (missing_in(after.eventfds(), event)) listener.eventfd_removed(event.range, event.address, event.event);
  }
  for (const FlatEventFd& event : after.eventfds()) {
    if (missing_in(before.eventfds(), event)) listener.eventfd_added(event.range, event.address, event.event);
  }
  listener.commit();
}

void AddressSpace::add_listener(MemoryListener& listener) {
  listeners_.push_back(&listener);
  notify(listener, FlatView({}), *view());
}

void AddressSpace::remove_listener(MemoryListener& listener) { std::erase(listeners_, &listener); }

void AddressSpace::sync_dirty_log(const RamRegion& region) {
  if (region.size() == 0) return;
  const auto now = view();
  const std::uint8_t* const first = region.block()->host() + region.block_offset();
  const std::uint8_t* const last = first + (region.size() - 1);
  for (const FlatRange& range : now->ranges()) {
    if (range.ram != region.block() || !range.dirty_log) continue;
    if (range.host > last || range.host + (range.size() - 1) < first) continue;
    const auto listeners = listeners_;
    for (MemoryListener* listener : listeners) listener->sync_dirty_log(range);
  }
}

MemTxResult AddressSpace::read(std::uint64_t address, std::span<std::uint8_t> to) {
  MemoryDispatch dispatch(*this);
  MemTxResult result = MemTxResult::Ok;
  while (!to.empty()) {
    const FlatRange* range = dispatch.find(address);
    std::uint64_t done = 0;
    if (range != nullptr && range->is_ram()) {
      done = std::min<std::uint64_t>(to.size() - 1, range->last - address) + 1;
      copy_from_ram(to.data(), range->host + (address - range->first), done);
    } else {
      const Width width = dispatch.piece_at(address, to.size());
      const IoResult answer = dispatch.read_checked(address, width);
      if (!answer.ok()) result = MemTxResult::Error;
      const std::uint64_t value = answer.value();
      std::memcpy(to.data(), &value, width);  // little endian on both sides
      done = width;
    }
    to = to.subspan(done);
    if (!to.empty() && address + done < address) {  // beyond the top of the space
      std::fill(to.begin(), to.end(), std::uint8_t{0xff});
      return MemTxResult::Error;
    }
    address += done;
  }
  return result;
}

MemTxResult AddressSpace::write(std::uint64_t address, std::span<const std::uint8_t> from) {
  MemoryDispatch dispatch(*this);
  MemTxResult result = MemTxResult::Ok;
  while (!from.empty()) {
    const FlatRange* range = dispatch.find(address);
    std::uint64_t done = 0;
    if (range != nullptr && range->is_ram()) {
      done = std::min<std::uint64_t>(from.size() - 1, range->last - address) + 1;
      if (range->readonly) {
        result = MemTxResult::Error;
      } else {
        std::uint8_t* const host = range->host + (address - range->first);
        copy_to_ram(host, from.data(), done);
        if (range->ram->writes_matter()) {
          range->ram->mark_dirty(static_cast<std::uint64_t>(host - range->ram->host()), done);
        }
      }
    } else {
      const Width width = dispatch.piece_at(address, from.size());
      std::uint64_t value = 0;
      std::memcpy(&value, from.data(), width);
      if (!dispatch.write_checked(address, width, value).ok()) result = MemTxResult::Error;
      done = width;
    }
    from = from.subspan(done);
    if (!from.empty() && address + done < address) return MemTxResult::Error;
    address += done;
  }
  return result;
}

std::uint64_t AddressSpace::load(std::uint64_t address, Width width) {
  return MemoryDispatch(*this).read(address, width);
}

void AddressSpace::store(std::uint64_t address, Width width, std::uint64_t value) {
  MemoryDispatch(*this).write(address, width, value);
}

AddressSpace::HostSpan AddressSpace::map(std::uint64_t address, std::uint64_t size, bool writable) {
  if (size == 0) return {};
  const auto now = view();
  const FlatRange* range = now->find(address);
  if (range == nullptr || !range->is_ram() || size - 1 > range->last - address) return {};
  if (writable && range->readonly) return {};
  return {{range->host + (address - range->first), size}, range->ram};
}

}  // namespace machina
