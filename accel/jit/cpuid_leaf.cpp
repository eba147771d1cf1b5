#include "accel/jit/cpuid_leaf.h"

#include <algorithm>

#include "accel/jit/control_registers.h"
#include "accel/jit/environment.h"
#include "accel/jit/features.h"
#include "accel/jit/vendor.h"

namespace machina::jit {

namespace {

constexpr std::uint32_t kMsrApicBase = 0x1b;
constexpr std::uint32_t kMiscEnableLimitLeaf = 1U << 22;
constexpr std::uint64_t kMiscEnableNoExecuteOff = std::uint64_t{1} << 34;

constexpr std::uint32_t bit(FeatureBit f) { return 1U << f.bit; }

/// What to look up: a leaf beyond the highest of its range is, on Intel's processors, the highest basic one (SDM vol.
/// 2, CPUID); on AMD's it is zeros.
std::uint32_t leaf_to_find(const Cpu& cpu, std::uint32_t leaf) {
  const CpuidTable& table = *cpu.cpuid;
  const std::uint32_t basic = table.find(0).eax;
  if (is_amd(cpu)) return leaf;
  const std::uint32_t range = leaf & 0xf0000000;
  const std::uint32_t highest = range == 0 ? basic : table.find(range).eax;
  return highest >= range && leaf <= highest ? leaf : basic;
}

/// Leaf Dh, EBX: bytes of an XSAVE area for `components`. Standard form: up to the end of the last one. Compacted: one
/// after the other, some at multiples of 64 bytes. SDM vol. 1, 13.4.3.
std::uint32_t area_size(const CpuidTable& table, std::uint64_t components, bool compacted) {
  constexpr std::uint32_t kLegacyAndHeader = 512 + 64;
  std::uint32_t size = kLegacyAndHeader;
  for (std::uint32_t n = 2; n < 63; ++n) {
    if (!(components >> n & 1)) continue;
    const CpuidLeaf part = table.find(0xd, n);
    if (compacted) {
      if (part.ecx & 2) size = (size + 63) & ~63U;
      size += part.eax;
    } else {
      size = std::max(size, part.eax + part.ebx);
    }
  }
  return size;
}

void put(std::uint32_t& reg, std::uint32_t mask, bool on) { reg = on ? reg | mask : reg & ~mask; }

bool apic_enabled(Cpu& cpu) {
  std::uint64_t base = 0;
  return !cpu.environment.read_msr(kMsrApicBase, base) || (base & 0x800);
}

}  // namespace

void set_cpuid(Cpu& cpu, const CpuidTable& table) {
  cpu.cpuid = &table;
  cpu.features = features_of(table);
  set(cpu.features, feature::kAvx512f, cpu.avx512 != nullptr);
  const std::uint32_t bits = table.find(0x80000008).eax & 0xff;
  // Models without that leaf: SDM vol. 3, 4.1.4.
  cpu.physical_bits = bits ? bits : has(cpu.features, feature::kPae) ? 36 : 32;
  cpu.has_1g_pages = has(cpu.features, feature::kPdpe1gb);
}

CpuidLeaf cpuid_leaf(Cpu& cpu, std::uint32_t leaf, std::uint32_t subleaf) {
  if (!cpu.cpuid) return {};
  const CpuidTable& table = *cpu.cpuid;
  leaf = leaf_to_find(cpu, leaf);
  CpuidLeaf l = table.find(leaf, subleaf);
  switch (leaf) {
    case 0:
      if (cpu.msrs.misc_enable & kMiscEnableLimitLeaf) l.eax = std::min(l.eax, 2U);
      break;
    case 1:
      put(l.ecx, 1U << 27, cpu.cr4 & kCr4Osxsave);
      if (l.edx & bit(feature::kApic)) put(l.edx, bit(feature::kApic), apic_enabled(cpu));
      break;
    case 7:
      if (subleaf == 0) put(l.ecx, 1U << 4, cpu.cr4 & kCr4Pke);
      break;
    case 0xb:
    case 0x1f:
      // Beyond the last level: the subleaf in CL, and the APIC ID all the same.
      if (const CpuidLeaf first = table.find(leaf, 0); first.ebx) {
        l.ecx = (l.ecx & ~0xffU) | (subleaf & 0xff);
        l.edx = first.edx;
      }
      break;
    case 0xd:
      if (subleaf == 0 && l.eax) l.ebx = area_size(table, cpu.xcr0, false);
      if (subleaf == 1 && (l.eax & (bit(feature::kXsavec) | bit(feature::kXsaves))))
        l.ebx = area_size(table, cpu.xcr0, true);
      break;
    case 0x80000001:
      if (cpu.msrs.misc_enable & kMiscEnableNoExecuteOff) l.edx &= ~bit(feature::kNx);
      if (l.edx & bit(feature::kApic)) put(l.edx, bit(feature::kApic), apic_enabled(cpu));  // AMD repeats it here
      break;
    default:
      break;
  }
  return l;
}

}  // namespace machina::jit
