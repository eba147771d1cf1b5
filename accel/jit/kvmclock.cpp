#include "accel/jit/kvmclock.h"

#include <bit>
#include <cstring>

#include "accel/jit/block_cache.h"
#include "accel/jit/environment.h"

namespace machina::jit {

namespace {

constexpr std::uint64_t kEnabled = 1;
constexpr std::uint8_t kTscStable = 1;
constexpr std::uint64_t kNanoseconds = 1'000'000'000;

/// struct pvclock_vcpu_time_info.
struct TimeInfo {
  std::uint32_t version = 0;  ///< odd while the rest is being changed
  std::uint32_t padding = 0;
  std::uint64_t tsc_timestamp = 0;
  std::uint64_t system_time = 0;
  std::uint32_t tsc_to_system_mul = 0;
  std::int8_t tsc_shift = 0;
  std::uint8_t flags = 0;
  std::uint8_t padding2[2] = {};
};
static_assert(sizeof(TimeInfo) == 32);

/// struct pvclock_wall_clock.
struct WallClock {
  std::uint32_t version = 0;
  std::uint32_t seconds = 0;
  std::uint32_t nanoseconds = 0;
};
static_assert(sizeof(WallClock) == 12);

/// 32 bits at an address that is a multiple of 4: never across pages.
void write_word(Cpu& cpu, std::uint64_t physical, std::uint32_t value) {
  const HostPage page = cpu.environment.page(physical & kPageMask);
  if (!page.host || page.readonly) return;  // not RAM: the guest gave an address that nothing can be put at
  std::uint8_t* host = page.host + (physical & (kPageSize - 1));
  if (page.logged) {
    cpu.environment.write_physical(physical, 4, value);
  } else {
    __atomic_store_n(reinterpret_cast<std::uint32_t*>(host), value, __ATOMIC_SEQ_CST);
  }
  cpu.blocks.written(reinterpret_cast<std::uintptr_t>(host), 4);
}
std::uint32_t read_word(Cpu& cpu, std::uint64_t physical) {
  const HostPage page = cpu.environment.page(physical & kPageMask);
  if (!page.host) return 0;
  return __atomic_load_n(reinterpret_cast<const std::uint32_t*>(page.host + (physical & (kPageSize - 1))),
                         __ATOMIC_SEQ_CST);
}

/// The structure's first word is its version: odd, the rest, then even again.
template <class T>
void publish(Cpu& cpu, std::uint64_t physical, T info) {
  const std::uint32_t version = (read_word(cpu, physical) | 1) + 2;  // odd, and new
  write_word(cpu, physical, version);
  std::uint32_t words[sizeof(T) / 4];
  std::memcpy(words, &info, sizeof info);
  for (std::size_t i = 1; i < std::size(words); ++i) write_word(cpu, physical + 4 * i, words[i]);
  write_word(cpu, physical, version + 1);
}

}  // namespace

KvmclockScale kvmclock_scale(std::uint64_t tsc_khz) {
  // multiplier = 10^9 * 2^(32 - shift) / Hz, with the shift that puts it in [2^31, 2^32).
  const unsigned __int128 ratio = (static_cast<unsigned __int128>(kNanoseconds) << 64) / (tsc_khz * 1000);
  const auto high = static_cast<std::uint64_t>(ratio >> 64);
  const int width = high ? 64 + static_cast<int>(std::bit_width(high))
                         : static_cast<int>(std::bit_width(static_cast<std::uint64_t>(ratio)));
  KvmclockScale scale;
  // ratio has 64 bits behind its point; the multiplier has 32, and the width 32.
  scale.shift = static_cast<std::int8_t>(width - 64);
  scale.multiplier = static_cast<std::uint32_t>(ratio >> (width - 32));
  return scale;
}

std::uint64_t kvmclock_now(Cpu& cpu) {
  if (cpu.tsc_khz == 0) return 0;
  const KvmclockScale scale = kvmclock_scale(cpu.tsc_khz);
  const std::uint64_t ticks = cpu.environment.tsc() - cpu.msrs.tsc_adjust - cpu.kvmclock.tsc;
  const std::uint64_t shifted = scale.shift < 0 ? ticks >> -scale.shift : ticks << scale.shift;
  return cpu.kvmclock.ns + static_cast<std::uint64_t>(static_cast<unsigned __int128>(shifted) * scale.multiplier >> 32);
}

void update_kvmclock(Cpu& cpu) {
  if (!(cpu.msrs.system_time & kEnabled) || cpu.tsc_khz == 0) return;
  const KvmclockScale scale = kvmclock_scale(cpu.tsc_khz);
  TimeInfo info;
  info.tsc_timestamp = cpu.msrs.tsc_adjust + cpu.kvmclock.tsc;
  info.system_time = cpu.kvmclock.ns;
  info.tsc_to_system_mul = scale.multiplier;
  info.tsc_shift = scale.shift;
  info.flags = kTscStable;
  publish(cpu, cpu.msrs.system_time & ~std::uint64_t{3}, info);
}

void write_wall_clock(Cpu& cpu) {
  if (cpu.tsc_khz == 0) return;
  const std::uint64_t zero = cpu.environment.wall_clock() - kvmclock_now(cpu);
  WallClock wall;
  wall.seconds = static_cast<std::uint32_t>(zero / kNanoseconds);
  wall.nanoseconds = static_cast<std::uint32_t>(zero % kNanoseconds);
  publish(cpu, cpu.msrs.wall_clock & ~std::uint64_t{3}, wall);
}

}  // namespace machina::jit
