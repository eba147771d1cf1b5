#pragma once
/// Operands of handlers that need more than a register: memory that is read and written in one instruction.

#include <atomic>

#include "accel/jit/memory.h"
#include "accel/jit/registers.h"

namespace machina::jit {

/// Held while an atomic access that the host cannot do in one piece is done in several.
class SplitLock {
 public:
  SplitLock();
  ~SplitLock();
  SplitLock(const SplitLock&) = delete;
  SplitLock& operator=(const SplitLock&) = delete;
};

/// Which memory handlers are used: kFlat where no segment needs a check.
enum class Addressing : bool { Flat, Checked };

template <Addressing A, class T>
inline std::uint64_t linear_of(Cpu& cpu, const Op* op, bool write) {
  if constexpr (A == Addressing::Flat) {
    (void)write;
    return linear_flat(cpu, op);
  } else {
    return linear_checked(cpu, op, sizeof(T), write);
  }
}

/// `change(flags, old)` gives what is written. Flags are the CPU's only once the write can no longer fault.
template <class T, class Change>
inline void update(Cpu& cpu, const Op* op, std::uint64_t linear, Change change) {
  const TlbEntry& e = cpu.tlb->entry(linear);
  if (e.write.load(std::memory_order_relaxed) == tag_of<T>(linear)) [[likely]] {
    T value;
    void* host = reinterpret_cast<void*>(linear + e.addend);
    std::memcpy(&value, host, sizeof value);
    value = change(cpu.flags, value);
    std::memcpy(host, &value, sizeof value);
    return;
  }
  if (const HostAccess access = map_for_update(cpu, op, linear, sizeof(T)); access.host) {
    T value;
    std::memcpy(&value, access.host, sizeof value);
    value = change(cpu.flags, value);
    std::memcpy(access.host, &value, sizeof value);
    written(cpu, access, sizeof value);
    return;
  }
  // Registers, or two pages. The write is checked again below, before anything is stored.
  ArithmeticFlags flags = cpu.flags;
  const T value = change(flags, static_cast<T>(read_slow(cpu, op, linear, sizeof(T))));
  write_slow(cpu, op, linear, sizeof(T), value);
  cpu.flags = flags;
}

/// The same as one transaction on the bus: LOCK, and XCHG with memory. RAM only knows other CPUs as competitors; what
/// crosses pages or is not RAM takes a lock of its own (SDM vol. 3, 9.1.2.2: such locks are slow on any processor).
template <class T, class Change>
inline void update_locked(Cpu& cpu, const Op* op, std::uint64_t linear, Change change) {
  const TlbEntry& e = cpu.tlb->entry(linear);
  HostAccess access;
  if (e.write.load(std::memory_order_relaxed) == tag_of<T>(linear)) [[likely]] {
    access.host = reinterpret_cast<void*>(linear + e.addend);
  } else {
    access = map_for_update(cpu, op, linear, sizeof(T));
  }
  if (access.host) {
    T* p = static_cast<T*>(access.host);
    T old = __atomic_load_n(p, __ATOMIC_RELAXED);
    for (;;) {
      ArithmeticFlags flags = cpu.flags;
      const T value = change(flags, old);
      // x86 does this for any alignment, as for the guest.
      if (__atomic_compare_exchange_n(p, &old, value, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)) {
        cpu.flags = flags;
        if (access.code) written(cpu, access, sizeof value);
        return;
      }
    }
  }
  const SplitLock lock;
  update<T>(cpu, op, linear, change);
}

}  // namespace machina::jit
