#include "machines/monitor/guest_memory.h"

#include <algorithm>
#include <cstring>

#include "core/memory/peekable_memory.h"
#include "machines/machine.h"

namespace machina {

GuestMemory::GuestMemory(Machine& machine) : system_(machine.system()), devices_(&machine) {}

bool GuestMemory::peek(const FlatRange& range, std::uint64_t address, std::span<std::uint8_t> to) const {
  if (!devices_) return false;
  bool known = false;
  qom::for_each<PeekableMemory>(*devices_, [&](const PeekableMemory& device) {
    known = known || device.peek(*range.region, range.offset + (address - range.first), to);
  });
  return known;
}

bool GuestMemory::read_physical(std::uint64_t address, std::span<std::uint8_t> to) const {
  const auto view = system_.memory.view();
  while (!to.empty()) {
    const FlatRange* range = view->find(address);
    if (!range) return false;
    const std::uint64_t here = range->last - address;  // bytes behind this one
    const std::size_t n = here >= to.size() ? to.size() : static_cast<std::size_t>(here + 1);
    if (range->is_ram()) {
      std::memcpy(to.data(), range->host + (address - range->first), n);
    } else if (!peek(*range, address, to.first(n))) {
      return false;
    }
    to = to.subspan(n);
    address += n;
  }
  return true;
}

std::optional<std::uint64_t> GuestMemory::to_physical(const X86State& state, std::uint64_t linear) const {
  return translate(state, linear, reader());
}

bool GuestMemory::read_linear(const X86State& state, std::uint64_t address, std::span<std::uint8_t> to) const {
  while (!to.empty()) {
    const auto physical = to_physical(state, address);
    if (!physical) return false;
    const std::size_t n = std::min<std::size_t>(to.size(), 4096 - (address & 0xfff));
    if (!read_physical(*physical, to.first(n))) return false;
    to = to.subspan(n);
    address += n;
  }
  return true;
}

ReadPhysical GuestMemory::reader() const {
  return [this](std::uint64_t address, std::span<std::uint8_t> to) { return read_physical(address, to); };
}

}  // namespace machina
