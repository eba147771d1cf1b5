#include "machines/monitor/guest_memory.h"

#include <algorithm>
#include <cstring>

namespace machina {

bool GuestMemory::read_physical(std::uint64_t address, std::span<std::uint8_t> to) const {
  const auto view = system_.memory.view();
  while (!to.empty()) {
    const FlatRange* range = view->find(address);
    if (!range || !range->is_ram()) return false;
    const std::uint64_t here = range->last - address;  // bytes behind this one
    const std::size_t n = here >= to.size() ? to.size() : static_cast<std::size_t>(here + 1);
    std::memcpy(to.data(), range->host + (address - range->first), n);
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
