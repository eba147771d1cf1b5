#pragma once
/// The accelerator that executes nothing: a machine whose devices are driven from outside, by a test. Its CPUs keep
/// their state and never run, and virtual time moves only when somebody steps it.

#include "hw/x86/accelerator.h"

namespace machina {

class QtestAccelerator final : public Accelerator {
 public:
  static constexpr const char* kType = "qtest-accel";
  static void class_init(qom::ObjectClass& c);

  /// Usable everywhere, and never better than anything that runs code.
  Probe probe() override;
  std::string details() override;
  void init_machine(System& system, unsigned max_cpus) override;
  std::unique_ptr<Vcpu> create_vcpu(X86Cpu& cpu) override;
  bool has_vcpus() const override { return false; }
  bool manual_time() const override { return true; }
};

}  // namespace machina
