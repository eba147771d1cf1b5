#include "hw/x86/cpu_features.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace machina {

namespace {

constexpr const char* kNone = nullptr;

constexpr FeatureWord kWords[kFeatureWords] = {
    {1, 0, false, CpuidRegister::Edx, {"fpu",  "vme",   "de",   "pse",     "tsc",  "msr", "pae",  "mce",
                                       "cx8",  "apic",  kNone,  "sep",     "mtrr", "pge", "mca",  "cmov",
                                       "pat",  "pse36", "pn",   "clflush", kNone,  "ds",  "acpi", "mmx",
                                       "fxsr", "sse",   "sse2", "ss",      "ht",   "tm",  "ia64", "pbe"}},
    {1, 0, false, CpuidRegister::Ecx, {"pni",          "pclmulqdq", "dtes64", "monitor",
                                       "ds-cpl",       "vmx",       "smx",    "est",
                                       "tm2",          "ssse3",     "cid",    kNone,
                                       "fma",          "cx16",      "xtpr",   "pdcm",
                                       kNone,          "pcid",      "dca",    "sse4.1",
                                       "sse4.2",       "x2apic",    "movbe",  "popcnt",
                                       "tsc-deadline", "aes",       "xsave",  kNone /* OSXSAVE follows CR4 */,
                                       "avx",          "f16c",      "rdrand", "hypervisor"}},
    {7, 0, true, CpuidRegister::Ebx, {"fsgsbase", "tsc-adjust", "sgx",      "bmi1",       "hle",      "avx2",
                                      kNone,      "smep",       "bmi2",     "erms",       "invpcid",  "rtm",
                                      kNone,      kNone,        "mpx",      kNone,        "avx512f",  "avx512dq",
                                      "rdseed",   "adx",        "smap",     "avx512ifma", "pcommit",  "clflushopt",
                                      "clwb",     "intel-pt",   "avx512pf", "avx512er",   "avx512cd", "sha-ni",
                                      "avx512bw", "avx512vl"}},
    {7,
     0,
     true,
     CpuidRegister::Ecx,
     {kNone,        "avx512vbmi",  "umip",         "pku",       kNone /* OSPKE follows CR4 */,
      "waitpkg",    "avx512vbmi2", kNone,          "gfni",      "vaes",
      "vpclmulqdq", "avx512vnni",  "avx512bitalg", kNone,       "avx512-vpopcntdq",
      kNone,        "la57",        kNone,          kNone,       kNone,
      kNone,        kNone,         "rdpid",        kNone,       "bus-lock-detect",
      "cldemote",   kNone,         "movdiri",      "movdir64b", kNone,
      "sgxlc",      "pks"}},
    {7,
     0,
     true,
     CpuidRegister::Edx,
     {kNone,
      kNone,
      "avx512-4vnniw",
      "avx512-4fmaps",
      "fsrm",
      kNone,
      kNone,
      kNone,
      "avx512-vp2intersect",
      kNone,
      "md-clear",
      kNone,
      kNone,
      kNone,
      "serialize",
      kNone,
      "tsx-ldtrk",
      kNone,
      kNone,
      "arch-lbr",
      kNone,
      kNone,
      "amx-bf16",
      "avx512-fp16",
      "amx-tile",
      "amx-int8",
      "spec-ctrl",
      "stibp",
      "flush-l1d",
      "arch-capabilities",
      "core-capability",
      "ssbd"}},
    {7, 1, true, CpuidRegister::Eax, {kNone, kNone, kNone,  kNone,  "avx-vnni", "avx512-bf16", kNone, "cmpccxadd",
                                      kNone, kNone, "fzrm", "fsrs", "fsrc",     kNone,         kNone, kNone,
                                      kNone, kNone, kNone,  kNone,  kNone,      "amx-fp16",    kNone, "avx-ifma",
                                      kNone, kNone, kNone,  kNone,  kNone,      kNone,         kNone, kNone}},
    {0xd, 1, true, CpuidRegister::Eax, {"xsaveopt", "xsavec", "xgetbv1", "xsaves", "xfd"}},
    {6, 0, false, CpuidRegister::Eax, {kNone, kNone, "arat"}},
    {0x80000001, 0, false, CpuidRegister::Edx, {kNone, kNone,    kNone,      kNone,  kNone,      kNone,     kNone,
                                                kNone, kNone,    kNone,      kNone,  "syscall",  kNone,     kNone,
                                                kNone, kNone,    kNone,      kNone,  kNone,      "mp",      "nx",
                                                kNone, "mmxext", kNone,      kNone,  "fxsr-opt", "pdpe1gb", "rdtscp",
                                                kNone, "lm",     "3dnowext", "3dnow"}},
    {0x80000001, 0, false, CpuidRegister::Ecx, {"lahf-lm", "cmp-legacy", "svm",         "extapic",       "cr8legacy",
                                                "abm",     "sse4a",      "misalignsse", "3dnowprefetch", "osvw",
                                                "ibs",     "xop",        "skinit",      "wdt",           kNone,
                                                "lwp",     "fma4",       "tce",         kNone,           "nodeid-msr",
                                                kNone,     "tbm",        "topoext",     "perfctr-core",  "perfctr-nb",
                                                kNone,     kNone,        kNone,         kNone,           kNone,
                                                kNone,     kNone}},
    {0x80000007, 0, false, CpuidRegister::Edx, {kNone, kNone, kNone, kNone, kNone, kNone, kNone, kNone, "invtsc"}},
    {0x80000008, 0, false, CpuidRegister::Ebx, {"clzero",   kNone,       "xsaveerptr", kNone,       kNone,      kNone,
                                                kNone,      kNone,       kNone,        "wbnoinvd",  kNone,      kNone,
                                                "ibpb",     kNone,       "ibrs",       "amd-stibp", kNone,      kNone,
                                                kNone,      kNone,       kNone,        kNone,       kNone,      kNone,
                                                "amd-ssbd", "virt-ssbd", "amd-no-ssb", kNone,       "amd-psfd", kNone,
                                                kNone,      kNone}},
    {0x8000000a,
     0,
     false,
     CpuidRegister::Edx,
     {"npt", "lbrv", "svm-lock", "nrip-save", "tsc-scale", "vmcb-clean", "flushbyasid", "decodeassists", kNone, kNone,
      "pause-filter", kNone, "pfthreshold", "avic", kNone, "v-vmsave-vmload", "vgif"}},
    {0x80000021,
     0,
     false,
     CpuidRegister::Eax,
     {"no-nested-data-bp",
      kNone,
      "lfence-always-serializing",
      kNone,
      kNone,
      kNone,
      "null-sel-clr-base",
      kNone,
      "auto-ibrs",
      kNone,
      kNone,
      kNone,
      kNone,
      kNone,
      kNone,
      kNone,
      kNone,
      kNone,
      kNone,
      kNone,
      kNone,
      kNone,
      kNone,
      kNone,
      kNone,
      kNone,
      kNone,
      kNone,
      kNone,
      "srso-no"}},
    {0x40000001,
     0,
     false,
     CpuidRegister::Eax,
     {"kvmclock",
      "kvm-nopiodelay",
      "kvm-mmu",
      "kvmclock",
      "kvm-asyncpf",
      "kvm-steal-time",
      "kvm-pv-eoi",
      "kvm-pv-unhalt",
      kNone,
      "kvm-pv-tlb-flush",
      kNone,
      "kvm-pv-ipi",
      "kvm-poll-control",
      "kvm-pv-sched-yield",
      "kvm-asyncpf-int",
      "kvm-msi-ext-dest-id",
      kNone,
      kNone,
      kNone,
      kNone,
      kNone,
      kNone,
      kNone,
      kNone,
      "kvmclock-stable-bit"}},
};

/// Other spellings that people use.
constexpr std::pair<const char*, const char*> kAliases[] = {{"sse3", "pni"},
                                                            {"sse4-1", "sse4.1"},
                                                            {"sse4-2", "sse4.2"},
                                                            {"pclmuldq", "pclmulqdq"},
                                                            {"ffxsr", "fxsr-opt"},
                                                            {"nodeid", "nodeid-msr"},
                                                            {"i64", "lm"},
                                                            {"xd", "nx"},
                                                            {"tsc-scale-msr", "tsc-scale"}};

std::string plain(std::string_view name) {
  std::string out(name);
  std::replace(out.begin(), out.end(), '_', '-');
  for (const auto& [alias, main] : kAliases)
    if (out == alias) return main;
  return out;
}

using NamedBits = std::vector<std::pair<std::string_view, FeatureBit>>;

/// The table by name: the CPUID of a machine's CPUs takes hundreds of look-ups for each.
const NamedBits& bits_by_name() {
  static const NamedBits bits = [] {
    NamedBits made;
    for (std::size_t w = 0; w < kFeatureWords; ++w)
      for (unsigned b = 0; b < 32; ++b)
        if (kWords[w].names[b]) made.emplace_back(kWords[w].names[b], FeatureBit{w, b});
    std::stable_sort(made.begin(), made.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    return made;
  }();
  return bits;
}

}  // namespace

std::uint32_t& register_of(CpuidLeaf& leaf, CpuidRegister reg) {
  switch (reg) {
    case CpuidRegister::Eax:
      return leaf.eax;
    case CpuidRegister::Ebx:
      return leaf.ebx;
    case CpuidRegister::Ecx:
      return leaf.ecx;
    case CpuidRegister::Edx:
      break;
  }
  return leaf.edx;
}

std::uint32_t register_of(const CpuidLeaf& leaf, CpuidRegister reg) {
  CpuidLeaf copy = leaf;
  return register_of(copy, reg);
}

std::span<const FeatureWord, kFeatureWords> feature_words() { return kWords; }

std::vector<FeatureBit> find_feature(std::string_view name) {
  const std::string wanted = plain(name);
  const NamedBits& all = bits_by_name();
  std::vector<FeatureBit> bits;
  for (auto it =
           std::lower_bound(all.begin(), all.end(), wanted, [](const auto&a, const auto&b) { return a.first < b; });
       it != all.end() && it->first == wanted; ++it)
    bits.push_back(it->second);
  return bits;
}

const char* feature_name(FeatureBit bit) {
  const char* name = kWords[bit.word].names[bit.bit];
  return name ? name : "?";
}

std::string describe_feature(FeatureBit bit) {
  const FeatureWord& w = kWords[bit.word];
  constexpr const char* kRegisters[] = {"EAX", "EBX", "ECX", "EDX"};
  return fmt::format("{} (CPUID {:X}{}:{} bit {})", feature_name(bit), w.leaf,
                     w.has_subleaves ? fmt::format(".{}", w.subleaf) : "", kRegisters[static_cast<unsigned>(w.reg)],
                     bit.bit);
}

std::vector<std::string> feature_names() {
  std::vector<std::string> names;
  for (const FeatureWord& w : kWords)
    for (const char* name : w.names)
      if (name) names.emplace_back(name);
  for (const auto& [alias, main] : kAliases) names.emplace_back(alias);
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

bool has_feature(const FeatureSet& set, std::string_view name) {
  const std::vector<FeatureBit> bits = find_feature(name);
  return !bits.empty() &&
         std::any_of(bits.begin(), bits.end(), [&](FeatureBit b) { return (set[b.word] >> b.bit & 1) != 0; });
}

void set_feature(FeatureSet& set, std::string_view name, bool on) {
  for (const FeatureBit b : find_feature(name)) {
    if (on) {
      set[b.word] |= 1U << b.bit;
    } else {
      set[b.word] &= ~(1U << b.bit);
    }
  }
}

FeatureSet features_of(const CpuidTable& table) {
  FeatureSet set{};
  for (std::size_t w = 0; w < kFeatureWords; ++w) {
    const CpuidLeaf leaf = table.find(kWords[w].leaf, kWords[w].subleaf);
    std::uint32_t named = 0;
    for (unsigned b = 0; b < 32; ++b)
      if (kWords[w].names[b]) named |= 1U << b;
    set[w] = register_of(leaf, kWords[w].reg) & named;
  }
  return set;
}

void put_features(CpuidTable& table, const FeatureSet& set) {
  for (std::size_t w = 0; w < kFeatureWords; ++w) {
    CpuidLeaf leaf = table.find(kWords[w].leaf, kWords[w].subleaf);
    leaf.subleaf = kWords[w].subleaf;
    leaf.has_subleaves = kWords[w].has_subleaves;
    std::uint32_t named = 0;
    for (unsigned b = 0; b < 32; ++b)
      if (kWords[w].names[b]) named |= 1U << b;
    std::uint32_t& value = register_of(leaf, kWords[w].reg);
    value = (value & ~named) | set[w];
    table.set(leaf);
  }
}

}  // namespace machina
