#pragma once
/// CPU models: what -cpu names, and the CPUID table that comes of it. Independent of the accelerator, which hands in
/// the table of what it supports.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hw/x86/cpu_features.h"
#include "hw/x86/cpuid.h"

namespace machina {

/// "-cpu" taken apart: a model, features by name, and properties.
struct CpuModelSpec {
  std::string name;  ///< host, max, qemu64, kvm64
  struct Wish {
    std::string text;  ///< as it was written: "+avx"
    FeatureBit bit;
    bool on;
  };
  std::vector<Wish> wishes;  ///< in order; the last one for a bit wins
  bool check = false;        ///< warn of features of the model, too, that are not supported
  bool enforce = false;      ///< an unsupported feature is an error
  bool kvm = true;           ///< the signature and the paravirtual features of KVM
  std::optional<std::string> vendor, model_id;
  std::optional<unsigned> family, model, stepping;
  std::optional<std::uint32_t> level, xlevel;
  std::optional<unsigned> phys_bits;
  std::optional<bool> host_phys_bits;
  std::uint64_t tsc_hz = 0;  ///< tsc-frequency; 0: the host's
};

/// Parses "host,+avx,-sse3,feature=on,enforce". Throws Error with the nearest name.
CpuModelSpec parse_cpu_model(std::string_view text);

/// What surrounds the CPU whose table is made.
struct CpuPlatform {
  const CpuidTable& supported;    ///< what the accelerator can execute
  std::string supporter = "KVM";  ///< whose support that is, for messages
  CpuTopology topology;           ///< of the machine
  std::uint32_t apic_id = 0;
  bool kvm_signature = false;  ///< the accelerator is KVM: leaves 40000000h and up may be shown
  std::uint64_t tsc_khz = 0;   ///< of this guest; 0: not known
};

struct CpuidResult {
  CpuidTable table;
  std::vector<std::string> warnings;  ///< one line each
};
/// Throws Error when `enforce` is set and something is not supported.
CpuidResult make_cpuid(const CpuModelSpec& spec, const CpuPlatform& platform);

/// MAXPHYADDR of a CPU with that table: SDM vol. 3, 4.1.4, which says as well what it is without leaf 80000008h.
unsigned physical_address_bits(const CpuidTable& cpuid);

/// The text of -cpu help.
std::string cpu_model_help();
std::vector<std::string> cpu_model_names();

}  // namespace machina
