#pragma once
/// Every capability of KVM that is used here: what it permits, and whether there is a machine without it.

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace machina::kvm {

struct Capability {
  unsigned number;      ///< argument of KVM_CHECK_EXTENSION
  const char* name;     ///< as in linux/kvm.h
  bool required;        ///< without it no machine runs
  const char* permits;  ///< what it is used for, and what is lost without it
};

/// By number.
std::span<const Capability> capability_table();

/// KVM_CHECK_EXTENSION; 0 or less where there is none.
using CapabilityQuery = std::function<int(unsigned number)>;

/// Throws Error that names every required capability that is missing.
void check_required(const CapabilityQuery& query);
/// One line for each row: "KVM_CAP_IRQCHIP            yes       optional  ...". For -accel kvm,help.
std::string describe_capabilities(const CapabilityQuery& query);

}  // namespace machina::kvm
