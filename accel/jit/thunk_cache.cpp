#include "accel/jit/thunk_cache.h"

namespace machina::jit {

namespace {

/// The code itself, where it runs and as the key, and the node of the table.
std::size_t footprint(std::size_t code) { return 2 * code + CodeArea::kAlignment + 64; }

}  // namespace

const std::uint8_t* ThunkCache::intern(const std::vector<std::uint8_t>& code) {
  const std::lock_guard guard(mutex_);
  const std::string key(code.begin(), code.end());
  auto it = thunks_.find(key);
  if (it == thunks_.end()) {
    it = thunks_.emplace(key, area_.add(code)).first;
    bytes_.fetch_add(footprint(code.size()), std::memory_order_relaxed);
  }
  return it->second;
}

void ThunkCache::clear() {
  const std::lock_guard guard(mutex_);
  thunks_.clear();
  area_.clear();
  bytes_.store(0, std::memory_order_relaxed);
}

}  // namespace machina::jit
