#include "accel/jit/smm.h"

#include <array>
#include <cstring>

#include "accel/jit/block_cache.h"
#include "accel/jit/control.h"
#include "accel/jit/control_registers.h"
#include "accel/jit/debug.h"
#include "accel/jit/environment.h"
#include "accel/jit/features.h"
#include "accel/jit/guest_ram.h"
#include "accel/jit/interrupt.h"
#include "core/trace/trace_event.h"

namespace machina::jit {

namespace {

const TraceEvent<std::uint64_t, unsigned> jit_smm_enter{"jit_smm_enter", "rip={:#x} smbase={:#x}", TraceScope::Vcpu};
const TraceEvent<std::uint64_t, unsigned> jit_smm_leave{"jit_smm_leave", "rip={:#x} smbase={:#x}", TraceScope::Vcpu};

constexpr std::uint32_t kRevision = 0x20064;
constexpr std::uint64_t kEntry = 0x8000, kSaveArea = 0xfe00;

/// Offsets in the save area, which begins at 7E00h of the manual's table.
enum Field : unsigned {
  kSegments = 0x00,  ///< ES CS SS DS FS GS, 16 bytes each: selector, rights, limit, base
  kGdtr = 0x60,      ///< limit at 4, base at 8
  kLdtr = 0x70,
  kIdtr = 0x80,
  kTr = 0x90,
  kAutoHalt = 0xc9,
  kNmiMasked = 0xca,  ///< reserved there: what RSM makes nmi_masked
  kEfer = 0xd0,
  kRevisionId = 0xfc,
  kSmbase = 0x100,
  kCr4 = 0x148,
  kCr3 = 0x150,
  kCr0 = 0x158,
  kDr7 = 0x160,
  kDr6 = 0x168,
  kRflags = 0x170,
  kRip = 0x178,
  kR15 = 0x180,  ///< and down: R8, then RDI RSI RBP RSP RBX RDX RCX RAX
};

/// The 512 bytes of the map.
class SaveArea {
 public:
  template <class T>
  T get(unsigned at) const {
    T value;
    std::memcpy(&value, bytes_.data() + at, sizeof value);
    return value;
  }
  template <class T>
  void put(unsigned at, T value) {
    std::memcpy(bytes_.data() + at, &value, sizeof value);
  }
  void put(unsigned at, const Segment& s) {
    put<std::uint16_t>(at, s.selector);
    put<std::uint16_t>(at + 2, s.rights);
    put<std::uint32_t>(at + 4, s.limit);
    put<std::uint64_t>(at + 8, s.base);
  }
  Segment segment(unsigned at) const {
    return {get<std::uint16_t>(at), get<std::uint16_t>(at + 2), get<std::uint32_t>(at + 4), get<std::uint64_t>(at + 8)};
  }
  void put(unsigned at, const DescriptorTable& t) {
    put<std::uint16_t>(at + 4, t.limit);
    put<std::uint64_t>(at + 8, t.base);
  }
  DescriptorTable table(unsigned at) const { return {get<std::uint64_t>(at + 8), get<std::uint16_t>(at + 4)}; }

  void store(Cpu& cpu) const {
    for (unsigned at = 0; at < bytes_.size(); at += 8) store_word(cpu, at);
  }
  void load(Cpu& cpu) {
    for (unsigned at = 0; at < bytes_.size(); at += 8) {
      const std::uint64_t physical = address(cpu, at);
      const HostPage page = cpu.environment.page(physical & kPageMask);
      std::uint64_t word = 0;
      if (page.host) {
        word = ram_load<std::uint64_t>(page.host + (physical & ~kPageMask));
      } else {
        word = cpu.environment.read_physical(physical, 8);
      }
      put(at, word);
    }
  }

