/// A vCPU of KVM and a debugger.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>

#include "accel/kvm/kvm_accelerator.h"
#include "accel/kvm/kvm_api.h"
#include "accel/kvm/kvm_vcpu.h"
#include "accel/x86_inspect.h"
#include "core/error.h"
#include "core/log.h"
#include "core/system.h"
#include "hw/x86/x86_cpu.h"

namespace machina::kvm {

namespace {
constexpr std::uint64_t kPageMask = ~std::uint64_t{4095};
}

void KvmVcpu::set_debug(const DebugRequest& request) {
  if (!request.empty() && accelerator_.emulates_kernel_mode()) check_emulated(request);
  DebugRequest for_kvm = request;
  const auto is_watch = [](const Breakpoint& b) { return !b.is_code(); };
  std::vector<WatchedPiece> pieces;
  if (std::any_of(request.breakpoints.begin(), request.breakpoints.end(), is_watch) &&
      accelerator_.emulates_kernel_mode()) {
    pieces = pieces_to_watch(request);
    std::erase_if(for_kvm.breakpoints, is_watch);
  }
  debug_.set(for_kvm);
  watched_.set(std::move(pieces));
  debug_request_ = request;
  if (software_) software_->set_debug(request);
}

// Of user mode, which runs natively there, such a KVM sees nothing: a step would end in the guest's own handler of #DB.
// It knows int3 in real mode, and gives it to the guest.
void KvmVcpu::check_emulated(const DebugRequest& request) {
  X86State s;
  transfer_.store(s);
  if (request.single_step && is_long_mode(s) && (s.segment[kCs].selector & 3) == 3)
    throw Error("this host's KVM emulates kernel mode, and cannot step user mode").hint("take -accel jit");
  const auto code = std::count_if(request.breakpoints.begin(), request.breakpoints.end(),
                                  [](const Breakpoint& b) { return b.is_code(); });
  if (code > 4 && !(s.cr0 & 1))
    throw Error("this host's KVM emulates kernel mode, and has four breakpoints in real mode").hint("take -accel jit");
  if (code != 0)
    log::warn_once(
        "kvm-debug-user",
        "this host's KVM emulates kernel mode: breakpoints stop nothing in user mode, which it runs natively");
}

// Where KVM itself must get at memory to deliver an event, it does not ask us: the guest would end in a triple fault.
std::vector<WatchedPiece> KvmVcpu::pieces_to_watch(const DebugRequest& request) {
  std::vector<WatchedPiece> pieces =
      watched_pieces(request, [this](std::uint64_t linear) { return debug_.physical_of(linear); });
  const CpuTopology& t = cpu_.topology();
  const bool alone = t.sockets * t.cores * t.threads == 1;
  if (!alone) {
    // Reads exit for watched writes, too: a locked instruction that has read the old value before it exits would not be
    // one piece to other vCPUs. So each page has a piece more, of no bytes, whose reads count.
    const std::size_t count = pieces.size();
    for (std::size_t i = 0; i < count; ++i) {
      WatchedPiece reads = pieces[i];
      reads.size = 0;
      reads.kind = BreakpointKind::Access;
      pieces.push_back(reads);
    }
  }
  X86State s;
  transfer_.store(s);
  const std::uint64_t stack = (is_64_bit_code(s) ? 0 : s.segment[kSs].base) + s.gpr[kRsp];
  const auto refuse = [&](std::uint64_t linear, const char* what, bool reads_too) {
    const std::optional<std::uint64_t> physical = debug_.physical_of(linear);
    for (const WatchedPiece& p : pieces)
      if (physical && (*physical & kPageMask) == p.page() && (p.reads() || !reads_too))
        throw Error(fmt::format("{:#x} is on a page with {}, which KVM must reach: on this host it emulates kernel "
                                "mode, and can watch no such page",
                                p.linear, what))
            .hint("take -accel jit");
  };
  refuse(stack, "the stack", false);
  refuse(stack - 1, "the stack", false);
  refuse(is_64_bit_code(s) ? s.rip : s.segment[kCs].base + s.rip, "the code that runs", true);
  refuse(s.idt.base, "the IDT", true);
  refuse(s.gdt.base, "the GDT", true);
  if (s.cr0 & 1) refuse(s.tr.base, "the TSS", true);
  return pieces;
}

/// A step over HLT ends before it has halted on some KVMs, and after on others.
void KvmVcpu::find_out_if_halting() {
  halting_.reset();
  if (!debug_.request().single_step) return;
  X86State s;
  transfer_.store(s);
  const std::uint64_t linear = is_64_bit_code(s) ? s.rip : (s.segment[kCs].base + s.rip) & 0xffffffff;
  const std::optional<std::uint64_t> physical = debug_.physical_of(linear);
  if (!physical) return;
  constexpr std::uint8_t kHlt = 0xf4;
  const std::shared_ptr<const FlatView> view = accelerator_.system().memory.view();
  const FlatRange* range = view->find(*physical);
  if (range && range->is_ram() && range->host[*physical - range->first] == kHlt) halting_ = linear;
}

void KvmVcpu::halt_after_step() {
  DebugStop stop = debug_.stop();
  if (stop.why != DebugStop::Why::Step) return;
  if (accelerator_.handles_mp_state()) {
    kvm_mp_state halted{KVM_MP_STATE_HALTED};
    fd_.call(KVM_SET_MP_STATE, &halted);
  } else {
    stop.halted = true;
    debug_.set_stop(stop);
  }
}

/// What an exit is to a debugger; null: nothing. `result` is KVM_RUN's.
std::optional<ExitResult> KvmVcpu::debug_exit(int result) {
  constexpr ExitResult kStop{false, VcpuExit::Debug};
  const bool access = result == 0 && run_->exit_reason == KVM_EXIT_MMIO;
  if (access && accelerator_.held_pages().any()) {
    watched_.note(run_->mmio.phys_addr, run_->mmio.len, run_->mmio.is_write);
    // The entry that finishes the instruction is not to begin the next one.
    std::atomic_ref<std::uint8_t>(run_->immediate_exit).store(1, std::memory_order_seq_cst);
  }
  const bool goes_on = access || (result == 0 && run_->exit_reason == KVM_EXIT_IO);  // INS and OUTS do both
  if (!goes_on && watched_.in_instruction()) {
    const std::optional<DebugStop> met = watched_.instruction_ended();
    if (met && (result < 0 || run_->exit_reason == KVM_EXIT_DEBUG)) {
      std::atomic_ref<std::uint8_t>(run_->immediate_exit).exchange(0, std::memory_order_seq_cst);
      debug_.set_stop(*met);
      return kStop;
    }
  }
  if (result < 0) return std::nullopt;
  if (run_->exit_reason == KVM_EXIT_SHUTDOWN && accelerator_.held_pages().any())
    log::warning("{}: shut down while a debugger watches memory, which this host's KVM cannot reach meanwhile",
                 cpu_.path());
  if (!debug_.active()) return std::nullopt;
  switch (run_->exit_reason) {
    case KVM_EXIT_DEBUG:
      if (!debug_.stops(*run_)) return ExitResult{};
      if (halting_ && run_->debug.arch.pc == *halting_ + 1) halt_after_step();
      return kStop;
    case KVM_EXIT_INTERNAL_ERROR:
      if (run_->internal.suberror == KVM_INTERNAL_ERROR_EMULATION && debug_.stops_at_patch()) return kStop;
      break;
    case KVM_EXIT_HLT:
      if (debug_.stops_halted()) return kStop;
      break;
    default:
      break;
  }
  return std::nullopt;
}

}  // namespace machina::kvm
