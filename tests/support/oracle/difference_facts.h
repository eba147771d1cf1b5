#pragma once
/// What the rows of explanations() ask about a difference, and where they are.

#include <algorithm>
#include <cstring>
#include <initializer_list>
#include <string_view>

#include "tests/support/oracle/system_builder.h"
#include "tests/support/oracle/system_differences.h"

namespace machina::jit::difference {

using L = SystemLayout;
constexpr std::uint64_t kFlagIf = 0x200, kFlagIopl = 0x3000, kFlagNt = 0x4000, kFlagRf = 1U << 16, kFlagVm = 1U << 17,
                        kFlagAc = 1U << 18, kFlagsOfInterrupts = 3U << 19;
constexpr std::uint64_t kCr4Vme = 1, kCr4Pvi = 2;
constexpr std::uint32_t kSysenterCs = 0x174, kSysenterEsp = 0x175, kSysenterEip = 0x176, kPat = 0x277,
                        kCstar = 0xc0000083, kSfmask = 0xc0000084;
constexpr int kDebug = 1, kUndefined = 6, kNotPresent = 11, kStackFault = 12, kProtection = 13, kPageFault = 14;

// --- what a case is ---

inline bool is(const SystemDifference& d, std::string_view mnemonic) { return d.c.mnemonic == mnemonic; }
inline bool starts(const SystemDifference& d, std::string_view mnemonic) { return d.c.mnemonic.starts_with(mnemonic); }
inline bool in_long_mode(const SystemDifference& d) { return d.c.state.efer & 0x400; }
inline unsigned cpl(const SystemDifference& d) { return d.c.state.segment[kSs].dpl; }
/// KVM lets the host's processor run such code.
inline bool native(const X86State& s) { return (s.efer & 0x400) && s.segment[kCs].l && s.segment[kSs].dpl == 3; }

inline bool is_real(const SystemDifference& d) { return !(d.c.state.cr0 & 1); }

// --- what differs ---

/// Nothing but these; "es." stands for all of ES.
inline bool only(const SystemDifference& d, std::initializer_list<std::string_view> permitted) {
  return std::all_of(d.fields.begin(), d.fields.end(), [&](const std::string& field) {
    return std::any_of(permitted.begin(), permitted.end(),
                       [&](std::string_view p) { return field == p || (p.ends_with('.') && field.starts_with(p)); });
  });
}
inline bool differs(const SystemDifference& d, std::string_view field) {
  return std::find(d.fields.begin(), d.fields.end(), field) != d.fields.end();
}
template <class Predicate>
inline bool memory_is(const SystemDifference& d, Predicate predicate) {
  return std::all_of(d.memory.begin(), d.memory.end(), predicate);
}
inline bool is_table(std::uint64_t physical) { return physical >= L::kGdt && physical < L::kIdt32; }
inline bool is_page_table(std::uint64_t physical) {
  return (physical >= L::kPml4 && physical < L::kCode) || physical >= L::kWindowTable;
}
/// Bit 0 of a descriptor's type, or the dirty flag of the page that it is on.
inline bool is_accessed_bit(const MemoryDifference& m) {
  const bool of_tables = m.physical == L::kTable + 8 * (L::kGdt >> 12) || m.physical == L::kTable + 8 * (L::kLdt >> 12);
  return of_tables ? (m.kvm ^ m.software) == 0x40
                   : is_table(m.physical) && m.physical % 8 == 5 && (m.kvm ^ m.software) == 1;
}
/// RSP of the state that the case starts with, as an address.
inline std::uint64_t stack_of(const SystemDifference& d) {
  return d.c.state.gpr[kRsp] + (d.c.state.segment[kCs].l ? 0 : d.c.state.segment[kSs].base);
}

/// The vector whose handler it halted in, -1 for none.
inline int vector_of(const SystemOutcome& o) {
  const X86Segment& cs = o.state.segment[kCs];
  return o.end == SystemEnd::Halted ? handler_of(o.state.rip + (cs.l ? 0 : cs.base)) : -1;
}
inline int kvm_vector(const SystemDifference& d) { return vector_of(d.kvm); }
inline int software_vector(const SystemDifference& d) { return vector_of(d.software); }

/// In what has been pushed last.
inline bool is_near(const MemoryDifference& m, const X86State& s, std::uint64_t size) {
  return m.physical >= s.gpr[kRsp] && m.physical < s.gpr[kRsp] + size;
}
/// The frame that KVM pushed last names the instruction under test.
inline bool kvm_faulted_at_once(const SystemDifference& d) { return raised_at_once(d.c, d.kvm, d.kvm_ram) >= 0; }
inline bool is_idt(std::uint64_t linear) {
  return (linear >= L::kIdt32 && linear < L::kTss32) || (linear >= L::kIdt64 && linear < L::kIdt64 + 0x1000);
}
/// Is a gate one that an exception goes through, as far as the gate itself says? SDM vol. 3, 6.11 and 6.14.1.
inline bool good_gate(const SystemDifference& d) {
  const unsigned type = d.failed_entry >> 40 & 0x1f;
  const bool fits = in_long_mode(d) ? type == 14 || type == 15 : (type & 0x17) == 6 || (type & 0x17) == 7 || type == 5;
  return fits && (d.failed_entry >> 47 & 1);
}

inline std::uint64_t gate_of(const SystemDifference& d, int vector) {
  std::uint64_t gate = 0;
  const auto n = static_cast<unsigned>(vector);
  std::memcpy(&gate, d.ram_at_start + (in_long_mode(d) ? L::kIdt64 + 16 * n : L::kIdt32 + 8 * n), sizeof gate);
  return gate;
}
/// KVM entered the handler of `vector` for the instruction under test, and did nothing else.
inline bool kvm_raises(const SystemDifference& d, int vector) {
  return kvm_faulted_at_once(d) && kvm_vector(d) == vector;
}
/// The instruction raised nothing, and the HLT behind it is where the handler of `vector` came from.
inline bool kvm_went_on_to(const SystemDifference& d, int vector) {
  return !kvm_faulted_at_once(d) && kvm_vector(d) == vector;
}
inline bool is_family(const SystemDifference& d, std::string_view family) { return d.c.family == family; }
inline bool is_canonical(std::uint64_t address) {
  return static_cast<std::uint64_t>(static_cast<std::int64_t>(address << 16) >> 16) == address;
}
/// All of it in what has been pushed last.
inline bool only_frame(const SystemDifference& d, std::uint64_t size = 0x30) {
  return memory_is(d, [&](const MemoryDifference& m) {
    return is_near(m, d.kvm.state, size) || is_near(m, d.software.state, size);
  });
}
/// Has the case changed something between these addresses?
inline bool has_patch(const SystemDifference& d, std::uint64_t from, std::uint64_t to) {
  return std::any_of(d.c.patches.begin(), d.c.patches.end(),
                     [=](const MemoryPatch& p) { return p.physical >= from && p.physical < to; });
}
/// A number on the stack that the case starts with, `index` slots of 8 bytes up.
inline std::uint64_t popped(const SystemDifference& d, unsigned index) {
  std::uint64_t value = 0;
  const std::uint64_t at = d.c.state.gpr[kRsp] + 8 * index;
  if (at + sizeof value <= L::kRam) std::memcpy(&value, d.ram_at_start + at, sizeof value);
  return value;
}
/// The descriptor that a selector names in the case's tables, 0 where there is none.
inline std::uint64_t descriptor_of(const SystemDifference& d, std::uint64_t selector) {
  std::uint64_t descriptor = 0;
  if ((selector & 0xfff8) <= gdt::kLimit)
    std::memcpy(&descriptor, d.ram_at_start + (selector & 4 ? L::kLdt : L::kGdt) + (selector & 0xfff8),
                sizeof descriptor);
  return descriptor;
}
/// The descriptor of the code segment that a gate names.
inline std::uint64_t handler_code_of(const SystemDifference& d, int vector) {
  return descriptor_of(d, gate_of(d, vector) >> 16 & 0xffff);
}
inline bool is_conforming(std::uint64_t descriptor) { return (descriptor >> 40 & 0x1c) == 0x1c; }
inline unsigned dpl_of(std::uint64_t descriptor) { return static_cast<unsigned>(descriptor >> 45 & 3); }

// --- the rows ---
std::span<const Explanation> of_native_code();
std::span<const Explanation> of_instructions();
std::span<const Explanation> of_memory();
std::span<const Explanation> of_delivery();

}  // namespace machina::jit::difference
