#include "machines/machine.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/block/block_backend.h"
#include "core/trace/trace_control.h"
#include "core/units.h"
#include "hw/acpi/cpu_hotplug.h"
#include "hw/acpi/pci_hotplug.h"
#include "hw/acpi/power_button.h"
#include "hw/base/reset.h"

namespace machina {

void Machine::class_init(qom::ObjectClass& c) {
  c.description = "Machine";
  c.property("kernel-entry", &Machine::kernel_entry, boot::KernelEntry::Auto)
      .doc("entry of a Linux kernel that -kernel starts");
  auto& no_reboot = c.property("no-reboot", &Machine::no_reboot, false);
  no_reboot.doc("a reset that the guest asks for ends the machine: -no-reboot, -action reboot=").read_only = true;
}

Machine::Machine() { trace::set_clock(&system_.clock); }

Machine::~Machine() { trace::forget_clock(&system_.clock); }

void Machine::set_accelerator(qom::Ref<Accelerator> accelerator, unsigned max_cpus) {
  accelerator_ = std::move(accelerator);
  add_child("accel", accelerator_);
  if (accelerator_->manual_time()) {
    system_.clock.make_manual(0);
    system_.host_clock.make_manual(system_.host_clock.now_ns());
  }
  const qom::LifecycleTrace::Scope trace([&] { return fmt::format("accelerator {}", accelerator_->type_name()); });
  accelerator_->init_machine(system_, max_cpus);
}

void Machine::set_ram(const RamConfig& ram) {
  ram_ = ram;
  if (ram.size == 0) return;
  const std::uint64_t low = std::min(ram.size, ram.below_4g);
  const MemoryTransaction transaction;
  system_.ram = RamBlock::create("pc.ram", ram.size);
  system_.ram_below_4g = low;
  system_.ram_above_4g = ram.size - low;
  low_ram_ = std::make_unique<RamRegion>("ram-below-4g", system_.ram, 0, low);
  system_.memory_root.add(0, *low_ram_);
  if (ram.size > low) {
    high_ram_ = std::make_unique<RamRegion>("ram-above-4g", system_.ram, low, ram.size - low);
    system_.memory_root.add(4 * GiB, *high_ram_);
  }
}

void Machine::add_cpus(const CpuConfig& config) {
  cpu_config_ = config;
  for (unsigned i = 0; i < config.count; ++i) {
    const auto cpu = make_cpu(i);
    cpus_.add(*cpu);
    add_child(fmt::format("cpu[{}]", i), cpu);
  }
  qom::for_each<CpuHotplug>(*this, [&](CpuHotplug& hotplug) {
    for (unsigned i = 0; i < config.max; ++i) hotplug.add_slot(config.topology.apic_id(i), i < config.count);
    // Not from within the access of the very CPU that lets another one go.
    hotplug.on_eject([this](unsigned index) { system_.loop.post([this, index] { unplug_cpu(index); }); });
  });
}

qom::Ref<X86Cpu> Machine::make_cpu(unsigned index) {
  auto cpu = qom::TypeRegistry::global().create_as<X86Cpu>(cpu_config_.type);
  cpu->set("model", cpu_config_.model);
  cpu->set("index", index);
  cpu->set("apic-id", cpu_config_.topology.apic_id(index));
  cpu->set_topology(cpu_config_.topology);
  cpu->set_accelerator(*accelerator_);
  return cpu;
}

X86Cpu& Machine::plug_cpu(unsigned index, const std::string& id) {
  if (cpus_.cpus().empty()) throw Error("a machine without CPUs has no place for one");
  const X86Cpu& first = *cpus_.cpus().front();
  const auto cpu = make_cpu(index);
  if (moved_) cpu->show_as(first);
  // What the board says of its CPUs stands in the first: which interrupt controllers they are wired to.
  for (const qom::Property& p : first.object_class().properties()) {
    if (p.read_only || p.name == "index" || p.name == "apic-id") continue;
    if (p.kind == qom::PropertyKind::Link) {
      const std::string target = first.get(p.name).to_string();
      if (!target.empty()) cpu->set_link(p.name, qom::resolve_path(root(), target));
    } else if (p.set) {
      cpu->set(p.name, first.get(p.name));
    }
  }
  qom::Object* parent = this;
  if (!id.empty()) {
    parent = child("peripheral");
    if (!parent) parent = &add_new_child<qom::Container>("peripheral");
  }
  parent->add_child(id.empty() ? fmt::format("cpu[{}]", index) : id, cpu);
  const bool run = !cpus_.parked();
  cpus_.park_all();  // the time of the first is read
  try {
    qom::realize_tree(*cpu);
    cpu->set_debug({cpus_.breakpoints(), false, false});
    reset_tree(*cpu);
    cpu->join_time(first);
  } catch (...) {
    parent->remove_child(*cpu);
    if (run) cpus_.unpark_all();
    throw;
  }
  cpus_.add(*cpu);
  if (run && !has_requests()) cpus_.unpark_all();
  return *cpu;
}

void Machine::unplug_cpu(unsigned index) {
  const auto& all = cpus_.cpus();
  const auto at = std::find_if(all.begin(), all.end(), [&](const X86Cpu* c) { return c->index() == index; });
  if (!powered_ || at == all.end()) return;
  const qom::Ref<X86Cpu> cpu(*at);
  const std::string path = cpu->path(), id = cpu->name();
  const bool named = cpu->parent() != this;
  cpus_.remove(*cpu);
  cpu->parent()->remove_child(*cpu);
  qom::ValueMap data;
  if (named) data.emplace_back("device", id);
  data.emplace_back("path", path);
  report_event("DEVICE_DELETED", std::move(data));
}

void Machine::power_on(const std::vector<Device*>& devices) {
  order_.clear();
  for (Device* d : devices) order_.emplace_back(d);  // kept: one that is unplugged later is still in this list
  powered_ = true;
  try {
    for (Device* d : devices) qom::realize_tree(*d);
    qom::realize_tree(*this);
    accelerator_->machine_ready();
    reset_tree(*this);
  } catch (...) {
    unrealize_all();
    throw;
  }
}

void Machine::unrealize_all() {
  if (!powered_) return;
  cpus_.park_all();
  system_.clock.stop();
  drain_disks();
  // CPUs go first: no vCPU may reach a device that is being taken apart, and a CPU that was realized has a thread.
  for (X86Cpu* cpu : cpus_.cpus()) qom::unrealize_tree(*cpu);
  for (auto it = order_.rbegin(); it != order_.rend(); ++it) qom::unrealize_tree(**it);
  qom::unrealize_tree(*this);
  powered_ = false;
}

void Machine::power_off() {
  unrealize_all();
  cpus_.clear();
  order_.clear();
  while (!children().empty()) remove_child(*children().back());
  low_ram_.reset();
  high_ram_.reset();
  accelerator_ = nullptr;
}

// --- running ---

void Machine::start() {
  if (state_ == RunState::Running) return;
  if (state_ == RunState::Suspended) {
    request_wakeup("other");
    return;
  }
  if (state_ == RunState::InternalError || state_ == RunState::Shutdown)
    throw Error("the machine must be reset before it can run")
        .why(std::string("its state is ") + run_state_name(state_));
  if (asleep_) {
    // Its CPUs have no instruction to go on with: it sleeps on.
    asleep_ = false;
    set_state(RunState::Suspended);
    emit(Event::Resume);
    if (request_.wakeup) post_requests();
    return;
  }
  run_vcpus();
  emit(Event::Resume);
}

void Machine::run_vcpus() {
  set_state(RunState::Running);
  system_.clock.start();
  accelerator_->clock_running(true);
  if (!has_requests()) cpus_.unpark_all();
}

void Machine::stop(RunState why) {
  const bool slept = state_ == RunState::Suspended;
  if (slept) asleep_ = true;
  if (halt_vcpus(why) || slept) emit(Event::Stop);
}

bool Machine::halt_vcpus(RunState why) {
  const bool ran = state_ == RunState::Running;
  if (ran) {
    cpus_.park_all();
    system_.clock.stop();
    accelerator_->clock_running(false);
    drain_disks();
  }
  set_state(why);
  return ran;
}

void Machine::reset(ShutdownCause cause) {
  const bool running = state_ == RunState::Running;
  cpus_.park_all();
  drain_disks();
  // One that sleeps is not woken up by it: devices must not take it for the reset that ends S3. What the guest wished
  // before is over as well.
  if (state_ == RunState::Suspended) set_state(RunState::Paused);
  asleep_ = false;
  request_.suspend = false;
  request_.wakeup.reset();
  qom::for_each<PciHotplug>(*this, [](PciHotplug& hotplug) { hotplug.finish_unplug(); });
  if (running) system_.clock.stop();  // all is reset in one moment: time stamp counters count from it
  reset_tree(*this);
  if (running) system_.clock.start();
  emit(Event::Reset, cause);
  if (running) {
    if (!has_requests()) cpus_.unpark_all();
  } else if (state_ == RunState::InternalError || state_ == RunState::Shutdown) {
    set_state(RunState::Paused);  // a fresh machine: `cont` may run it again
  }
}

void Machine::power_down() {
  emit(Event::PowerDown);
  qom::for_each<PowerButton>(*this, [](PowerButton& button) { button.press_power_button(); });
}

int Machine::run() {
  system_.loop.run();
  return exit_code_;
}

void Machine::drain_disks() {
  qom::for_each<BlockBackend>(root(), [](BlockBackend& disk) { disk.drain(); });
}

// --- requests ---

void Machine::post_requests() {
  if (posted_) return;
  posted_ = true;
  system_.loop.post([this] { handle_requests(); });
}

void Machine::request_reset(ShutdownCause cause) {
  if (no_reboot && cause != ShutdownCause::HostQmpSystemReset) {
    request_shutdown(cause);
    return;
  }
  request_.reset = cause;
  for (X86Cpu* cpu : cpus_.cpus()) cpu->request_park();  // no guest code runs between the request and the reset
  post_requests();
}

void Machine::request_shutdown(ShutdownCause cause, int exit_code) {
  request_.shutdown = cause;
  if (exit_code) exit_code_ = exit_code;
  for (X86Cpu* cpu : cpus_.cpus()) cpu->request_park();
  post_requests();
}

void Machine::request_stop(RunState why) {
  request_.stop = why;
  for (X86Cpu* cpu : cpus_.cpus()) cpu->request_park();
  post_requests();
}

void Machine::request_suspend() {
  request_.suspend = true;
  for (X86Cpu* cpu : cpus_.cpus()) cpu->request_park();
  post_requests();
}

void Machine::request_wakeup(std::string_view reason) {
  // One that comes between the guest's wish to sleep and the sleep must not be lost: nothing else may ever wake it.
  if (state_ != RunState::Suspended && !asleep_ && !request_.suspend) return;
  request_.wakeup = std::string(reason);
  post_requests();
}

void Machine::handle_requests() {
  posted_ = false;
  const Request r = std::move(request_);
  request_ = {};
  if (r.shutdown) {
    emit(Event::Shutdown, *r.shutdown);
    // What asks for the end of the process rather than for that of the guest is not held up by -no-shutdown.
    const bool keep = no_shutdown && *r.shutdown != ShutdownCause::HostQmpQuit &&
                      *r.shutdown != ShutdownCause::HostSignal && *r.shutdown != ShutdownCause::HostUi;
    if (keep) {
      stop(RunState::Shutdown);
    } else {
      halt_vcpus(RunState::Shutdown);  // no STOP: there is nothing left that could be continued
      system_.loop.stop();
    }
    return;
  }
  if (r.reset) {
    reset(*r.reset);
  } else if (r.suspend && state_ == RunState::Running) {
    halt_vcpus(RunState::Suspended);
    emit(Event::Suspend);
  }
  if (r.wakeup && state_ == RunState::Suspended) {
    reset_tree(*this);  // RAM is no device: it is kept, as S3 wants
    run_vcpus();
    emit(Event::Wakeup);
  } else if (r.wakeup && asleep_) {
    request_.wakeup = r.wakeup;  // when a user lets it
  }
  if (r.stop) stop(*r.stop);
  // Those that were kept out of guest mode for this.
  if (state_ == RunState::Running && cpus_.parked() && !has_requests()) cpus_.unpark_all();
}

void Machine::set_state(RunState state) {
  if (state == state_) return;
  qom::LifecycleTrace::line(fmt::format("machine {} -> {}", run_state_name(state_), run_state_name(state)));
  state_ = state;
}

int Machine::add_observer(std::function<void(const EventData&)> observer) {
  observers_.emplace_back(next_observer_, std::move(observer));
  return next_observer_++;
}

void Machine::remove_observer(int id) {
  std::erase_if(observers_, [id](const auto& o) { return o.first == id; });
}

void Machine::emit(Event event, ShutdownCause cause) {
  const auto observers = observers_;  // a copy: an observer may remove itself
  for (const auto& [id, observer] : observers) observer({event, cause, {}, {}});
}

void Machine::report_event(std::string_view name, qom::ValueMap data) {
  const EventData event{Event::Other, ShutdownCause::HostError, name, std::move(data)};
  const auto observers = observers_;
  for (const auto& [id, observer] : observers) observer(event);
}

MACHINA_TYPE(Machine, qom::Object, SystemHolder);

}  // namespace machina
