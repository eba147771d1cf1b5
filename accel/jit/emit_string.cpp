/// MOVS, STOS, LODS, SCAS, CMPS, with REP, REPE and REPNE.
///
/// Registers are exact after every element, so that a fault, an interrupt or a single step in the middle finds the
/// instruction ready to start over. Runs of RAM are moved and filled a page at a time.

#include <algorithm>

#include "accel/jit/alu.h"
#include "accel/jit/emitters.h"
#include "accel/jit/string_operation.h"

namespace machina::jit {

void use_string(Decoding& d) {
  const unsigned bits = d.instruction.address_width;
  d.op.address_mask = bits == 64 ? ~std::uint64_t{0} : bits == 32 ? 0xffffffff : 0xffff;
  d.op.segment = kDs;
  for (const ZydisDecodedOperand& operand : d.operands) {
    if (operand.type != ZYDIS_OPERAND_TYPE_MEMORY) continue;
    const ZydisRegister base = operand.mem.base;
    const bool source = base == ZYDIS_REGISTER_RSI || base == ZYDIS_REGISTER_ESI || base == ZYDIS_REGISTER_SI;
    if (source) d.op.segment = static_cast<std::uint8_t>(operand.mem.segment - ZYDIS_REGISTER_ES);
  }
  Repeat repeat = Repeat::None;
  for (unsigned i = 0; i < d.instruction.raw.prefix_count; ++i) {  // the last one counts
    if (d.instruction.raw.prefixes[i].value == 0xf3) repeat = Repeat::WhileEqual;
    if (d.instruction.raw.prefixes[i].value == 0xf2) repeat = Repeat::WhileNotEqual;
  }
  d.op.extra = static_cast<std::uint8_t>(repeat);
}

namespace {

/// Elements between two looks at requests where they are done one by one.
constexpr unsigned kElementsAtOnce = 1024;

/// How many elements from `offset` on lie in the same page, and before the address wraps, upwards.
std::uint64_t elements_in_page(std::uint64_t linear, std::uint64_t offset, std::uint64_t mask, unsigned size) {
  const std::uint64_t in_page = kPageSize - (linear & (kPageSize - 1));
  const std::uint64_t to_wrap = mask - offset;  // one less than there are: no overflow
  return std::min(in_page, to_wrap) / size;
}

/// Elements within the segment, whose first has been checked: all that the limit leaves.
std::uint64_t elements_in_segment(const Cpu& cpu, unsigned segment, std::uint64_t offset, unsigned size) {
  if (cpu.mode & kModeLong || ((cpu.mode & kModeFlat) && segment < kFs)) return ~std::uint64_t{0};
  const Segment& s = cpu.segment[segment];
  if (cpu.protected_mode() && !s.code() && s.conforming_or_down()) return 1;
  return (s.limit - offset + 1) / size;
}

const std::uint8_t* readable(const Cpu& cpu, std::uint64_t linear) {
  const TlbEntry& e = cpu.tlb->entry(linear);
  return e.read.load(std::memory_order_relaxed) == (linear & kPageMask)
             ? reinterpret_cast<const std::uint8_t*>(linear + e.addend)
             : nullptr;
}
std::uint8_t* writable(const Cpu& cpu, std::uint64_t linear) {
  const TlbEntry& e = cpu.tlb->entry(linear);
  return e.write.load(std::memory_order_relaxed) == (linear & kPageMask)
             ? reinterpret_cast<std::uint8_t*>(linear + e.addend)
             : nullptr;
}

/// Forwards, element by element where they overlap so that a later one reads what an earlier one wrote.
template <class T>
void copy_forward(std::uint8_t* to, const std::uint8_t* from, std::uint64_t count) {
  const std::uint64_t bytes = count * sizeof(T);
  if (static_cast<std::uint64_t>(to - from) >= bytes) {
    ram_move(to, from, bytes);
    return;
  }
  for (std::uint64_t i = 0; i < bytes; i += sizeof(T)) {
    ram_store(to + i, ram_load<T>(from + i));
    asm volatile("" ::: "memory");  // neither merged nor reordered
  }
}
template <class T>
void fill(std::uint8_t* to, T value, std::uint64_t count) {
  if constexpr (sizeof(T) == 1) {
    ram_fill(to, value, count);
  } else {
    for (std::uint64_t i = 0; i < count; ++i) ram_store(to + i * sizeof(T), value);
  }
}

template <class T>
void move_one(Cpu& cpu, const Op* op) {
  const std::uint64_t step = string_step(cpu, sizeof(T));
  const T value = load<T>(cpu, op, string_linear(cpu, op, op->segment, string_offset(cpu, op, kRsi), sizeof(T), false));
  store<T>(cpu, op, string_linear(cpu, op, kEs, string_offset(cpu, op, kRdi), sizeof(T), true), value);
  advance_string_register(cpu, op, kRsi, step);
  advance_string_register(cpu, op, kRdi, step);
}
/// As many elements as one page of each side allows, and at most `count`; 0: do it slowly.
template <class T>
std::uint64_t move_run(Cpu& cpu, const Op* op, std::uint64_t count) {
  if (cpu.system_flags & kDf) return 0;
  const std::uint64_t si = string_offset(cpu, op, kRsi), di = string_offset(cpu, op, kRdi);
  const std::uint64_t from = string_linear(cpu, op, op->segment, si, sizeof(T), false);
  const std::uint64_t to = string_linear(cpu, op, kEs, di, sizeof(T), true);
  const std::uint8_t* source = readable(cpu, from);
  std::uint8_t* destination = writable(cpu, to);
  if (!source || !destination) return 0;
  const std::uint64_t n =
      std::min({count, elements_in_page(from, si, op->address_mask, sizeof(T)),
                elements_in_page(to, di, op->address_mask, sizeof(T)),
                elements_in_segment(cpu, op->segment, si, sizeof(T)), elements_in_segment(cpu, kEs, di, sizeof(T))});
  if (n == 0) return 0;
  copy_forward<T>(destination, source, n);
  advance_string_register(cpu, op, kRsi, n * sizeof(T));
  advance_string_register(cpu, op, kRdi, n * sizeof(T));
  return n;
}

template <class T>
void store_one(Cpu& cpu, const Op* op) {
  store<T>(cpu, op, string_linear(cpu, op, kEs, string_offset(cpu, op, kRdi), sizeof(T), true),
           get_register<T>(cpu, kRax * 8));
  advance_string_register(cpu, op, kRdi, string_step(cpu, sizeof(T)));
}
template <class T>
std::uint64_t store_run(Cpu& cpu, const Op* op, std::uint64_t count) {
  if (cpu.system_flags & kDf) return 0;
  const std::uint64_t di = string_offset(cpu, op, kRdi);
  const std::uint64_t to = string_linear(cpu, op, kEs, di, sizeof(T), true);
  std::uint8_t* destination = writable(cpu, to);
  if (!destination) return 0;
  const std::uint64_t n = std::min(
      {count, elements_in_page(to, di, op->address_mask, sizeof(T)), elements_in_segment(cpu, kEs, di, sizeof(T))});
  if (n == 0) return 0;
  fill<T>(destination, get_register<T>(cpu, kRax * 8), n);
  advance_string_register(cpu, op, kRdi, n * sizeof(T));
  return n;
}

template <class T>
void load_one(Cpu& cpu, const Op* op) {
  set_register<T>(
      cpu, kRax * 8,
      load<T>(cpu, op, string_linear(cpu, op, op->segment, string_offset(cpu, op, kRsi), sizeof(T), false)));
  advance_string_register(cpu, op, kRsi, string_step(cpu, sizeof(T)));
}

template <class T>
struct Movs {
  static void one(Cpu& cpu, const Op* op) { move_one<T>(cpu, op); }
  static std::uint64_t run(Cpu& cpu, const Op* op, std::uint64_t count) { return move_run<T>(cpu, op, count); }
};
template <class T>
struct Stos {
  static void one(Cpu& cpu, const Op* op) { store_one<T>(cpu, op); }
  static std::uint64_t run(Cpu& cpu, const Op* op, std::uint64_t count) { return store_run<T>(cpu, op, count); }
};
template <class T>
struct Lods {
  static void one(Cpu& cpu, const Op* op) { load_one<T>(cpu, op); }
  static std::uint64_t run(Cpu&, const Op*, std::uint64_t) { return 0; }
};

template <class Instruction>
const Block* once(Cpu& cpu, const Op* op) {
  Instruction::one(cpu, op);
  return next(cpu, op);
}
/// True: RCX is 0 now.
template <class Instruction>
bool repeat(Cpu& cpu, const Op* op) {
  unsigned in_a_row = 0;
  std::uint64_t left = string_offset(cpu, op, kRcx);
  while (left != 0) {
    std::uint64_t done = cpu.mode & kModeSingle ? 0 : Instruction::run(cpu, op, left);
    if (done != 0) {
      in_a_row = kElementsAtOnce;
    } else {
      Instruction::one(cpu, op);
      done = 1;
      ++in_a_row;
    }
    advance_string_register(cpu, op, kRcx, std::uint64_t{0} - done);
    left -= done;
    if (left != 0 && (cpu.mode & kModeSingle)) return false;
    if (in_a_row >= kElementsAtOnce) {
      if (left != 0 && !repeat_on(cpu)) return false;
      in_a_row = 0;
    }
  }
  return true;
}
template <class Instruction>
const Block* repeated(Cpu& cpu, const Op* op) {
  if (!repeat<Instruction>(cpu, op)) return leave_repetition(cpu, op);
  return next(cpu, op);
}
template <template <class> class Instruction, class T>
void emit_transfer(Decoding& d) {
  use_string(d);
  d.op.handler =
      d.op.extra == static_cast<std::uint8_t>(Repeat::None) ? &once<Instruction<T>> : &repeated<Instruction<T>>;
}

/// What a comparison was of; flags are made of the last one, when the instruction ends or is left: a fault finds them
/// as they were before it (SDM vol. 2, REP).
template <class T>
struct Pair {
  T a, b;
};

template <class T>
struct Scas {
  using Element = T;
  static Pair<T> one(Cpu& cpu, const Op* op) {
    const T b = load<T>(cpu, op, string_linear(cpu, op, kEs, string_offset(cpu, op, kRdi), sizeof(T), false));
    advance_string_register(cpu, op, kRdi, string_step(cpu, sizeof(T)));
    return {get_register<T>(cpu, kRax * 8), b};
  }
};
template <class T>
struct Cmps {
  using Element = T;
  static Pair<T> one(Cpu& cpu, const Op* op) {
    const std::uint64_t step = string_step(cpu, sizeof(T));
    // Where both fault it is the second's that is seen: undocumented, and what the host does.
    const T b = load<T>(cpu, op, string_linear(cpu, op, kEs, string_offset(cpu, op, kRdi), sizeof(T), false));
    const T a = load<T>(cpu, op, string_linear(cpu, op, op->segment, string_offset(cpu, op, kRsi), sizeof(T), false));
    advance_string_register(cpu, op, kRsi, step);
    advance_string_register(cpu, op, kRdi, step);
    return {a, b};
  }
};

template <class Instruction>
const Block* compare_once(Cpu& cpu, const Op* op) {
  using T = typename Instruction::Element;
  const Pair<T> pair = Instruction::one(cpu, op);
  alu::Cmp::apply<T>(cpu.flags, pair.a, pair.b);
  return next(cpu, op);
}
/// True: it is over.
template <class Instruction>
bool compare(Cpu& cpu, const Op* op) {
  using T = typename Instruction::Element;
  const bool while_equal = op->extra == static_cast<std::uint8_t>(Repeat::WhileEqual);
  std::uint64_t left = string_offset(cpu, op, kRcx);
  if (left == 0) return true;
  for (unsigned in_a_row = 0;;) {
    const Pair<T> pair = Instruction::one(cpu, op);
    advance_string_register(cpu, op, kRcx, ~std::uint64_t{0});
    const bool over = --left == 0 || (pair.a == pair.b) != while_equal;
    const bool pause = (cpu.mode & kModeSingle) || (++in_a_row % kElementsAtOnce == 0 && !repeat_on(cpu));
    if (!over && !pause) continue;
    alu::Cmp::apply<T>(cpu.flags, pair.a, pair.b);
    return over;
  }
}
template <class Instruction>
const Block* compare_repeated(Cpu& cpu, const Op* op) {
  if (!compare<Instruction>(cpu, op)) return leave_repetition(cpu, op);
  return next(cpu, op);
}
template <template <class> class Instruction, class T>
void emit_comparison(Decoding& d) {
  use_string(d);
  d.op.handler = d.op.extra == static_cast<std::uint8_t>(Repeat::None) ? &compare_once<Instruction<T>>
                                                                       : &compare_repeated<Instruction<T>>;
}

}  // namespace

void add_string_emitters(EmitterTable& table) {
  using U8 = std::uint8_t;
  using U16 = std::uint16_t;
  using U32 = std::uint32_t;
  using U64 = std::uint64_t;
  table[ZYDIS_MNEMONIC_MOVSB] = &emit_transfer<Movs, U8>;
  table[ZYDIS_MNEMONIC_MOVSW] = &emit_transfer<Movs, U16>;
  table[kRowStringMovsd] = &emit_transfer<Movs, U32>;
  table[ZYDIS_MNEMONIC_MOVSQ] = &emit_transfer<Movs, U64>;
  table[ZYDIS_MNEMONIC_STOSB] = &emit_transfer<Stos, U8>;
  table[ZYDIS_MNEMONIC_STOSW] = &emit_transfer<Stos, U16>;
  table[ZYDIS_MNEMONIC_STOSD] = &emit_transfer<Stos, U32>;
  table[ZYDIS_MNEMONIC_STOSQ] = &emit_transfer<Stos, U64>;
  table[ZYDIS_MNEMONIC_LODSB] = &emit_transfer<Lods, U8>;
  table[ZYDIS_MNEMONIC_LODSW] = &emit_transfer<Lods, U16>;
  table[ZYDIS_MNEMONIC_LODSD] = &emit_transfer<Lods, U32>;
  table[ZYDIS_MNEMONIC_LODSQ] = &emit_transfer<Lods, U64>;
  table[ZYDIS_MNEMONIC_SCASB] = &emit_comparison<Scas, U8>;
  table[ZYDIS_MNEMONIC_SCASW] = &emit_comparison<Scas, U16>;
  table[ZYDIS_MNEMONIC_SCASD] = &emit_comparison<Scas, U32>;
  table[ZYDIS_MNEMONIC_SCASQ] = &emit_comparison<Scas, U64>;
  table[ZYDIS_MNEMONIC_CMPSB] = &emit_comparison<Cmps, U8>;
  table[ZYDIS_MNEMONIC_CMPSW] = &emit_comparison<Cmps, U16>;
  table[kRowStringCmpsd] = &emit_comparison<Cmps, U32>;
  table[ZYDIS_MNEMONIC_CMPSQ] = &emit_comparison<Cmps, U64>;
}

}  // namespace machina::jit
