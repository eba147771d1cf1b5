#include "accel/kvm/kvm_debug.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>

#include "accel/kvm/kvm_api.h"
#include "core/error.h"
#include "core/memory/ram_block.h"

namespace machina::kvm {

namespace {

constexpr std::uint8_t kInt3 = 0xcc;
constexpr std::uint8_t kVectorDebug = 1, kVectorBreakpoint = 3;  // SDM vol. 3, table 6-1
constexpr std::uint64_t kDr6SingleStep = 1U << 14, kDr6Met = 0xf;
/// Of DR7: the fields R/W and LEN of each register. SDM vol. 3, 18.2.4.
constexpr unsigned kWatchExecution = 0, kWatchWrites = 1, kWatchAccesses = 3;

/// LEN of a piece.
unsigned length_code(std::uint64_t size) { return size == 8 ? 2 : static_cast<unsigned>(size - 1); }

/// The longest piece that a debug register can watch from here. SDM vol. 3, 18.2.5: aligned to its size.
std::uint64_t piece_at(std::uint64_t linear, std::uint64_t left) {
  std::uint64_t size = 8;
  while (size > left || linear % size != 0) size /= 2;
  return size;
}

class Registers {
 public:
  explicit Registers(DebugAssignment& assignment) : a_(assignment) {}
  bool free() const { return next_ < a_.registers.size(); }
  void take(std::size_t breakpoint, std::uint64_t linear, unsigned watch, std::uint64_t size) {
    if (!free())
      throw Error("there are only four debug registers")
          .hint("watch less: one register watches 8 aligned bytes at most; or take -accel jit, which has no limit");
    a_.registers[next_] = breakpoint;
    a_.address[next_] = linear;
    a_.dr7 |= std::uint64_t{2} << (2 * next_);  // global: a task switch leaves it enabled
    a_.dr7 |= std::uint64_t{watch | length_code(size) << 2} << (16 + 4 * next_);
    ++next_;
  }

 private:
  DebugAssignment& a_;
  unsigned next_ = 0;
};

std::atomic_ref<std::uint8_t> byte(std::uint8_t* host) { return std::atomic_ref(*host); }

}  // namespace

DebugAssignment assign_debug_registers(const DebugRequest& request) {
  DebugAssignment a;
  Registers registers(a);
  const std::vector<Breakpoint>& all = request.breakpoints;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const Breakpoint& b = all[i];
    if (b.kind == BreakpointKind::Software) continue;
    if (b.kind == BreakpointKind::Hardware) {
      registers.take(i, b.linear, kWatchExecution, 1);
      continue;
    }
    if (b.kind == BreakpointKind::Read)
      throw Error("an x86 processor cannot watch reads alone")
          .hint("watch reads and writes (awatch); or take -accel jit, which can");
    if (b.size == 0) throw Error("a watchpoint of no bytes").hint("watch one byte or more");
    for (std::uint64_t done = 0; done < b.size;) {
      const std::uint64_t piece = piece_at(b.linear + done, b.size - done);
      registers.take(i, b.linear + done, b.kind == BreakpointKind::Write ? kWatchWrites : kWatchAccesses, piece);
      done += piece;
    }
  }
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (all[i].kind != BreakpointKind::Software) continue;
    if (registers.free()) {
      registers.take(i, all[i].linear, kWatchExecution, 1);
    } else {
      a.patched.push_back(all[i].linear);
    }
  }
  return a;
}

// --- int3 in memory ---

void PatchedMemory::add(std::uint64_t physical) {
  const auto known = patches_.find(physical);
  if (known != patches_.end()) {
    ++known->second.uses;
    return;
  }
  const std::shared_ptr<const FlatView> view = memory_.view();
  const FlatRange* range = view->find(physical);
  if (!range || !range->ram || !range->host)
    throw Error(fmt::format("no RAM at {:#x} to put a breakpoint in", physical)).hint("use a hardware breakpoint");
  if (range->readonly)
    throw Error(fmt::format("the code at {:#x} is in ROM", physical)).hint("use a hardware breakpoint");
  Patch& patch = patches_[physical];
  patch.uses = 1;
  if (running_) put(physical, patch);
}

void PatchedMemory::remove(std::uint64_t physical) {
  const auto known = patches_.find(physical);
  if (known == patches_.end() || --known->second.uses != 0) return;
  take(known->second);
  patches_.erase(known);
}

void PatchedMemory::running(bool on) {
  if (running_ == on) return;
  running_ = on;
  for (auto& [physical, patch] : patches_) {
    if (on) {
      put(physical, patch);
    } else {
      take(patch);
    }
  }
}

// The memory map may be another one by now: where there is no RAM any more, there is nothing to stop at.
void PatchedMemory::put(std::uint64_t physical, Patch& patch) {
  const std::shared_ptr<const FlatView> view = memory_.view();
  const FlatRange* range = view->find(physical);
  if (!range || !range->ram || !range->host || range->readonly) return;
  patch.keep = range->ram;
  patch.host = range->host + (physical - range->first);
  patch.original = byte(patch.host).exchange(kInt3, std::memory_order_seq_cst);
}

// What the guest has written over it stays.
void PatchedMemory::take(Patch& patch) {
  if (!patch.host) return;
  std::uint8_t expected = kInt3;
  byte(patch.host).compare_exchange_strong(expected, patch.original, std::memory_order_seq_cst);
  patch.host = nullptr;
  patch.keep.reset();
}

// --- one vCPU ---

