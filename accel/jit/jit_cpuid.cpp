#include "accel/jit/jit_cpuid.h"

#include <cpuid.h>

#include <algorithm>
#include <sstream>
#include <string>

#include "accel/jit/features.h"
#include "accel/jit/xsave.h"
#include "hw/x86/cpu_features.h"

namespace machina::jit {

namespace {

/// Carried out here, by code that runs on every x86-64 processor.
constexpr const char* kOwn =
    "fpu vme de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 clflush mmx fxsr sse sse2 monitor cx16 "
    "pcid x2apic movbe tsc-deadline xsave rdrand hypervisor fsgsbase tsc-adjust smep erms invpcid rdseed smap "
    "clflushopt clwb umip pku la57 rdpid fsrm serialize xsaveopt xsavec xgetbv1 xsaves arat syscall nx pdpe1gb rdtscp "
    "lm lahf-lm 3dnowprefetch invtsc wbnoinvd lfence-always-serializing kvmclock kvm-nopiodelay kvm-pv-ipi "
    "kvmclock-stable-bit";
/// By the host's instruction of the same name.
constexpr const char* kOfHost =
    "pni pclmulqdq ssse3 fma sse4.1 sse4.2 popcnt aes avx f16c bmi1 avx2 bmi2 adx sha-ni gfni vaes vpclmulqdq abm "
    "sse4a";
/// AMD's: its instructions of SSE that work on MMX registers have a bit of their own, and its processors' topology
/// leaves are made for any topology. Then what keeps kernels from code against predictions that nobody makes here (each
/// of their detours is several instructions to carry out): branches are not predicted, and a store is done before the
/// next instruction is.
constexpr const char* kOfAmd = "mmxext topoext amd-no-ssb auto-ibrs srso-no";
/// The same: IA32_ARCH_CAPABILITIES tells it, and IBRS that is always on needs its register.
constexpr const char* kOfIntel = "arch-capabilities spec-ctrl";

constexpr std::uint32_t kHighestAmd = 0xd, kHighestIntel = 0x15;
constexpr std::uint32_t kHighestExtendedAmd = 0x80000021, kHighestExtendedIntel = 0x80000008;

FeatureSet named(const std::string& names) {
  FeatureSet set{};
  std::istringstream stream(names);
  for (std::string name; stream >> name;) set_feature(set, name, true);
  return set;
}

CpuidLeaf host_leaf(std::uint32_t leaf, std::uint32_t subleaf, bool has_subleaves) {
  CpuidLeaf l{leaf, subleaf, has_subleaves, 0, 0, 0, 0};
  __get_cpuid_count(leaf, subleaf, &l.eax, &l.ebx, &l.ecx, &l.edx);  // zeros beyond the highest
  return l;
}

CpuidTable host_cpuid() {
  CpuidTable table;
  for (const std::uint32_t leaf :
       {0U, 1U, 0x80000000U, 0x80000001U, 0x80000002U, 0x80000003U, 0x80000004U, 0x80000005U, 0x80000006U, 0x80000008U})
    table.set(host_leaf(leaf, 0, false));
  for (const std::uint32_t subleaf : {0U, 1U}) table.set(host_leaf(7, subleaf, true));
  for (const std::uint32_t subleaf : {0U, 1U, 2U, 9U}) table.set(host_leaf(0xd, subleaf, true));
  return table;
}

bool is_amd(const CpuidLeaf& vendor) { return vendor.ebx == 0x68747541 || vendor.ebx == 0x6f677948; }

/// Components as the host has them, so that a saved state fits there; where it has none, the places that processors
/// without AVX-512 give them.
void put_xsave(CpuidTable& table, const CpuidTable& host, bool avx) {
  const XsaveLayout usual;
  CpuidLeaf avx_part = host.find(0xd, 2), pkru_part = host.find(0xd, 9);
  if (avx_part.eax == 0) avx_part = {0xd, 2, true, 256, usual.avx, 0, 0};
  if (pkru_part.eax == 0) pkru_part = {0xd, 9, true, 8, usual.pkru, 0, 0};
  if (avx) table.set(avx_part);
  table.set(pkru_part);
  std::uint32_t size = pkru_part.ebx + pkru_part.eax;
  if (avx) size = std::max(size, avx_part.ebx + avx_part.eax);
  const auto components = static_cast<std::uint32_t>(kStateX87 | kStateSse | kStatePkru | (avx ? kStateAvx : 0));
  table.set({0xd, 0, true, components, kExtendedRegion, size, 0});
}

}  // namespace

CpuidTable supported_cpuid(const CpuidTable& host) {
  const CpuidLeaf vendor = host.find(0);
  const bool amd = is_amd(vendor);
  const FeatureSet of_host = features_of(host), on_units = named(kOfHost), own = named(kOwn),
                   of_vendor = named(amd ? kOfAmd : kOfIntel);
  FeatureSet set{};
  for (std::size_t w = 0; w < kFeatureWords; ++w) set[w] = own[w] | of_vendor[w] | (on_units[w] & of_host[w]);

  CpuidTable table;
  table.set({0, 0, false, amd ? kHighestAmd : kHighestIntel, vendor.ebx, vendor.ecx, vendor.edx});
  table.set({1, 0, false, host.find(1).eax, 0, 0, 0});
  // Lines of 64 bytes; extensions: there are, and interrupts end the wait even when masked. SDM vol. 2, leaf 5.
  table.set({5, 0, false, 64, 64, 3, 0});
  table.set({0x80000000, 0, false, amd ? kHighestExtendedAmd : kHighestExtendedIntel, 0, 0, 0});
  table.set({0x80000001, 0, false, host.find(1).eax, host.find(0x80000001).ebx, 0, 0});
  for (std::uint32_t leaf = 0x80000002; leaf <= 0x80000006; ++leaf) table.set(host.find(leaf));
  const std::uint32_t bits = host.find(0x80000008).eax & 0xff;
  table.set({0x80000008, 0, false, std::clamp(bits, 36U, 52U) | 57U << 8, 0, 0, 0});
  put_features(table, set);
  put_xsave(table, host, has(set, feature::kAvx));
  return table;
}

CpuidTable supported_cpuid() {
  static const CpuidTable table = supported_cpuid(host_cpuid());
  return table;
}

}  // namespace machina::jit
