#include "accel/jit/debugger.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "accel/jit/block_cache.h"
#include "accel/jit/cpu.h"
#include "accel/jit/memory.h"
#include "qom/error.h"

namespace machina::jit {

namespace {

bool includes(Debugger::Accesses accesses, Debugger::Accesses kind) {
  return static_cast<unsigned>(accesses) & static_cast<unsigned>(kind);
}

bool matches(BreakpointKind kind, Debugger::Accesses accesses) {
  switch (kind) {
    case BreakpointKind::Write:
      return includes(accesses, Debugger::Accesses::Write);
    case BreakpointKind::Read:
      return includes(accesses, Debugger::Accesses::Read);
    case BreakpointKind::Access:
      return true;
    case BreakpointKind::Software:
    case BreakpointKind::Hardware:
      break;
  }
  return false;
}

bool overlap(std::uint64_t a, std::uint64_t a_size, std::uint64_t b, std::uint64_t b_size) {
  return a - b < b_size || b - a < a_size;
}

}  // namespace

Debugger::~Debugger() {
  if (cpu_.debugger == this) cpu_.debugger = nullptr;
}

void Debugger::set(const DebugRequest& request) {
  std::vector<Breakpoint> code, watches;
  std::vector<std::uint64_t> addresses;
  for (const Breakpoint& b : request.breakpoints) {
    if (b.is_code()) {
      code.push_back(b);
      addresses.push_back(b.linear);
    } else if (b.size == 0) {
      throw Error(fmt::format("a watchpoint of no bytes at {:#x}", b.linear)).hint("watch one byte or more");
    } else {
      watches.push_back(b);
    }
  }
  std::stable_sort(code.begin(), code.end(),
                   [](const Breakpoint& a, const Breakpoint& b) { return a.linear < b.linear; });
  std::shared_ptr<const BlockEnds> ends = addresses.empty() ? nullptr : cpu_.blocks.ends_for(addresses);
  const bool watched = !watches_.empty() || !watches.empty();
  code_ = std::move(code);
  watches_ = std::move(watches);
  ends_ = std::move(ends);
  single_step_ = request.single_step;
  hold_interrupts_ = request.hold_interrupts;
  cpu_.debugger = request.empty() ? nullptr : this;
  cpu_.debug_mode = (ends_ ? ends_->mode : 0U) | (single_step_ ? kModeSingle : 0U);
  if (watched) cpu_.flush_tlb();
  cpu_.update_mode();
}

/// A triple fault in the same instruction says more. A halt goes on after the stop.
void Debugger::leave_with(const DebugStop& stop) {
  const bool leaves = cpu_.requests.load(std::memory_order_relaxed) & kRequestExit;
  if (leaves && (cpu_.exit == VcpuExit::Shutdown || cpu_.exit == VcpuExit::Debug)) return;
  stop_ = stop;
  stop_.halted = leaves;
  cpu_.exit = VcpuExit::Debug;
  cpu_.request(kRequestExit);
}

bool Debugger::meets_breakpoint(std::uint64_t linear) {
  if (!ends_ || !ends_->at(linear)) return false;
  const auto met = std::lower_bound(code_.begin(), code_.end(), linear,
                                    [](const Breakpoint& b, std::uint64_t address) { return b.linear < address; });
  if (met == code_.end() || met->linear != linear) return false;
  leave_with({.why = DebugStop::Why::Breakpoint, .kind = met->kind, .linear = linear});
  return true;
}

void Debugger::note_step() {
  if (single_step_) leave_with({.why = DebugStop::Why::Step, .linear = cpu_.linear_rip(cpu_.rip)});
}

// --- watchpoints ---

bool Debugger::watches_page(std::uint64_t linear) const {
  const std::uint64_t page = linear & kPageMask;
  return std::any_of(watches_.begin(), watches_.end(),
                     [page](const Breakpoint& b) { return overlap(b.linear, b.size, page, kPageSize); });
}

Debugger::Met Debugger::find_watch(std::uint64_t linear, std::uint64_t size, Accesses accesses) const {
  constexpr std::uint64_t kFourGiB = std::uint64_t{1} << 32;
  if (!cpu_.long_code() && linear < kFourGiB && linear + size > kFourGiB) {  // it wraps
    const Met met = find_watch(linear, kFourGiB - linear, accesses);
    return met.watch ? met : find_watch(0, linear + size - kFourGiB, accesses);
  }
  for (const Breakpoint& b : watches_)
    if (matches(b.kind, accesses) && overlap(linear, size, b.linear, b.size))
      return {&b, linear - b.linear < b.size ? linear : b.linear};
  return {nullptr, 0};
}

/// The last instruction of a block need not: the loop looks at requests after it.
void Debugger::start_over_if_watched(std::uint64_t linear, unsigned width, Accesses accesses) const {
  if (!cpu_.block || (cpu_.block->mode & kModeSingle) || cpu_.fault_op == &cpu_.block->ops.back()) return;
  if (find_watch(linear, width, accesses).watch) throw StartsOver{};
}

void Debugger::note_watched(std::uint64_t linear, unsigned width, Accesses accesses) {
  start_over_if_watched(linear, width, accesses);
  if (const Met met = find_watch(linear, width, accesses); met.watch)
    leave_with({.why = DebugStop::Why::Watchpoint, .kind = met.watch->kind, .linear = met.linear});
}

void Debugger::withdraw() {
  if (!(cpu_.requests.load(std::memory_order_relaxed) & kRequestExit) || cpu_.exit != VcpuExit::Debug ||
      stop_.why != DebugStop::Why::Watchpoint)
    return;
  cpu_.requests.fetch_and(~std::uint32_t{kRequestExit}, std::memory_order_seq_cst);
}

}  // namespace machina::jit
