#include "machines/gdb/run_control.h"

#include <algorithm>

#include "core/error.h"
#include "machines/gdb/registers.h"
#include "machines/monitor/monitor_session.h"

namespace machina {

X86Cpu* GdbRunControl::find(unsigned index) const {
  for (X86Cpu* cpu : machine_.cpus().cpus())
    if (cpu->index() == index) return cpu;
  return nullptr;
}

// --- breakpoints ---

void GdbRunControl::apply() {
  CpuSet& cpus = machine_.cpus();
  if (wanted_ == cpus.breakpoints()) return;
  const CpusAside aside(machine_);
  cpus.set_breakpoints(wanted_);
}

void GdbRunControl::insert(const Breakpoint& breakpoint) {
  if (std::find(wanted_.begin(), wanted_.end(), breakpoint) != wanted_.end()) return;
  if (wanted_.size() >= kMostBreakpoints) throw Error("too many breakpoints");
  wanted_.push_back(breakpoint);
  const auto& in_force = machine_.cpus().breakpoints();
  if (std::find(in_force.begin(), in_force.end(), breakpoint) != in_force.end()) return;
  try {
    apply();
  } catch (...) {
    wanted_.pop_back();
    throw;
  }
}

void GdbRunControl::remove(const Breakpoint& breakpoint) { std::erase(wanted_, breakpoint); }

void GdbRunControl::settle() {
  // The same ones in another order are not put in anew.
  const auto& in_force = machine_.cpus().breakpoints();
  const bool same = wanted_.size() == in_force.size() &&
                    std::is_permutation(wanted_.begin(), wanted_.end(), in_force.begin(), in_force.end());
  if (!same) apply();
}

// --- running ---

bool GdbRunControl::resume(const Orders& orders) {
  const CpusAside aside(machine_);  // somebody else may have let it run
  settle();
  for (auto it = untold_.begin(); it != untold_.end();) {
    const auto wanted = [&](const Breakpoint& b) {
      return b.kind == it->second.kind && it->second.linear - b.linear < b.size;
    };
    const bool still = find(it->first) && std::any_of(wanted_.begin(), wanted_.end(), wanted);
    it = still ? std::next(it) : untold_.erase(it);
  }
  orders_ = orders;
  if (std::any_of(orders.begin(), orders.end(), [&](const auto& o) { return untold_.contains(o.first); })) return false;
  try {
    for (X86Cpu* cpu : machine_.cpus().cpus()) {
      const auto order = orders.find(cpu->index());
      (void)cpu->take_debug_stop();
      cpu->hold(order == orders.end());
      if (order == orders.end() || !order->second.step) continue;
      // One that has halted waits for an interrupt: its step is into the handler.
      const bool hold = hold_interrupts && state_(*cpu).mp_state != MpState::Halted;
      cpu->set_debug({machine_.cpus().breakpoints(), true, hold});
    }
    machine_.start();
  } catch (...) {
    halt();
    throw;
  }
  return true;
}

void GdbRunControl::halt() {
  for (X86Cpu* cpu : machine_.cpus().cpus()) {
    cpu->hold(false);
    const auto order = orders_.find(cpu->index());
    if (order != orders_.end() && order->second.step) cpu->set_debug({machine_.cpus().breakpoints(), false, false});
  }
}

std::optional<GdbRunControl::Stop> GdbRunControl::stopped(bool& again) {
  again = false;
  const CpusAside aside(machine_);
  halt();
  // A step is told of first: it cannot be told of later. A breakpoint is met again, with its instruction still to be
  // executed; data that was touched waits.
  std::optional<Stop> step, breakpoint;
  for (X86Cpu* cpu : machine_.cpus().cpus()) {
    const auto why = cpu->take_debug_stop();
    if (!why) continue;
    const Stop stop{cpu->index(), *why};
    if (why->why == DebugStop::Why::Watchpoint) untold_.insert_or_assign(stop.cpu, *why);
    if (why->why == DebugStop::Why::Step && orders_.contains(stop.cpu) && !step) step = stop;
    if (why->why == DebugStop::Why::Breakpoint && !breakpoint) breakpoint = stop;
  }
  if (step) {
    const Order& order = orders_.at(step->cpu);
    X86Cpu* const cpu = find(step->cpu);
    const bool inside = order.end > order.first && cpu && gdb_pc(state_(*cpu)) - order.first < order.end - order.first;
    if (!inside || machine_.run_state() != RunState::Debug) return step;
    again = untold_.empty() && !breakpoint;
    if (again) return std::nullopt;
    // What else has happened ends the range.
    return step;
  }
  if (!untold_.empty()) {
    const auto first = untold_.begin();
    const Stop stop{first->first, first->second};
    untold_.erase(first);
    return stop;
  }
  return breakpoint;
}

void GdbRunControl::release() {
  const CpusAside aside(machine_);
  halt();
  orders_.clear();
  untold_.clear();
  wanted_.clear();
  for (X86Cpu* cpu : machine_.cpus().cpus()) (void)cpu->take_debug_stop();
  apply();
}

}  // namespace machina
