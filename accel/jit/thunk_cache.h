#pragma once
/// The thunks of a machine, each of them once. A guest chooses how many there are (every immediate of VPALIGNR makes
/// another), so they count as blocks do and go when those go.

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "accel/jit/code_area.h"

namespace machina::jit {

class ThunkCache {
 public:
  /// Where this code is to be run. Any thread. Throws Error when the host gives no memory for it.
  const std::uint8_t* intern(const std::vector<std::uint8_t>& code);
  /// Memory that it takes, roughly. Any thread.
  std::size_t bytes() const { return bytes_.load(std::memory_order_relaxed); }
  /// Nobody runs a thunk, nor keeps a block that knows one.
  void clear();

 private:
  std::mutex mutex_;
  CodeArea area_;
  std::unordered_map<std::string, const std::uint8_t*> thunks_;
  std::atomic<std::size_t> bytes_{0};
};

}  // namespace machina::jit
