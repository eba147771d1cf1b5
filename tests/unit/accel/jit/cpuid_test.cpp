#include <gtest/gtest.h>

#include "accel/jit/cpuid_leaf.h"
#include "accel/jit/jit_cpuid.h"
#include "accel/jit/msr.h"
#include "hw/x86/cpu_model.h"
#include "tests/unit/accel/jit/bare_machine.h"

namespace machina::jit {
namespace {

CpuidTable table_of(const std::string& model, const CpuidTable& supported = supported_cpuid()) {
  const CpuPlatform platform{.supported = supported,
                             .supporter = "the software CPU",
                             .topology = {.sockets = 1, .cores = 2, .threads = 1},
                             .apic_id = 1,
                             .kvm_signature = true,
                             .tsc_khz = 1000000};
  return make_cpuid(parse_cpu_model(model), platform).table;
}

/// A host of this vendor that has nothing but its name.
CpuidTable bare_host(const char* vendor) {
  std::uint32_t r[3];
  std::memcpy(r, vendor, 12);
  CpuidTable t;
  t.set({0, 0, false, 1, r[0], r[2], r[1]});
  t.set({1, 0, false, 0x306c3, 0, 0, 0});
  return t;
}

TEST(JitCpuid, SystemFeaturesAreThereOnAnyHost) {
  const FeatureSet set = features_of(supported_cpuid(bare_host("GenuineIntel")));
  for (const char* name : {"smep",    "smap",     "umip",     "pku",          "pcid",
                           "la57",    "fsgsbase", "invpcid",  "pge",          "nx",
                           "syscall", "rdtscp",   "rdpid",    "tsc-deadline", "x2apic",
                           "xsave",   "xsavec",   "kvmclock", "pdpe1gb",      "arch-capabilities"})
    EXPECT_TRUE(has_feature(set, name)) << name;
  for (const char* name : {"avx", "sse4.1", "popcnt", "bmi1", "sha-ni", "avx512f", "vmx", "svm", "mmxext"})
    EXPECT_FALSE(has_feature(set, name)) << name;
}

TEST(JitCpuid, UnitsAreTheHosts) {
  CpuidTable host = bare_host("AuthenticAMD");
  FeatureSet set = features_of(host);
  for (const char* name : {"avx", "avx2", "sse4.2", "avx512f", "svm"}) set_feature(set, name, true);
  put_features(host, set);
  const FeatureSet supported = features_of(supported_cpuid(host));
  for (const char* name : {"avx", "avx2", "sse4.2", "mmxext", "topoext"})
    EXPECT_TRUE(has_feature(supported, name)) << name;
  for (const char* name : {"avx512f", "svm", "fma", "arch-capabilities"})
    EXPECT_FALSE(has_feature(supported, name)) << name;
}

// So that kernels do without their detours around predictions. AMD APM vol. 3, E.4.19; SDM vol. 4, 10Ah.
TEST(JitCpuid, SaysWhatItIsNotVulnerableTo) {
  const CpuidTable amd = table_of("host", supported_cpuid(bare_host("AuthenticAMD")));
  EXPECT_TRUE(amd.find(0x80000021).eax & 1U << 8) << "automatic IBRS";
  EXPECT_TRUE(amd.find(0x80000021).eax & 1U << 29) << "SRSO_NO";
  const CpuidTable intel = table_of("host", supported_cpuid(bare_host("GenuineIntel")));
  BareMachine m;
  set_cpuid(m.cpu(), intel);
  m.long_64();
  std::uint64_t value = 0;
  ASSERT_TRUE(read_msr(m.cpu(), 0x10a, value, MsrOrigin::Guest));
  EXPECT_EQ(value & 0x103, 0x103U) << "RDCL_NO, IBRS_ALL, TAA_NO";
  EXPECT_TRUE(write_msr(m.cpu(), 0x48, 1, MsrOrigin::Guest)) << "IBRS";
  EXPECT_FALSE(write_msr(m.cpu(), 0x48, 8, MsrOrigin::Guest));
  EXPECT_FALSE(has_feature(m.cpu().features, "auto-ibrs"));
}

TEST(JitCpuid, EveryModelCanBeMade) {
  for (const std::string& model : cpu_model_names()) {
    const CpuidTable t = table_of(model + ",enforce");
    EXPECT_NE(t.find(1).eax, 0U) << model;
    EXPECT_EQ(t.find(0x40000000).ebx, 0x4b4d564bU) << model;
  }
}

TEST(JitCpuid, FrequencyIsToldWithAnInvariantTsc) {
  const CpuidTable t = table_of("host,+invtsc", supported_cpuid(bare_host("GenuineIntel")));
  EXPECT_TRUE(t.find(0x80000007).edx & 0x100);
  EXPECT_EQ(t.find(0x40000010).eax, 1000000U);
  const CpuidLeaf l = t.find(0x15);
  EXPECT_EQ(std::uint64_t{l.ecx} * l.ebx / l.eax, 1000000000U);
}

struct JitCpuidInstruction : testing::Test {
  void use(const std::string& model, const CpuidTable& supported = supported_cpuid()) {
    table = table_of(model, supported);
    set_cpuid(m.cpu(), table);
    m.long_64();
  }
  CpuidLeaf ask(std::uint32_t leaf, std::uint32_t subleaf = 0) {
    Cpu& c = m.cpu();
    c.gpr[kRax] = 0xdead000000000000 | leaf;
    c.gpr[kRcx] = 0xdead000000000000 | subleaf;
    m.run({0x0f, 0xa2, 0xf4});
    EXPECT_EQ((c.gpr[kRax] | c.gpr[kRbx] | c.gpr[kRcx] | c.gpr[kRdx]) >> 32, 0U);
    return {leaf,
            subleaf,
            true,
            static_cast<std::uint32_t>(c.gpr[kRax]),
            static_cast<std::uint32_t>(c.gpr[kRbx]),
            static_cast<std::uint32_t>(c.gpr[kRcx]),
            static_cast<std::uint32_t>(c.gpr[kRdx])};
  }
  BareMachine m;
  CpuidTable table;
};

TEST_F(JitCpuidInstruction, BitsFollowCr4AndTheApic) {
  use("max");
  m.cpu().cr4 |= kCr4Osxsave;
  EXPECT_TRUE(ask(1).ecx & 1U << 27);
  m.cpu().cr4 &= ~kCr4Osxsave;
  EXPECT_FALSE(ask(1).ecx & 1U << 27);
  EXPECT_FALSE(ask(7).ecx & 1U << 4);
  m.cpu().cr4 |= kCr4Pke;
  EXPECT_TRUE(ask(7).ecx & 1U << 4);
  m.msrs[0x1b] = 0xfee00900;
  EXPECT_TRUE(ask(1).edx & 1U << 9);
  m.msrs[0x1b] = 0xfee00100;
  EXPECT_FALSE(ask(1).edx & 1U << 9);
}

TEST_F(JitCpuidInstruction, XsaveSizesFollowXcr0) {
  CpuidTable host = bare_host("GenuineIntel");
  FeatureSet set = features_of(host);
  set_feature(set, "avx", true);
  put_features(host, set);
  use("max", supported_cpuid(host));
  m.cpu().xcr0 = 1;
  EXPECT_EQ(ask(0xd, 0).ebx, 576U);
  m.cpu().xcr0 = 7;
  EXPECT_EQ(ask(0xd, 0).ebx, 832U);
  EXPECT_EQ(ask(0xd, 1).ebx, 832U);
  m.cpu().xcr0 = 0x203;
  EXPECT_EQ(ask(0xd, 0).ebx, 840U);
  EXPECT_EQ(ask(0xd, 1).ebx, 584U) << "compacted";
  EXPECT_EQ(ask(0xd, 0).eax, 0x207U);
}

// SDM vol. 2, CPUID: "If a value entered for CPUID.EAX is higher than the maximum…"; AMD gives zeros.
TEST_F(JitCpuidInstruction, BeyondTheHighestLeaf) {
  use("host", supported_cpuid(bare_host("GenuineIntel")));
  const CpuidLeaf last = ask(0x15), beyond = ask(0x1000);
  EXPECT_EQ(beyond.eax, last.eax);
  EXPECT_EQ(beyond.ecx, last.ecx);
  EXPECT_EQ(ask(0x80000050).ecx, last.ecx);
  use("host", supported_cpuid(bare_host("AuthenticAMD")));
  EXPECT_EQ(ask(0x1000).eax, 0U);
}

TEST_F(JitCpuidInstruction, TopologyBeyondItsLevels) {
  use("host");
  EXPECT_EQ(ask(0xb, 0).edx, 1U);
  const CpuidLeaf l = ask(0xb, 9);
  EXPECT_EQ(l.ecx, 9U);
  EXPECT_EQ(l.edx, 1U);
  EXPECT_EQ(l.eax | l.ebx, 0U);
}

TEST_F(JitCpuidInstruction, SetsWhatTheModelHas) {
  use("qemu64,-nx,phys-bits=42,host-phys-bits=off");
  EXPECT_EQ(m.cpu().physical_bits, std::min(42U, supported_cpuid().find(0x80000008).eax & 0xff));
  EXPECT_FALSE(m.cpu().has_1g_pages);
  EXPECT_FALSE(has_feature(m.cpu().features, "nx"));
}

}  // namespace
}  // namespace machina::jit
