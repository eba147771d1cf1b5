#pragma once
/// What a debugger does to the CPUs of a machine: breakpoints, letting some of them run or step, and why they stopped.
///
/// Main thread, machine lock held.

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "machines/machine.h"

namespace machina {

class GdbRunControl {
 public:
  /// Of all kinds together.
  static constexpr std::size_t kMostBreakpoints = 4096;

  /// `state` is a CPU's registers as they are known by now.
  GdbRunControl(Machine& machine, std::function<const X86State&(X86Cpu&)> state)
      : machine_(machine), state_(std::move(state)) {}

  // --- breakpoints ---
  /// One that is there already stays. Throws Error when the accelerator cannot, and nothing has changed then.
  void insert(const Breakpoint& breakpoint);
  void remove(const Breakpoint& breakpoint);
  /// What was removed is out as soon as somebody runs the machine, which gdb does by putting it in again in most cases.
  /// This is for others who run it.
  void settle();

  // --- running ---
  struct Order {
    bool step = false;
    /// Go on stepping while pc is from `first` to before `end`.
    std::uint64_t first = 0, end = 0;
  };
  /// By the number of the CPU; those without an order stay where they are.
  using Orders = std::map<unsigned, Order>;
  /// Lets the machine run. False: it does not, since a watchpoint of one of these CPUs is still to be told of, and
  /// stopped() tells it. Throws Error when the machine cannot run, or the accelerator not step; then it does not.
  bool resume(const Orders& orders);
  /// What resume() has asked for is over.
  void halt();

  struct Stop {
    unsigned cpu = 0;
    DebugStop why;
  };
  /// After the machine has stopped: orders end, and the first thing to tell of, if a CPU stopped for the debugger. None
  /// with `again` set: the order is not carried out yet, and is to be given again.
  std::optional<Stop> stopped(bool& again);
  const Orders& orders() const { return orders_; }

  /// Interrupts wait while a CPU steps. On unless a client says otherwise.
  bool hold_interrupts = true;

  /// The client is gone: nothing of what it wanted is left.
  void release();

 private:
  void apply();
  X86Cpu* find(unsigned index) const;

  Machine& machine_;
  std::function<const X86State&(X86Cpu&)> state_;
  std::vector<Breakpoint> wanted_;
  Orders orders_;
  /// Of data that was touched while another CPU was told of.
  std::map<unsigned, DebugStop> untold_;
};

}  // namespace machina
