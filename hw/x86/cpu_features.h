#pragma once
/// Every CPUID feature bit that a user can name, as a table of 32-bit words. Spellings are QEMU's, so that what people
/// write behind -cpu works; '_' and '-' are the same in a name.
///
/// Bits: Intel SDM vol. 2, CPUID; AMD APM vol. 3, appendix E; Linux Documentation/virt/kvm/x86/cpuid.rst.

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hw/x86/cpuid.h"

namespace machina {

enum class CpuidRegister : std::uint8_t { Eax, Ebx, Ecx, Edx };
std::uint32_t& register_of(CpuidLeaf& leaf, CpuidRegister reg);
std::uint32_t register_of(const CpuidLeaf& leaf, CpuidRegister reg);

struct FeatureWord {
  std::uint32_t leaf, subleaf;
  bool has_subleaves;
  CpuidRegister reg;
  std::array<const char*, 32> names;  ///< null where no feature has that bit
};

/// Number of words; a set of features is an array of as many masks.
inline constexpr std::size_t kFeatureWords = 15;
using FeatureSet = std::array<std::uint32_t, kFeatureWords>;
std::span<const FeatureWord, kFeatureWords> feature_words();

struct FeatureBit {
  std::size_t word;
  unsigned bit;
};
/// The bits that `name` stands for; empty when there is no such feature. Nearly always one.
std::vector<FeatureBit> find_feature(std::string_view name);
/// The main spelling: "avx".
const char* feature_name(FeatureBit bit);
/// "avx (CPUID 1:ECX bit 28)".
std::string describe_feature(FeatureBit bit);
/// All spellings, for nearest-name messages.
std::vector<std::string> feature_names();

bool has_feature(const FeatureSet& set, std::string_view name);
void set_feature(FeatureSet& set, std::string_view name, bool on);
/// The feature words of a table, and back; other bits of the leaves are kept.
FeatureSet features_of(const CpuidTable& table);
void put_features(CpuidTable& table, const FeatureSet& set);

}  // namespace machina
