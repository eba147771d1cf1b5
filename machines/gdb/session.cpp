#include "machines/gdb/session.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "core/log.h"
#include "machines/gdb/packet.h"
#include "machines/monitor/monitor_session.h"

namespace machina {
namespace {

// Errors that gdb shows by number only; those of errno, as QEMU has them.
constexpr const char* kInvalid = "E22";
constexpr const char* kOk = "OK";

constexpr std::uint32_t kLongMode = 1U << 29;  // of CPUID 80000001h:EDX
constexpr std::uint32_t kAvx = 1U << 28;       // of CPUID 1:ECX

// What a single step may ask for: bits of QEMU's "sstep".
constexpr std::uint64_t kStepEnable = 1, kStepNoInterrupts = 2;

}  // namespace

GdbSession::GdbSession(Machine& machine, Client& client)
    : machine_(machine),
      client_(client),
      memory_(machine),
      run_(machine, [this](X86Cpu& c) -> const X86State& { return state(c); }) {}

// The longer one of two that begin alike stands first.
const std::vector<GdbSession::Command>& GdbSession::commands() {
  using S = GdbSession;
  static const std::vector<Command> all = {
      {"qSupported", &S::supported},
      {"QStartNoAckMode", &S::no_acknowledging},
      {"qXfer:features:read:", &S::features},
      {"qAttached", &S::attached_to},
      {"qfThreadInfo", &S::first_threads},
      {"qsThreadInfo", &S::more_threads},
      {"qThreadExtraInfo,", &S::thread_name},
      {"qRcmd,", &S::monitor},
      {"qqemu.Supported", &S::qemu_supported},
      {"qqemu.sstepbits", &S::step_bits},
      {"qqemu.sstep", &S::get_step},
      {"Qqemu.sstep", &S::set_step},
      {"qqemu.PhyMemMode", &S::get_physical},
      {"Qqemu.PhyMemMode:", &S::set_physical},
      {"vCont?", &S::resume_kinds},
      {"vCont;", &S::resume_some},
      {"vKill;", &S::kill_answered},
      {"vRun;", &S::restart_answered},
      {"!", &S::extended},
      {"?", &S::why},
      {"c", &S::go},
      {"C", &S::go_signal},
      {"s", &S::step},
      {"S", &S::step_signal},
      {"D", &S::detach},
      {"g", &S::read_registers},
      {"G", &S::write_registers},
      {"p", &S::read_register},
      {"P", &S::write_register},
      {"H", &S::set_thread},
      {"k", &S::kill},
      {"m", &S::read_memory},
      {"M", &S::write_memory},
      {"X", &S::write_binary},
      {"R", &S::restart},
      {"T", &S::thread_alive},
      {"Z", &S::insert_breakpoint},
      {"z", &S::remove_breakpoint},
  };
  return all;
}

void GdbSession::packet(std::string_view data) {
  Answer answer;
  try {
    answer = execute(data);
  } catch (const std::exception& e) {
    // gdb has no room for the reason.
    log::warn_once(fmt::format("gdb:{}", e.what()), fmt::format("a debugger was refused: {}", e.what()));
    answer = kInvalid;
  }
  if (answer) client_.send(*answer);
}

GdbSession::Answer GdbSession::execute(std::string_view data) {
  if (data == "qC") return current_thread({});  // the beginning of others that are not known
  for (const Command& c : commands()) {
    std::string_view rest = data;
    // A word of its own: "qSupportedX" is something else.
    if (!take(rest, c.name)) continue;
    return (this->*c.run)(rest);
  }
  return "";  // not known, which is for the client to find out
}

// --- threads --------------------------------------------------------------------------------------------------------

X86Cpu* GdbSession::cpu(unsigned index) const {
  for (X86Cpu* c : machine_.cpus().cpus())
    if (c->index() == index && c->vcpu()) return c;
  return nullptr;
}

std::optional<GdbSession::Thread> GdbSession::take_thread(std::string_view& text) const {
  if (take(text, "p")) {  // with a process in front: there is one
    if (!take(text, "-1") && !take_hex(text)) return std::nullopt;
    if (!take(text, ".")) return Thread{true, 0};
  }
  if (take(text, "-1")) return Thread{true, 0};
  const auto id = take_hex(text);
  if (!id) return std::nullopt;
  if (*id == 0) {
    if (current()) return Thread{false, current_};
    const auto& all = machine_.cpus().cpus();
    return all.empty() ? std::nullopt : std::optional(Thread{false, all.front()->index()});
  }
  const auto index = static_cast<unsigned>(*id - 1);
  if (*id > 0x10000 || !cpu(index)) return std::nullopt;
  return Thread{false, index};
}

GdbSession::Answer GdbSession::current_thread(std::string_view) { return fmt::format("QC{:02x}", current_ + 1); }

GdbSession::Answer GdbSession::first_threads(std::string_view) {
  std::string list;
  for (const X86Cpu* c : machine_.cpus().cpus()) {
    if (!c->vcpu()) continue;
    list += fmt::format("{}{:02x}", list.empty() ? "m" : ",", c->index() + 1);
    if (list.size() > GdbPacketReader::kMost - 16) break;
  }
  return list.empty() ? "l" : list;
}

GdbSession::Answer GdbSession::more_threads(std::string_view) { return "l"; }

GdbSession::Answer GdbSession::thread_name(std::string_view rest) {
  const auto thread = take_thread(rest);
  X86Cpu* const c = thread && !thread->all ? cpu(thread->cpu) : nullptr;
  if (!c) return kInvalid;
  const char* what = "running";
  switch (state(*c).mp_state) {
    case MpState::Halted:
      what = "halted";
      break;
    case MpState::Uninitialized:
    case MpState::InitReceived:
      what = "waits for a start-up IPI";
      break;
    case MpState::Runnable:
    case MpState::SipiReceived:
      break;
  }
  return gdb_hex(fmt::format("CPU#{} [{}]", c->index(), what));
}

GdbSession::Answer GdbSession::set_thread(std::string_view rest) {
  if (rest.empty()) return kInvalid;
  const char kind = rest.front();
  rest.remove_prefix(1);
  const auto thread = take_thread(rest);
  if (!thread || (kind != 'g' && kind != 'c')) return kInvalid;
  if (thread->all) return kOk;
  if (kind == 'c') {
    resumed_ = thread->cpu;
  } else {
    current_ = thread->cpu;
    client_.choose_cpu(current_);
  }
  return kOk;
}

GdbSession::Answer GdbSession::thread_alive(std::string_view rest) { return take_thread(rest) ? kOk : kInvalid; }

// --- what the stub is -----------------------------------------------------------------------------------------------

GdbSession::Answer GdbSession::supported(std::string_view rest) {
  swbreak_ = rest.find("swbreak+") != std::string_view::npos;
  hwbreak_ = rest.find("hwbreak+") != std::string_view::npos;
  return fmt::format("PacketSize={:x};QStartNoAckMode+;qXfer:features:read+;vContSupported+{}{}",
                     GdbPacketReader::kMost, swbreak_ ? ";swbreak+" : "", hwbreak_ ? ";hwbreak+" : "");
}

GdbSession::Answer GdbSession::no_acknowledging(std::string_view) {
  client_.end_acknowledging();
  return kOk;
}

GdbSession::Answer GdbSession::extended(std::string_view) { return kOk; }

GdbSession::Answer GdbSession::attached_to(std::string_view) { return "1"; }  // so gdb detaches when it ends

GdbSession::Answer GdbSession::features(std::string_view rest) {
  if (!take(rest, "target.xml:")) return "E00";
  const auto offset = take_hex(rest);
  if (!offset || !take(rest, ",")) return kInvalid;
  const auto length = take_hex(rest);
  if (!length) return kInvalid;
  if (*offset == 0 && registers_->view() != GdbView::Narrow) {
    // The view is the client's from now on. All CPUs have one, whatever mode each is in.
    X86Cpu* const first = current();
    const bool wide = first && is_long_mode(state(*first));
    registers_ = std::make_unique<GdbRegisters>(wide ? GdbView::Wide : GdbView::Open, registers_->has_avx());
  }
  const std::string text = registers_->description();
  if (*offset > text.size()) return kInvalid;
  const std::size_t n = std::min<std::size_t>({*length, text.size() - *offset, GdbPacketReader::kMost - 1});
  return (*offset + n == text.size() ? "l" : "m") + text.substr(*offset, n);
}

void GdbSession::attach() {
  attached_ = true;
  swbreak_ = hwbreak_ = owed_ = again_ = detached_ = false;
  const auto& all = machine_.cpus().cpus();
  current_ = resumed_ = all.empty() ? 0 : all.front()->index();
  client_.choose_cpu(current_);
  memory_.set_physical(false);
  run_.hold_interrupts = true;
  last_stop_.clear();
  const RunState before = machine_.run_state();
  may_run_ = ours_ = before == RunState::Running || before == RunState::Suspended;
  if (ours_) {
    interrupting_ = true;
    machine_.stop();
    interrupting_ = false;
  }
  forget_states();
  const CpuidTable none;
  const CpuidTable& cpuid = all.empty() ? none : all.front()->cpuid;
  const bool wide = cpuid.find(0x80000001).edx & kLongMode;
  // A client that does not read the description takes it for the usual one.
  registers_ = std::make_unique<GdbRegisters>(wide ? GdbView::Wide : GdbView::Narrow, (cpuid.find(1).ecx & kAvx) != 0);
}

// --- registers that are asked for -----------------------------------------------------------------------------------

bool GdbSession::running() const { return !machine_.cpus().parked(); }

const X86State& GdbSession::state(X86Cpu& c) {
  const auto [it, fresh] = states_.try_emplace(c.index());
  if (fresh || running()) {
    const CpusAside aside(machine_);
    it->second = c.state();
  }
  return it->second;
}

bool GdbSession::change_state(X86Cpu& c, const std::function<bool(X86State&)>& change) {
  const CpusAside aside(machine_);
  // As it is now: counters among its MSRs have gone on since the last look.
  X86State s = c.state();
  if (!change(s)) return false;
  forget_states();
  c.set_state(s);
  return true;
}

// --- the monitor, and what QEMU has besides -------------------------------------------------------------------------

GdbSession::Answer GdbSession::monitor(std::string_view rest) {
  const auto line = gdb_unhex(rest);
  if (!line) return kInvalid;
  const std::string text = client_.monitor_command(*line);
  forget_states();  // it may have changed anything
  say(text);
  return kOk;
}

void GdbSession::say(std::string_view text) {
  constexpr std::size_t kPiece = GdbPacketReader::kMost / 2 - 1;
  for (; !text.empty(); text.remove_prefix(std::min(kPiece, text.size())))
    client_.send("O" + gdb_hex(text.substr(0, kPiece)));
}

GdbSession::Answer GdbSession::qemu_supported(std::string_view) { return "sstepbits;sstep;PhyMemMode"; }

GdbSession::Answer GdbSession::step_bits(std::string_view) {
  return fmt::format("ENABLE={:x},NOIRQ={:x}", kStepEnable, kStepNoInterrupts);
}

GdbSession::Answer GdbSession::get_step(std::string_view) {
  return fmt::format("0x{:x}", kStepEnable | (run_.hold_interrupts ? kStepNoInterrupts : 0));
}

GdbSession::Answer GdbSession::set_step(std::string_view rest) {
  if (!take(rest, "=") && !take(rest, ":")) return kInvalid;
  take(rest, "0x");
  const auto bits = take_hex(rest);
  if (!bits || *bits & ~(kStepEnable | kStepNoInterrupts)) return kInvalid;
  run_.hold_interrupts = *bits & kStepNoInterrupts;
  return kOk;
}

GdbSession::Answer GdbSession::get_physical(std::string_view) { return memory_.physical() ? "1" : "0"; }

GdbSession::Answer GdbSession::set_physical(std::string_view rest) {
  if (rest != "0" && rest != "1") return kInvalid;
  memory_.set_physical(rest == "1");
  return kOk;
}

}  // namespace machina
