#include "accel/kvm/kvm_cpuid.h"

#include <cpuid.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "accel/kvm/kvm_api.h"
#include "core/error.h"
#include "hw/x86/cpu_features.h"

namespace machina::kvm {

CpuidTable read_supported_cpuid(const Fd& system) {
  for (std::uint32_t count = 128;; count *= 2) {
    Flexible<kvm_cpuid2, kvm_cpuid_entry2> list(count);
    list->nent = count;
    if (system.call(KVM_GET_SUPPORTED_CPUID, list.get()) < 0) {
      if (errno == E2BIG && count < 4096) continue;  // nent is left as it was: double it
      throw Error("KVM_GET_SUPPORTED_CPUID failed").why(std::strerror(errno));
    }
    CpuidTable table;
    for (std::uint32_t i = 0; i < std::min(list->nent, count); ++i) {
      const kvm_cpuid_entry2& e = list.entries()[i];
      table.set({e.function, e.index, (e.flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX) != 0, e.eax, e.ebx, e.ecx, e.edx});
    }
    return table;
  }
}

bool hides_smap(const CpuidTable& supported) {
  CpuidTable host;
  CpuidLeaf l{7, 0, true, 0, 0, 0, 0};
  if (__get_cpuid_count(7, 0, &l.eax, &l.ebx, &l.ecx, &l.edx)) host.set(l);
  const CpuidLeaf known = supported.find(7, 0);
  const bool lists_others = (known.ebx | known.ecx | known.edx) != 0;
  return lists_others && has_feature(features_of(host), "smap") && !has_feature(features_of(supported), "smap");
}

CpuidTable usable_cpuid(CpuidTable table, const CpuidPolicy& policy) {
  for (std::uint32_t leaf = 0x80000002; leaf <= 0x80000004; ++leaf) {
    const CpuidLeaf l = table.find(leaf);
    if (l.eax || l.ebx || l.ecx || l.edx) continue;
    CpuidLeaf host{leaf, 0, false, 0, 0, 0, 0};
    if (__get_cpuid(leaf, &host.eax, &host.ebx, &host.ecx, &host.edx)) table.set(host);
  }
  FeatureSet set = features_of(table);
  // api.rst, KVM_GET_SUPPORTED_CPUID: "the TSC deadline timer feature is always returned as false".
  set_feature(set, "tsc-deadline", policy.tsc_deadline);
  set_feature(set, "x2apic", policy.x2apic);  // both local APICs have it, whatever the table says
  if (!policy.kernel_lapic) {
    for (const char* name :
         {"arat", "kvm-pv-eoi", "kvm-pv-unhalt", "kvm-pv-ipi", "kvm-asyncpf", "kvm-asyncpf-int", "kvm-msi-ext-dest-id"})
      set_feature(set, name, false);
  }
  if (!policy.machine_check)
    for (const char* name : {"mce", "mca"}) set_feature(set, name, false);
  if (policy.smap) set_feature(set, "smap", true);
  put_features(table, set);
  return table;
}

void set_cpuid(const Fd& vcpu, const CpuidTable& table) {
  Flexible<kvm_cpuid2, kvm_cpuid_entry2> list(table.leaves().size());
  for (const CpuidLeaf& leaf : table.leaves()) {
    kvm_cpuid_entry2& e = list.entries()[list->nent++];
    e.function = leaf.leaf;
    e.index = leaf.subleaf;
    e.flags = leaf.has_subleaves ? KVM_CPUID_FLAG_SIGNIFCANT_INDEX : 0;
    e.eax = leaf.eax, e.ebx = leaf.ebx, e.ecx = leaf.ecx, e.edx = leaf.edx;
  }
  vcpu.must(KVM_SET_CPUID2, list.get(), "KVM_SET_CPUID2");
}

}  // namespace machina::kvm
