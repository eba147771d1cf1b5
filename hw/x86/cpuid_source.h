#pragma once
/// Interface of accelerators that execute guest code.

#include "hw/x86/cpuid.h"

namespace machina {

class CpuidSource {
 public:
  virtual ~CpuidSource() = default;
  /// What a CPU model may use: the table that make_cpuid() takes as what is supported. After init_machine().
  virtual CpuidTable supported_cpuid() const = 0;
};

}  // namespace machina
