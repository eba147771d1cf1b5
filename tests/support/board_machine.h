#pragma once
/// A machine made from a command line as for a user, under the qtest accelerator: time moves only by step(). For tests
/// of whole boards in one process.

#include <cstdint>
#include <string>
#include <vector>

#include "hw/pci/pci_bus.h"
#include "machines/cli/launch.h"

namespace machina::test {

class BoardMachine {
 public:
  /// `arguments` as after machine-run; -accel qtest, no display and the tree's boards are added. Throws Error.
  explicit BoardMachine(const std::vector<std::string>& arguments);

  Machine& machine() { return launch_.machine(); }
  System& system() { return machine().system(); }

  std::uint64_t in(std::uint16_t port, Width width = 1);
  void out(std::uint16_t port, std::uint64_t value, Width width = 1);
  std::uint64_t read(std::uint64_t address, Width width);
  void write(std::uint64_t address, std::uint64_t value, Width width);
  std::uint32_t pci_read(PciAddress function, unsigned offset);
  void pci_write(PciAddress function, unsigned offset, std::uint32_t value);
  /// Gives each BAR an address and lets every function decode and master the bus, as firmware does.
  void set_up_pci();

  /// What devices and disks have asked the main thread for is done.
  void settle();
  /// Moves virtual and host time.
  void step(std::int64_t ns);
  /// Resets the machine and lets it run.
  void reset();

 private:
  Launch launch_;
  MemoryDispatch io_, memory_;
};

}  // namespace machina::test
