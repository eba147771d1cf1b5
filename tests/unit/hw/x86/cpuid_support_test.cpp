// What a guest has been shown, against what another accelerator has.

#include "hw/x86/cpuid_support.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "hw/x86/cpu_features.h"
#include "qom/error.h"

namespace machina {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

CpuidTable with_features(std::initializer_list<const char*> names) {
  CpuidTable table;
  FeatureSet set{};
  for (const char* name : names) set_feature(set, name, true);
  put_features(table, set);
  table.set({0x80000008, 0, false, 40 | 48 << 8, 0, 0, 0});
  return table;
}

TEST(CpuidSupport, WhatIsThereIsEnough) {
  const CpuidTable shown = with_features({"fpu", "sse2", "avx"});
  EXPECT_THAT(unsupported_parts(shown, shown), IsEmpty());
  EXPECT_THAT(unsupported_parts(shown, with_features({"fpu", "sse2", "avx", "avx2"})), IsEmpty());
  EXPECT_NO_THROW(require_supported(shown, shown, "it"));
}

TEST(CpuidSupport, TopologyAndTheHypervisorBitAreNobodysSupport) {
  EXPECT_THAT(unsupported_parts(with_features({"ht", "hypervisor", "cmp-legacy", "arat"}), with_features({})),
              IsEmpty());
}

TEST(CpuidSupport, WhatIsMissingIsNamedWithTheWayOut) {
  try {
    require_supported(with_features({"fpu", "sse2", "avx"}), with_features({"fpu"}), "the other one");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.message(), "the guest has been shown a CPU that the other one does not support");
    EXPECT_EQ(e.cause(), "it lacks sse2, avx");
    EXPECT_THAT(e.advice(), HasSubstr("-cpu qemu64, or add ,-sse2,-avx to its -cpu"));
  }
}

// The area of XSAVE is laid out by CPUID: what programs have written there must be found at the same place.
TEST(CpuidSupport, ComponentsOfXsaveMustBeThereAndAtTheirPlaces) {
  CpuidTable shown = with_features({"xsave"}), other = shown;
  shown.set({0xd, 0, true, 0x207, 576, 2696, 0});
  shown.set({0xd, 2, true, 256, 576, 0, 0});
  shown.set({0xd, 9, true, 8, 2688, 0, 0});
  other.set({0xd, 0, true, 7, 576, 832, 0});
  other.set({0xd, 2, true, 256, 576, 0, 0});
  EXPECT_THAT(unsupported_parts(shown, other), ElementsAre("components 0x200 of XSAVE"));
  other.set({0xd, 0, true, 0x207, 576, 2696, 0});
  other.set({0xd, 9, true, 8, 2432, 0, 0});
  EXPECT_THAT(unsupported_parts(shown, other), ElementsAre("component 9 of XSAVE at 0xa80 (there at 0x980)"));
  other.set({0xd, 9, true, 8, 2688, 0, 0});
  EXPECT_THAT(unsupported_parts(shown, other), IsEmpty());
}

TEST(CpuidSupport, AddressesMustFit) {
  CpuidTable shown = with_features({}), other = shown;
  other.set({0x80000008, 0, false, 39 | 48 << 8, 0, 0, 0});
  EXPECT_THAT(unsupported_parts(shown, other), ElementsAre("40 physical address bits (there 39)"));
  EXPECT_THAT(unsupported_parts(other, shown), IsEmpty());
}

}  // namespace
}  // namespace machina
