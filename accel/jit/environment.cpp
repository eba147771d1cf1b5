#include "accel/jit/environment.h"

#include <chrono>

namespace machina::jit {

unsigned Environment::send_ipis(std::uint32_t, std::uint64_t, bool, std::uint8_t) { return 0; }

std::uint64_t Environment::wall_clock() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(now).count());
}

}  // namespace machina::jit
