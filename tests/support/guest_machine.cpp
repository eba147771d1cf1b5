#include "tests/support/guest_machine.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>

#include "tests/support/test_paths.h"

namespace machina {
using test::GuestPort;
MACHINA_TYPE(GuestPort, Device);
}  // namespace machina

namespace machina::test {

std::string why_no_kvm() {
  auto accelerator = qom::TypeRegistry::global().create_as<Accelerator>("kvm-accel");
  const Accelerator::Probe probe = accelerator->probe();
  return probe.usable ? std::string() : probe.reason;
}

void GuestPort::class_init(DeviceClass& c) { c.description = "Console, exit and scratch registers of test guests"; }

void GuestPort::realize() {
  map(system().io_root, 0x402, console_);
  map(system().io_root, 0xf4, exit_);
  map(system().io_root, 0x500, port_scratch_);
  map(system().memory_root, kMmio, mmio_scratch_);
}

IoResult GuestPort::console(Offset, Width, std::uint64_t value) {
  output_.push_back(static_cast<char>(value));
  return io_ok();
}

IoResult GuestPort::exit(Offset, Width, std::uint64_t value) {
  system().control.request_shutdown(ShutdownCause::GuestShutdown, static_cast<int>(value << 1 | 1));
  return io_ok();
}

IoResult GuestPort::load(const std::uint8_t* from, Width w, Counts& counts) {
  ++counts.reads.at(w);
  std::uint64_t value = 0;
  std::memcpy(&value, from, w);
  return value;
}

IoResult GuestPort::store(std::uint8_t* to, Width w, std::uint64_t value, Counts& counts) {
  ++counts.writes.at(w);
  std::memcpy(to, &value, w);
  return io_ok();
}

GuestMachine::GuestMachine(const GuestOptions& options, qom::Ref<Accelerator> accelerator) {
  root_ = qom::create<qom::Container>();
  machine_ = &root_->add_new_child<Machine>("machine");
  machine_->no_reboot = options.no_reboot;
  const MachineLock::Guard guard(system().lock);
  if (!accelerator) accelerator = qom::TypeRegistry::global().create_as<Accelerator>(options.accelerator + "-accel");
  for (const auto& [name, value] : options.accel) accelerator->set_text(name, value);
  const unsigned max_cpus = std::max(options.cpus, options.max_cpus);
  machine_->set_accelerator(std::move(accelerator), max_cpus);
  machine_->set_ram({options.ram});

  constexpr std::uint64_t kRomSize = 0x10000;
  auto rom = RamBlock::create("rom", kRomSize);
  std::ifstream file(guest_image(options.guest), std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  if (bytes.size() != kRomSize) throw Error("guest image '" + options.guest + "' is not 64 KiB");
  std::memcpy(rom->host(), bytes.data(), kRomSize);
  rom_high_ = std::make_unique<RamRegion>("rom-high", rom, true);
  rom_low_ = std::make_unique<RamRegion>("rom-low", rom, true);
  {
    const MemoryTransaction transaction;
    system().memory_root.add(0xffff0000, *rom_high_);
    system().memory_root.add(0xf0000, *rom_low_, 2);  // over what a host bridge shows there
  }
  CpuConfig cpus;
  cpus.model = options.cpu_model;
  cpus.count = options.cpus;
  cpus.max = cpus.topology.sockets = max_cpus;
  machine_->add_cpus(cpus);
  for (X86Cpu* cpu : machine_->cpus().cpus())
    for (const auto& [name, value] : options.cpu) cpu->set_text(name, value);
  port_ = qom::create<GuestPort>();
  machine_->add_child("port", port_);
  try {
    std::vector<Device*> devices;
    if (options.devices) devices = options.devices(*machine_);
    devices.push_back(port_.get());
    machine_->power_on(devices);
  } catch (...) {
    machine_->power_off();  // the destructor of what was not constructed does not run
    throw;
  }
}

GuestMachine::~GuestMachine() {
  const MachineLock::Guard guard(system().lock);
  machine_->power_off();
  rom_high_.reset();
  rom_low_.reset();
}

bool GuestMachine::run_until(const std::function<bool()>& done, double seconds) {
  return system().loop.run_until(done, static_cast<std::int64_t>(seconds * 1e9));
}

int GuestMachine::run() {
  int code = -1;
  bool ended = false;
  {
    const MachineLock::Guard guard(system().lock);
    machine_->add_observer([&](const Machine::EventData& event) {
      if (event.event == Machine::Event::Shutdown) ended = true;
      if (event.event == Machine::Event::Stop) system().loop.stop();
    });
    machine_->start();
  }
  const int exit = machine_->run();
  if (ended) code = exit;
  return code;
}

GuestRun run_guest(const GuestOptions& options, double seconds) {
  const IsolatedResult r = run_isolated(seconds, [&] {
    GuestMachine m(options);
    const int code = m.run();
    const MachineLock::Guard guard(m.system().lock);
    return fmt::format("{}\n{}\n{}", code, run_state_name(m.machine().run_state()), m.output());
  });
  GuestRun run;
  run.stderr_ = r.stderr_;
  run.failure = r.failure();
  if (!r.finished) return run;
  const std::size_t first = r.result.find('\n'), second = r.result.find('\n', first + 1);
  run.exit_code = std::stoi(r.result.substr(0, first));
  run.run_state = r.result.substr(first + 1, second - first - 1);
  run.output = r.result.substr(second + 1);
  return run;
}

}  // namespace machina::test
