// From a CPU model to the CPUID table that a guest sees.

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "hw/x86/cpu_model.h"
#include "hw/x86/cpu_model_table.h"

namespace machina {

namespace {

/// What every model has that is made of a list.
constexpr const char* kBaseline =
    "fpu de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 clflush mmx fxsr sse sse2 pni cx16 "
    "lm syscall nx";

/// What every model gets when it is supported: it costs nothing and guests are faster or safer with it.
constexpr const char* kDefaults = "x2apic tsc-deadline hypervisor tsc-adjust arat";
constexpr const char* kKvmDefaults =
    "kvmclock kvm-nopiodelay kvm-asyncpf kvm-asyncpf-int kvm-steal-time kvm-pv-eoi kvmclock-stable-bit";

/// Only by name: state that cannot be moved yet (nested virtualization), a promise that a move would break (invariant
/// TSC), or what only disturbs.
constexpr const char* kNotInEverything = "vmx svm invtsc monitor";

/// A feature that needs another one: without XSAVE there is no AVX, and so on. SDM vol. 1, 14.3 and 15.2.
constexpr std::pair<const char*, const char*> kNeeds[] = {
    {"xsave", "avx xsaveopt xsavec xgetbv1 xsaves xfd pku mpx amx-tile"},
    {"avx", "fma f16c avx2 xop fma4 vaes vpclmulqdq avx-vnni avx-ifma avx512f"},
    {"avx512f",
     "avx512dq avx512ifma avx512pf avx512er avx512cd avx512bw avx512vl avx512vbmi avx512vbmi2 avx512vnni avx512bitalg "
     "avx512-vpopcntdq avx512-4vnniw avx512-4fmaps avx512-vp2intersect avx512-bf16 avx512-fp16"},
    {"amx-tile", "amx-int8 amx-bf16 amx-fp16"},
    {"svm",
     "npt lbrv svm-lock nrip-save tsc-scale vmcb-clean flushbyasid decodeassists pause-filter pfthreshold avic "
     "v-vmsave-vmload vgif"},
    {"lm", "la57 pdpe1gb"},
};

std::vector<std::string> words(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    if (end > 0) out.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

void set_all(FeatureSet& set, std::string_view names, bool on) {
  for (const std::string& name : words(names)) set_feature(set, name, on);
}

void put_text(CpuidTable& table, std::uint32_t leaf, std::string_view text) {
  // 48 bytes in three leaves, EAX to EDX, padded with zeros.
  std::string padded(text.substr(0, 48));
  padded.resize(48, '\0');
  for (std::uint32_t i = 0; i < 3; ++i) {
    std::uint32_t r[4];
    std::copy_n(padded.data() + 16 * i, 16, reinterpret_cast<char*>(r));
    table.set({leaf + i, 0, false, r[0], r[1], r[2], r[3]});
  }
}

struct Vendor {
  std::uint32_t ebx, edx, ecx;
};
Vendor vendor_registers(std::string_view name) {
  std::uint32_t r[3];
  std::copy_n(name.data(), 12, reinterpret_cast<char*>(r));
  return {r[0], r[1], r[2]};
}
std::string vendor_name(const CpuidLeaf& leaf) {
  const std::uint32_t r[3] = {leaf.ebx, leaf.edx, leaf.ecx};
  return {reinterpret_cast<const char*>(r), 12};
}

/// CPUID.1:EAX. SDM vol. 2, figure 3-6: a family beyond 15 goes to the extended field, a model is in two halves.
std::uint32_t encode_signature(unsigned family, unsigned model, unsigned stepping) {
  const std::uint32_t base = std::min(family, 15U), extended = family > 15 ? family - 15 : 0;
  return stepping | (model & 0xf) << 4 | base << 8 | (model >> 4) << 16 | extended << 20;
}
unsigned family_of(std::uint32_t signature) {
  const unsigned base = signature >> 8 & 0xf;
  return base == 15 ? base + (signature >> 20 & 0xff) : base;
}
unsigned model_of(std::uint32_t signature) { return (signature >> 4 & 0xf) | (signature >> 12 & 0xf0); }

/// A cache of CPUID leaf 4 and 8000001Dh.
struct Cache {
  unsigned type, level, kib, ways, line;
  bool shared_by_package;
};
constexpr Cache kCaches[] = {
    {1, 1, 32, 8, 64, false}, {2, 1, 32, 8, 64, false}, {3, 2, 2048, 8, 64, false}, {3, 3, 16384, 16, 64, true}};

CpuidLeaf cache_leaf(std::uint32_t leaf, std::uint32_t index, const Cache& c, const CpuTopology& t, bool intel) {
  const unsigned sharing = c.shared_by_package ? t.threads * t.cores : t.threads;
  CpuidLeaf l{leaf, index, true, 0, 0, 0, 0};
  l.eax = c.type | c.level << 5 | 1U << 8 | (sharing - 1) << 14;
  // Addressable IDs, not CPUs: powers of two. SDM vol. 2, CPUID leaf 4, EAX[31:26].
  if (intel) {
    l.eax = c.type | c.level << 5 | 1U << 8 |
            ((c.shared_by_package ? 1U << (t.threads_bits() + t.cores_bits()) : 1U << t.threads_bits()) - 1) << 14 |
            ((1U << t.cores_bits()) - 1) << 26;
  }
  l.ebx = (c.line - 1) | (c.ways - 1) << 22;
  l.ecx = c.kib * 1024 / c.line / c.ways - 1;
  return l;
}

class Builder {
 public:
  Builder(const CpuModelSpec& spec, const CpuPlatform& platform)
      : spec_(spec), platform_(platform), supported_(platform.supported), model_(cpu_model_definition(spec.name)) {}

  CpuidResult build() {
    choose_features();
    identity();
    features();
    caches();
    topology();
    addresses();
    xsave();
    hypervisor();
    frequency();
    trim();
    return std::move(result_);
  }

 private:
  void choose_features() {
    FeatureSet supported = features_of(supported_);
    // Topology decides these; they are never a matter of support.
    set_all(supported, "ht cmp-legacy hypervisor", true);
    if (!platform_.kvm_signature || !spec_.kvm) drop_word(supported, 0x40000001);
    FeatureSet set{};
    if (model_.everything) {
      set = supported;
      set_all(set, kNotInEverything, false);
      set_all(set, "cmp-legacy ht", false);
    } else {
      set_all(set, kBaseline, true);
      set_all(set, model_.features, true);
      FeatureSet extra{};
      set_all(extra, kDefaults, true);
      set_all(extra, kKvmDefaults, true);
      for (std::size_t w = 0; w < kFeatureWords; ++w) set[w] |= extra[w] & supported[w];
    }
    const unsigned cpus_per_socket = platform_.topology.cores * platform_.topology.threads;
    set_feature(set, "ht", cpus_per_socket > 1);
    if (amd()) set_feature(set, "cmp-legacy", cpus_per_socket > 1);
    for (const CpuModelSpec::Wish& w : spec_.wishes) {
      if (w.on) {
        set[w.bit.word] |= 1U << w.bit.bit;
      } else {
        set[w.bit.word] &= ~(1U << w.bit.bit);
      }
    }
    for (std::size_t w = 0; w < kFeatureWords; ++w) {
      for (std::uint32_t missing = set[w] & ~supported[w]; missing; missing &= missing - 1)
        complain({w, static_cast<unsigned>(__builtin_ctz(missing))});
      set[w] &= supported[w];
    }
    for (const auto& [needed, dependents] : kNeeds)
      if (!has_feature(set, needed)) set_all(set, dependents, false);
    set_ = set;
    throw_if_enforced();
  }

  void complain(FeatureBit bit) {
    const bool by_name = std::any_of(spec_.wishes.begin(), spec_.wishes.end(), [&](const auto& w) {
      return w.on && w.bit.word == bit.word && w.bit.bit == bit.bit;
    });
    if (spec_.enforce) {
      missing_.push_back(describe_feature(bit));
    } else if (by_name || spec_.check) {
      result_.warnings.push_back(fmt::format("CPU model '{}': {} does not support {} here; the CPU runs without it",
                                             spec_.name, platform_.supporter, describe_feature(bit)));
    }
  }

  void throw_if_enforced() const {
    if (missing_.empty()) return;
    std::string list;
    for (const std::string& m : missing_) list += (list.empty() ? "" : ", ") + m;
    throw Error(fmt::format("CPU model '{}' cannot be had here", spec_.name))
        .why(fmt::format("{} does not support {}", platform_.supporter, list))
        .hint("leave out 'enforce' to run without these features");
  }

  static void drop_word(FeatureSet& set, std::uint32_t leaf) {
    for (std::size_t w = 0; w < kFeatureWords; ++w)
      if (feature_words()[w].leaf == leaf) set[w] = 0;
  }

  std::string vendor() const {
    if (spec_.vendor) return *spec_.vendor;
    return model_.everything ? vendor_name(supported_.find(0)) : model_.vendor;
  }
  bool amd() const { return vendor() == "AuthenticAMD" || vendor() == "HygonGenuine"; }
  bool intel() const { return vendor() == "GenuineIntel"; }

  void identity() {
    CpuidTable& t = result_.table;
    const CpuidLeaf basic = supported_.find(0), extended = supported_.find(0x80000000);
    level_ = spec_.level.value_or(model_.everything ? basic.eax : model_.level);
    xlevel_ = spec_.xlevel.value_or(model_.everything ? extended.eax : model_.xlevel);
    const Vendor v = vendor_registers(vendor());
    t.set({0, 0, false, level_, v.ebx, v.ecx, v.edx});
    // Intel's leaf 80000000h holds no vendor.
    t.set({0x80000000, 0, false, xlevel_, intel() ? 0 : v.ebx, intel() ? 0 : v.ecx, intel() ? 0 : v.edx});

    const std::uint32_t host = supported_.find(1).eax;
    const unsigned family = spec_.family.value_or(model_.everything ? family_of(host) : model_.family);
    const unsigned model = spec_.model.value_or(model_.everything ? model_of(host) : model_.model);
    const unsigned stepping = spec_.stepping.value_or(model_.everything ? host & 0xf : model_.stepping);
    signature_ = encode_signature(family, model, stepping);

    if (spec_.model_id) {
      put_text(t, 0x80000002, *spec_.model_id);
    } else if (model_.everything) {
      for (std::uint32_t leaf = 0x80000002; leaf <= 0x80000004; ++leaf) t.set(supported_.find(leaf));
    } else {
      put_text(t, 0x80000002, model_.model_id);
    }
  }

  void features() {
    CpuidTable& t = result_.table;
    const unsigned cpus = std::min(platform_.topology.cores * platform_.topology.threads, 255U);
    constexpr std::uint32_t kClflushQuadwords = 8;  // 64 bytes
    t.set({1, 0, false, signature_, kClflushQuadwords << 8 | cpus << 16, 0, 0});
    t.set({0x80000001, 0, false, signature_, 0, 0, 0});
    if (model_.everything) {
      // Besides the bits that have names: what the host says of its packages, stepping and microarchitecture.
      CpuidLeaf l = supported_.find(0x80000001);
      t.set({0x80000001, 0, false, signature_, l.ebx, 0, 0});
      l = supported_.find(0x80000021);
      if (l.eax || l.edx) t.set({0x80000021, 0, false, 0, l.ebx, 0, 0});
      l = supported_.find(0xa);
      t.set({0xa, 0, false, l.eax, l.ebx, l.ecx, l.edx});
    }
    put_features(t, set_);
    // AMD repeats most of leaf 1 in 80000001h:EDX. APM vol. 3, E.4.2.
    constexpr std::uint32_t kRepeated = 0x0183f3ff;
    CpuidLeaf extended = t.find(0x80000001);
    if (amd()) extended.edx |= t.find(1).edx & kRepeated;
    t.set(extended);
    if (has_feature(set_, "la57") || t.find(7).ebx || t.find(7).ecx || t.find(7).edx) {
      CpuidLeaf l = t.find(7);
      l.eax = t.find(7, 1).eax ? 1 : 0;  // highest subleaf
      t.set(l);
    }
    if (has_feature(set_, "svm")) {
      CpuidLeaf l = t.find(0x8000000a);
      const CpuidLeaf host = supported_.find(0x8000000a);
      l.eax = host.eax;
      l.ebx = host.ebx;
      t.set(l);
    }
    if (has_feature(set_, "monitor")) t.set(supported_.find(5));
  }

  void caches() {
    CpuidTable& t = result_.table;
    if (intel()) {
      // Descriptors: 2 MiB L2 (7Dh), 32 KiB L1I (30h) and L1D (2Ch); 01h: one round. SDM vol. 2, table 3-12.
      t.set({2, 0, false, 1, 0, 0, 0x002c307d});
      for (std::uint32_t i = 0; i < std::size(kCaches); ++i)
        t.set(cache_leaf(4, i, kCaches[i], platform_.topology, true));
      t.set({4, static_cast<std::uint32_t>(std::size(kCaches)), true, 0, 0, 0, 0});
    }
    if (amd()) {
      if (model_.everything && supported_.find(0x80000005).ecx) {
        t.set(supported_.find(0x80000005));
        t.set(supported_.find(0x80000006));
      } else {
        // 64 KiB L1, 512 KiB L2 of 16 ways, TLBs of 255 and 512 entries; no L3. APM vol. 3, E.4.4 and E.4.5.
        t.set({0x80000005, 0, false, 0x01ff01ff, 0x01ff01ff, 0x40020140, 0x40020140});
        t.set({0x80000006, 0, false, 0, 0x42004200, 0x02008140, 0});
      }
      if (has_feature(set_, "topoext")) {
        for (std::uint32_t i = 0; i < std::size(kCaches); ++i)
          t.set(cache_leaf(0x8000001d, i, kCaches[i], platform_.topology, false));
        t.set({0x8000001d, static_cast<std::uint32_t>(std::size(kCaches)), true, 0, 0, 0, 0});
      }
    }
  }

  void topology() {
    CpuidTable& t = result_.table;
    const CpuTopology& p = platform_.topology;
    const unsigned thread_bits = p.threads_bits(), package_bits = thread_bits + p.cores_bits();
    // Level types 1: SMT, 2: core. SDM vol. 2, CPUID leaves Bh and 1Fh.
    for (const std::uint32_t leaf : {0xbU, 0x1fU}) {
      if (leaf > level_) continue;
      t.set({leaf, 0, true, thread_bits, p.threads, 0 | 1U << 8, 0});
      t.set({leaf, 1, true, package_bits, p.threads * p.cores, 1 | 2U << 8, 0});
      t.set({leaf, 2, true, 0, 0, 2, 0});
    }
    if (amd() && has_feature(set_, "topoext")) t.set({0x8000001e, 0, false, 0, (p.threads - 1) << 8, 0, 0});
    set_apic_id(t, p, platform_.apic_id);
  }

  void addresses() {
    CpuidTable& t = result_.table;
    const std::uint32_t host = supported_.find(0x80000008).eax & 0xff;
    unsigned bits = spec_.phys_bits.value_or(40);  // of QEMU's models
    const bool as_host = spec_.host_phys_bits.value_or(model_.everything && !spec_.phys_bits);
    if (as_host && host) bits = host;
    if (host && bits > host) {
      result_.warnings.push_back(
          fmt::format("CPU model '{}': {} has {} physical address bits, {} were asked for; the CPU has {}", spec_.name,
                      platform_.supporter, host, bits, host));
      bits = host;
    }
    const std::uint32_t linear = has_feature(set_, "la57") ? 57 : 48;
    CpuidLeaf l = t.find(0x80000008);
    l.leaf = 0x80000008;
    l.eax = bits | linear << 8;
    const CpuTopology& p = platform_.topology;
    if (amd() && p.cores * p.threads > 1) l.ecx = (p.cores * p.threads - 1) | (p.threads_bits() + p.cores_bits()) << 12;
    t.set(l);
  }

  /// Leaf Dh: SDM vol. 1, 13.2. Component numbers by what enables them.
  void xsave() {
    CpuidTable& t = result_.table;
    CpuidLeaf features = t.find(0xd, 1);
    t.remove(0xd);
    if (!has_feature(set_, "xsave")) return;
    std::uint64_t components = 3;  // x87 and SSE
    if (has_feature(set_, "avx")) components |= 1U << 2;
    if (has_feature(set_, "mpx")) components |= 3U << 3;
    if (has_feature(set_, "avx512f")) components |= 7U << 5;
    if (has_feature(set_, "pku")) components |= 1U << 9;
    if (has_feature(set_, "amx-tile")) components |= 3U << 17;
    const CpuidLeaf host = supported_.find(0xd, 0);
    components &= host.eax | std::uint64_t{host.edx} << 32;
    constexpr std::uint32_t kLegacyAndHeader = 512 + 64;
    std::uint32_t size = kLegacyAndHeader;
    for (std::uint32_t n = 2; n < 63; ++n) {
      if (!(components >> n & 1)) continue;
      const CpuidLeaf part = supported_.find(0xd, n);
      t.set({0xd, n, true, part.eax, part.ebx, part.ecx, part.edx});
      size = std::max(size, part.eax + part.ebx);
    }
    // EBX is the size for XCR0 as it is, which the accelerator keeps up to date; after reset that is x87 only.
    t.set({0xd, 0, true, static_cast<std::uint32_t>(components), kLegacyAndHeader, size,
           static_cast<std::uint32_t>(components >> 32)});
    features.leaf = 0xd;
    features.subleaf = 1;
    features.has_subleaves = true;
    features.ebx = features.ecx = features.edx = 0;
    t.set(features);
  }

  void hypervisor() {
    CpuidTable& t = result_.table;
    if (!platform_.kvm_signature || !spec_.kvm) {
      t.remove(0x40000001);
      return;
    }
    const Vendor v = vendor_registers("KVMKVMKVM\0\0\0");
    CpuidLeaf features = t.find(0x40000001);
    features.leaf = 0x40000001;
    t.set(features);
    t.set({0x40000000, 0, false, has_frequency_leaf() ? 0x40000010U : 0x40000001U, v.ebx, v.edx, v.ecx});
  }

  /// A frequency is told only when it will not change: when the user fixed it, or the TSC is invariant.
  bool has_frequency_leaf() const {
    return platform_.tsc_khz != 0 && (spec_.tsc_hz != 0 || has_feature(set_, "invtsc"));
  }

  void frequency() {
    CpuidTable& t = result_.table;
    if (!has_frequency_leaf()) return;
    const auto khz = static_cast<std::uint32_t>(platform_.tsc_khz);
    if (platform_.kvm_signature && spec_.kvm) {
      // The leaf that VMware defined and other hypervisors took over: kHz of the TSC and of the APIC timer's bus, which
      // KVM runs at 1 GHz.
      t.set({0x40000010, 0, false, khz, 1000000, 0, 0});
    }
    // TSC = crystal * EBX / EAX: the crystal is said to run at the TSC's own frequency, so that nothing is rounded. SDM
    // vol. 2, leaf 15h; vol. 3, "Determining the Processor Base Frequency".
    if (intel() && level_ >= 0x15 && khz < 4000000) t.set({0x15, 0, false, 1, 1, khz * 1000, 0});
  }

  /// Leaves beyond the maximum that leaf 0 and 80000000h tell are not there.
  void trim() {
    std::vector<CpuidLeaf> keep;
    for (const CpuidLeaf& l : result_.table.leaves()) {
      const bool beyond =
          (l.leaf < 0x40000000 && l.leaf > level_) || (l.leaf >= 0x80000000 && l.leaf > std::max(xlevel_, 0x80000000U));
      if (!beyond) keep.push_back(l);
    }
    CpuidTable table;
    for (const CpuidLeaf& l : keep) table.set(l);
    result_.table = std::move(table);
  }

  const CpuModelSpec& spec_;
  const CpuPlatform& platform_;
  const CpuidTable& supported_;
  const CpuModelDefinition& model_;
  FeatureSet set_{};
  std::vector<std::string> missing_;
  std::uint32_t level_ = 0, xlevel_ = 0, signature_ = 0;
  CpuidResult result_;
};

}  // namespace

CpuidResult make_cpuid(const CpuModelSpec& spec, const CpuPlatform& platform) {
  return Builder(spec, platform).build();
}

unsigned physical_address_bits(const CpuidTable& cpuid) {
  constexpr std::uint32_t kPae = 1U << 6;
  if (const unsigned bits = cpuid.find(0x80000008).eax & 0xff) return bits;
  return cpuid.find(1).edx & kPae ? 36 : 32;
}

}  // namespace machina
