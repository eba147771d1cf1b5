#pragma once
/// Between the parts of x86_state_check.h.

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hw/x86/cpu_features.h"
#include "hw/x86/x86_state.h"

namespace machina {

/// What is looked at, and what was found wrong with it.
class X86StateFaults {
 public:
  X86StateFaults(const X86State& checked, const CpuidTable& table, bool is_bootstrap);

  void add(std::string_view field, std::uint64_t value, std::string_view allowed) {
    found_.push_back(fmt::format("{} is {:#x}: {}", field, value, allowed));
  }
  void require(bool holds, std::string_view field, std::uint64_t value, std::string_view allowed) {
    if (!holds) add(field, value, allowed);
  }
  bool has(std::string_view feature) const { return has_feature(features, feature); }
  bool canonical(std::uint64_t address) const {
    const std::uint64_t top = static_cast<std::uint64_t>(static_cast<std::int64_t>(address) >> (linear_bits - 1));
    return top == 0 || top == ~std::uint64_t{0};
  }
  std::vector<std::string> take() { return std::move(found_); }

  const X86State& state;
  const CpuidTable& cpuid;
  const bool bootstrap;
  const FeatureSet features;
  const unsigned linear_bits;    ///< of the CPU: 57 with LA57, whether that is on or not
  const unsigned physical_bits;  ///< MAXPHYADDR
  const bool protected_mode, virtual_8086, long_mode;

 private:
  std::vector<std::string> found_;
};

// x86_state_check_segments.cpp
void check_segments(X86StateFaults& f);
// x86_state_check_msrs.cpp
void check_msrs(X86StateFaults& f);
// x86_state_check_apic.cpp
void check_local_apic(X86StateFaults& f);

}  // namespace machina
