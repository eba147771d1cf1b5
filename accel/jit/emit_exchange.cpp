/// XADD, CMPXCHG, CMPXCHG8B, CMPXCHG16B.

#include "accel/jit/alu.h"
#include "accel/jit/emitters.h"

namespace machina::jit {

namespace {

template <class T, Place P, bool Locked>
const Block* xadd(Cpu& cpu, const Op* op) {
  const T b = get_register<T>(cpu, op->source);
  if constexpr (P == Place::Register) {
    const T a = get_register<T>(cpu, op->destination);
    set_register<T>(cpu, op->source, a);
    set_register<T>(cpu, op->destination, alu::Add::apply<T>(cpu.flags, a, b));  // last: both may be one register
  } else {
    const T a = change_place<T, P, Locked>(
        cpu, op, [b](ArithmeticFlags& flags, T old) { return alu::Add::apply<T>(flags, old, b); });
    set_register<T>(cpu, op->source, a);
  }
  return next(cpu, op);
}

template <class T>
const Block* cmpxchg_r(Cpu& cpu, const Op* op) {
  const T expected = get_register<T>(cpu, kRax * 8), old = get_register<T>(cpu, op->destination);
  alu::Cmp::apply<T>(cpu.flags, expected, old);
  if (expected == old) {
    set_register<T>(cpu, op->destination, get_register<T>(cpu, op->source));
  } else {
    set_register<T>(cpu, kRax * 8, old);
  }
  return next(cpu, op);
}
/// The destination is written in any case, with what it was when the comparison fails. SDM vol. 2, CMPXCHG.
template <class T, Place P, bool Locked>
const Block* cmpxchg_m(Cpu& cpu, const Op* op) {
  const T expected = get_register<T>(cpu, kRax * 8), value = get_register<T>(cpu, op->source);
  const T old = change_place<T, P, Locked>(cpu, op, [expected, value](ArithmeticFlags& flags, T a) {
    alu::Cmp::apply<T>(flags, expected, a);
    return a == expected ? value : a;
  });
  if (old != expected) set_register<T>(cpu, kRax * 8, old);
  return next(cpu, op);
}

void emit_xadd(Decoding& d) {
  d.use_destination_or_memory(0);
  d.use_source(1);
  d.op.handler = by_width(d.width(0), [&]<class T>() -> Handler {
    return by_place(d, 0, [&]<Place P>() -> Handler { return d.locked() ? &xadd<T, P, true> : &xadd<T, P, false>; });
  });
}
void emit_cmpxchg(Decoding& d) {
  d.use_destination_or_memory(0);
  d.use_source(1);
  d.op.handler = by_width(d.width(0), [&]<class T>() -> Handler {
    return by_place(d, 0, [&]<Place P>() -> Handler {
      if constexpr (P == Place::Register) {
        return &cmpxchg_r<T>;
      } else {
        return d.locked() ? &cmpxchg_m<T, P, true> : &cmpxchg_m<T, P, false>;
      }
    });
  });
}

/// Locked whether it says so or not: nobody can tell.
template <Addressing A>
const Block* cmpxchg8b(Cpu& cpu, const Op* op) {
  const std::uint64_t linear = linear_of<A, std::uint64_t>(cpu, op, true);
  const std::uint64_t expected = (cpu.gpr[kRdx] << 32) | (cpu.gpr[kRax] & 0xffffffff);
  const std::uint64_t value = (cpu.gpr[kRcx] << 32) | (cpu.gpr[kRbx] & 0xffffffff);
  const std::uint64_t old = update_locked<std::uint64_t>(
      cpu, op, linear, [=](ArithmeticFlags&, std::uint64_t a) { return a == expected ? value : a; });
  cpu.flags.set_zf(old == expected);
  if (old != expected) {
    cpu.gpr[kRax] = old & 0xffffffff;
    cpu.gpr[kRdx] = old >> 32;
  }
  return next(cpu, op);
}

/// Compares, exchanges, and leaves in RAX and RDX what was there when it was not equal.
bool exchange_16(Cpu& cpu, void* host) {
  bool equal;
  auto* whole = static_cast<unsigned __int128*>(host);
  asm volatile("lock cmpxchg16b %[m]"
               : [m] "+m"(*whole), "+a"(cpu.gpr[kRax]), "+d"(cpu.gpr[kRdx]), "=@ccz"(equal)
               : "b"(cpu.gpr[kRbx]), "c"(cpu.gpr[kRcx])
               : "memory");
  return equal;
}
/// Where the host cannot: not RAM.
bool exchange_16_in_pieces(Cpu& cpu, const Op* op, std::uint64_t linear) {
  const std::lock_guard lock(cpu.environment.bus_lock());
  check_write(cpu, op, linear, 16);
  std::array<std::uint64_t, 2> old{};
  read_bytes(cpu, op, linear, old.data(), 16);
  const bool equal = old[0] == cpu.gpr[kRax] && old[1] == cpu.gpr[kRdx];
  const std::array<std::uint64_t, 2> value = equal ? std::array<std::uint64_t, 2>{cpu.gpr[kRbx], cpu.gpr[kRcx]} : old;
  write_bytes(cpu, op, linear, value.data(), 16);
  cpu.gpr[kRax] = old[0];
  cpu.gpr[kRdx] = old[1];
  return equal;
}
[[gnu::noinline]] bool compare_and_exchange_16(Cpu& cpu, const Op* op, std::uint64_t linear) {
  if (linear % 16 != 0) {  // SDM vol. 2, CMPXCHG8B/CMPXCHG16B
    cpu.fault_op = op;
    raise(Vector::GeneralProtection, 0);
  }
  const HostAccess access = map_for_update(cpu, op, linear, 16);
  if (!access.host) return exchange_16_in_pieces(cpu, op, linear);
  const bool equal = exchange_16(cpu, access.host);
  written(cpu, access, 16);
  return equal;
}
const Block* cmpxchg16b(Cpu& cpu, const Op* op) {
  cpu.flags.set_zf(compare_and_exchange_16(cpu, op, linear_flat(cpu, op)));
  return next(cpu, op);
}

void emit_cmpxchg8b(Decoding& d) {
  d.use_memory(0);
  d.op.handler = d.checked ? &cmpxchg8b<Addressing::Checked> : &cmpxchg8b<Addressing::Flat>;
}
void emit_cmpxchg16b(Decoding& d) {
  d.use_memory(0);
  d.op.handler = &cmpxchg16b;  // 64-bit code only
}

}  // namespace

void add_exchange_emitters(EmitterTable& table) {
  table[ZYDIS_MNEMONIC_XADD] = &emit_xadd;
  table[ZYDIS_MNEMONIC_CMPXCHG] = &emit_cmpxchg;
  table[ZYDIS_MNEMONIC_CMPXCHG8B] = &emit_cmpxchg8b;
  table[ZYDIS_MNEMONIC_CMPXCHG16B] = &emit_cmpxchg16b;
}

}  // namespace machina::jit
