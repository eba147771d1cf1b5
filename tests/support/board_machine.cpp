#include "tests/support/board_machine.h"

#include <algorithm>

#include "core/block/block_backend.h"
#include "hw/pci/pci_device.h"
#include "qom/find.h"
#include "tests/support/test_paths.h"

namespace machina::test {

namespace {

CommandLine command_line(std::vector<std::string> arguments) {
  for (const char* a : {"-accel", "qtest", "-display", "none", "-L"}) arguments.emplace_back(a);
  arguments.push_back((source_dir() / "configs").string());
  return CommandLine::parse(arguments);
}

}  // namespace

BoardMachine::BoardMachine(const std::vector<std::string>& arguments)
    : launch_(command_line(arguments)), io_(system().io), memory_(system().memory) {}

std::uint64_t BoardMachine::in(std::uint16_t port, Width width) {
  const MachineLock::Guard guard(system().lock);
  return io_.read(port, width);
}

void BoardMachine::out(std::uint16_t port, std::uint64_t value, Width width) {
  const MachineLock::Guard guard(system().lock);
  io_.write(port, width, value);
}

std::uint64_t BoardMachine::read(std::uint64_t address, Width width) {
  const MachineLock::Guard guard(system().lock);
  return memory_.read(address, width);
}

void BoardMachine::write(std::uint64_t address, std::uint64_t value, Width width) {
  const MachineLock::Guard guard(system().lock);
  memory_.write(address, width, value);
}

std::uint32_t BoardMachine::pci_read(PciAddress function, unsigned offset) {
  out(0xcf8, 0x80000000 | function.devfn() << 8 | offset, 4);
  return static_cast<std::uint32_t>(in(0xcfc, 4));
}

void BoardMachine::pci_write(PciAddress function, unsigned offset, std::uint32_t value) {
  out(0xcf8, 0x80000000 | function.devfn() << 8 | offset, 4);
  out(0xcfc, value, 4);
}

void BoardMachine::set_up_pci() {
  std::vector<PciDevice*> functions;
  qom::for_each<PciDevice>(machine(), [&](PciDevice& f) { functions.push_back(&f); });
  std::uint64_t port = 0xc000, memory = 0xe0000000;
  for (PciDevice* function : functions) {
    const PciAddress at = function->address();
    for (unsigned n = 0; n < PciDevice::kBars; ++n) {
      const std::uint64_t size = function->bar_size(n);
      if (size == 0) continue;
      std::uint64_t& next = pci_read(at, pci::kBar0 + 4 * n) & 1 ? port : memory;
      next = (next + size - 1) / size * size;
      pci_write(at, pci::kBar0 + 4 * n, static_cast<std::uint32_t>(next));
      next += size;
    }
    pci_write(at, pci::kCommand, pci::kCommandIo | pci::kCommandMemory | pci::kCommandBusMaster);
  }
}

void BoardMachine::settle() {
  {
    const MachineLock::Guard guard(system().lock);
    qom::for_each<BlockBackend>(machine().root(), [](BlockBackend& disk) {
      if (disk.in_flight()) disk.drain();
    });
  }
  system().loop.poll();
}

void BoardMachine::step(std::int64_t ns) {
  const MachineLock::Guard guard(system().lock);
  const std::int64_t host = system().host_clock.now_ns() + ns;
  system().clock.step_to(system().clock.now_ns() + ns);
  system().host_clock.step_to(host);
}

void BoardMachine::reset() {
  settle();
  const MachineLock::Guard guard(system().lock);
  machine().reset(ShutdownCause::HostQmpSystemReset);
  machine().start();
}

}  // namespace machina::test
