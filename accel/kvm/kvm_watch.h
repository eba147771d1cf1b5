#pragma once
/// Watchpoints under a KVM that emulates kernel mode (docs/kvm.md), which looks at no data breakpoint: the pages that
/// are watched are kept out of its memory slots, or read-only in them, so that each access exits. The access is carried
/// out as one where there is no slot, and then it is known where it went.
///
/// It goes by physical addresses: those that the watched ones led to when they were asked for.

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <vector>

#include "accel/kvm/kvm_memory.h"
#include "hw/x86/vcpu_debug.h"

namespace machina::kvm {

/// The pages of a machine that accesses to exit. They are taken out when the machine runs next, and are given back when
/// it runs again without a watch on them: debuggers ask for the same ones at each stop. Machine lock, but for what says
/// otherwise.
class HeldPages {
 public:
  explicit HeldPages(MemorySlots& slots) : slots_(slots) {}

  /// Reads exit, too, while one who asked for a page wants them. Each add() has its remove().
  void add(std::uint64_t page, bool reads);
  void remove(std::uint64_t page, bool reads);
  /// The vCPUs are about to run, or have stopped.
  void running(bool on);

  /// Some are held. Any thread.
  bool any() const { return any_.load(std::memory_order_acquire); }
  /// Held from an instruction's first access that exits until its end, so that a locked one is one piece to the other
  /// vCPUs, whose accesses exit as well. Taken before the machine lock.
  std::mutex& one_instruction() { return one_instruction_; }

 private:
  void apply();

  struct Uses {
    unsigned all = 0, reads = 0;
  };
  MemorySlots& slots_;
  std::map<std::uint64_t, Uses> uses_;
  std::map<std::uint64_t, bool> applied_;
  bool running_ = false;
  std::atomic<bool> any_{false};
  std::mutex one_instruction_;
};

/// A run of bytes that is watched, within a page.
struct WatchedPiece {
  std::uint64_t physical = 0, size = 0;
  std::uint64_t linear = 0;
  BreakpointKind kind = BreakpointKind::Write;
  std::uint64_t page() const { return physical & ~std::uint64_t{4095}; }
  bool reads() const { return kind != BreakpointKind::Write; }
};

/// Watchpoints as pieces; `translate` gives the physical address of a linear one. Throws Error where one leads nowhere.
std::vector<WatchedPiece> watched_pieces(
    const DebugRequest& request, const std::function<std::optional<std::uint64_t>(std::uint64_t linear)>& translate);

/// Of one vCPU. Its thread, or another while it is parked; set() with the machine lock held.
class WatchedMemory {
 public:
  explicit WatchedMemory(HeldPages& held) : held_(held) {}
  ~WatchedMemory() { set({}); }
  WatchedMemory(const WatchedMemory&) = delete;
  WatchedMemory& operator=(const WatchedMemory&) = delete;

  void set(std::vector<WatchedPiece> pieces);

  /// The vCPU has accessed memory that it has no slot for. Until the instruction's end, no other vCPU does.
  void note(std::uint64_t physical, unsigned width, bool write);
  /// Its instruction has ended. What it met, if it met something.
  std::optional<DebugStop> instruction_ended();
  bool in_instruction() const { return exclusive_.owns_lock(); }

 private:
  HeldPages& held_;
  std::vector<WatchedPiece> pieces_;
  std::unique_lock<std::mutex> exclusive_;
  std::optional<DebugStop> met_;
};

}  // namespace machina::kvm
