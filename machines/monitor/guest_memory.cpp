#include "machines/monitor/guest_memory.h"

#include <algorithm>
#include <cstring>

#include "core/memory/peekable_memory.h"
#include "hw/intc/apic_regs.h"
#include "machines/machine.h"

namespace machina {
namespace {

/// The page that the registers of its local APIC are in, if a CPU has one there.
std::optional<std::uint64_t> apic_page(const X86State* cpu) {
  if (!cpu || !cpu->lapic_valid || !(cpu->apic_base & apic::kBaseEnable) || cpu->apic_base & apic::kBaseExtended)
    return std::nullopt;
  return cpu->apic_base & apic::kBaseAddress;
}

/// What the page holds behind the registers reads as zeros.
void read_apic(const X86State& cpu, std::size_t offset, std::span<std::uint8_t> to) {
  for (std::uint8_t& byte : to) {
    byte = offset < cpu.lapic.size() ? cpu.lapic[offset] : std::uint8_t{0};
    ++offset;
  }
}

}  // namespace

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

bool GuestMemory::access_physical(std::uint64_t address, std::span<std::uint8_t> to, const X86State* cpu) const {
  const std::optional<std::uint64_t> apic = apic_page(cpu);
  bool answered = true;
  while (!to.empty()) {
    // Anew for each piece: what a register does may be to move another one.
    const auto view = system_.memory.view();
    const FlatRange* const range = view->find(address);
    const std::uint64_t in_page = address % apic::kPageSize;
    std::size_t n = std::min<std::size_t>(to.size(), apic::kPageSize - in_page);
    if (apic && address - in_page == *apic) {
      read_apic(*cpu, in_page, to.first(n));
    } else if (range) {
      n = static_cast<std::size_t>(std::min<std::uint64_t>(n - 1, range->last - address)) + 1;
      // What can be had without an effect is had that way.
      if (range->is_ram() || !peek(*range, address, to.first(n)))
        answered = system_.memory.read(address, to.first(n)) == MemTxResult::Ok && answered;
    } else {
      // Up to where the next range begins, which may be in this page.
      const auto& ranges = view->ranges();
      const auto next =
          std::find_if(ranges.begin(), ranges.end(), [&](const FlatRange& r) { return r.first > address; });
      if (next != ranges.end()) n = static_cast<std::size_t>(std::min<std::uint64_t>(n, next->first - address));
      std::fill_n(to.begin(), n, std::uint8_t{0});
      answered = false;
    }
    to = to.subspan(n);
    address += n;
  }
  return answered;
}

template <class Read>
bool GuestMemory::each_page(const X86State& state, std::uint64_t address, std::span<std::uint8_t> to,
                            Read&& read) const {
  while (!to.empty()) {
    const auto physical = to_physical(state, address);
    if (!physical) return false;
    const std::size_t n = std::min<std::size_t>(to.size(), 4096 - (address & 0xfff));
    if (!read(*physical, to.first(n))) return false;
    to = to.subspan(n);
    address += n;
  }
  return true;
}

bool GuestMemory::read_linear(const X86State& state, std::uint64_t address, std::span<std::uint8_t> to) const {
  return each_page(state, address, to, [this](std::uint64_t at, auto piece) { return read_physical(at, piece); });
}

bool GuestMemory::access_linear(const X86State& state, std::uint64_t address, std::span<std::uint8_t> to) const {
  return each_page(state, address, to,
                   [&](std::uint64_t at, auto piece) { return access_physical(at, piece, &state); });
}

ReadPhysical GuestMemory::reader() const {
  return [this](std::uint64_t address, std::span<std::uint8_t> to) { return read_physical(address, to); };
}

}  // namespace machina
