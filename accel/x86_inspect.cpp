#include "accel/x86_inspect.h"

#include <Zydis/Zydis.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/memory/address_space.h"

namespace machina {
namespace {

constexpr std::uint64_t kCr0Pe = 1U << 0, kCr0Pg = 1U << 31;
constexpr std::uint64_t kCr4Pse = 1U << 4, kCr4Pae = 1U << 5, kCr4La57 = 1U << 12;
constexpr std::uint64_t kEferLma = 1U << 10;
constexpr std::uint64_t kRflagsVm = 1U << 17;
// Bits of an entry of any level. SDM vol. 3, tables 4-14 to 4-20.
constexpr std::uint64_t kPresent = 1, kWritable = 1U << 1, kUser = 1U << 2, kLarge = 1U << 7;
constexpr std::uint64_t kNoExecute = std::uint64_t{1} << 63;
constexpr std::uint64_t kFrame = 0x000ffffffffff000;

std::optional<std::uint64_t> entry(std::uint64_t address, unsigned size, const ReadPhysical& read) {
  std::uint64_t value = 0;
  if (!read(address, std::span(reinterpret_cast<std::uint8_t*>(&value), size)) || !(value & kPresent))
    return std::nullopt;
  return value;
}

/// 32-bit paging without PAE: two levels of 4-byte entries. SDM vol. 3, 4.3.
std::optional<std::uint64_t> translate_32(const X86State& s, std::uint64_t linear, const ReadPhysical& read) {
  const auto directory = entry((s.cr3 & 0xfffff000) + (linear >> 22 & 0x3ff) * 4, 4, read);
  if (!directory) return std::nullopt;
  if ((*directory & kLarge) && (s.cr4 & kCr4Pse))
    return (*directory & 0xffc00000) | (*directory >> 13 & 0xff) << 32 | (linear & 0x3fffff);
  const auto table = entry((*directory & 0xfffff000) + (linear >> 12 & 0x3ff) * 4, 4, read);
  if (!table) return std::nullopt;
  return (*table & 0xfffff000) | (linear & 0xfff);
}

/// Pages of one linear address space, tables read as a whole.
class PageWalk {
 public:
  PageWalk(const ReadPhysical& read, const std::function<bool(const PageMapping&)>& visit)
      : read_(read), visit_(visit) {}

  /// Entries of 8 bytes. `above` are the flags that the levels above allow.
  bool from_top(std::uint64_t table, unsigned level) {
    top_ = level;
    return wide(table, level, 0, kWritable | kUser);
  }

  bool wide(std::uint64_t table, unsigned level, std::uint64_t linear, std::uint64_t above) {
    if (++tables_ > kMaxTables) return false;
    std::uint64_t entries[512];
    if (!read_(table, {reinterpret_cast<std::uint8_t*>(entries), sizeof entries})) return true;
    const unsigned shift = 12 + 9 * (level - 1);
    for (std::uint64_t i = 0; i < 512; ++i) {
      const std::uint64_t e = entries[i];
      if (!(e & kPresent)) continue;
      std::uint64_t at = linear | i << shift;
      if (level == top_ && at >> (shift + 8) & 1) at |= ~std::uint64_t{0} << (shift + 9);  // canonical
      const std::uint64_t flags = (e & above & (kWritable | kUser)) | ((e | above) & kNoExecute);
      if (level == 1 || (level <= 3 && (e & kLarge))) {
        const std::uint64_t size = std::uint64_t{1} << shift;
        const std::uint64_t kept = e & ~(kWritable | kUser | kNoExecute);
        if (!visit_({at, e & kFrame & ~(size - 1), size, kept | flags})) return false;
      } else if (!wide(e & kFrame, level - 1, at, flags)) {
        return false;
      }
    }
    return true;
  }

  bool narrow(const X86State& s) {
    std::uint32_t directory[1024], table[1024];
    if (!read_(s.cr3 & 0xfffff000, {reinterpret_cast<std::uint8_t*>(directory), sizeof directory})) return true;
    for (std::uint64_t i = 0; i < 1024; ++i) {
      const std::uint64_t d = directory[i];
      if (!(d & kPresent)) continue;
      if ((d & kLarge) && (s.cr4 & kCr4Pse)) {
        if (!visit_({i << 22, (d & 0xffc00000) | (d >> 13 & 0xff) << 32, 1U << 22, d})) return false;
        continue;
      }
      if (!read_(d & 0xfffff000, {reinterpret_cast<std::uint8_t*>(table), sizeof table})) continue;
      for (std::uint64_t j = 0; j < 1024; ++j) {
        const std::uint64_t e = table[j];
        if (!(e & kPresent)) continue;
        const std::uint64_t flags = (e & ~(kWritable | kUser)) | (e & d & (kWritable | kUser));
        if (!visit_({i << 22 | j << 12, e & 0xfffff000, 1U << 12, flags})) return false;
      }
    }
    return true;
  }

 private:
  /// A guest may let tables point to each other such that a walk never ends; real ones have far fewer.
  static constexpr unsigned kMaxTables = 1 << 20;

