#pragma once
/// What a debugger outside of the machine asks of one CPU: hw/x86/vcpu_debug.h. The guest sees none of it: DR0 to DR7,
/// TF and RF are its own, and work at the same time (debug.h).
///
/// Breakpoints: blocks end where one may be (block_ends.h), and the loop asks before each block that it looks up.
/// Watchpoints: their pages are never in the TLB, so that every access comes by note(). An access that meets one in the
/// middle of a block starts its instruction over in a block of its own, so that nothing runs after it. Single step:
/// blocks have one instruction (kModeSingle).
///
/// The CPU's thread, or another one while the CPU is outside of its blocks.

#include <cstdint>
#include <memory>
#include <vector>

#include "accel/jit/block_ends.h"
#include "hw/x86/vcpu_debug.h"

namespace machina::jit {

struct Cpu;

class Debugger {
 public:
  /// `cpu` lives longer, and is told of this one while a request is in force: Cpu::debugger.
  explicit Debugger(Cpu& cpu) : cpu_(cpu) {}
  ~Debugger();
  Debugger(const Debugger&) = delete;
  Debugger& operator=(const Debugger&) = delete;

  /// Throws Error, and the request before stays in force.
  void set(const DebugRequest& request);
  /// After run_blocks() returned Debug.
  const DebugStop& stop() const { return stop_; }

  // --- by the CPU as it runs ---
  bool holds_interrupts() const { return hold_interrupts_; }
  /// Must blocks end before a byte at this offset of its page? Such a block is never chained to.
  bool ends_blocks_at(std::uint64_t address) const { return ends_ && ends_->at(address); }
  /// An instruction is about to begin at `linear`. True: it must not, and the CPU has been asked to leave.
  bool meets_breakpoint(std::uint64_t linear);
  /// An instruction has ended, or an event was delivered.
  void note_step();

  bool watches_page(std::uint64_t linear) const;
  enum class Accesses : std::uint8_t { Read = 1, Write = 2, Update = 3 };
  /// Data is about to be accessed. Throws StartsOver where the block would go on after that.
  void look_ahead(std::uint64_t linear, unsigned width, Accesses accesses) const {
    if (!watches_.empty()) [[unlikely]]
      start_over_if_watched(linear, width, accesses);
  }
  /// Data has been accessed, or nothing can keep it from being so but a fault, which comes to withdraw().
  void note(std::uint64_t linear, unsigned width, Accesses accesses) {
    if (!watches_.empty()) [[unlikely]]
      note_watched(linear, width, accesses);
  }
  /// The instruction starts over: what it accessed does not count.
  void withdraw();

 private:
  struct Met {
    const Breakpoint* watch;  ///< null: none
    std::uint64_t linear;
  };
  Met find_watch(std::uint64_t linear, std::uint64_t size, Accesses accesses) const;
  void start_over_if_watched(std::uint64_t linear, unsigned width, Accesses accesses) const;
  void note_watched(std::uint64_t linear, unsigned width, Accesses accesses);
  void leave_with(const DebugStop& stop);

  Cpu& cpu_;
  std::vector<Breakpoint> code_;  ///< by address
  std::vector<Breakpoint> watches_;
  std::shared_ptr<const BlockEnds> ends_;
  bool single_step_ = false;
  bool hold_interrupts_ = false;
  DebugStop stop_;
};

}  // namespace machina::jit
