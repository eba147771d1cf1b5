#include "accel/jit/guest_ram.h"

#include <algorithm>

namespace machina::jit {

namespace {

/// The largest aligned piece at `address` that `left` bytes have room for: 8, 4, 2 or 1.
unsigned piece_at(std::uintptr_t address, std::size_t left) {
  unsigned piece = 8;
  while (piece > left || (address & (piece - 1))) piece >>= 1;
  return piece;
}

/// Relaxed atomic accesses: in one piece, and never made a call of memcpy().
template <class T>
MACHINA_GUEST_RAM inline void read_piece(std::uint8_t* to, const std::uint8_t* from) {
  const T value = __atomic_load_n(reinterpret_cast<const T*>(from), __ATOMIC_RELAXED);
  std::memcpy(to, &value, sizeof value);
}
template <class T>
MACHINA_GUEST_RAM inline void write_piece(std::uint8_t* to, const std::uint8_t* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  __atomic_store_n(reinterpret_cast<T*>(to), value, __ATOMIC_RELAXED);
}

}  // namespace

MACHINA_GUEST_RAM void ram_read(void* to, const void* from, std::size_t size) {
  auto* out = static_cast<std::uint8_t*>(to);
  const auto* in = static_cast<const std::uint8_t*>(from);
  for (std::size_t done = 0; done < size;) {
    const unsigned piece = piece_at(reinterpret_cast<std::uintptr_t>(in + done), size - done);
    switch (piece) {
      case 8:
        read_piece<std::uint64_t>(out + done, in + done);
        break;
      case 4:
        read_piece<std::uint32_t>(out + done, in + done);
        break;
      case 2:
        read_piece<std::uint16_t>(out + done, in + done);
        break;
      default:
        read_piece<std::uint8_t>(out + done, in + done);
    }
    done += piece;
  }
}

MACHINA_GUEST_RAM void ram_write(void* to, const void* from, std::size_t size) {
  auto* out = static_cast<std::uint8_t*>(to);
  const auto* in = static_cast<const std::uint8_t*>(from);
  for (std::size_t done = 0; done < size;) {
    const unsigned piece = piece_at(reinterpret_cast<std::uintptr_t>(out + done), size - done);
    switch (piece) {
      case 8:
        write_piece<std::uint64_t>(out + done, in + done);
        break;
      case 4:
        write_piece<std::uint32_t>(out + done, in + done);
        break;
      case 2:
        write_piece<std::uint16_t>(out + done, in + done);
        break;
      default:
        write_piece<std::uint8_t>(out + done, in + done);
    }
    done += piece;
  }
}

bool ram_equals(const void* ram, const void* bytes, std::size_t size) {
  const auto* at = static_cast<const std::uint8_t*>(ram);
  const auto* expected = static_cast<const std::uint8_t*>(bytes);
  std::uint8_t copy[256];
  for (std::size_t done = 0; done < size;) {
    const std::size_t piece = std::min(size - done, sizeof copy);
    ram_read(copy, at + done, piece);
    if (std::memcmp(copy, expected + done, piece) != 0) return false;
    done += piece;
  }
  return true;
}

#ifdef __SANITIZE_THREAD__  // its memmove() and memset() look at what they touch

void ram_move(void* to, const void* from, std::size_t size) {
  asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
}
void ram_fill(void* to, std::uint8_t value, std::size_t size) {
  asm volatile("rep stosb" : "+D"(to), "+c"(size) : "a"(value) : "memory");
}

#else

void ram_move(void* to, const void* from, std::size_t size) { std::memmove(to, from, size); }
void ram_fill(void* to, std::uint8_t value, std::size_t size) { std::memset(to, value, size); }

#endif

}  // namespace machina::jit
