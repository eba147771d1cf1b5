#pragma once
/// The CPU models that there are.

#include <cstdint>
#include <span>
#include <string>

namespace machina {

/// What the models differ in. Values are those of QEMU's models of the same name, which guests of these models expect.
struct CpuModelDefinition {
  const char* name;
  const char* summary;
  bool everything;     ///< all that is supported, with the host's identity
  const char* vendor;  ///< 12 characters
  unsigned family, model, stepping;
  std::uint32_t level, xlevel;
  const char* model_id;
  const char* features;
};

std::span<const CpuModelDefinition> cpu_model_table();
/// Throws Error with the nearest name.
const CpuModelDefinition& cpu_model_definition(const std::string& name);

}  // namespace machina
