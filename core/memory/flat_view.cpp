#include "core/memory/flat_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <tuple>

namespace machina {
namespace {

/// Wide enough for an address before 0 (an alias whose window starts late shows a target that would start earlier) and
/// for one past the top.
using Address = __int128;
constexpr Address kTop = ~std::uint64_t{0};

struct Window {
  Address first, last;  // inclusive
  bool empty() const { return last < first; }
  Window within(const Window& other) const { return {std::max(first, other.first), std::min(last, other.last)}; }
};

Window extent(const MemoryRegion& region, Address base) {
  const Address bytes = region.size() == MemoryRegion::kWholeSpace ? kTop + 1 : Address{region.size()};
  return {base, base + bytes - 1};
}

class Renderer {
 public:
  /// `base` is where offset 0 of the region is, or would be; `clip` what of it can be seen.
  void render(const MemoryRegion& region, Address base, const Window& clip, bool readonly) {
    if (!region.enabled()) return;
    const Window visible = extent(region, base).within(clip);
    if (visible.empty()) return;
    readonly = readonly || region.readonly();
    switch (region.kind()) {
      case MemoryRegion::Kind::Container:
        for (const MemoryRegion* child : static_cast<const ContainerRegion&>(region).children()) {
          render(*child, base + child->offset(), visible, readonly);
        }
        break;
      case MemoryRegion::Kind::Alias: {
        const auto& alias = static_cast<const AliasRegion&>(region);
        if (alias.has_target()) render(alias.target(), base - alias.target_offset(), visible, readonly);
        break;
      }
      case MemoryRegion::Kind::Ram:
      case MemoryRegion::Kind::Io:
        fill_gaps(region, base, visible, readonly);
        break;
    }
  }

  FlatView finish() && {
    merge();
    auto eventfds = collect_eventfds();
    return FlatView(std::move(ranges_), std::move(eventfds));
  }

 private:
  /// What was rendered before has a higher priority, so the region gets what is left of its window.
  void fill_gaps(const MemoryRegion& region, Address base, const Window& visible, bool readonly) {
    auto at = static_cast<std::uint64_t>(visible.first);
    const auto last = static_cast<std::uint64_t>(visible.last);
    auto next = std::lower_bound(ranges_.begin(), ranges_.end(), at,
                                 [](const FlatRange& range, std::uint64_t address) { return range.last < address; });
    for (;;) {
      if (next == ranges_.end() || next->first > last) {
        ranges_.insert(next, make_range(region, base, at, last, readonly));
        return;
      }
      if (next->first > at) {
        next = ranges_.insert(next, make_range(region, base, at, next->first - 1, readonly));
        ++next;
      }
      if (next->last >= last) return;
      at = next->last + 1;
      ++next;
    }
  }

  static FlatRange make_range(const MemoryRegion& region, Address base, std::uint64_t first, std::uint64_t last,
                              bool readonly) {
    FlatRange range;
    range.first = first;
    range.last = last;
    range.region = const_cast<MemoryRegion*>(&region);  // the graph is const for the renderer only
    range.offset = static_cast<Offset>(Address{first} - base);
    if (region.kind() == MemoryRegion::Kind::Ram) {
      const auto& ram = static_cast<const RamRegion&>(region);
      range.readonly = readonly;
      range.dirty_log = ram.dirty_log();
      range.ram = ram.block();
      range.host = ram.block()->host() + ram.block_offset() + range.offset;
    } else {
      range.gate = static_cast<const IoRegion&>(region).gate();
    }
    return range;
  }

  static bool continues(const FlatRange& before, const FlatRange& after) {
    if (before.last == ~std::uint64_t{0} || before.last + 1 != after.first) return false;
    if (before.ram != after.ram || before.readonly != after.readonly || before.dirty_log != after.dirty_log)
      return false;
    if (before.is_ram()) return before.host + before.size() == after.host;
    return before.region == after.region && before.offset + before.size() == after.offset;
  }

  /// Neighbours that are one piece of a block become one range: accelerators have few memory slots.
  void merge() {
    std::vector<FlatRange> merged;
    merged.reserve(ranges_.size());
    for (FlatRange& range : ranges_) {
      if (!merged.empty() && continues(merged.back(), range)) {
        merged.back().last = range.last;
      } else {
        merged.push_back(std::move(range));
      }
    }
    ranges_ = std::move(merged);
  }

  std::vector<FlatEventFd> collect_eventfds() const {
    std::vector<FlatEventFd> found;
    for (const FlatRange& range : ranges_) {
      if (range.is_ram()) continue;
      for (const IoEventFd& event : static_cast<const IoRegion*>(range.region)->eventfds()) {
        const std::uint64_t tail = event.width == 0 ? 0 : event.width - 1;  // of the access, beyond its first byte
        if (event.offset < range.offset || event.offset - range.offset > range.last - range.first) continue;
        const std::uint64_t address = range.first + (event.offset - range.offset);
        if (range.last - address >= tail) found.push_back({address, event, range});
      }
    }
    std::sort(found.begin(), found.end(), [](const FlatEventFd& a, const FlatEventFd& b) { return a < b; });
    return found;
  }

  std::vector<FlatRange> ranges_;  // ascending, disjoint
};

}  // namespace

bool operator<(const FlatEventFd& a, const FlatEventFd& b) {
  const auto key = [](const FlatEventFd& e) {
    return std::tuple(e.address, e.event.width, e.event.match, e.event.value, e.event.fd, e.event.offset);
  };
  return key(a) < key(b);
}

FlatView FlatView::render(const MemoryRegion& root) {
  Renderer renderer;
  renderer.render(root, 0, {0, kTop}, false);
  return std::move(renderer).finish();
}

const FlatRange* FlatView::find(std::uint64_t address) const {
  const auto found = std::lower_bound(ranges_.begin(), ranges_.end(), address,
                                      [](const FlatRange& range, std::uint64_t where) { return range.last < where; });
  return found != ranges_.end() && found->first <= address ? &*found : nullptr;
}

bool FlatView::is_empty(std::uint64_t address, std::uint64_t size) const {
  const auto next = std::lower_bound(ranges_.begin(), ranges_.end(), address,
                                     [](const FlatRange& range, std::uint64_t where) { return range.last < where; });
  return next == ranges_.end() || (next->first > address && next->first - address >= size);
}

const FlatEventFd* FlatView::find_eventfd(std::uint64_t address, Width width, std::uint64_t value) const {
  if (eventfds_.empty()) return nullptr;
  auto found = std::lower_bound(eventfds_.begin(), eventfds_.end(), address,
                                [](const FlatEventFd& event, std::uint64_t where) { return event.address < where; });
  for (; found != eventfds_.end() && found->address == address; ++found) {
    const IoEventFd& event = found->event;
    if ((event.width == 0 || event.width == width) && (!event.match || event.value == value)) return &*found;
  }
  return nullptr;
}

std::string FlatView::describe() const {
  std::string text;
  for (const FlatRange& range : ranges_) {
    const char* kind = !range.is_ram() ? "i/o" : range.readonly ? "rom" : "ram";
    fmt::format_to(std::back_inserter(text), "{:016x}-{:016x} {} {} +{:#x}\n", range.first, range.last, kind,
                   range.region->name(), range.offset);
  }
  return text;
}

}  // namespace machina
