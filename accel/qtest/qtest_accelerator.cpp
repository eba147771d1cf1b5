#include "accel/qtest/qtest_accelerator.h"

namespace machina {
namespace {

/// Registers without anything that changes them but a reset and whoever loads a state.
class StandingVcpu final : public Vcpu {
 public:
  VcpuExit run() override { return VcpuExit::Interrupted; }
  void kick() override {}
  void load_state(const X86State& state) override { state_ = state; }
  void store_state(X86State& state) override { state = state_; }

 private:
  X86State state_;
};

}  // namespace

void QtestAccelerator::class_init(qom::ObjectClass& c) {
  c.description = "Runs no code; devices are driven through -qtest and time is stepped";
}

Accelerator::Probe QtestAccelerator::probe() { return {true, 0, "runs no code; for tests of devices"}; }

std::string QtestAccelerator::details() {
  return "CPUs never run. Virtual time moves only by the qtest commands clock_step and clock_set.\n";
}

void QtestAccelerator::init_machine(System& /*system*/, unsigned /*max_cpus*/) {}

std::unique_ptr<Vcpu> QtestAccelerator::create_vcpu(X86Cpu& /*cpu*/) { return std::make_unique<StandingVcpu>(); }

MACHINA_TYPE(QtestAccelerator, Accelerator);

}  // namespace machina
