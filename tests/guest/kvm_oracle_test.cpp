// KVM is the oracle: random cases of what only a kernel does, under KVM and in the software CPU, must leave the same
// state and memory. MACHINA_ORACLE_CASES=250000 MACHINA_ORACLE_SEED=1,2,3,4 for more of it.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "tests/support/guest_machine.h"
#include "tests/support/oracle/system_oracle.h"
#include "tests/support/test_paths.h"

namespace machina::jit {
namespace {

TEST(KvmOracle, SystemCases) {
  SKIP_WITHOUT_KVM();
  const SystemOracleResult r = compare_with_kvm(from_environment(SystemOracleOptions{}));
  fmt::print("{}", summary(r));
  if (r.unexplained != 0) ADD_FAILURE() << r.report;
  EXPECT_GE(r.equal, r.cases / 2);
}

/// With MACHINA_UPDATE_DOCS=1 the list is written anew instead.
TEST(KvmOracleDocs, ThePageListsWhatIsExplained) {
  const auto page = test::source_dir() / "docs/kvm-oracle.md";
  std::ostringstream text;
  text << std::ifstream(page).rdbuf();
  const std::string marker =
      "<!-- From here on this page is made from tests/support/oracle/differences_of_*.cpp. -->\n";
  const std::size_t at = text.str().find(marker);
  ASSERT_NE(at, std::string::npos);
  const std::string whole = text.str().substr(0, at) + marker + '\n' + list_of_differences();
  if (std::getenv("MACHINA_UPDATE_DOCS")) std::ofstream(page) << whole;
  EXPECT_TRUE(text.str() == whole || std::getenv("MACHINA_UPDATE_DOCS"))
      << "run this test with MACHINA_UPDATE_DOCS=1 to write the list in docs/kvm-oracle.md anew";
}

}  // namespace
}  // namespace machina::jit
