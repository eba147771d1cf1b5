#pragma once
/// Operands of handlers that need more than a register: memory that is read and written in one instruction.

#include <mutex>

#include "accel/jit/environment.h"
#include "accel/jit/memory.h"
#include "accel/jit/registers.h"

namespace machina::jit {

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

/// The same, for an operand that lies `by` bytes beyond what the instruction says: bit strings.
template <Addressing A, class T>
inline std::uint64_t linear_beyond(Cpu& cpu, const Op* op, std::uint64_t by, bool write) {
  const std::uint64_t offset = effective_offset(cpu, op, by);
  if constexpr (A == Addressing::Flat) {
    (void)write;
    return cpu.segment_base[op->segment] + offset;
  } else {
    return linear_in_segment(cpu, op, op->segment, offset, sizeof(T), write);
  }
}

template <class T, class Change>
[[gnu::noinline, gnu::cold]] T update_slowly(Cpu& cpu, const Op* op, std::uint64_t linear, Change change) {
  ArithmeticFlags flags = cpu.flags;
  T old;
  if (const HostAccess access = map_for_update(cpu, op, linear, sizeof(T)); access.host) {
    old = ram_load<T>(access.host);
    ram_store<T>(access.host, change(flags, old));
    written(cpu, access, sizeof(T));
  } else {
    // Registers, or two pages. Every fault is that of a write: the processor reads for ownership.
    check_write(cpu, op, linear, sizeof(T));
    old = static_cast<T>(read_slow(cpu, op, linear, sizeof(T)));
    const T value = change(flags, old);
    write_slow(cpu, op, linear, sizeof(T), value);
  }
  cpu.flags = flags;
  return old;
}

/// `change(flags, old)` gives what is written. Flags are the CPU's only once the write can no longer fault. Returns
/// what was there. `change` keeps no reference to a local of its handler: that would cost the handler its tail call.
template <class T, class Change>
inline T update(Cpu& cpu, const Op* op, std::uint64_t linear, Change change) {
  const TlbEntry& e = cpu.tlb->entry(linear);
  if (e.write.load(std::memory_order_relaxed) != tag_of<T>(linear)) [[unlikely]]
    return update_slowly<T>(cpu, op, linear, change);
  void* host = reinterpret_cast<void*>(linear + e.addend);
  const T old = ram_load<T>(host);
  ram_store<T>(host, change(cpu.flags, old));
  return old;
}

/// As one transaction. x86 does this for any alignment, as for the guest.
template <class T, class Change>
[[gnu::always_inline]] inline T exchange_atomically(Cpu& cpu, void* host, Change change) {
  T old = ram_load<T>(host);
  for (;;) {
    ArithmeticFlags flags = cpu.flags;
    const T value = change(flags, old);
    T seen = old;
    if (ram_compare_exchange(host, seen, value)) {
      cpu.flags = flags;
      return old;
    }
    old = seen;
  }
}

template <class T, class Change>
[[gnu::noinline, gnu::cold]] T update_locked_slowly(Cpu& cpu, const Op* op, std::uint64_t linear, Change change) {
  if (const HostAccess access = map_for_update(cpu, op, linear, sizeof(T)); access.host) {
    const T old = exchange_atomically<T>(cpu, access.host, change);
    written(cpu, access, sizeof(T));
    return old;
  }
  const std::lock_guard lock(cpu.environment.bus_lock());
  return update_slowly<T>(cpu, op, linear, change);
}

/// The same as one transaction on the bus: LOCK, and XCHG with memory. RAM only knows other CPUs as competitors; what
/// crosses pages or is not RAM takes a lock of its own (SDM vol. 3, 9.1.2.2: such locks are slow on any processor).
template <class T, class Change>
inline T update_locked(Cpu& cpu, const Op* op, std::uint64_t linear, Change change) {
  const TlbEntry& e = cpu.tlb->entry(linear);
  if (e.write.load(std::memory_order_relaxed) != tag_of<T>(linear)) [[unlikely]]
    return update_locked_slowly<T>(cpu, op, linear, change);
  return exchange_atomically<T>(cpu, reinterpret_cast<void*>(linear + e.addend), change);
}

/// Where an operand that may be either is; known when the instruction is decoded.
enum class Place : std::uint8_t { Register, Flat, Checked };

constexpr Addressing addressing(Place place) {
  return place == Place::Checked ? Addressing::Checked : Addressing::Flat;
}

/// The operand's value. `reg`: which register it is, if it is one.
template <class T, Place P>
inline T read_place(Cpu& cpu, const Op* op, std::uint8_t reg) {
  if constexpr (P == Place::Register) {
    (void)op;
    return get_register<T>(cpu, reg);
  } else {
    (void)reg;
    return load<T>(cpu, op, linear_of<addressing(P), T>(cpu, op, false));
  }
}

/// update() or update_locked() of memory, or the same with Op::destination.
template <class T, Place P, bool Locked, class Change>
inline T change_place(Cpu& cpu, const Op* op, Change change) {
  if constexpr (P == Place::Register) {
    const T old = get_register<T>(cpu, op->destination);
    set_register<T>(cpu, op->destination, change(cpu.flags, old));
    return old;
  } else if constexpr (Locked) {
    return update_locked<T>(cpu, op, linear_of<addressing(P), T>(cpu, op, true), change);
  } else {
    return update<T>(cpu, op, linear_of<addressing(P), T>(cpu, op, true), change);
  }
}

}  // namespace machina::jit
