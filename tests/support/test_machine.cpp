#include "tests/support/test_machine.h"

#include "core/trace/trace_control.h"
#include "hw/isa/isa_bus.h"

namespace machina {
using test::MachineObject;
MACHINA_TYPE(MachineObject, qom::Object, SystemHolder);
}  // namespace machina

namespace machina::test {

TestMachine::TestMachine(std::uint64_t ram, std::int64_t epoch_ns) {
  root_ = qom::create<qom::Container>();
  machine_ = &root_->add_new_child<MachineObject>("machine");
  System& s = system();
  const MachineLock::Guard guard(s.lock);
  s.clock.make_manual(0);
  trace::set_clock(&s.clock);
  s.host_clock.make_manual(epoch_ns);
  if (ram) {
    s.ram = RamBlock::create("ram", ram);
    s.ram_below_4g = ram;
    ram_ = std::make_unique<RamRegion>("ram", s.ram);
    s.memory_root.add(0, *ram_);
  }
  io_ = std::make_unique<MemoryDispatch>(s.io);
  memory_ = std::make_unique<MemoryDispatch>(s.memory);
}

TestMachine::~TestMachine() {
  const MachineLock::Guard guard(system().lock);
  // In reverse of realizing: a bridge outlives what is on its bus.
  for (auto it = added_.rbegin(); it != added_.rend(); ++it) qom::unrealize_tree(**it);
  qom::unrealize_tree(*root_);
  for (auto it = added_.rbegin(); it != added_.rend(); ++it) machine_->remove_child(**it);
  io_.reset();
  memory_.reset();
  ram_.reset();
  trace::forget_clock(&system().clock);
}

Bus& TestMachine::add_isa_bus() {
  line_bank_ = std::make_unique<IrqInBank>("irq", 16, [this](unsigned n, bool level) {
    lines_[n].level = level;
    lines_[n].rises += level ? 1 : 0;
  });
  auto& bus = machine_->add_new_child<IsaBus>("isa.0");
  bus.set_irq_lines(*line_bank_);
  return bus;
}

Device& TestMachine::add(const char* type, const char* id, Properties properties, const char* bus) {
  const MachineLock::Guard guard(system().lock);
  auto device = qom::TypeRegistry::global().create_as<Device>(type);
  machine_->add_child(id, device);
  added_.push_back(device.get());
  for (const auto& [name, value] : properties) device->set_text(name, value);
  const std::string& wanted = device->device_class().bus_type;
  if (!wanted.empty()) {
    Bus* found = bus ? qom::cast<Bus>(qom::resolve_path(*root_, bus)) : nullptr;
    if (!bus) {
      qom::for_each<Bus>(*root_, [&](Bus& b) {
        if (!found && b.is_a(wanted)) found = &b;
      });
    }
    if (!found) throw Error(std::string("the test has no bus for ") + type);
    device->set_parent_bus(*found);
  }
  return *device;
}

void TestMachine::start() {
  const MachineLock::Guard guard(system().lock);
  for (Device* d : added_) qom::realize_tree(*d);
  qom::realize_tree(*root_);
  reset_tree(*root_);
}

void TestMachine::reset() {
  const MachineLock::Guard guard(system().lock);
  reset_tree(*root_);
}

std::uint64_t TestMachine::in(std::uint16_t port, Width width) { return io_->read(port, width); }
void TestMachine::out(std::uint16_t port, Width width, std::uint64_t value) { io_->write(port, width, value); }
std::uint64_t TestMachine::read(std::uint64_t address, Width width) { return memory_->read(address, width); }
void TestMachine::write(std::uint64_t address, Width width, std::uint64_t value) {
  memory_->write(address, width, value);
}

void TestMachine::step(std::int64_t ns) {
  const MachineLock::Guard guard(system().lock);
  const std::int64_t host = system().host_clock.now_ns() + ns;
  system().clock.step_to(system().clock.now_ns() + ns);
  system().host_clock.step_to(host);
}

std::int64_t TestMachine::step_to_next_timer() {
  const std::int64_t deadline = system().clock.next_deadline();
  if (deadline == Clock::kNever) return 0;
  const std::int64_t distance = deadline - now();
  step(distance);
  return distance;
}

}  // namespace machina::test
