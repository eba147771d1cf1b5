/// Running for a client of the gdb stub: letting CPUs go, telling why they stopped, and the end.

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "core/log.h"
#include "machines/gdb/packet.h"
#include "machines/gdb/session.h"
#include "machines/monitor/monitor_session.h"

namespace machina {
namespace {

constexpr const char* kInvalid = "E22";
constexpr const char* kOk = "OK";

/// gdb's numbers of signals (include/gdb/signals.def there), which are not the host's.
enum Signal : unsigned { kSigInt = 2, kSigQuit = 3, kSigTrap = 5, kSigAbrt = 6, kSigAlrm = 14, kSigIo = 23 };

/// What a machine in this state would have as a program: QEMU's choice, but for a panic.
Signal signal_of(RunState state) {
  switch (state) {
    case RunState::Debug:
      return kSigTrap;
    case RunState::Shutdown:
      return kSigQuit;
    case RunState::IoError:
      return kSigIo;
    case RunState::Watchdog:
      return kSigAlrm;
    case RunState::InternalError:
    case RunState::GuestPanicked:
      return kSigAbrt;
    case RunState::Prelaunch:
      return kSigTrap;
    case RunState::Running:
    case RunState::Paused:
    case RunState::Suspended:
      break;
  }
  return kSigInt;
}

/// A state that is not told by the signal alone.
bool wants_words(RunState state) { return signal_of(state) != kSigTrap && signal_of(state) != kSigInt; }

std::string stop_reply(unsigned signal, unsigned cpu, const std::string& reason = {}) {
  return fmt::format("T{:02x}thread:{:02x};{}", signal, cpu + 1, reason);
}

}  // namespace

// --- why it stopped -------------------------------------------------------------------------------------------------

GdbSession::Answer GdbSession::why(std::string_view) {
  return last_stop_.empty() ? stop_reply(kSigTrap, current_) : last_stop_;
}

void GdbSession::later(std::function<void()> work) {
  machine_.system().loop.post([work = std::move(work), alive = std::weak_ptr(alive_)] {
    if (!alive.expired()) work();
  });
}

void GdbSession::report_stop() {
  bool again = false;
  const auto stop = run_.stopped(again);
  forget_states();
  if (!owed_) return;
  if (again) {
    // Not from within the news of the stop: others hear of it after us.
    again_ = true;
    later([this] {
      if (!std::exchange(again_, false)) return;
      owed_ = false;
      if (const Answer answer = resume(GdbRunControl::Orders(run_.orders()))) client_.send(*answer);
    });
    return;
  }
  owed_ = false;
  const RunState state = machine_.run_state();
  if (stop) {
    current_ = resumed_ = stop->cpu;
    client_.choose_cpu(current_);
    std::string reason;
    const DebugStop& why = stop->why;
    if (why.why == DebugStop::Why::Watchpoint) {
      const char* const kind = why.kind == BreakpointKind::Read     ? "rwatch"
                               : why.kind == BreakpointKind::Access ? "awatch"
                                                                    : "watch";
      reason = fmt::format("{}:{:x};", kind, why.linear);
    } else if (why.why == DebugStop::Why::Breakpoint) {
      if (why.kind == BreakpointKind::Hardware ? hwbreak_ : swbreak_)
        reason = why.kind == BreakpointKind::Hardware ? "hwbreak:;" : "swbreak:;";
    }
    last_stop_ = stop_reply(kSigTrap, stop->cpu, reason);
  } else {
    if (!current()) {  // unplugged meanwhile
      const auto& all = machine_.cpus().cpus();
      current_ = resumed_ = all.empty() ? 0 : all.front()->index();
    }
    if (wants_words(state)) say(fmt::format("The machine has stopped: {}\n", run_state_name(state)));
    last_stop_ = stop_reply(signal_of(state), current_);
  }
  client_.send(last_stop_);
}

void GdbSession::machine_event(const Machine::EventData& data) {
  switch (data.event) {
    case Machine::Event::Stop:
      if (machine_.run_state() == RunState::Debug && (!attached_ || detached_)) {
        // A CPU that met a breakpoint at the moment at which its debugger left.
        run_.release();
        later([this] {
          if (machine_.run_state() == RunState::Debug && (!attached_ || detached_)) run_on();
        });
        return;
      }
      if (!attached_) return;
      ours_ = interrupting_ || machine_.run_state() == RunState::Debug;
      report_stop();
      return;
    case Machine::Event::Resume:
      forget_states();
      if (starting_ || !attached_) return;
      // By somebody else, and as a whole.
      ours_ = false;
      may_run_ = true;
      run_.settle();
      return;
    case Machine::Event::Reset:
    case Machine::Event::Wakeup:
      forget_states();
      return;
    case Machine::Event::Shutdown:
      panicked_ = data.cause == ShutdownCause::GuestPanic;
      return;
    case Machine::Event::PowerDown:
    case Machine::Event::Suspend:
    case Machine::Event::Other:  // from any thread
      return;
  }
}

void GdbSession::interrupt() {
  if (!attached_) return;
  const RunState state = machine_.run_state();
  if (state == RunState::Running || state == RunState::Suspended) {
    interrupting_ = true;
    machine_.stop();
    interrupting_ = false;
  } else if (owed_) {
    again_ = false;
    owed_ = false;
    last_stop_ = stop_reply(kSigInt, current_);
    client_.send(last_stop_);
  }
}

// --- letting it run -------------------------------------------------------------------------------------------------

GdbSession::Answer GdbSession::resume(const GdbRunControl::Orders& orders) {
  if (owed_ || orders.empty()) return kInvalid;
  std::string refusal = client_.why_not_run();
  if (refusal.empty()) {
    try {
      owed_ = starting_ = true;
      const bool runs = run_.resume(orders);
      starting_ = false;
      may_run_ = true;
      detached_ = false;
      ours_ = !runs;
      if (!runs) report_stop();
      return std::nullopt;
    } catch (const Error& e) {
      owed_ = starting_ = false;
      refusal = e.what();
    }
  }
  // As a stop of a kind that also ends a `step` over many instructions.
  say(fmt::format("The machine does not run: {}\n", refusal));
  return last_stop_ = stop_reply(kSigAbrt, current_);
}

GdbSession::Answer GdbSession::resume_kinds(std::string_view) { return "vCont;c;C;s;S;t;r"; }

GdbSession::Answer GdbSession::resume_some(std::string_view rest) {
  GdbRunControl::Orders orders;
  std::vector<unsigned> decided;
  do {
    if (rest.empty()) return kInvalid;
    const char kind = rest.front();
    rest.remove_prefix(1);
    GdbRunControl::Order order;
    bool stays = false;
    switch (kind) {
      case 'C':
      case 'S':
        // A signal is nothing that a machine could be given.
        if (!take_hex(rest)) return kInvalid;
        order.step = kind == 'S';
        break;
      case 'c':
        break;
      case 's':
        order.step = true;
        break;
      case 'r': {
        order.step = true;
        const auto first = take_hex(rest);
        if (!first || !take(rest, ",")) return kInvalid;
        const auto end = take_hex(rest);
        if (!end) return kInvalid;
        order.first = *first, order.end = *end;
        break;
      }
      case 't':
        stays = true;
        break;
      default:
        return kInvalid;
    }
    Thread thread{true, 0};
    if (take(rest, ":")) {
      const auto named = take_thread(rest);
      if (!named) return kInvalid;
      thread = *named;
    }
    // The first that fits a thread is its.
    for (const X86Cpu* c : machine_.cpus().cpus()) {
      if (!c->vcpu() || (!thread.all && c->index() != thread.cpu)) continue;
      if (std::find(decided.begin(), decided.end(), c->index()) != decided.end()) continue;
      decided.push_back(c->index());
      if (!stays) orders.emplace(c->index(), order);
    }
  } while (take(rest, ";"));
  if (!rest.empty()) return kInvalid;
  return resume(orders);
}

GdbSession::Answer GdbSession::resume_one(std::string_view address, bool step) {
  X86Cpu* const c = cpu(resumed_);
  if (!c || owed_) return kInvalid;
  if (!address.empty()) {
    const auto pc = take_hex(address);
    if (!pc || !address.empty()) return kInvalid;
    change_state(*c, [&](X86State& s) {
      set_gdb_pc(s, *pc);
      return true;
    });
  }
  GdbRunControl::Orders orders;
  for (const X86Cpu* other : machine_.cpus().cpus())
    if (other->vcpu()) orders.emplace(other->index(), GdbRunControl::Order{step && other == c, 0, 0});
  return resume(orders);
}

GdbSession::Answer GdbSession::go(std::string_view rest) { return resume_one(rest, false); }

GdbSession::Answer GdbSession::step(std::string_view rest) { return resume_one(rest, true); }

GdbSession::Answer GdbSession::go_signal(std::string_view rest) {
  if (!take_hex(rest)) return kInvalid;
  take(rest, ";");
  return resume_one(rest, false);
}

GdbSession::Answer GdbSession::step_signal(std::string_view rest) {
  if (!take_hex(rest)) return kInvalid;
  take(rest, ";");
  return resume_one(rest, true);
}

// --- the end --------------------------------------------------------------------------------------------------------

void GdbSession::run_on() {
  ours_ = false;
  const std::string refusal = client_.why_not_run();
  try {
    if (!refusal.empty()) throw Error(refusal);
    machine_.start();
  } catch (const Error& e) {
    log::info("the machine stays as it is after its debugger has left: {}", e.what());
  }
}

void GdbSession::leave() {
  if (!attached_) return;
  attached_ = owed_ = again_ = false;
  run_.release();
  forget_states();
  if (ours_ && may_run_) run_on();
}

GdbSession::Answer GdbSession::detach(std::string_view) {
  owed_ = again_ = false;
  detached_ = true;
  run_.release();
  forget_states();
  run_on();
  return kOk;
}

GdbSession::Answer GdbSession::kill(std::string_view) {
  log::info("the machine is ended by its debugger");
  machine_.request_shutdown(ShutdownCause::HostQmpQuit);
  return std::nullopt;
}

GdbSession::Answer GdbSession::kill_answered(std::string_view) {
  kill({});
  return kOk;
}

void GdbSession::reset() {
  again_ = owed_ = false;
  if (machine_.run_state() == RunState::Running || machine_.run_state() == RunState::Suspended) machine_.stop();
  machine_.reset(ShutdownCause::HostQmpSystemReset);
  ours_ = may_run_ = true;
  detached_ = false;
  const auto& all = machine_.cpus().cpus();
  current_ = resumed_ = all.empty() ? 0 : all.front()->index();
  client_.choose_cpu(current_);
  last_stop_ = stop_reply(kSigTrap, current_);
}

GdbSession::Answer GdbSession::restart(std::string_view) {
  reset();
  return std::nullopt;
}

GdbSession::Answer GdbSession::restart_answered(std::string_view) {
  reset();
  return last_stop_;
}

void GdbSession::end() {
  if (!attached_) return;
  attached_ = false;
  run_.release();
  if (!std::exchange(owed_, false)) return;
  client_.send(panicked_ ? fmt::format("X{:02x}", unsigned{kSigAbrt})
                         : fmt::format("W{:02x}", static_cast<unsigned>(machine_.exit_code()) & 0xff));
}

}  // namespace machina
