#pragma once
/// What every device of one machine shares, handed to it when it is put on a board. There are no globals: a process may
/// hold several machines.

#include <memory>
#include <string>

#include "core/clock.h"
#include "core/event_loop.h"
#include "core/machine_lock.h"
#include "core/memory/address_space.h"
#include "core/memory/memory_region.h"
#include "core/run_control.h"

namespace machina {

struct System {
  explicit System(RunControl& run_control) : control(run_control) {
    loop.drive(realtime), loop.drive(host_clock), loop.drive(clock);
  }

  MachineLock lock;
  EventLoop loop{lock};
  Clock clock{ClockKind::Virtual};      ///< what devices tick by
  Clock host_clock{ClockKind::Host};    ///< base of the RTC
  Clock realtime{ClockKind::Realtime};  ///< display refresh, monitor

  ContainerRegion memory_root{"system", MemoryRegion::kWholeSpace};
  ContainerRegion io_root{"io", 0x10000};
  /// What a CPU in system management mode sees over `memory_root`; the chipset fills it. Empty on a board without
  /// SMRAM.
  ContainerRegion smram_root{"smram", MemoryRegion::kWholeSpace};
  AddressSpace memory{"memory", memory_root, lock};
  AddressSpace io{"I/O", io_root, lock};

  /// All guest RAM as one block, from address 0 without the hole; null until the machine has made it.
  std::shared_ptr<RamBlock> ram;
  std::uint64_t ram_below_4g = 0;  ///< bytes mapped at 0; the rest, if any, starts at 4 GiB
  std::uint64_t ram_above_4g = 0;

  RunControl& control;
};

}  // namespace machina
