/// HLT, MONITOR, MWAIT, PAUSE.
///
/// MWAIT may end for reasons of the processor's own (SDM vol. 3, 9.10.4), and programs look again and wait again. So
/// this one looks at the monitored line every kStep, sleeping in between, and ends when it has changed, when an event
/// is pending, or after kLongest. A store that puts the old value back unseen is noticed by that last one. A CPU that
/// idles with MWAIT therefore wakes its thread often; one that idles with HLT does not, and CPU models have MONITOR
/// only when it is asked for.

#include <chrono>
#include <thread>
#include <utility>

#include "accel/jit/control_registers.h"
#include "accel/jit/emitters.h"
#include "accel/jit/host_float.h"
#include "accel/jit/system.h"

namespace machina::jit {

namespace {

constexpr std::chrono::microseconds kStep{50}, kLongest{1000};
constexpr std::uint64_t kLine = 64;  // CPUID leaf 5 tells this size
/// PAUSE hints at a loop that waits for another CPU, whose thread may need this host CPU to go on.
constexpr unsigned kPausesPerYield = 64;

const Block* hlt(Cpu& cpu, const Op* op) {
  require_cpl0(cpu, op);
  leave_guest_float(cpu);
  leave(cpu, op);
  cpu.wait.halt_instructions = cpu.instructions;
  cpu.wait.halt_rip = cpu.rip;
  cpu.exit = (cpu.system_flags & kIf) ? VcpuExit::Halted : VcpuExit::HaltedMasked;
  cpu.request(kRequestExit);
  return nullptr;
}

std::array<std::uint8_t, kLine> read_line(Cpu& cpu, const Op* op) {
  std::array<std::uint8_t, kLine> line;
  read_bytes(cpu, op, cpu.wait.monitored, line.data(), kLine);
  return line;
}

bool line_changed(Cpu& cpu, const Op* op) {
  try {
    return read_line(cpu, op) != cpu.wait.line;
  } catch (const GuestFault&) {
    return true;  // it is mapped no longer; MWAIT itself accesses no memory
  }
}

/// MONITOR and MWAIT do not exist for programs, which see #UD and not #GP. SDM vol. 2, MONITOR.
void require_supervisor(Cpu& cpu, const Op* op) {
  cpu.fault_op = op;  // also of what they do later
  if (cpu.cpl != 0) raise(Vector::InvalidOpcode);
}

/// The address is that of one byte, in DS unless another segment is named.
const Block* monitor(Cpu& cpu, const Op* op) {
  require_supervisor(cpu, op);
  if ((cpu.gpr[kRcx] & 0xffffffff) != 0) refuse();  // no extensions
  const std::uint64_t linear = linear_in_segment(cpu, op, op->segment, cpu.gpr[kRax] & op->address_mask, 1, false);
  load<std::uint8_t>(cpu, op, linear);
  cpu.wait.monitored = linear & ~(kLine - 1);
  cpu.wait.line = read_line(cpu, op);
  cpu.wait.armed = true;
  return next(cpu, op);
}

const Block* mwait(Cpu& cpu, const Op* op) {
  require_supervisor(cpu, op);
  // Extension 0: masked interrupts end it, too. Everything does, in time.
  if (static_cast<std::uint32_t>(cpu.gpr[kRcx]) > 1) refuse();
  leave_guest_float(cpu);
  if (std::exchange(cpu.wait.armed, false)) {
    const auto end = std::chrono::steady_clock::now() + kLongest;
    while (cpu.requests.load(std::memory_order_relaxed) == 0 && std::chrono::steady_clock::now() < end &&
           !line_changed(cpu, op))
      std::this_thread::sleep_for(kStep);
  }
  return leave(cpu, op);
}

const Block* pause(Cpu& cpu, const Op* op) {
  if (++cpu.wait.pauses % kPausesPerYield == 0) std::this_thread::yield();
  return next(cpu, op);
}

/// Zydis has no operand for the address of MONITOR, so its segment is to be found here. In 64-bit code the others than
/// FS and GS have no base.
std::uint8_t segment_of(const ZydisDecodedInstruction& instruction) {
  std::uint8_t segment = kDs;
  for (unsigned i = 0; i < instruction.raw.prefix_count; ++i) {
    switch (instruction.raw.prefixes[i].value) {
      case 0x26:
        segment = kEs;
        break;
      case 0x2e:
        segment = kCs;
        break;
      case 0x36:
        segment = kSs;
        break;
      case 0x3e:
        segment = kDs;
        break;
      case 0x64:
        segment = kFs;
        break;
      case 0x65:
        segment = kGs;
        break;
      default:
        break;
    }
  }
  return segment;
}

void emit_monitor(Decoding& d) {
  const unsigned bits = d.instruction.address_width;
  d.op.address_mask = bits == 64 ? ~std::uint64_t{0} : bits == 32 ? 0xffffffff : 0xffff;
  d.op.segment = segment_of(d.instruction);
  d.op.handler = &monitor;
}

}  // namespace

void add_wait_emitters(EmitterTable& table) {
  table[ZYDIS_MNEMONIC_HLT] = &emit_fixed<&hlt, true>;
  table[ZYDIS_MNEMONIC_MONITOR] = &emit_monitor;
  table[ZYDIS_MNEMONIC_MWAIT] = &emit_fixed<&mwait, true>;
  table[ZYDIS_MNEMONIC_PAUSE] = &emit_fixed<&pause>;
}

}  // namespace machina::jit
