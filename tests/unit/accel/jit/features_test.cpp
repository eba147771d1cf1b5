#include "accel/jit/features.h"

#include <gtest/gtest.h>

#include "accel/jit/feature_gate.h"
#include "tests/unit/accel/jit/bare_machine.h"

namespace machina::jit {
namespace {

TEST(JitFeatures, PlacesAreThoseOfTheTableOfNames) {
  using namespace feature;
  const std::pair<FeatureBit, const char*> all[] = {
      {kFpu, "fpu"},
      {kVme, "vme"},
      {kDe, "de"},
      {kPse, "pse"},
      {kTsc, "tsc"},
      {kMsr, "msr"},
      {kPae, "pae"},
      {kMce, "mce"},
      {kCx8, "cx8"},
      {kApic, "apic"},
      {kSep, "sep"},
      {kMtrr, "mtrr"},
      {kPge, "pge"},
      {kMca, "mca"},
      {kCmov, "cmov"},
      {kPat, "pat"},
      {kClflush, "clflush"},
      {kMmx, "mmx"},
      {kFxsr, "fxsr"},
      {kSse, "sse"},
      {kSse2, "sse2"},
      {kSse3, "pni"},
      {kPclmulqdq, "pclmulqdq"},
      {kMonitor, "monitor"},
      {kSsse3, "ssse3"},
      {kFma, "fma"},
      {kCx16, "cx16"},
      {kPcid, "pcid"},
      {kSse41, "sse4.1"},
      {kSse42, "sse4.2"},
      {kX2apic, "x2apic"},
      {kMovbe, "movbe"},
      {kPopcnt, "popcnt"},
      {kTscDeadline, "tsc-deadline"},
      {kAes, "aes"},
      {kXsave, "xsave"},
      {kAvx, "avx"},
      {kF16c, "f16c"},
      {kRdrand, "rdrand"},
      {kHypervisor, "hypervisor"},
      {kFsgsbase, "fsgsbase"},
      {kTscAdjust, "tsc-adjust"},
      {kBmi1, "bmi1"},
      {kAvx2, "avx2"},
      {kSmep, "smep"},
      {kBmi2, "bmi2"},
      {kInvpcid, "invpcid"},
      {kRdseed, "rdseed"},
      {kAdx, "adx"},
      {kSmap, "smap"},
      {kClflushopt, "clflushopt"},
      {kClwb, "clwb"},
      {kSha, "sha-ni"},
      {kUmip, "umip"},
      {kPku, "pku"},
      {kGfni, "gfni"},
      {kVaes, "vaes"},
      {kVpclmulqdq, "vpclmulqdq"},
      {kLa57, "la57"},
      {kRdpid, "rdpid"},
      {kMovdiri, "movdiri"},
      {kMovdir64b, "movdir64b"},
      {kSerialize, "serialize"},
      {kSpecCtrl, "spec-ctrl"},
      {kStibp, "stibp"},
      {kArchCapabilities, "arch-capabilities"},
      {kSsbd, "ssbd"},
      {kXsaveopt, "xsaveopt"},
      {kXsavec, "xsavec"},
      {kXgetbv1, "xgetbv1"},
      {kXsaves, "xsaves"},
      {kSyscall, "syscall"},
      {kNx, "nx"},
      {kMmxext, "mmxext"},
      {kFxsrOpt, "fxsr-opt"},
      {kPdpe1gb, "pdpe1gb"},
      {kRdtscp, "rdtscp"},
      {kLm, "lm"},
      {kLahfLm, "lahf-lm"},
      {kAbm, "abm"},
      {kSse4a, "sse4a"},
      {kPrefetchw, "3dnowprefetch"},
      {kClzero, "clzero"},
      {kIbpb, "ibpb"},
      {kIbrs, "ibrs"},
      {kAmdStibp, "amd-stibp"},
      {kAmdSsbd, "amd-ssbd"},
      {kAutoIbrs, "auto-ibrs"},
  };
  for (const auto& [bit, name] : all) {
    const std::vector<FeatureBit> named = find_feature(name);
    ASSERT_EQ(named.size(), 1U) << name;
    EXPECT_EQ(bit.word, named[0].word) << name;
    EXPECT_EQ(bit.bit, named[0].bit) << name;
  }
  EXPECT_EQ(find_feature("kvmclock").size(), 2U);
  EXPECT_EQ(find_feature("kvmclock")[0].bit, kKvmclockOld.bit);
  EXPECT_EQ(find_feature("kvmclock")[1].bit, kKvmclock.bit);
}

bool runs(const std::vector<std::uint8_t>& bytes, const FeatureSet& features) {
  ZydisDecoder decoder;
  ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
  ZydisDecodedInstruction instruction;
  ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
  EXPECT_TRUE(ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, bytes.data(), bytes.size(), &instruction, operands)));
  return available(instruction, features);
}