  const ReadPhysical& read_;
  const std::function<bool(const PageMapping&)>& visit_;
  unsigned tables_ = 0;
  unsigned top_ = 0;  // the level whose highest bit is copied into those above it; of 64-bit addresses only
};

}  // namespace

ReadPhysical ram_reader(std::shared_ptr<const FlatView> view) {
  return [view = std::move(view)](std::uint64_t address, std::span<std::uint8_t> to) {
    const FlatRange* range = view->find(address);
    if (!range || !range->is_ram() || range->last - address < to.size() - 1) return false;
    std::memcpy(to.data(), range->host + (address - range->first), to.size());
    return true;
  };
}

bool paging_enabled(const X86State& s) { return s.cr0 & kCr0Pg; }
bool is_long_mode(const X86State& s) { return s.efer & kEferLma; }
bool is_64_bit_code(const X86State& s) { return is_long_mode(s) && s.segment[kCs].l; }
bool is_real_mode(const X86State& s) { return !(s.cr0 & kCr0Pe) || (s.rflags & kRflagsVm); }

std::optional<std::uint64_t> translate(const X86State& s, std::uint64_t linear, const ReadPhysical& read) {
  if (!(s.cr0 & kCr0Pg)) return linear & 0xffffffff;
  if (!(s.cr4 & kCr4Pae)) return translate_32(s, linear, read);
  unsigned level;
  std::uint64_t table;
  if (is_long_mode(s)) {
    level = (s.cr4 & kCr4La57) ? 5 : 4;
    table = s.cr3 & kFrame;
  } else {
    // PAE: four pointers in registers, or where CR3 points.
    const std::uint64_t index = linear >> 30 & 3;
    std::uint64_t pointer = s.pdptr[index];
    if (!s.pdptr_valid) {
      const auto loaded = entry((s.cr3 & 0xffffffe0) + index * 8, 8, read);
      if (!loaded) return std::nullopt;
      pointer = *loaded;
    }
    if (!(pointer & kPresent)) return std::nullopt;
    level = 2;
    table = pointer & kFrame;
  }
  for (; level > 0; --level) {
    const unsigned shift = 12 + 9 * (level - 1);
    const auto e = entry(table + (linear >> shift & 0x1ff) * 8, 8, read);
    if (!e) return std::nullopt;
    const std::uint64_t in_page = (std::uint64_t{1} << shift) - 1;
    if (level == 1 || (level <= 3 && (*e & kLarge))) return (*e & kFrame & ~in_page) | (linear & in_page);
    table = *e & kFrame;
  }
  return std::nullopt;
}

void for_each_page(const X86State& s, const ReadPhysical& read, const std::function<bool(const PageMapping&)>& visit) {
  if (!paging_enabled(s)) return;
  PageWalk walk(read, visit);
  if (!(s.cr4 & kCr4Pae)) {
    walk.narrow(s);
  } else if (is_long_mode(s)) {
    walk.from_top(s.cr3 & kFrame, (s.cr4 & kCr4La57) ? 5 : 4);
  } else {
    for (std::uint64_t i = 0; i < 4; ++i) {
      std::uint64_t pointer = s.pdptr[i];
      if (!s.pdptr_valid) pointer = entry((s.cr3 & 0xffffffe0) + i * 8, 8, read).value_or(0);
      if ((pointer & kPresent) && !walk.wide(pointer & kFrame, 2, i << 30, kWritable | kUser)) return;
    }
  }
}

namespace {

struct Decoded {
  ZydisDecodedInstruction instruction;
  ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
};

/// False: no instruction of the mode that `s` is in.
bool decode(const X86State& s, std::span<const std::uint8_t> bytes, Decoded& to) {
  ZydisMachineMode mode = ZYDIS_MACHINE_MODE_LONG_64;
  ZydisStackWidth width = ZYDIS_STACK_WIDTH_64;
  if (!is_64_bit_code(s)) {
    const bool wide = s.segment[kCs].db && !is_real_mode(s);
    mode = is_real_mode(s)   ? ZYDIS_MACHINE_MODE_REAL_16
           : is_long_mode(s) ? (wide ? ZYDIS_MACHINE_MODE_LONG_COMPAT_32 : ZYDIS_MACHINE_MODE_LONG_COMPAT_16)
           : wide            ? ZYDIS_MACHINE_MODE_LEGACY_32
                             : ZYDIS_MACHINE_MODE_LEGACY_16;
    width = wide ? ZYDIS_STACK_WIDTH_32 : ZYDIS_STACK_WIDTH_16;
  }
  ZydisDecoder decoder;
  return ZYAN_SUCCESS(ZydisDecoderInit(&decoder, mode, width)) &&
         ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, bytes.data(), bytes.size(), &to.instruction, to.operands));
}

}  // namespace

Instruction decode_instruction(const X86State& s, std::uint64_t address, std::span<const std::uint8_t> bytes) {
  Decoded d;
  ZydisFormatter formatter;
  char text[128];
  if (!decode(s, bytes, d) || !ZYAN_SUCCESS(ZydisFormatterInit(&formatter, ZYDIS_FORMATTER_STYLE_INTEL)) ||
      !ZYAN_SUCCESS(ZydisFormatterFormatInstruction(&formatter, &d.instruction, d.operands,
                                                    d.instruction.operand_count_visible, text, sizeof text, address,
                                                    nullptr)))
    return {};
  return {d.instruction.length, text};
}

bool saves_extended_state(const X86State& s, std::span<const std::uint8_t> bytes) {
  Decoded d;
  if (!decode(s, bytes, d)) return false;
  switch (d.instruction.meta.isa_set) {
    case ZYDIS_ISA_SET_XSAVE:
    case ZYDIS_ISA_SET_XSAVEC:
    case ZYDIS_ISA_SET_XSAVEOPT:
    case ZYDIS_ISA_SET_XSAVES:
      return d.instruction.mnemonic != ZYDIS_MNEMONIC_XGETBV && d.instruction.mnemonic != ZYDIS_MNEMONIC_XSETBV;
    default:
      return false;
  }
}

std::string disassemble(const X86State& s, std::span<const std::uint8_t> bytes) {
  return decode_instruction(s, s.rip, bytes).text;
}

}  // namespace machina
