#include "accel/jit/debug.h"

#include "accel/jit/control_registers.h"
#include "accel/jit/system.h"

namespace machina::jit {

namespace {

/// R/W fields of DR7: SDM vol. 3, 18.2.4. 2 means data reads and writes while CR4.DE is clear: undefined, and so it
/// matches nothing.
enum class Watch : std::uint8_t { Execution, Writes, Ports, Accesses };

struct Dr {
  bool enabled;
  Watch watch;
  std::uint64_t first, size;
};

Dr breakpoint(const Cpu& cpu, unsigned n) {
  constexpr std::uint8_t kSizes[] = {1, 2, 8, 4};
  const std::uint64_t size = kSizes[cpu.dr7 >> (18 + 4 * n) & 3];
  // Addresses are aligned to the size: low bits do not count. SDM vol. 3, 18.2.5.
  return {(cpu.dr7 >> (2 * n) & 3) != 0, static_cast<Watch>(cpu.dr7 >> (16 + 4 * n) & 3), cpu.dr[n] & ~(size - 1),
          size};
}

bool overlap(const Dr& b, std::uint64_t first, std::uint64_t size) {
  return first - b.first < b.size || b.first - first < size;
}

bool is_data(const Dr& b) { return b.watch == Watch::Writes || b.watch == Watch::Accesses; }

bool has_data_breakpoints(const Cpu& cpu) {
  for (unsigned n = 0; n < 4; ++n)
    if (const Dr b = breakpoint(cpu, n); b.enabled && is_data(b)) return true;
  return false;
}

}  // namespace

bool meets_instruction_breakpoint(Cpu& cpu) {
  const std::uint64_t linear = cpu.linear_rip(cpu.rip);
  std::uint32_t met = 0;
  for (unsigned n = 0; n < 4; ++n) {
    const Dr b = breakpoint(cpu, n);
    if (b.enabled && b.watch == Watch::Execution && cpu.dr[n] == linear) met |= 1U << n;
  }
  if (met == 0) return false;
  cpu.dr6 = (cpu.dr6 & ~std::uint64_t{0xf}) | met;
  return true;
}

void match_data_breakpoints(Cpu& cpu, std::uint64_t linear, unsigned width, bool write) {
  for (unsigned n = 0; n < 4; ++n) {
    const Dr b = breakpoint(cpu, n);
    if (!b.enabled || !is_data(b) || (b.watch == Watch::Writes && !write)) continue;
    if (overlap(b, linear, width)) cpu.pending_debug |= 1U << n;
  }
}

bool page_is_watched(const Cpu& cpu, std::uint64_t linear) {
  if (cpu.debugger && cpu.debugger->watches_page(linear)) return true;
  if (!(cpu.dr7 & kDr7Enables)) return false;
  for (unsigned n = 0; n < 4; ++n)
    if (const Dr b = breakpoint(cpu, n); b.enabled && is_data(b) && ((b.first ^ linear) & kPageMask) == 0) return true;
  return false;
}

void note_port_access(Cpu& cpu, std::uint16_t port, unsigned width) {
  if (!(cpu.dr7 & kDr7Enables) || !(cpu.cr4 & kCr4De)) return;
  for (unsigned n = 0; n < 4; ++n) {
    const Dr b = breakpoint(cpu, n);
    if (b.enabled && b.watch == Watch::Ports && overlap(b, port, width)) cpu.pending_debug |= 1U << n;
  }
}

unsigned accessible_debug_register(Cpu& cpu, const Op* op, unsigned n) {
  require_cpl0(cpu, op);
  if (n == 4 || n == 5) {
    if (cpu.cr4 & kCr4De) raise(Vector::InvalidOpcode);
    n += 2;
  }
  if (cpu.dr7 & kDr7GeneralDetect) {
    // A fault; GD is cleared so that the handler may use the registers. SDM vol. 3, 18.2.4.
    cpu.dr6 |= kDr6Access;
    cpu.dr7 &= ~kDr7GeneralDetect;
    raise(Vector::Debug);
  }
  return n;
}

// Bits that are always clear or set: SDM vol. 3, figure 18-1. No RTM, no detection of bus locks.
std::uint64_t dr6_holding(std::uint64_t value) { return (value & 0xe00f) | 0xffff0ff0; }
std::uint64_t dr7_holding(std::uint64_t value) { return (value & 0xffff23ff) | 0x400; }

std::uint64_t read_debug_register(const Cpu& cpu, unsigned n) {
  return n == 6 ? cpu.dr6 : n == 7 ? cpu.dr7 : cpu.dr[n];
}

void write_debug_register(Cpu& cpu, unsigned n, std::uint64_t value) {
  const bool watched = has_data_breakpoints(cpu);
  if (n < 4) {
    cpu.dr[n] = value;
  } else {
    if (value >> 32) refuse();
    if (n == 6) {
      cpu.dr6 = dr6_holding(value);
    } else {
      cpu.dr7 = dr7_holding(value);
    }
  }
  if (watched || has_data_breakpoints(cpu)) cpu.flush_tlb();
}

}  // namespace machina::jit
