#include "accel/jit/run.h"

#include <utility>

#include "accel/jit/block_cache.h"
#include "accel/jit/cpu_group.h"
#include "accel/jit/debug.h"
#include "accel/jit/debugger.h"
#include "accel/jit/environment.h"
#include "accel/jit/fetch.h"
#include "accel/jit/host_float.h"
#include "accel/jit/interrupt.h"
#include "accel/jit/memory.h"
#include "accel/jit/smm.h"
#include "accel/jit/vendor.h"

namespace machina::jit {

namespace {

constexpr std::uint8_t kNmiVector = 2;

/// SDM vol. 3, table 6-2: SMI before NMI before INTR.
/// True: an event was delivered.
bool take_interrupt(Cpu& cpu) {
  if (cpu.interrupt_shadow) {
    cpu.request(kRequestInterrupt);  // again after the next instruction
    return false;
  }
  Environment& env = cpu.environment;
  if (cpu.undelivered) {
    deliver(cpu, *std::exchange(cpu.undelivered, {}));
    cpu.request(kRequestInterrupt);
  } else if (cpu.pending_debug != 0) {  // the trap of a task switch or SYSRET
    cpu.dr6 |= std::exchange(cpu.pending_debug, 0U);
    deliver(cpu, Event{.vector = static_cast<std::uint8_t>(Vector::Debug)});
    cpu.request(kRequestInterrupt);
  } else if (cpu.debugger && cpu.debugger->holds_interrupts()) {
    return false;
  } else if (!cpu.smm && env.take_smi()) {
    enter_smm(cpu);
    cpu.request(kRequestInterrupt);
  } else if (!cpu.nmi_masked && env.take_nmi()) {
    cpu.nmi_masked = true;
    deliver(cpu, Event{.vector = kNmiVector});
    cpu.request(kRequestInterrupt);
  } else if ((cpu.system_flags & kIf) && env.interrupt_pending()) {
    const int vector = env.acknowledge_interrupt();
    if (vector < 0) return false;
    deliver(cpu, Event{.vector = static_cast<std::uint8_t>(vector), .kind = Event::Kind::External});
    // Through a trap gate IF stays set, and INTR may be high still, or again: its rise has been told already.
    if (cpu.system_flags & kIf) cpu.request(kRequestInterrupt);
  } else {
    return false;
  }
  return true;
}

/// For a debugger, what an event's delivery comes to is a step, and so is an instruction.
void note_step(Cpu& cpu) {
  if (cpu.debugger) [[unlikely]]
    cpu.debugger->note_step();
}

/// False: leave run_blocks() with cpu.exit.
bool serve(Cpu& cpu) {
  leave_guest_float(cpu);
  const std::uint32_t requests = cpu.requests.exchange(0, std::memory_order_seq_cst);
  if (requests & kRequestFlush) {
    cpu.environment.refresh();
    cpu.flush_tlb();
  }
  if (requests & kRequestExit) {
    if (requests & kRequestKick) cpu.request(kRequestKick);
    return false;
  }
  if (requests & kRequestKick) {
    cpu.exit = VcpuExit::Interrupted;
    return false;
  }
  if ((requests & kRequestInterrupt) && take_interrupt(cpu)) note_step(cpu);
  // It goes on, and no interrupt came in between. Whoever looks for breakpoints there wants to know.
  if (!(cpu.mode & (kModeSingle | kModeEnds))) cpu.mid_repetition = false;
  return true;
}

/// A trap of HLT ends its halt: SDM vol. 2, HLT.
void wake(Cpu& cpu) {
  if (cpu.exit == VcpuExit::Halted || cpu.exit == VcpuExit::HaltedMasked) cpu.requests.fetch_and(~kRequestExit);
}

/// What a block of one instruction is for: the ends of shadows, and traps after it.
struct SingleInstruction {
  Cpu& cpu;
  const bool single_step = cpu.system_flags & kTf;
  const std::uint8_t shadow = cpu.interrupt_shadow;

