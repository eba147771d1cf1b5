#include "hw/x86/cpuid_support.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <bit>

#include "hw/x86/cpu_features.h"
#include "hw/x86/cpu_model.h"
#include "qom/error.h"

namespace machina {

namespace {

/// The topology decides about these, "hypervisor" is a word to the guest, and the timer that "arat" is about crosses
/// with the local APIC: they are never a matter of support.
constexpr const char* kOfNobody[] = {"ht", "cmp-legacy", "hypervisor", "arat"};

constexpr std::uint32_t kXsave = 0xd;

std::uint64_t xsave_components(const CpuidTable& table) {
  const CpuidLeaf leaf = table.find(kXsave, 0);
  return leaf.eax | std::uint64_t{leaf.edx} << 32;
}

std::vector<std::string> unsupported_features(const CpuidTable& shown, const CpuidTable& supported) {
  FeatureSet missing = features_of(shown);
  const FeatureSet there = features_of(supported);
  for (std::size_t w = 0; w < kFeatureWords; ++w) missing[w] &= ~there[w];
  for (const char* name : kOfNobody) set_feature(missing, name, false);
  std::vector<std::string> names;
  for (std::size_t w = 0; w < kFeatureWords; ++w)
    for (std::uint32_t bits = missing[w]; bits; bits &= bits - 1)
      if (const char* name = feature_name({w, static_cast<unsigned>(std::countr_zero(bits))})) names.emplace_back(name);
  return names;
}

}  // namespace

std::vector<std::string> unsupported_parts(const CpuidTable& shown, const CpuidTable& supported) {
  std::vector<std::string> parts = unsupported_features(shown, supported);
  const std::uint64_t here = xsave_components(shown), there = xsave_components(supported);
  if (here & ~there) parts.push_back(fmt::format("components {:#x} of XSAVE", here & ~there));
  for (unsigned n = 2; n < 63; ++n) {
    if (!(here & there & std::uint64_t{1} << n)) continue;
    const CpuidLeaf a = shown.find(kXsave, n), b = supported.find(kXsave, n);
    if (a.eax != b.eax || a.ebx != b.ebx)
      parts.push_back(fmt::format("component {} of XSAVE at {:#x} (there at {:#x})", n, a.ebx, b.ebx));
  }
  if (const unsigned bits = physical_address_bits(shown), most = physical_address_bits(supported); bits > most)
    parts.push_back(fmt::format("{} physical address bits (there {})", bits, most));
  return parts;
}

void require_supported(const CpuidTable& shown, const CpuidTable& supported, std::string_view supporter) {
  const std::vector<std::string> missing = unsupported_parts(shown, supported);
  if (missing.empty()) return;
  std::string off;
  for (const std::string& name : unsupported_features(shown, supported)) off += ",-" + name;
  Error e(fmt::format("the guest has been shown a CPU that {} does not support", supporter));
  e.why(fmt::format("it lacks {}", fmt::join(missing, ", ")));
  throw e.hint(fmt::format("start the machine with a CPU model that both accelerators have, such as -cpu qemu64{}",
                           off.empty() ? "" : fmt::format(", or add {} to its -cpu", off)));
}

}  // namespace machina
