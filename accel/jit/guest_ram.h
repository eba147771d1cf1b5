#pragma once
/// How handlers touch guest RAM in this process. Nothing else of the software CPU does, but for thunks and instructions
/// in assembly.
///
/// CPUs of a guest may race for its memory as they like, and get what their processor gives them: an aligned access of
/// up to 8 bytes is in one piece, and no byte is read or written twice, but by ram_move() and ram_fill(). So these
/// functions are not looked at by ThreadSanitizer, which is there for what is ours. They must stay functions of their
/// own, and call none that it knows (memcpy() of a length that is not constant).

#include <emmintrin.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace machina::jit {

#define MACHINA_GUEST_RAM [[gnu::no_sanitize("thread")]]

template <class T>
MACHINA_GUEST_RAM inline T ram_load(const void* from) {
  static_assert(sizeof(T) <= 8);
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}
template <class T>
MACHINA_GUEST_RAM inline void ram_store(void* to, T value) {
  static_assert(sizeof(T) <= 8);
  std::memcpy(to, &value, sizeof value);
}
MACHINA_GUEST_RAM inline __m128i ram_load_16(const void* from) {
  return _mm_loadu_si128(static_cast<const __m128i*>(from));
}
MACHINA_GUEST_RAM inline void ram_store_16(void* to, __m128i value) {
  _mm_storeu_si128(static_cast<__m128i*>(to), value);
}

/// As one transaction, at any alignment. False: `expected` is what was there instead.
template <class T>
MACHINA_GUEST_RAM inline bool ram_compare_exchange(void* host, T& expected, T value) {
  return __atomic_compare_exchange_n(static_cast<T*>(host), &expected, value, false, __ATOMIC_SEQ_CST,
                                     __ATOMIC_RELAXED);
}

// --- any number of bytes, in the largest pieces that are aligned in guest RAM (guest_ram.cpp) ---
void ram_read(void* to, const void* from, std::size_t size);   ///< from guest RAM
void ram_write(void* to, const void* from, std::size_t size);  ///< to guest RAM
bool ram_equals(const void* ram, const void* bytes, std::size_t size);
// Of REP MOVS and REP STOS: as quick as the host can, who may write a byte twice. A guest that takes a lock within what
// another CPU of it overwrites that way has no use for either.
/// Both in guest RAM; where they overlap, `to` lies before `from`.
void ram_move(void* to, const void* from, std::size_t size);
void ram_fill(void* to, std::uint8_t value, std::size_t size);

}  // namespace machina::jit
