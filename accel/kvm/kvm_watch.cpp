#include "accel/kvm/kvm_watch.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/error.h"

namespace machina::kvm {

namespace {
constexpr std::uint64_t kPage = 4096;
}

// --- pages ---

void HeldPages::add(std::uint64_t page, bool reads) {
  Uses& uses = uses_[page];
  ++uses.all;
  if (reads) ++uses.reads;
  if (running_) apply();
}

void HeldPages::remove(std::uint64_t page, bool reads) {
  const auto it = uses_.find(page);
  if (it == uses_.end()) return;
  if (reads) --it->second.reads;
  if (--it->second.all == 0) uses_.erase(it);
  if (running_) apply();
}

void HeldPages::running(bool on) {
  running_ = on;
  if (on) apply();
}

void HeldPages::apply() {
  std::map<std::uint64_t, bool> wanted;
  for (const auto& [page, uses] : uses_) wanted.emplace(page, uses.reads != 0);
  if (wanted == applied_) return;
  any_.store(!wanted.empty(), std::memory_order_release);
  slots_.hold(wanted);
  applied_ = std::move(wanted);
}

// --- what is watched ---

std::vector<WatchedPiece> watched_pieces(
    const DebugRequest& request, const std::function<std::optional<std::uint64_t>(std::uint64_t linear)>& translate) {
  std::vector<WatchedPiece> pieces;
  for (const Breakpoint& b : request.breakpoints) {
    if (b.is_code()) continue;
    if (b.size == 0) throw Error("a watchpoint of no bytes").hint("watch one byte or more");
    for (std::uint64_t done = 0; done < b.size;) {
      const std::uint64_t linear = b.linear + done, size = std::min(kPage - linear % kPage, b.size - done);
      const std::optional<std::uint64_t> physical = translate(linear);
      if (!physical)
        throw Error(fmt::format("no memory is mapped at {:#x} now, and this host's KVM, which emulates kernel mode, "
                                "watches physical memory",
                                linear))
            .hint("take -accel jit, which watches linear addresses");
      pieces.push_back({*physical, size, linear, b.kind});
      done += size;
    }
  }
  return pieces;
}

void WatchedMemory::set(std::vector<WatchedPiece> pieces) {
  for (const WatchedPiece& p : pieces) held_.add(p.page(), p.reads());
  for (const WatchedPiece& p : pieces_) held_.remove(p.page(), p.reads());
  pieces_ = std::move(pieces);
}

void WatchedMemory::note(std::uint64_t physical, unsigned width, bool write) {
  if (!exclusive_.owns_lock()) exclusive_ = std::unique_lock(held_.one_instruction());
  if (met_) return;
  for (const WatchedPiece& p : pieces_) {
    if (p.kind == BreakpointKind::Write ? !write : p.kind == BreakpointKind::Read && write) continue;
    const std::uint64_t first = std::max(physical, p.physical);
    if (first >= std::min(physical + width, p.physical + p.size)) continue;
    met_ = {.why = DebugStop::Why::Watchpoint, .kind = p.kind, .linear = p.linear + (first - p.physical)};
    return;
  }
}

std::optional<DebugStop> WatchedMemory::instruction_ended() {
  if (exclusive_.owns_lock()) exclusive_.unlock();
  return std::exchange(met_, std::nullopt);
}

}  // namespace machina::kvm
