#include "hw/x86/cpu_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "core/error.h"

namespace machina {
namespace {

using testing::HasSubstr;

/// A host with AVX2 and 48 address bits.
CpuidTable host(const char* vendor = "GenuineIntel") {
  CpuidTable t;
  std::uint32_t v[3];
  std::memcpy(v, vendor, 12);
  t.set({0, 0, false, 0x1f, v[0], v[2], v[1]});
  t.set({1, 0, false, 0x000906ea, 0, 0, 0});
  t.set({0x80000000, 0, false, 0x80000021, v[0], v[2], v[1]});
  t.set({0x80000008, 0, false, 0x3030, 0, 0, 0});
  t.set({0xd, 0, true, 7, 832, 832, 0});
  t.set({0xd, 1, true, 0, 0, 0, 0});
  t.set({0xd, 2, true, 256, 576, 0, 0});
  FeatureSet set{};
  for (const char* name : {"fpu",
                           "vme",
                           "de",
                           "pse",
                           "tsc",
                           "msr",
                           "pae",
                           "mce",
                           "cx8",
                           "apic",
                           "sep",
                           "mtrr",
                           "pge",
                           "mca",
                           "cmov",
                           "pat",
                           "pse36",
                           "clflush",
                           "mmx",
                           "fxsr",
                           "sse",
                           "sse2",
                           "pni",
                           "ssse3",
                           "fma",
                           "cx16",
                           "sse4.1",
                           "sse4.2",
                           "x2apic",
                           "popcnt",
                           "tsc-deadline",
                           "xsave",
                           "avx",
                           "avx2",
                           "smep",
                           "smap",
                           "xsaveopt",
                           "syscall",
                           "nx",
                           "lm",
                           "lahf-lm",
                           "topoext",
                           "vmx",
                           "invtsc",
                           "kvmclock",
                           "kvm-pv-eoi",
                           "kvmclock-stable-bit"})
    set_feature(set, name, true);
  put_features(t, set);
  const char brand[48] = "A Test Processor @ 1.00GHz";
  for (std::uint32_t i = 0; i < 3; ++i) {
    std::uint32_t r[4];
    std::memcpy(r, brand + 16 * i, 16);
    t.set({0x80000002 + i, 0, false, r[0], r[1], r[2], r[3]});
  }
  return t;
}

std::string brand_of(const CpuidTable& t) {
  std::string text;
  for (std::uint32_t i = 0; i < 3; ++i) {
    const CpuidLeaf l = t.find(0x80000002 + i);
    for (const std::uint32_t r : {l.eax, l.ebx, l.ecx, l.edx}) text.append(reinterpret_cast<const char*>(&r), 4);
  }
  return text.c_str();
}
std::string vendor_of(const CpuidTable& t) {
  const CpuidLeaf l = t.find(0);
  std::string text;
  for (const std::uint32_t r : {l.ebx, l.edx, l.ecx}) text.append(reinterpret_cast<const char*>(&r), 4);
  return text;
}

CpuidResult make(const char* model, const CpuidTable& supported, CpuTopology topology = {}, std::uint32_t apic_id = 0,
                 std::uint64_t khz = 0) {
  return make_cpuid(parse_cpu_model(model), CpuPlatform{.supported = supported,
                                                        .supporter = "KVM",
                                                        .topology = topology,
                                                        .apic_id = apic_id,
                                                        .kvm_signature = true,
                                                        .tsc_khz = khz});
}
bool has(const CpuidTable& t, const char* name) { return has_feature(features_of(t), name); }

std::string error_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

TEST(CpuModel, NamedModelsAreTheKnownProcessors) {
  const CpuidTable h = host();
  const CpuidTable qemu = make("qemu64", h).table;
  EXPECT_EQ(vendor_of(qemu), "AuthenticAMD");
  EXPECT_EQ(qemu.find(1).eax, 0x00060fb1U);  // family 15, model 107, stepping 1
  EXPECT_EQ(brand_of(qemu), "QEMU Virtual CPU version 2.5+");
  EXPECT_EQ(qemu.find(0).eax, 0xdU);
  EXPECT_EQ(qemu.find(0x80000000).eax, 0x8000000aU);
  EXPECT_TRUE(has(qemu, "lm") && has(qemu, "pni") && has(qemu, "cx16") && has(qemu, "lahf-lm"));
  EXPECT_FALSE(has(qemu, "avx") || has(qemu, "vmx") || has(qemu, "svm"));
  EXPECT_EQ(qemu.find(0x80000001).edx & 0x0183f3ff, qemu.find(1).edx & 0x0183f3ff);  // AMD repeats leaf 1

  const CpuidTable kvm = make("kvm64", h).table;
  EXPECT_EQ(vendor_of(kvm), "GenuineIntel");
  EXPECT_EQ(kvm.find(1).eax, 0x00000f61U);
  EXPECT_EQ(brand_of(kvm), "Common KVM processor");
  EXPECT_EQ(kvm.find(0x80000008).eax, 0x3028U);  // 40 bits physical, 48 linear
  EXPECT_FALSE(has(kvm, "lahf-lm"));
  EXPECT_EQ(kvm.find(0x80000001).edx & 0x0183f3ff, 0U);
}

TEST(CpuModel, HostIsTheHostWithoutWhatCannotMove) {
  const CpuidTable t = make("host", host()).table;
  EXPECT_EQ(t.find(1).eax, 0x000906eaU);
  EXPECT_EQ(brand_of(t), "A Test Processor @ 1.00GHz");
  EXPECT_TRUE(has(t, "avx2"));
  EXPECT_FALSE(has(t, "vmx"));
  EXPECT_FALSE(has(t, "invtsc"));
  EXPECT_EQ(t.find(0x80000008).eax & 0xff, 48U);
  EXPECT_TRUE(has(make("host,+vmx,invtsc=on", host()).table, "vmx"));
}

TEST(CpuModel, FeaturesAreAddedAndTakenInOrder) {
  const CpuidTable h = host();
  EXPECT_TRUE(has(make("qemu64,+xsave,+avx", h).table, "avx"));
  EXPECT_FALSE(has(make("host,-sse3", h).table, "pni"));
  EXPECT_FALSE(has(make("host,sse4_2=off", h).table, "sse4.2"));
  EXPECT_TRUE(has(make("qemu64,-popcnt,popcnt", h).table, "popcnt"));
  EXPECT_FALSE(has(make("host,-hypervisor", h).table, "hypervisor"));
  EXPECT_TRUE(has(make("host", h).table, "hypervisor"));
}

TEST(CpuModel, WhatNeedsAnotherFeatureGoesWithIt) {
  const CpuidTable t = make("host,-xsave", host()).table;
  for (const char* name : {"avx", "avx2", "fma", "xsaveopt"}) EXPECT_FALSE(has(t, name)) << name;
  EXPECT_EQ(t.find(0xd).eax, 0U);
}

TEST(CpuModel, XsaveLeafCountsTheComponents) {
  const CpuidTable h = host();
  const CpuidTable full = make("host", h).table;
  EXPECT_EQ(full.find(0xd, 0).eax, 7U);
  EXPECT_EQ(full.find(0xd, 0).ebx, 576U);
  EXPECT_EQ(full.find(0xd, 0).ecx, 832U);
  EXPECT_EQ(full.find(0xd, 1).eax, 1U);
  EXPECT_EQ(full.find(0xd, 2).eax, 256U);
  EXPECT_EQ(full.find(0xd, 2).ebx, 576U);
  const CpuidTable small = make("host,-avx", h).table;
  EXPECT_EQ(small.find(0xd, 0).eax, 3U);
  EXPECT_EQ(small.find(0xd, 0).ecx, 576U);
  EXPECT_EQ(small.find(0xd, 2).eax, 0U);
}

TEST(CpuModel, UnsupportedFeaturesAreNamed) {
  const CpuidTable h = host();
  const CpuidResult r = make("qemu64,+avx512f,+sse4a", h);
  ASSERT_EQ(r.warnings.size(), 2U);
  EXPECT_THAT(r.warnings[0], HasSubstr("KVM does not support avx512f (CPUID 7.0:EBX bit 16)"));
  EXPECT_FALSE(has(r.table, "avx512f"));
  EXPECT_TRUE(make("qemu64", h).warnings.empty());
  EXPECT_THAT(error_of([&] { make("qemu64,+avx512f,enforce", h); }), HasSubstr("avx512f (CPUID 7.0:EBX bit 16)"));

  CpuidTable poor = h;
  FeatureSet set = features_of(poor);
  set_feature(set, "pni", false);
  put_features(poor, set);
  EXPECT_TRUE(make("qemu64", poor).warnings.empty());
  EXPECT_FALSE(has(make("qemu64", poor).table, "pni"));
  EXPECT_EQ(make("qemu64,check", poor).warnings.size(), 1U);
  EXPECT_THAT(error_of([&] { make("qemu64,enforce", poor); }), HasSubstr("pni"));
}

TEST(CpuModel, OverridesOfIdentity) {
  const CpuidTable t =
      make("host,vendor=CentaurHauls,family=25,model=33,stepping=2,model-id=My CPU,phys-bits=42,level=4", host()).table;
  EXPECT_EQ(vendor_of(t), "CentaurHauls");
  EXPECT_EQ(t.find(1).eax, 0x00a20f12U);
  EXPECT_EQ(brand_of(t), "My CPU");
  EXPECT_EQ(t.find(0x80000008).eax & 0xff, 42U);
  EXPECT_EQ(t.find(0).eax, 4U);
  EXPECT_EQ(t.find(7).ebx, 0U);  // beyond the level
  const CpuidResult wide = make("host,phys-bits=52", host());
  EXPECT_EQ(wide.table.find(0x80000008).eax & 0xff, 48U);
  ASSERT_EQ(wide.warnings.size(), 1U);
}

TEST(CpuModel, TopologyOfIntel) {
  const CpuTopology topology{2, 3, 2};  // APIC ids: 1 bit of thread, 2 of core
  const CpuidTable t = make("host", host(), topology, topology.apic_id(7)).table;
  EXPECT_EQ(topology.apic_id(7), 8U | 1U);
  EXPECT_EQ(t.find(1).ebx, (9U << 24) | (6U << 16) | 0x800);
  EXPECT_TRUE(has(t, "ht"));
  const CpuidLeaf smt = t.find(0xb, 0), core = t.find(0xb, 1), end = t.find(0xb, 2);
  EXPECT_EQ(smt.eax, 1U);
  EXPECT_EQ(smt.ebx, 2U);
  EXPECT_EQ(smt.ecx, 0x100U);
  EXPECT_EQ(core.eax, 3U);
  EXPECT_EQ(core.ebx, 6U);
  EXPECT_EQ(core.ecx, 0x201U);
  EXPECT_EQ(end.ecx, 2U);
  EXPECT_EQ(end.ebx, 0U);
  for (const CpuidLeaf& l : {smt, core, end}) EXPECT_EQ(l.edx, 9U);
  EXPECT_EQ(t.find(0x1f, 1).ebx, 6U);
  const CpuidLeaf l1 = t.find(4, 0), l3 = t.find(4, 3);
  EXPECT_EQ(l1.eax >> 26, 3U);            // 4 addressable cores
  EXPECT_EQ((l1.eax >> 14) & 0xfff, 1U);  // a core's two threads share it
  EXPECT_EQ((l3.eax >> 14) & 0xfff, 7U);
  EXPECT_EQ(((l1.ebx >> 22) + 1) * ((l1.ebx & 0xfff) + 1) * (l1.ecx + 1), 32U * 1024);
  EXPECT_EQ(((l3.ebx >> 22) + 1) * ((l3.ebx & 0xfff) + 1) * (l3.ecx + 1), 16384U * 1024);
  EXPECT_EQ(t.find(4, 4).eax, 0U);
}

TEST(CpuModel, TopologyOfAmd) {
  const CpuTopology topology{1, 4, 2};
  const CpuidTable t = make("host", host("AuthenticAMD"), topology, topology.apic_id(5)).table;
  EXPECT_TRUE(has(t, "cmp-legacy"));
  EXPECT_EQ(t.find(0x80000008).ecx, 7U | 3U << 12);
  const CpuidLeaf node = t.find(0x8000001e);
  EXPECT_EQ(node.eax, 5U);
  EXPECT_EQ(node.ebx, 2U | 1U << 8);
  EXPECT_EQ(node.ecx, 0U);
  EXPECT_EQ((t.find(0x8000001d, 3).eax >> 14) & 0xfff, 7U);
  EXPECT_EQ(t.find(4).eax, 0U);
  EXPECT_FALSE(has(make("host", host("AuthenticAMD")).table, "cmp-legacy"));
}

TEST(CpuModel, KvmSignatureAndItsFeatures) {
  const CpuidTable t = make("qemu64", host()).table;
  EXPECT_EQ(t.find(0x40000000).eax, 0x40000001U);
  EXPECT_EQ(t.find(0x40000000).ebx, 0x4b4d564bU);
  EXPECT_EQ(t.find(0x40000000).ecx, 0x564b4d56U);
  EXPECT_EQ(t.find(0x40000000).edx, 0x4dU);
  EXPECT_EQ(t.find(0x40000001).eax, (1U << 0) | (1U << 3) | (1U << 6) | (1U << 24));  // no more than supported
  const CpuidTable off = make("host,kvm=off", host()).table;
  EXPECT_EQ(off.find(0x40000000).eax, 0U);
  EXPECT_EQ(off.find(0x40000001).eax, 0U);
}

TEST(CpuModel, FrequencyIsToldWhenItIsFixed) {
  EXPECT_EQ(make("host", host(), {}, 0, 2500000).table.find(0x40000010).eax, 0U);
  const CpuidTable t = make("host,tsc-frequency=2.5G", host(), {}, 0, 2500000).table;
  EXPECT_EQ(t.find(0x40000000).eax, 0x40000010U);
  EXPECT_EQ(t.find(0x40000010).eax, 2500000U);
  EXPECT_EQ(t.find(0x40000010).ebx, 1000000U);
  EXPECT_EQ(t.find(0x15).ecx, 2500000000U);
  EXPECT_EQ(make("host,+invtsc", host(), {}, 0, 2500000).table.find(0x40000010).eax, 2500000U);
}

TEST(CpuModel, MistakesAreExplained) {
  EXPECT_THAT(error_of([] { parse_cpu_model("qemu46"); }), HasSubstr("did you mean 'qemu64'?"));
  EXPECT_THAT(error_of([] { parse_cpu_model("host,+avx3"); }), HasSubstr("no such CPU feature: 'avx3'"));
  EXPECT_THAT(error_of([] { parse_cpu_model("host,enfroce"); }), HasSubstr("did you mean 'enforce'?"));
  EXPECT_THAT(error_of([] { parse_cpu_model("host,avx=perhaps"); }), HasSubstr("avx=perhaps"));
  EXPECT_THAT(error_of([] { parse_cpu_model("host,family=1000"); }), HasSubstr("family=1000"));
  EXPECT_THAT(error_of([] { parse_cpu_model("host,vendor=Me"); }), HasSubstr("12 characters"));
  EXPECT_THAT(error_of([] { parse_cpu_model("host,tsc-frequency=fast"); }), HasSubstr("tsc-frequency"));
  EXPECT_THAT(error_of([] { parse_cpu_model("host,,avx"); }), HasSubstr("empty feature"));
  EXPECT_THAT(error_of([] { parse_cpu_model(""); }), HasSubstr("no such CPU model"));
}

TEST(CpuModel, HelpNamesEveryModelKeyAndFeature) {
  const std::string help = cpu_model_help();
  for (const char* word : {"host", "max", "qemu64", "kvm64", "enforce", "tsc-frequency", "avx512f", "kvm-pv-eoi"})
    EXPECT_THAT(help, HasSubstr(word));
}

}  // namespace
}  // namespace machina