 private:
  /// SMBASE may be any: words must not cross pages.
  static std::uint64_t address(const Cpu& cpu, unsigned at) {
    return (cpu.smbase + kSaveArea + at) & ~std::uint64_t{7};
  }
  void store_word(Cpu& cpu, unsigned at) const {
    const std::uint64_t physical = address(cpu, at);
    const auto word = get<std::uint64_t>(at);
    const HostPage page = cpu.environment.page(physical & kPageMask);
    if (!page.host || page.readonly || page.logged) {
      cpu.environment.write_physical(physical, 8, word);
    } else {
      ram_store(page.host + (physical & ~kPageMask), word);
    }
    if (page.host) cpu.blocks.written(reinterpret_cast<std::uintptr_t>(page.host + (physical & ~kPageMask)), 8);
  }

  std::array<std::uint8_t, 0x200> bytes_{};
};

/// Where a general register is: RAX is the last.
constexpr unsigned gpr_field(unsigned n) { return kR15 + 8 * (15 - n); }
// The manual's order of the first eight is not that of their numbers.
constexpr unsigned kGprFields[16] = {0x1f8,         0x1f0,         0x1e8,         0x1e0,         0x1d8,
                                     0x1d0,         0x1c8,         0x1c0,  // RAX RCX RDX RBX RSP RBP RSI RDI
                                     gpr_field(8),  gpr_field(9),  gpr_field(10), gpr_field(11), gpr_field(12),
                                     gpr_field(13), gpr_field(14), kR15};

bool halted(const Cpu& cpu) { return cpu.wait.halt_instructions == cpu.instructions && cpu.wait.halt_rip == cpu.rip; }

SaveArea image_of(const Cpu& cpu) {
  SaveArea a;
  for (unsigned i = 0; i < 6; ++i) a.put(kSegments + 16 * i, cpu.segment[i]);
  a.put(kGdtr, cpu.gdt);
  a.put(kLdtr, cpu.ldt);
  a.put(kIdtr, cpu.idt);
  a.put(kTr, cpu.tr);
  a.put<std::uint8_t>(kAutoHalt, halted(cpu));
  a.put<std::uint8_t>(kNmiMasked, cpu.nmi_masked);
  a.put<std::uint64_t>(kEfer, cpu.efer);
  a.put<std::uint32_t>(kRevisionId, kRevision);
  a.put<std::uint32_t>(kSmbase, cpu.smbase);
  a.put<std::uint64_t>(kCr4, cpu.cr4);
  a.put<std::uint64_t>(kCr3, cpu.cr3);
  a.put<std::uint64_t>(kCr0, cpu.cr0);
  a.put<std::uint64_t>(kDr7, cpu.dr7);
  a.put<std::uint64_t>(kDr6, cpu.dr6);
  a.put<std::uint64_t>(kRflags, cpu.eflags());
  a.put<std::uint64_t>(kRip, cpu.rip);
  for (unsigned i = 0; i < 16; ++i) a.put<std::uint64_t>(kGprFields[i], cpu.gpr[i]);
  return a;
}

/// SDM vol. 3, 31.4.
bool possible(const Cpu& cpu, const SaveArea& a) {
  const auto cr0 = a.get<std::uint64_t>(kCr0), cr4 = a.get<std::uint64_t>(kCr4), efer = a.get<std::uint64_t>(kEfer);
  if ((cr0 & kCr0Pg) && !(cr0 & kCr0Pe)) return false;
  if ((cr0 & kCr0Nw) && !(cr0 & kCr0Cd)) return false;
  if (cr0 >> 32 || (cr4 & ~cr4_allowed(cpu.features))) return false;
  if ((efer & kEferLma) && !((cr0 & kCr0Pg) && (cr4 & kCr4Pae) && (efer & kEferLme))) return false;
  if ((cr4 & kCr4Pcide) && !(efer & kEferLma)) return false;
  if ((a.get<std::uint64_t>(kRflags) & kVm) && (efer & kEferLma)) return false;  // no such mode
  return (efer & ~(kEferSce | kEferLme | kEferLma | kEferNxe | kEferAibrse)) == 0;
}

void take(Cpu& cpu, const SaveArea& a) {
  for (unsigned i = 0; i < 6; ++i) cpu.set_segment(i, a.segment(kSegments + 16 * i));
  cpu.gdt = a.table(kGdtr);
  cpu.ldt = a.segment(kLdtr);
  cpu.idt = a.table(kIdtr);
  cpu.tr = a.segment(kTr);
  cpu.efer = a.get<std::uint64_t>(kEfer);
  cpu.smbase = a.get<std::uint32_t>(kSmbase);
  cpu.cr4 = a.get<std::uint64_t>(kCr4);
  cpu.cr3 = a.get<std::uint64_t>(kCr3);
  cpu.cr0 = cr0_holding(a.get<std::uint64_t>(kCr0));
  cpu.dr7 = dr7_holding(a.get<std::uint64_t>(kDr7));
  cpu.dr6 = dr6_holding(a.get<std::uint64_t>(kDr6));
  cpu.set_eflags(static_cast<std::uint32_t>(a.get<std::uint64_t>(kRflags)));
  cpu.rip = a.get<std::uint64_t>(kRip);
  for (unsigned i = 0; i < 16; ++i) cpu.gpr[i] = a.get<std::uint64_t>(kGprFields[i]);
  cpu.cpl = cpu.privilege();
}

}  // namespace

// SDM vol. 3, table 31-4: real mode with segments of 4 GiB.
void enter_smm(Cpu& cpu) {
  jit_smm_enter(cpu.rip, cpu.smbase);
  const SaveArea image = image_of(cpu);
  cpu.smm = true;
  cpu.flush_tlb();
  image.store(cpu);
  cpu.nmi_masked = true;
  constexpr std::uint16_t kData = 0x8093, kCode = 0x809b;
  for (unsigned i = 0; i < 6; ++i) cpu.set_segment(i, {.selector = 0, .rights = kData, .limit = 0xffffffff, .base = 0});
  cpu.set_segment(kCs, {.selector = static_cast<std::uint16_t>(cpu.smbase >> 4),
                        .rights = kCode,
                        .limit = 0xffffffff,
                        .base = cpu.smbase});
  cpu.cr0 &= ~(kCr0Pe | kCr0Em | kCr0Ts | kCr0Pg);
  cpu.cr4 = 0;
  cpu.efer = 0;
  cpu.dr7 = 0x400;
  cpu.set_eflags(2);
  cpu.cpl = 0;
  cpu.rip = kEntry;
  cpu.interrupt_shadow = 0;
  cpu.pending_debug = 0;
  cpu.block = nullptr;
  cpu.update_mode();
}

void leave_smm(Cpu& cpu) {
  SaveArea image;
  image.load(cpu);
  if (!possible(cpu, image)) return shut_down(cpu);
  cpu.smm = false;
  cpu.nmi_masked = image.get<std::uint8_t>(kNmiMasked) & 1;
  cpu.environment.merge_nmis();  // SMM blocks them
  take(cpu, image);
  jit_smm_leave(cpu.rip, cpu.smbase);
  cpu.flush_tlb();
  if ((cpu.cr0 & kCr0Pg) && (cpu.cr4 & kCr4Pae) && !cpu.long_mode() && !load_pdptrs(cpu, cpu.environment, cpu.cr3))
    return shut_down(cpu);
  cpu.update_mode();
  cpu.request(kRequestInterrupt);  // what waited for the end of SMM
  if (image.get<std::uint8_t>(kAutoHalt) & 1) {
    cpu.wait.halt_instructions = cpu.instructions;
    cpu.wait.halt_rip = cpu.rip;
    cpu.exit = (cpu.system_flags & kIf) ? VcpuExit::Halted : VcpuExit::HaltedMasked;
    cpu.request(kRequestExit);
  }
}

}  // namespace machina::jit
