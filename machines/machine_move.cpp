/// A stopped machine goes on under another accelerator: docs/crossing.md.

#include <fmt/format.h>

#include "machines/machine.h"

namespace machina {

namespace {

/// A device whose implementation is in the accelerator (the interrupt controllers of KVM) cannot leave it.
void require_own_devices(const Accelerator& accelerator, const char* why) {
  for (const std::string& model : qom::TypeRegistry::global().names(Device::kType)) {
    if (accelerator.implementation_of(model) == model) continue;
    throw Error("the machine cannot change its accelerator")
        .why(fmt::format("{} keeps devices of its own, such as '{}'", why, accelerator.implementation_of(model)))
        .hint("use KVM with its interrupt controllers in user space, before and after: -accel kvm,kernel-irqchip=off");
  }
}

}  // namespace

void Machine::require_movable(const Accelerator& fresh) const {
  if (state_ == RunState::Running) throw Error("the machine runs: stop it first");
  if (!powered_ || !accelerator_->has_vcpus())
    throw Error("this machine has no CPUs that another accelerator could run");
  if (!fresh.has_vcpus()) throw Error(fmt::format("'{}' runs no CPUs", fresh.type_name()));
  require_own_devices(*accelerator_, "the accelerator that it has");
  require_own_devices(fresh, "the other accelerator");
}

void Machine::change_accelerator(qom::Ref<Accelerator> fresh) {
  require_movable(*fresh);
  const qom::LifecycleTrace::Scope trace(
      [&] { return fmt::format("accelerator {} -> {}", accelerator_->type_name(), fresh->type_name()); });
  cpus_.park_all();
  // Both are there for a moment, so that nothing has to be put back when the new one cannot have the machine.
  std::vector<std::unique_ptr<Vcpu>> vcpus;
  try {
    fresh->go_on_from(accelerator_->guest_clock());
    fresh->init_machine(system_, cpu_config_.max);
    for (X86Cpu* cpu : cpus_.cpus()) vcpus.push_back(cpu->make_vcpu(*fresh));
    if (!cpus_.breakpoints().empty())
      for (const auto& vcpu : vcpus) vcpu->set_debug({cpus_.breakpoints(), false, false});
    fresh->machine_ready();
  } catch (...) {
    vcpus.clear();
    fresh = nullptr;
    accelerator_->take_over();
    throw;
  }
  for (std::size_t i = 0; i < vcpus.size(); ++i) vcpus[i] = cpus_.cpus()[i]->change_vcpu(*fresh, std::move(vcpus[i]));
  accelerator_->hand_over();
  vcpus.clear();  // now those of before
  remove_child(*accelerator_);
  accelerator_ = std::move(fresh);
  moved_ = true;
  add_child("accel", accelerator_);
  qom::realize_tree(*accelerator_);
  accelerator_->take_over();
}

}  // namespace machina
