#include "accel/jit/control.h"

#include "accel/jit/control_registers.h"
#include "accel/jit/cpu_log.h"
#include "accel/jit/environment.h"
#include "accel/jit/features.h"
#include "accel/jit/system.h"
#include "core/log.h"

namespace machina::jit {

namespace {

constexpr std::uint64_t kCr0Defined =
    kCr0Pe | kCr0Mp | kCr0Em | kCr0Ts | kCr0Et | kCr0Ne | kCr0Wp | kCr0Am | kCr0Nw | kCr0Cd | kCr0Pg;
constexpr std::uint64_t kNoFlush = std::uint64_t{1} << 63;
constexpr std::uint64_t kPcidMask = 0xfff;

/// A busy or available 16-bit TSS.
bool is_16bit_tss(const Segment& tr) { return tr.present() && (tr.type() == 1 || tr.type() == 3); }

bool pae_paging(std::uint64_t cr0, std::uint64_t cr4, std::uint64_t efer) {
  return (cr0 & kCr0Pg) && (cr4 & kCr4Pae) && !(efer & kEferLma);
}

void reload_pdptrs(Cpu& cpu, std::uint64_t cr3) {
  if (!load_pdptrs(cpu, cpu.environment, cr3)) refuse();
}

/// EFER as CR0 makes it: SDM vol. 3, 9.8.5, with the consistency checks of 9.8.5.3.
std::uint64_t efer_with(const Cpu& cpu, std::uint64_t cr0) {
  const bool was = cpu.cr0 & kCr0Pg, is = cr0 & kCr0Pg;
  if (is && !was && (cpu.efer & kEferLme)) {
    if (!(cpu.cr4 & kCr4Pae) || cpu.segment[kCs].long_mode() || is_16bit_tss(cpu.tr)) refuse();
    return cpu.efer | kEferLma;
  }
  if (was && !is) {
    if (cpu.long_code() || (cpu.cr4 & kCr4Pcide)) refuse();
    return cpu.efer & ~kEferLma;
  }
  return cpu.efer;
}

}  // namespace

std::uint64_t cr0_holding(std::uint64_t value) { return (value & kCr0Defined) | kCr0Et; }

void load_cr0(Cpu& cpu, std::uint64_t value) {
  if (value >> 32) refuse();
  value = cr0_holding(value);
  if ((value & kCr0Pg) && !(value & kCr0Pe)) refuse();
  if ((value & kCr0Nw) && !(value & kCr0Cd)) refuse();
  const std::uint64_t changed = value ^ cpu.cr0;
  const std::uint64_t efer = efer_with(cpu, value);
  if (pae_paging(value, cpu.cr4, efer) && (changed & (kCr0Pg | kCr0Cd | kCr0Nw))) reload_pdptrs(cpu, cpu.cr3);
  cpu.cr0 = value;
  cpu.efer = efer;
  if (log::on(log::Category::Mmu)) [[unlikely]]
    log_paging(cpu, "CR0", value);
  // WP: entries know whether they may be written without a check.
  if (changed & (kCr0Pg | kCr0Wp)) cpu.flush_tlb();
}

void load_cr3(Cpu& cpu, std::uint64_t value) {
  bool keep = false;
  if (cpu.cr4 & kCr4Pcide) {
    keep = value & kNoFlush;
    value &= ~kNoFlush;
  }
  if (cpu.long_mode() && value >> cpu.physical_bits) refuse();
  if (pae_paging(cpu.cr0, cpu.cr4, cpu.efer)) reload_pdptrs(cpu, value);
  if (keep && value == cpu.cr3) return;
  cpu.cr3 = value;
  if (log::on(log::Category::Mmu)) [[unlikely]]
    log_paging(cpu, "CR3", value);
  cpu.flush_tlb_non_global();
}

std::uint64_t cr4_allowed(const FeatureSet& f) {
  using namespace feature;
  constexpr std::pair<FeatureBit, std::uint64_t> kBits[] = {
      {kVme, kCr4Vme | kCr4Pvi}, {kTsc, kCr4Tsd},       {kDe, kCr4De},     {kPse, kCr4Pse},
      {kPae, kCr4Pae},           {kMce, kCr4Mce},       {kPge, kCr4Pge},   {kFxsr, kCr4Osfxsr},
      {kSse, kCr4Osxmmexcpt},    {kUmip, kCr4Umip},     {kLa57, kCr4La57}, {kFsgsbase, kCr4Fsgsbase},
      {kPcid, kCr4Pcide},        {kXsave, kCr4Osxsave}, {kSmep, kCr4Smep}, {kSmap, kCr4Smap},
      {kPku, kCr4Pke},
  };
  std::uint64_t allowed = kCr4Pce;  // of every CPU since the Pentium with MMX, counters or not
  for (const auto& [bit, mask] : kBits)
    if (has(f, bit)) allowed |= mask;
  return allowed;
}

void load_cr4(Cpu& cpu, std::uint64_t value) {
  if (value & ~cr4_allowed(cpu.features)) refuse();
  const std::uint64_t changed = value ^ cpu.cr4;
  if (cpu.long_mode() && (changed & (kCr4Pae | kCr4La57))) refuse();
  if ((changed & value & kCr4Pcide) && (!cpu.long_mode() || (cpu.cr3 & kPcidMask))) refuse();
  if (pae_paging(cpu.cr0, value, cpu.efer) && (changed & (kCr4Pae | kCr4Pge | kCr4Pse | kCr4Smep)))
    reload_pdptrs(cpu, cpu.cr3);
  cpu.cr4 = value;
  if (log::on(log::Category::Mmu)) [[unlikely]]
    log_paging(cpu, "CR4", value);
  // SDM vol. 3, 4.10.4.1; SMAP and PKE because entries hold rights that have been checked.
  if (changed & (kCr4Pge | kCr4Pae | kCr4Pse | kCr4La57 | kCr4Pcide | kCr4Smep | kCr4Smap | kCr4Pke)) cpu.flush_tlb();
}

std::uint64_t xcr0_allowed(const FeatureSet& f) {
  using namespace feature;
  if (!has(f, kXsave)) return 0;
  std::uint64_t components = 3;
  if (has(f, kAvx)) components |= 4;
  if (has(f, kPku)) components |= 0x200;
  return components;
}

void load_xcr0(Cpu& cpu, std::uint64_t value) {
  // x87 state is always there; AVX state is an extension of SSE state. SDM vol. 1, 13.3.
  if (!(value & 1) || (value & ~xcr0_allowed(cpu.features)) || ((value & 4) && !(value & 2))) refuse();
  cpu.xcr0 = value;
}

void load_efer(Cpu& cpu, std::uint64_t value) {
  using namespace feature;
  std::uint64_t allowed = kEferLma;
  if (has(cpu.features, kSyscall)) allowed |= kEferSce;
  if (has(cpu.features, kLm)) allowed |= kEferLme;
  if (has(cpu.features, kNx)) allowed |= kEferNxe;
  if (has(cpu.features, kAutoIbrs)) allowed |= kEferAibrse;
  if (value & ~allowed) refuse();
  const std::uint64_t changed = value ^ cpu.efer;
  if ((changed & kEferLme) && (cpu.cr0 & kCr0Pg)) refuse();
  cpu.efer = (value & ~kEferLma) | (cpu.efer & kEferLma);
  if (log::on(log::Category::Mmu)) [[unlikely]]
    log_paging(cpu, "EFER", cpu.efer);
  if (changed & kEferNxe) cpu.flush_tlb();
}

}  // namespace machina::jit
