// KVM is the oracle: random cases of what only a kernel does, under KVM and in the software CPU, must leave the same
// state and memory. MACHINA_ORACLE_CASES=1000000 MACHINA_ORACLE_SEED=7 for more of it.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/support/guest_machine.h"
#include "tests/support/oracle/system_oracle.h"

namespace machina::jit {
namespace {

TEST(KvmOracle, SystemCases) {
  SKIP_WITHOUT_KVM();
  const SystemOracleResult r = compare_with_kvm(from_environment(SystemOracleOptions{}));
  fmt::print("{}", summary(r));
  if (r.unexplained != 0) ADD_FAILURE() << r.report;
  EXPECT_GE(r.equal, r.cases / 2);
}

}  // namespace
}  // namespace machina::jit
