#include "accel/kvm/kvm_step.h"

#include <fmt/format.h>
#include <x86intrin.h>

#include <algorithm>

#include "accel/jit/guest_ram.h"
#include "accel/jit/host_float.h"
#include "accel/jit/ram_entry.h"
#include "accel/jit/xsave.h"
#include "accel/kvm/kvm_msr.h"
#include "accel/kvm/kvm_report.h"
#include "accel/x86_inspect.h"

namespace machina::kvm {

namespace {
constexpr std::uint32_t kMsrApicBase = 0x1b;
}

// --- what has been done ---

bool StepCounts::add(const std::string& mnemonic, unsigned instructions) {
  const bool first = stops_.fetch_add(1, std::memory_order_relaxed) == 0;
  instructions_.fetch_add(instructions, std::memory_order_relaxed);
  const std::lock_guard guard(mutex_);
  ++mnemonics_[mnemonic];
  return first;
}

std::vector<std::pair<std::string, std::uint64_t>> StepCounts::by_mnemonic() const {
  std::vector<std::pair<std::string, std::uint64_t>> all;
  {
    const std::lock_guard guard(mutex_);
    all.assign(mnemonics_.begin(), mnemonics_.end());
  }
  std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  return all;
}

std::string StepCounts::describe() const {
  std::string text = fmt::format("instructions that KVM could not emulate: {} (with {} by the software CPU)\n", stops(),
                                 instructions());
  std::string list;
  for (const auto& [mnemonic, times] : by_mnemonic())
    list += fmt::format("{}{} {}", list.empty() ? "" : ", ", mnemonic.empty() ? "(none)" : mnemonic, times);
  return list.empty() ? text : text + "  " + list + "\n";
}

// --- the steps ---

namespace {

/// LOCK and REP are prefixes.
std::string mnemonic_of(const std::string& text) {
  std::size_t end = text.find(' ');
  if (const std::string first = text.substr(0, end); first == "lock" || first.starts_with("rep"))
    end = text.find(' ', first.size() + 1);
  return text.substr(0, end);
}

}  // namespace

SoftwareStep::SoftwareStep(AddressSpace& memory, ExitActions& actions, const KernelDevices& kernel, SharedSteps& shared,
                           const CpuidTable& cpuid)
    : memory_(memory),
      actions_(actions),
      kernel_(kernel),
      bus_lock_(shared.bus_lock),
      view_(memory.view()),
      stepper_(*this, shared.thunks, cpuid) {}

ReadPhysical SoftwareStep::reader() const { return ram_reader(memory_.view()); }

void SoftwareStep::set_debug(const DebugRequest& request) {
  DebugRequest own = request;
  std::erase_if(own.breakpoints, [](const Breakpoint& b) { return b.is_code(); });
  own.hold_interrupts = false;
  debugged_ = !request.empty();
  stepper_.set_debug(own);
}

SoftwareStep::Result SoftwareStep::step(X86State& state, unsigned following, std::uint8_t* stop) {
  Result result;
  const X86Events& e = state.events;
  // In SMM memory is another one; and what KVM was about to deliver comes before the instruction.
  if (e.smm || e.interrupt_injected || e.nmi_injected || e.triple_fault_pending) return result;
  following_ = false;
  written_.clear();
  cr8_ = state.cr8;
  apic_base_ = state.apic_base;
  tsc_ = state.msr(kMsrTsc);
  host_tsc_ = __rdtsc();
  const std::vector<std::uint8_t> bytes = bytes_at_rip(state, reader());
  // Registers that nobody here has would be left out of what is saved.
  const bool more_registers = state.xcr0 & ~jit::known_components(stepper_.cpu());
  if (more_registers && saves_extended_state(state, bytes)) {
    result.why_not = fmt::format(
        "the guest has set XCR0 to {:#x}, and so uses registers that the software CPU cannot save for it when KVM "
        "cannot. Take a CPU model with fewer, or -accel jit",
        state.xcr0);
    return result;
  }
  if (more_registers) following = 0;
  stepper_.load(state);
  result.mnemonic = mnemonic_of(disassemble(state, bytes));
  using Outcome = jit::Stepper::Outcome;
  for (;;) {
    const Outcome outcome = stepper_.step();
    if (outcome == Outcome::Declined) break;
    result.outcome = outcome;
    ++result.instructions;
    if (outcome != Outcome::Done || debugged_ || result.instructions > following || stepper_.cpu().cpl == 3) break;
    if (stop && std::atomic_ref(*stop).load(std::memory_order_relaxed) != 0) break;
    if (!following_) {
      following_ = true;
      stepper_.cpu().flush_tlb();  // what it may write is another matter now
    }
  }
  if (result.instructions == 0) return result;
  if (result.outcome == Outcome::Shutdown) return result;
  stepper_.store(state);
  state.cr8 = cr8_;
  if (result.outcome == Outcome::Halted || (result.outcome == Outcome::Debug && debug_stop().halted))
    state.mp_state = MpState::Halted;
  return result;
}

// --- memory ---

const FlatRange* SoftwareStep::ram_at(std::uint64_t physical) const {
  const FlatRange* range = view_->find(physical);
  return range && range->is_ram() ? range : nullptr;
}

bool SoftwareStep::wrote(std::uint64_t physical) const {
  return std::find(written_.begin(), written_.end(), physical & jit::kPageMask) != written_.end();
}

// Every write goes the slow way, to be noted: KVM does not know of it.
jit::HostPage SoftwareStep::page(std::uint64_t physical) {
  const FlatRange* range = ram_at(physical);
  if (!range || range->last - physical < jit::kPageSize - 1 || kernel_.in_kernel(physical)) return {};
  return {range->host + (physical - range->first), range->readonly, true};
}

void SoftwareStep::announce_write(std::uint64_t physical) {
  if ((following_ && !wrote(physical)) || kernel_.in_kernel(physical)) throw jit::NotHere{};
}

std::uint64_t SoftwareStep::load_entry(std::uint64_t physical, unsigned width) {
  const jit::HostPage p = page(physical & jit::kPageMask);
  if (!p.host) return read_physical(physical, width);
  return jit::ram_load_entry(p.host + (physical & (jit::kPageSize - 1)), width);
}

// Accessed and dirty bits: KVM's own picture of the tables loses nothing by them.
bool SoftwareStep::replace_entry(std::uint64_t physical, unsigned width, std::uint64_t expected, std::uint64_t value) {
  const FlatRange* range = ram_at(physical);
  if (!range || range->readonly) return true;
  std::uint8_t* at = range->host + (physical - range->first);
  const bool done = jit::ram_replace_entry(at, width, expected, value);
  if (done && range->ram->writes_matter())
    range->ram->mark_dirty(static_cast<std::uint64_t>(at - range->ram->host()), width);
  return done;
}

std::uint64_t SoftwareStep::read_physical(std::uint64_t physical, unsigned width) {
  jit::leave_guest_float(stepper_.cpu());
  if (!ram_at(physical) && (following_ || kernel_.in_kernel(physical))) throw jit::NotHere{};
  return actions_.read_memory(physical, width);
}

void SoftwareStep::write_physical(std::uint64_t physical, unsigned width, std::uint64_t value) {
  jit::leave_guest_float(stepper_.cpu());
  const FlatRange* range = ram_at(physical);
  if (!range || range->readonly) return actions_.write_memory(physical, width, value);
  std::uint8_t* at = range->host + (physical - range->first);
  switch (width) {  // in one piece: other CPUs look at it
    case 1:
      jit::ram_store(at, static_cast<std::uint8_t>(value));
      break;
    case 2:
      jit::ram_store(at, static_cast<std::uint16_t>(value));
      break;
    case 4:
      jit::ram_store(at, static_cast<std::uint32_t>(value));
      break;
    default:
      jit::ram_store(at, value);
  }
  note_write(physical, width);
}

void SoftwareStep::note_write(std::uint64_t physical, unsigned width) {
  if (!wrote(physical)) written_.push_back(physical & jit::kPageMask);
  const FlatRange* range = ram_at(physical);
  if (!range || !range->ram->writes_matter()) return;
  const std::uint8_t* at = range->host + (physical - range->first);
  range->ram->mark_dirty(static_cast<std::uint64_t>(at - range->ram->host()), width);
}

// --- everything else ---

std::uint64_t SoftwareStep::read_port(std::uint16_t port, unsigned width) {
  if (following_ || kernel_.port_in_kernel(port)) throw jit::NotHere{};
  return actions_.read_port(port, width);
}

void SoftwareStep::write_port(std::uint16_t port, unsigned width, std::uint64_t value) {
  if (following_ || kernel_.port_in_kernel(port)) throw jit::NotHere{};
  actions_.write_port(port, width, value);
}

bool SoftwareStep::read_msr(std::uint32_t index, std::uint64_t& value) {
  if (index != kMsrApicBase) throw jit::NotHere{};
  value = apic_base_;
  return true;
}

bool SoftwareStep::write_msr(std::uint32_t, std::uint64_t) { throw jit::NotHere{}; }

std::uint64_t SoftwareStep::tsc() { return tsc_ + (__rdtsc() - host_tsc_); }

void SoftwareStep::set_tsc(std::uint64_t) { throw jit::NotHere{}; }

}  // namespace machina::kvm
