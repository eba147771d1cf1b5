/// NOP and what is one here; cache control, fences, stores that go past the caches, RDRAND, RDSEED.
///
/// Caches are the host's own and coherent with everything, so that flushing a line comes down to its permission check.
/// UD0, UD1 and UD2 have no emitter: #UD.

#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "accel/jit/branch.h"
#include "accel/jit/emitters.h"
#include "core/error.h"

namespace machina::jit {

namespace {

const Block* nop(Cpu& cpu, const Op* op) { return next(cpu, op); }
/// Guest accesses are host accesses: what orders these orders those. LFENCE and SFENCE order nothing that x86 would
/// not order by itself, since no access here is speculative or goes past the caches.
const Block* mfence(Cpu& cpu, const Op* op) {
  asm volatile("mfence" ::: "memory");
  return next(cpu, op);
}
const Block* serialize(Cpu& cpu, const Op* op) { return next_fetched(cpu, op); }

/// Checked as a load of a byte. SDM vol. 2, CLFLUSH.
template <Addressing A>
const Block* flush_line(Cpu& cpu, const Op* op) {
  const std::uint64_t linear = linear_of<A, std::uint8_t>(cpu, op, false);
  if (cpu.tlb->entry(linear).read.load(std::memory_order_relaxed) != (linear & kPageMask))
    check_read(cpu, op, linear, 1);
  return next(cpu, op);
}
void emit_flush_line(Decoding& d) {
  d.use_memory(0);
  d.op.handler = d.checked ? &flush_line<Addressing::Checked> : &flush_line<Addressing::Flat>;
}

template <class T, Addressing A>
const Block* store_directly(Cpu& cpu, const Op* op) {
  store<T>(cpu, op, linear_of<A, T>(cpu, op, true), get_register<T>(cpu, op->source));
  return next(cpu, op);
}
void emit_store_directly(Decoding& d) {
  d.use_memory(0);
  d.use_source(1);
  d.op.handler = by_word_width(d.width(0), [&]<class T>() -> Handler {
    return d.checked ? &store_directly<T, Addressing::Checked> : &store_directly<T, Addressing::Flat>;
  });
}

[[gnu::noinline]] std::uint64_t random_bits() {
  std::uint64_t value;
  if (getentropy(&value, sizeof value) != 0)
    throw Error("no random bytes for the software CPU's RDRAND").why(std::strerror(errno)).hint("see getrandom(2)");
  return value;
}
/// CF: a number was ready, as always; the other flags are cleared. SDM vol. 2, RDRAND.
template <class T>
const Block* random(Cpu& cpu, const Op* op) {
  set_register<T>(cpu, op->destination, static_cast<T>(random_bits()));
  cpu.flags.set(kCf);
  return next(cpu, op);
}
void emit_random(Decoding& d) {
  d.use_destination(0);
  d.op.handler = by_word_width(d.width(0), []<class T>() -> Handler { return &random<T>; });
}

}  // namespace

void add_hint_emitters(EmitterTable& table) {
  // Prefetches have no faults. ENDBR and RDSSP are NOPs without CET, the bounds of MPX are without MPX.
  for (const ZydisMnemonic m :
       {ZYDIS_MNEMONIC_NOP,        ZYDIS_MNEMONIC_PREFETCH,   ZYDIS_MNEMONIC_PREFETCHNTA, ZYDIS_MNEMONIC_PREFETCHT0,
        ZYDIS_MNEMONIC_PREFETCHT1, ZYDIS_MNEMONIC_PREFETCHT2, ZYDIS_MNEMONIC_PREFETCHW,   ZYDIS_MNEMONIC_PREFETCHWT1,
        ZYDIS_MNEMONIC_CLDEMOTE,   ZYDIS_MNEMONIC_ENDBR32,    ZYDIS_MNEMONIC_ENDBR64,     ZYDIS_MNEMONIC_RDSSPD,
        ZYDIS_MNEMONIC_RDSSPQ,     ZYDIS_MNEMONIC_BNDMK,      ZYDIS_MNEMONIC_BNDCL,       ZYDIS_MNEMONIC_BNDCU,
        ZYDIS_MNEMONIC_BNDCN,      ZYDIS_MNEMONIC_BNDMOV,     ZYDIS_MNEMONIC_BNDLDX,      ZYDIS_MNEMONIC_BNDSTX,
        ZYDIS_MNEMONIC_LFENCE,     ZYDIS_MNEMONIC_SFENCE})
    table[m] = &emit_fixed<&nop>;
  table[ZYDIS_MNEMONIC_SERIALIZE] = &emit_fixed<&serialize>;
  table[ZYDIS_MNEMONIC_MFENCE] = &emit_fixed<&mfence>;
  table[ZYDIS_MNEMONIC_CLFLUSH] = &emit_flush_line;
  table[ZYDIS_MNEMONIC_CLFLUSHOPT] = &emit_flush_line;
  table[ZYDIS_MNEMONIC_CLWB] = &emit_flush_line;
  table[ZYDIS_MNEMONIC_MOVNTI] = &emit_store_directly;
  table[ZYDIS_MNEMONIC_MOVDIRI] = &emit_store_directly;
  table[ZYDIS_MNEMONIC_RDRAND] = &emit_random;
  table[ZYDIS_MNEMONIC_RDSEED] = &emit_random;
}

}  // namespace machina::jit
