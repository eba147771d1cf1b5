#include "machines/gdb/guest_access.h"

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

namespace machina {
namespace {

constexpr std::uint64_t kPage = 4096;

std::size_t in_page(std::uint64_t address, std::size_t size) {
  return static_cast<std::size_t>(std::min<std::uint64_t>(size, kPage - address % kPage));
}

}  // namespace

std::string GuestAccess::read(const X86State& state, std::uint64_t address, std::size_t size) const {
  std::string bytes;
  while (bytes.size() < size) {
    const std::size_t n = in_page(address, size - bytes.size());
    const std::size_t before = bytes.size();
    bytes.resize(before + n);
    const std::span<std::uint8_t> to(reinterpret_cast<std::uint8_t*>(bytes.data()) + before, n);
    const auto answered = [&](std::size_t first, std::size_t count) {
      return physical_ ? memory_.read_physical(address + first, to.subspan(first, count))
                       : memory_.read_linear(state, address + first, to.subspan(first, count));
    };
    if (!answered(0, n)) {
      // Memory may end within the page.
      std::size_t good = 0;
      while (good < n && answered(good, 1)) ++good;
      bytes.resize(before + good);
      break;
    }
    address += n;
  }
  return bytes;
}

bool GuestAccess::writable(std::uint64_t physical, std::size_t size) const {
  const auto view = system_.memory.view();
  for (std::size_t i = 0; i < size;) {
    const FlatRange* const range = view->find(physical + i);
    if (!range || !range->is_ram()) return false;
    const std::uint64_t behind = range->last - (physical + i);
    if (behind >= size - i) return true;
    i += static_cast<std::size_t>(behind) + 1;
  }
  return true;
}

void GuestAccess::store(std::uint64_t physical, std::string_view bytes) {
  const auto view = system_.memory.view();
  while (!bytes.empty()) {
    const FlatRange* const range = view->find(physical);
    const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size() - 1, range->last - physical)) + 1;
    std::uint8_t* const host = range->host + (physical - range->first);
    std::memcpy(host, bytes.data(), n);
    range->ram->mark_dirty(static_cast<std::uint64_t>(host - range->ram->host()), n);
    bytes.remove_prefix(n);
    physical += n;
  }
}

bool GuestAccess::write(const X86State& state, std::uint64_t address, std::string_view bytes) {
  std::vector<std::pair<std::uint64_t, std::string_view>> pieces;
  while (!bytes.empty()) {
    const std::size_t n = in_page(address, bytes.size());
    const auto at = physical_ ? std::optional(address) : memory_.to_physical(state, address);
    if (!at || !writable(*at, n)) return false;
    pieces.emplace_back(*at, bytes.substr(0, n));
    bytes.remove_prefix(n);
    address += n;
  }
  for (const auto& [at, piece] : pieces) store(at, piece);
  return true;
}

}  // namespace machina
