#include "hw/x86/cpu_model_table.h"

#include <fmt/format.h>

#include "core/error.h"
#include "hw/x86/cpu_model.h"

namespace machina {

namespace {

constexpr CpuModelDefinition kModels[] = {
    {"host", "the host's own CPU, as far as the accelerator supports it", true, "", 0, 0, 0, 0, 0, "", ""},
    {"max", "everything that the accelerator supports", true, "", 0, 0, 0, 0, 0, "", ""},
    {"qemu64", "a plain 64-bit CPU that runs everywhere (AMD)", false, "AuthenticAMD", 15, 107, 1, 0xd, 0x8000000a,
     "QEMU Virtual CPU version 2.5+", "lahf-lm"},
    {"kvm64", "a plain 64-bit CPU that runs everywhere (Intel)", false, "GenuineIntel", 15, 6, 1, 0xd, 0x80000008,
     "Common KVM processor", ""},
};

}  // namespace

std::span<const CpuModelDefinition> cpu_model_table() { return kModels; }

const CpuModelDefinition& cpu_model_definition(const std::string& name) {
  for (const CpuModelDefinition& m : kModels)
    if (name == m.name) return m;
  const std::string near = did_you_mean(name, cpu_model_names());
  throw Error(fmt::format("no such CPU model: '{}'", name))
      .hint(near.empty() ? fmt::format("there are: {}", fmt::join(cpu_model_names(), ", ")) : near);
}

std::vector<std::string> cpu_model_names() {
  std::vector<std::string> names;
  for (const CpuModelDefinition& m : kModels) names.emplace_back(m.name);
  return names;
}

}  // namespace machina