// SDM vol. 2: each instruction needs the bits that its page names, and no other.
TEST(JitFeatures, InstructionsBelongToTheirBits) {
  struct Case {
    const char* needs;
    std::vector<std::uint8_t> bytes;
  };
  const Case cases[] = {
      {"fpu", {0xd8, 0xc1}},                                 // fadd
      {"cmov", {0x0f, 0x44, 0xc1}},                          // cmovz
      {"cx8", {0x0f, 0xc7, 0x08}},                           // cmpxchg8b
      {"cx16", {0x48, 0x0f, 0xc7, 0x08}},                    // cmpxchg16b
      {"tsc", {0x0f, 0x31}},                                 // rdtsc
      {"rdtscp", {0x0f, 0x01, 0xf9}},                        // rdtscp
      {"msr", {0x0f, 0x32}},                                 // rdmsr
      {"sep", {0x0f, 0x34}},                                 // sysenter
      {"syscall", {0x0f, 0x05}},                             // syscall
      {"mmx", {0x0f, 0xfc, 0xc1}},                           // paddb mm
      {"fxsr", {0x0f, 0xae, 0x00}},                          // fxsave
      {"sse", {0x0f, 0x58, 0xc1}},                           // addps
      {"sse2", {0x66, 0x0f, 0x58, 0xc1}},                    // addpd
      {"pni", {0xf2, 0x0f, 0xd0, 0xc1}},                     // addsubps
      {"ssse3", {0x66, 0x0f, 0x38, 0x00, 0xc1}},             // pshufb
      {"sse4.1", {0x66, 0x0f, 0x38, 0x40, 0xc1}},            // pmulld
      {"sse4.2", {0xf2, 0x0f, 0x38, 0xf1, 0xc1}},            // crc32
      {"aes", {0x66, 0x0f, 0x38, 0xdc, 0xc1}},               // aesenc
      {"pclmulqdq", {0x66, 0x0f, 0x3a, 0x44, 0xc1, 0}},      // pclmulqdq
      {"sha-ni", {0x0f, 0x38, 0xc8, 0xc1}},                  // sha1nexte
      {"avx", {0xc5, 0xf4, 0x58, 0xc1}},                     // vaddps ymm
      {"avx2", {0xc5, 0xf5, 0xfe, 0xc1}},                    // vpaddd ymm
      {"avx aes", {0xc4, 0xe2, 0x71, 0xdc, 0xc1}},           // vaesenc xmm
      {"avx vaes", {0xc4, 0xe2, 0x75, 0xdc, 0xc1}},          // vaesenc ymm
      {"avx pclmulqdq", {0xc4, 0xe3, 0x71, 0x44, 0xc1, 0}},  // vpclmulqdq xmm
      {"fma", {0xc4, 0xe2, 0x71, 0x98, 0xc1}},               // vfmadd132ps
      {"f16c", {0xc4, 0xe2, 0x79, 0x13, 0xc1}},              // vcvtph2ps
      {"popcnt", {0xf3, 0x0f, 0xb8, 0xc1}},                  // popcnt
      {"bmi1", {0xc4, 0xe2, 0x70, 0xf2, 0xc1}},              // andn
      {"bmi2", {0xc4, 0xe3, 0x7b, 0xf0, 0xc1, 1}},           // rorx
      {"adx", {0x66, 0x0f, 0x38, 0xf6, 0xc1}},               // adcx
      {"movbe", {0x0f, 0x38, 0xf0, 0x00}},                   // movbe
      {"lahf-lm", {0x9f}},                                   // lahf in 64-bit code
      {"rdrand", {0x0f, 0xc7, 0xf0}},                        // rdrand
      {"rdseed", {0x0f, 0xc7, 0xf8}},                        // rdseed
      {"rdpid", {0xf3, 0x0f, 0xc7, 0xf8}},                   // rdpid
      {"fsgsbase", {0xf3, 0x48, 0x0f, 0xae, 0xc0}},          // rdfsbase
      {"smap", {0x0f, 0x01, 0xcb}},                          // stac
      {"pku", {0x0f, 0x01, 0xee}},                           // rdpkru
      {"invpcid", {0x66, 0x0f, 0x38, 0x82, 0x03}},           // invpcid
      {"monitor", {0x0f, 0x01, 0xc8}},                       // monitor
      {"serialize", {0x0f, 0x01, 0xe8}},                     // serialize
      {"clflush", {0x0f, 0xae, 0x38}},                       // clflush
      {"clflushopt", {0x66, 0x0f, 0xae, 0x38}},              // clflushopt
      {"clwb", {0x66, 0x0f, 0xae, 0x30}},                    // clwb
      {"xsave", {0x0f, 0xae, 0x20}},                         // xsave
      {"xsave", {0x0f, 0x01, 0xd0}},                         // xgetbv
      {"xsaveopt", {0x0f, 0xae, 0x30}},                      // xsaveopt
      {"xsavec", {0x0f, 0xc7, 0x20}},                        // xsavec
      {"xsaves", {0x0f, 0xc7, 0x28}},                        // xsaves
      {"", {0x90}},                                          // nop
      {"", {0xf3, 0x0f, 0x1e, 0xfa}},                        // endbr64
      {"", {0x0f, 0x0d, 0x08}},                              // prefetchw
  };
  for (const Case& c : cases) {
    FeatureSet only{};
    std::string needs = c.needs;
    for (std::size_t at = 0; at < needs.size();) {
      const std::size_t end = std::min(needs.find(' ', at), needs.size());
      set_feature(only, needs.substr(at, end - at), true);
      at = end + 1;
    }
    EXPECT_TRUE(runs(c.bytes, only)) << needs;
    for (std::size_t at = 0; at < needs.size();) {
      const std::size_t end = std::min(needs.find(' ', at), needs.size());
      FeatureSet all;
      all.fill(~0U);
      set_feature(all, needs.substr(at, end - at), false);
      EXPECT_FALSE(runs(c.bytes, all)) << needs;
      at = end + 1;
    }
  }
  FeatureSet all;
  all.fill(~0U);
  EXPECT_FALSE(runs({0x62, 0xf1, 0x74, 0x48, 0x58, 0xc1}, all)) << "AVX-512";
}

// SDM vol. 2, LZCNT: where it does not exist, the prefix means nothing and the rest is BSR.
TEST(JitFeatures, LzcntIsBsrWhereItDoesNotExist) {
  for (const bool there : {true, false}) {
    BareMachine m;
    m.long_64();
    set_feature(m.cpu().features, "abm", there);
    set_feature(m.cpu().features, "bmi1", there);
    m.cpu().gpr[kRcx] = 0x100;
    m.run({0xf3, 0x0f, 0xbd, 0xc1, 0xf3, 0x0f, 0xbc, 0xd9, 0xf4});  // lzcnt eax, ecx; tzcnt ebx, ecx; hlt
    EXPECT_EQ(m.cpu().gpr[kRax], there ? 23U : 8U);
    EXPECT_EQ(m.cpu().gpr[kRbx], 8U);
  }
}

}  // namespace
}  // namespace machina::jit
