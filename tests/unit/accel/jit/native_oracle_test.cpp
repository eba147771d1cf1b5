// The host's processor is the oracle: random user-mode instructions, natively and in the software CPU, must leave the
// same registers, flags, memory and faults. MACHINA_ORACLE_INSTRUCTIONS=10000000 MACHINA_ORACLE_SEED=7 for more of it.

#include <gtest/gtest.h>

#include "tests/support/oracle/native_cpu.h"
#include "tests/support/oracle/oracle.h"

namespace machina::jit {
namespace {

constexpr std::uint64_t kInstructions = 1000000;

void expect_agreement(std::vector<InstructionFamily> families, OracleOptions options) {
  const OracleResult r = compare_with_host(std::move(families), from_environment(options));
  if (!r.difference.empty()) ADD_FAILURE() << r.difference;
  EXPECT_GE(r.instructions, 1000U);
  ::testing::Test::RecordProperty("instructions", std::to_string(r.instructions));
  ::testing::Test::RecordProperty("faults", std::to_string(r.faults));
}

TEST(JitNativeOracle, IntegerInstructions) { expect_agreement(integer_families(), {.instructions = kInstructions}); }

TEST(JitNativeOracle, IntegerInstructionsOf32BitCode) {
  if (!NativeCpu().has_compatibility_mode()) GTEST_SKIP() << "this host runs no 32-bit code";
  expect_agreement(integer_families_32(), {.instructions = kInstructions, .compatibility = true});
}

}  // namespace
}  // namespace machina::jit
