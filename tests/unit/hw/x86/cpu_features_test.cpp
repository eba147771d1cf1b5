#include "hw/x86/cpu_features.h"

#include <gtest/gtest.h>

#include <set>
#include <tuple>

namespace machina {
namespace {

TEST(CpuFeatures, NamesLeadToTheBitsOfTheManuals) {
  const struct {
    const char* name;
    std::uint32_t leaf, subleaf;
    CpuidRegister reg;
    unsigned bit;
  } table[] = {{"fpu", 1, 0, CpuidRegister::Edx, 0},
               {"sse2", 1, 0, CpuidRegister::Edx, 26},
               {"ht", 1, 0, CpuidRegister::Edx, 28},
               {"pni", 1, 0, CpuidRegister::Ecx, 0},
               {"vmx", 1, 0, CpuidRegister::Ecx, 5},
               {"x2apic", 1, 0, CpuidRegister::Ecx, 21},
               {"tsc-deadline", 1, 0, CpuidRegister::Ecx, 24},
               {"xsave", 1, 0, CpuidRegister::Ecx, 26},
               {"avx", 1, 0, CpuidRegister::Ecx, 28},
               {"hypervisor", 1, 0, CpuidRegister::Ecx, 31},
               {"avx2", 7, 0, CpuidRegister::Ebx, 5},
               {"smap", 7, 0, CpuidRegister::Ebx, 20},
               {"avx512vl", 7, 0, CpuidRegister::Ebx, 31},
               {"umip", 7, 0, CpuidRegister::Ecx, 2},
               {"la57", 7, 0, CpuidRegister::Ecx, 16},
               {"rdpid", 7, 0, CpuidRegister::Ecx, 22},
               {"pks", 7, 0, CpuidRegister::Ecx, 31},
               {"fsrm", 7, 0, CpuidRegister::Edx, 4},
               {"amx-bf16", 7, 0, CpuidRegister::Edx, 22},
               {"arch-capabilities", 7, 0, CpuidRegister::Edx, 29},
               {"ssbd", 7, 0, CpuidRegister::Edx, 31},
               {"avx-vnni", 7, 1, CpuidRegister::Eax, 4},
               {"amx-fp16", 7, 1, CpuidRegister::Eax, 21},
               {"xsaves", 0xd, 1, CpuidRegister::Eax, 3},
               {"arat", 6, 0, CpuidRegister::Eax, 2},
               {"syscall", 0x80000001, 0, CpuidRegister::Edx, 11},
               {"nx", 0x80000001, 0, CpuidRegister::Edx, 20},
               {"lm", 0x80000001, 0, CpuidRegister::Edx, 29},
               {"svm", 0x80000001, 0, CpuidRegister::Ecx, 2},
               {"topoext", 0x80000001, 0, CpuidRegister::Ecx, 22},
               {"invtsc", 0x80000007, 0, CpuidRegister::Edx, 8},
               {"ibpb", 0x80000008, 0, CpuidRegister::Ebx, 12},
               {"virt-ssbd", 0x80000008, 0, CpuidRegister::Ebx, 25},
               {"vgif", 0x8000000a, 0, CpuidRegister::Edx, 16},
               {"kvm-pv-unhalt", 0x40000001, 0, CpuidRegister::Eax, 7},
               {"kvmclock-stable-bit", 0x40000001, 0, CpuidRegister::Eax, 24}};
  for (const auto& row : table) {
    const auto bits = find_feature(row.name);
    ASSERT_EQ(bits.size(), 1U) << row.name;
    const FeatureWord& w = feature_words()[bits[0].word];
    EXPECT_EQ(std::make_tuple(w.leaf, w.subleaf, w.reg, bits[0].bit),
              std::make_tuple(row.leaf, row.subleaf, row.reg, row.bit))
        << row.name;
  }
}

TEST(CpuFeatures, NoTwoBitsShareANameExceptKvmclock) {
  std::set<std::string> seen;
  for (const FeatureWord& w : feature_words()) {
    for (const char* name : w.names) {
      if (!name || seen.insert(name).second) continue;
      EXPECT_STREQ(name, "kvmclock");
    }
  }
  EXPECT_EQ(find_feature("kvmclock").size(), 2U);
}

TEST(CpuFeatures, OtherSpellings) {
  EXPECT_EQ(feature_name(find_feature("sse3").at(0)), std::string("pni"));
  EXPECT_EQ(feature_name(find_feature("sse4_1").at(0)), std::string("sse4.1"));
  EXPECT_EQ(feature_name(find_feature("lahf_lm").at(0)), std::string("lahf-lm"));
  EXPECT_TRUE(find_feature("bogus").empty());
  EXPECT_EQ(describe_feature(find_feature("avx").at(0)), "avx (CPUID 1:ECX bit 28)");
  EXPECT_EQ(describe_feature(find_feature("smap").at(0)), "smap (CPUID 7.0:EBX bit 20)");
}

TEST(CpuFeatures, SetsTravelThroughTables) {
  CpuidTable table;
  table.set({1, 0, false, 0x1234, 0x5678, 0x08000000 /* OSXSAVE: nobody's */, 0});
  FeatureSet set{};
  set_feature(set, "avx", true);
  set_feature(set, "lm", true);
  put_features(table, set);
  EXPECT_EQ(table.find(1).eax, 0x1234U);
  EXPECT_EQ(table.find(1).ecx, 0x18000000U);
  EXPECT_EQ(table.find(0x80000001).edx, 1U << 29);
  EXPECT_EQ(features_of(table), set);
  set_feature(set, "avx", false);
  put_features(table, set);
  EXPECT_EQ(table.find(1).ecx, 0x08000000U);
}

}  // namespace
}  // namespace machina
