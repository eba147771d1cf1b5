#include "tests/fuzz/coverage.h"

#include <algorithm>
#include <span>

extern "C" {
// A counter of 8 bits for each edge, of all objects that are compiled with -fsanitize=fuzzer-no-link; named by the
// linker.
extern std::uint8_t __start___sancov_cntrs[];  // NOLINT
extern std::uint8_t __stop___sancov_cntrs[];   // NOLINT
}

namespace machina::fuzz {

namespace {
std::span<std::uint8_t> counters() { return {__start___sancov_cntrs, __stop___sancov_cntrs}; }
}  // namespace

void Coverage::begin() { std::fill(counters().begin(), counters().end(), std::uint8_t{0}); }

void Coverage::end() { counted_.assign(counters().begin(), counters().end()); }

Coverage::~Coverage() {
  if (counted_.empty()) {
    begin();  // it did not come so far: nothing counts
  } else {
    std::copy(counted_.begin(), counted_.end(), counters().begin());
  }
}

}  // namespace machina::fuzz