  /// False: a breakpoint keeps the instruction from being carried out. One behind MOV SS does so on AMD's processors
  /// only.
  bool begin() {
    const bool continues = std::exchange(cpu.mid_repetition, false);
    if (cpu.system_flags & kRf) {
      cpu.system_flags &= ~kRf;
    } else if (!continues && (cpu.dr7 & 0xff) && !(shadow == kShadowOfMovSs && !is_amd(cpu)) &&
               meets_instruction_breakpoint(cpu)) {
      deliver(cpu, GuestFault{Vector::Debug});
      return false;
    }
    cpu.skip_trap = false;
    return true;
  }

  /// `following`: where the instruction ends.
  void end(std::uint64_t following) {
    if (cpu.interrupt_shadow == shadow) cpu.interrupt_shadow = 0;
    // MOV SS drops its own single-step trap; only those of breakpoints wait. SDM vol. 3, 6.8.3.
    const bool branched = cpu.rip != following && !cpu.mid_repetition;
    const bool stepped = !(cpu.msrs.debugctl & kDebugctlBranchStep) || branched;
    if (single_step && stepped && !cpu.skip_trap && cpu.interrupt_shadow != kShadowOfMovSs)
      cpu.pending_debug |= kDr6SingleStep;
    if (cpu.interrupt_shadow != kShadowOfMovSs && cpu.pending_debug != 0) {
      cpu.dr6 = (cpu.dr6 & ~std::uint64_t{0xf}) | std::exchange(cpu.pending_debug, 0U);
      wake(cpu);
      deliver(cpu, Event{.vector = static_cast<std::uint8_t>(Vector::Debug)});
    }
    cpu.update_mode();
  }
};

/// Where CS has a limit: its last address, as of RIP.
bool has_limit(const Cpu& cpu) { return !(cpu.mode & (kModeLong | kModeFlat)); }

/// True: the instruction at RIP must not begin, since a debugger has a breakpoint there.
bool stops_at_breakpoint(Cpu& cpu) {
  // Elements that a repeated instruction has left do not begin it.
  const bool continues = cpu.mid_repetition;
  if (!(cpu.mode & kModeSingle)) cpu.mid_repetition = false;
  return !continues && cpu.debugger->meets_breakpoint(cpu.linear_rip(cpu.rip));
}

/// Does the block reach beyond the limit of CS?
bool beyond_limit(const Cpu& cpu, const Block* block) {
  return has_limit(cpu) && cpu.rip + block->size - 1 > cpu.segment[kCs].limit;
}

/// May the block that ended remember this one as what follows? Its own page only: what other pages hold may change
/// without it. And not where the limit of CS is near, since that is looked at here.
bool may_chain(const Cpu& cpu, const Block* next) {
  if (has_limit(cpu) && cpu.segment[kCs].limit - cpu.rip < kPageSize) return false;
  if (cpu.debugger && cpu.debugger->ends_blocks_at(next->host)) return false;
  return next->second_page == 0 && next != cpu.uncached.get() && !(next->mode & kModeSingle) &&
         ((cpu.linear_rip(cpu.gpr[kRipBase]) ^ cpu.linear_rip(cpu.rip)) & kPageMask) == 0;
}

/// A block that would run beyond the limit of CS is carried out one by one, up to the instruction that is not wholly in
/// it.
const Block* find_within_limit(Cpu& cpu) {
  if (has_limit(cpu) && cpu.rip > cpu.segment[kCs].limit) {
    cpu.fault_op = nullptr;
    raise(Vector::GeneralProtection, 0);
  }
  const Block* block = find_block(cpu);
  if (!beyond_limit(cpu, block)) [[likely]]
    return block;
  cpu.mode |= kModeSingle;  // until the end of that instruction
  block = find_block(cpu);
  if (!beyond_limit(cpu, block)) return block;
  cpu.fault_op = nullptr;
  raise(Vector::GeneralProtection, 0);
}

const Block* look_up(Cpu& cpu) {
  if (cpu.blocks.full()) [[unlikely]]
    cpu.environment.cache_full();
  const Block** slot = std::exchange(cpu.chain_slot, nullptr);
  if (cpu.block == cpu.uncached.get()) slot = nullptr;
  cpu.fault_chain.add_jump(cpu.gpr[kRipBase], cpu.rip);
  const Block* block = find_within_limit(cpu);
  if (slot && may_chain(cpu, block)) std::atomic_ref(*slot).store(block, std::memory_order_release);
  return block;
}

const Block* enter(Cpu& cpu, const Block* block) {
  cpu.block = block;
  cpu.gpr[kRipBase] = cpu.rip;
  cpu.instructions += block->ops.size();
  return block->ops.front().handler(cpu, block->ops.data());
}

const Block* enter_single(Cpu& cpu, const Block* block) {
  SingleInstruction instruction{cpu};
  if (!instruction.begin()) {
    note_step(cpu);
    return nullptr;
  }
  const std::uint64_t following = cpu.rip + block->ops.front().length;
  enter(cpu, block);
  cpu.chain_slot = nullptr;
  instruction.end(following);
  note_step(cpu);
  return nullptr;
}

VcpuExit loop(Cpu& cpu) {
  const Block* block = nullptr;
  for (;;) {
    if (const std::uint32_t requests = cpu.requests.load(std::memory_order_relaxed);
        requests != 0 && !(requests == kRequestInterrupt && cpu.interrupt_shadow != 0)) [[unlikely]] {
      block = nullptr;
      cpu.chain_slot = nullptr;
      if (!serve(cpu)) return cpu.exit;
      continue;  // what was served may have asked for more; in a shadow, interrupts wait for one instruction
    }
    if (!block) {
      if ((cpu.mode & kModeEnds) && stops_at_breakpoint(cpu)) [[unlikely]]
        continue;
      block = look_up(cpu);
    }
    block = cpu.mode & kModeSingle ? enter_single(cpu, block) : enter(cpu, block);
  }
}

/// The instruction that raised `fault` starts over once its handler has returned.
void deliver_fault(Cpu& cpu, const GuestFault& fault) {
  if (cpu.fault_op) cpu.rip = cpu.rip_of(cpu.fault_op);
  cpu.pending_debug &= ~kDr6DataBreakpoints;  // of an instruction that starts over
  if (cpu.debugger) cpu.debugger->withdraw();
  cpu.chain_slot = nullptr;
  cpu.block = nullptr;
  cpu.update_mode();  // a handler may have been half through changing it
  deliver(cpu, fault);
}

}  // namespace

VcpuExit run_blocks(Cpu& cpu) {
  const GuestFloat guest_float(cpu);
  const InBlocks in_blocks(cpu);
  cpu.block = nullptr;  // the cache may have been emptied meanwhile
  cpu.chain_slot = nullptr;
  cpu.request(kRequestInterrupt);
  for (;;) {
    try {
      return loop(cpu);
    } catch (const GuestFault& fault) {
      deliver_fault(cpu, fault);
      note_step(cpu);
    } catch (const StartsOver&) {
      if (cpu.debugger) cpu.debugger->withdraw();
      cpu.rip = cpu.rip_of(cpu.fault_op);
      cpu.chain_slot = nullptr;
      cpu.block = nullptr;
      cpu.mode |= kModeSingle;  // until the end of that instruction
    }
  }
}

void run_instruction(Cpu& cpu) {
  const GuestFloat guest_float(cpu);
  cpu.block = nullptr;
  cpu.chain_slot = nullptr;
  if (cpu.undelivered) {
    deliver(cpu, *std::exchange(cpu.undelivered, {}));
    return note_step(cpu);
  }
  const std::uint64_t start = cpu.rip;
  cpu.mode |= kModeSingle;
  try {
    enter_single(cpu, look_up(cpu));
  } catch (const GuestFault& fault) {
    deliver_fault(cpu, fault);
    note_step(cpu);
  } catch (...) {
    if (cpu.debugger) cpu.debugger->withdraw();
    cpu.rip = start;
    cpu.update_mode();
    throw;
  }
}

}  // namespace machina::jit