GuestDebug::~GuestDebug() {
  for (const std::uint64_t physical : patched_) patches_.remove(physical);
}

std::optional<std::uint64_t> GuestDebug::physical_of(std::uint64_t linear) const {
  kvm_translation t{};
  t.linear_address = linear;
  if (vcpu_.call(KVM_TRANSLATE, &t) < 0 || !t.valid) return std::nullopt;
  return t.physical_address;
}

void GuestDebug::set(const DebugRequest& request) {
  if (request == request_) return;
  DebugAssignment assignment = assign_debug_registers(request);
  std::vector<std::uint64_t> patched;
  try {
    for (const std::uint64_t linear : assignment.patched) {
      const std::optional<std::uint64_t> physical = physical_of(linear);
      if (!physical)
        throw Error(fmt::format("no memory is mapped at {:#x} now to put a breakpoint in", linear))
            .hint("use a hardware breakpoint, which waits for it; there are four");
      patches_.add(*physical);
      patched.push_back(*physical);
    }
  } catch (...) {
    for (const std::uint64_t physical : patched) patches_.remove(physical);
    throw;
  }
  for (const std::uint64_t physical : patched_) patches_.remove(physical);
  patched_ = std::move(patched);
  assignment_ = std::move(assignment);
  request_ = request;
  told_ = false;
}

void GuestDebug::tell() {
  if (std::exchange(told_, true)) return;
  kvm_guest_debug debug{};
  if (active()) {
    debug.control = KVM_GUESTDBG_ENABLE;
    if (!assignment_.patched.empty()) debug.control |= KVM_GUESTDBG_USE_SW_BP;
    if (assignment_.registers[0]) {
      debug.control |= KVM_GUESTDBG_USE_HW_BP;
      std::copy(assignment_.address.begin(), assignment_.address.end(), debug.arch.debugreg);
      debug.arch.debugreg[7] = assignment_.dr7;
    }
    if (request_.single_step) debug.control |= KVM_GUESTDBG_SINGLESTEP;
    if (request_.hold_interrupts) debug.control |= KVM_GUESTDBG_BLOCKIRQ & flags_;
  }
  vcpu_.must(KVM_SET_GUEST_DEBUG, &debug, "KVM_SET_GUEST_DEBUG");
}

bool GuestDebug::is_patched(std::uint64_t linear) const {
  return std::find(assignment_.patched.begin(), assignment_.patched.end(), linear) != assignment_.patched.end();
}

void GuestDebug::stop_at_patch(std::uint64_t linear) {
  stop_ = {.why = DebugStop::Why::Breakpoint, .kind = BreakpointKind::Software, .linear = linear};
}

bool GuestDebug::stops(const kvm_run& run) {
  const kvm_debug_exit_arch& arch = run.debug.arch;
  if (arch.exception == kVectorBreakpoint) {
    if (!is_patched(arch.pc)) {
      give_back(kVectorBreakpoint, 0);
      return false;
    }
    stop_at_patch(arch.pc);
    return true;
  }
  for (unsigned n = 0; n < assignment_.registers.size(); ++n) {
    if (!(arch.dr6 >> n & 1) || !assignment_.registers[n]) continue;
    const Breakpoint& b = request_.breakpoints[*assignment_.registers[n]];
    stop_ = {.why = b.is_code() ? DebugStop::Why::Breakpoint : DebugStop::Why::Watchpoint,
             .kind = b.kind,
             .linear = assignment_.address[n]};
    return true;
  }
  if (request_.single_step) {
    stop_ = {.why = DebugStop::Why::Step, .linear = arch.pc};
    return true;
  }
  give_back(kVectorDebug, arch.dr6);
  return false;
}

bool GuestDebug::stops_at_patch() {
  if (assignment_.patched.empty()) return false;
  kvm_regs regs{};
  kvm_sregs sregs{};
  if (vcpu_.call(KVM_GET_REGS, &regs) < 0 || vcpu_.call(KVM_GET_SREGS, &sregs) < 0) return false;
  constexpr std::uint64_t kLongModeActive = 0x400;  // of EFER
  const bool long_code = (sregs.efer & kLongModeActive) && sregs.cs.l;
  const std::uint64_t linear = long_code ? regs.rip : (sregs.cs.base + regs.rip) & 0xffffffff;
  if (!is_patched(linear)) return false;
  stop_at_patch(linear);
  return true;
}

bool GuestDebug::stops_halted() {
  if (!request_.single_step) return false;
  stop_ = {.why = DebugStop::Why::Step, .halted = true};
  return true;
}

// KVM took the exception although it is the guest's: its own int3, or its own TF. Where KVM has payloads, DR6 comes to
// the guest with it.
void GuestDebug::give_back(std::uint8_t vector, std::uint64_t dr6) const {
  kvm_vcpu_events events{};
  vcpu_.must(KVM_GET_VCPU_EVENTS, &events, "KVM_GET_VCPU_EVENTS");
  events.exception.nr = vector;
  events.exception.has_error_code = 0;
  events.exception.injected = 1;
  if (vector == kVectorDebug && (events.flags & KVM_VCPUEVENT_VALID_PAYLOAD)) {
    events.exception.injected = 0;
    events.exception.pending = 1;
    events.exception_has_payload = 1;
    events.exception_payload = dr6 & (kDr6SingleStep | kDr6Met);
  }
  vcpu_.must(KVM_SET_VCPU_EVENTS, &events, "KVM_SET_VCPU_EVENTS");
}

}  // namespace machina::kvm
