#include "tests/support/oracle/system_differences.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "accel/kvm/kvm_sregs.h"
#include "tests/support/oracle/difference_facts.h"

namespace machina::jit {

using namespace difference;

int raised_at_once(const SystemCase& c, const SystemOutcome& o, const std::uint8_t* ram) {
  const X86State& s = o.state;
  const int vector = vector_of(o);
  if (vector < 0) return -1;
  const bool is_long = s.efer & 0x400, has_code = vector == 8 || (vector >= 10 && vector <= 14) || vector == 17;
  const unsigned width = is_long ? 8 : s.cr0 & 1 ? 4 : 2;
  const auto names_it = [&](std::uint64_t base) {
    const std::uint64_t at = base + s.gpr[kRsp] + (has_code && width != 2 ? width : 0);
    std::uint64_t rip = 0;
    if (at + sizeof rip <= L::kRam) std::memcpy(&rip, ram + at, width);
    return rip == c.state.rip;
  };
  // KVM may push it without the base of SS: see "stack-base-ignored".
  return names_it(is_long ? 0 : s.segment[kSs].base) || names_it(0) ? vector : -1;
}

std::string describe_kind(const SystemDifference& d) {
  std::string text = fmt::format("{}|{} cpl {}|kvm {} {}{}|software {} {}, first {}|", d.c.mnemonic, d.c.mode, cpl(d),
                                 name_of(d.kvm.end), kvm_vector(d), kvm_faulted_at_once(d) ? " at once" : "",
                                 name_of(d.software.end), software_vector(d), d.first_vector);
  for (const std::string& field : d.fields) text += field + ' ';
  bool accessed = false, frame = false, tables = false, other = false;
  for (const MemoryDifference& m : d.memory) {
    const bool is_frame = is_near(m, d.kvm.state, 0x30) || is_near(m, d.software.state, 0x30);
    (is_accessed_bit(m) ? accessed : is_frame ? frame : is_page_table(m.physical) ? tables : other) = true;
  }
  text += '|';
  if (accessed) text += " accessed";
  if (frame) text += " frame";
  if (tables) text += " tables";
  if (other) text += " memory";
  return text;
}

std::span<const Explanation> explanations() {
  // Those of native code first: what is said of KVM's emulator is not said of the host's processor.
  static const std::vector<Explanation> all = [] {
    std::vector<Explanation> rows;
    for (const auto part : {of_native_code(), of_instructions(), of_memory(), of_delivery()})
      rows.insert(rows.end(), part.begin(), part.end());
    return rows;
  }();
  return all;
}

void mask_undefined(const SystemCase& /*c*/, SystemOutcome& kvm, SystemOutcome& software) {
  kvm::normalize_segments(kvm.state);
  kvm::normalize_segments(software.state);
  if (!kvm.state.pdptr_valid || !software.state.pdptr_valid)
    for (SystemOutcome* o : {&kvm, &software}) o->state.pdptr_valid = false, o->state.pdptr = {};
  // In shutdown only RESET, INIT, NMI and SMI are seen, and what the registers of the event that failed hold is not
  // said: SDM vol. 3, 6.15, interrupt 8.
  if (kvm.end == SystemEnd::Shutdown && software.end == SystemEnd::Shutdown) {
    for (SystemOutcome* o : {&kvm, &software}) {
      o->state.rflags &= ~kFlagRf;
      o->state.cr2 = 0;
    }
  }
  // What a null SS of 64-bit mode has besides DPL is nobody's: SDM vol. 3, 5.4.1.1.
  for (SystemOutcome* o : {&kvm, &software}) {
    X86Segment& ss = o->state.segment[kSs];
    if ((o->state.efer & 0x400) && (ss.selector & 0xfffc) == 0) ss.unusable = true;
  }
  // A null or unusable segment's limit and rights mean nothing: SDM vol. 3, 25.4.1. The bases of FS and GS do.
  for (SystemOutcome* o : {&kvm, &software}) {
    for (unsigned i = 0; i < 6; ++i) {
      X86Segment& s = o->state.segment[i];
      if (!s.unusable || i == kCs) continue;
      const X86Segment whole = s;
      s = {};
      s.selector = whole.selector;
      s.base = i == kFs || i == kGs ? whole.base : 0;
      s.dpl = i == kSs ? whole.dpl : 0;
      s.present = false;
      s.unusable = true;
      s.limit = 0;
      s.type = 0;
    }
  }
}

const Explanation& accessed_flags() {
  static constexpr Explanation kRow = {
      "accessed-flags", nullptr, "SDM vol. 3, 4.8 and 4.10.2.3",
      "accessed flags of entries that need not have been used, or of a walk that faulted, are set or not"};
  return kRow;
}

const Explanation& flags_of_delivery() {
  static constexpr Explanation kRow = {
      "flags-of-delivery", nullptr,
      "SDM vol. 3, 2.3: IOPL is changed by POPF and IRET at CPL 0 only; 6.12.1.3: AC stays on the way to a handler",
      "KVM runs 64-bit code of CPL 3 with IOPL 0 and forgets the guest's, and clears AC on its way to a handler"};
  return kRow;
}

bool drop_open_accessed_flags(SystemDifference& d) {
  // A processor may set accessed flags for what it looks at ahead of time, or for a walk that ends in a fault; where
  // an instruction has no fault, those that it needs are set all the same: the software CPU may not lack one that KVM
  // has for data. SDM vol. 3, 4.8 and 4.10.2.3.
  const bool faulted = d.first_vector >= 0 || d.software.end == SystemEnd::Shutdown || software_vector(d) >= 0;
  const auto open = [&](const MemoryDifference& m) {
    if (!is_page_table(m.physical) || (m.kvm ^ m.software) != 0x20) return false;
    return faulted || (m.kvm & 0x20);
  };
  const auto first = std::remove_if(d.memory.begin(), d.memory.end(), open);
  const bool any = first != d.memory.end();
  d.memory.erase(first, d.memory.end());
  return any;
}

bool drop_flags_of_delivery(SystemDifference& d) {
  const auto is_native_frame = [&d] {
    // By the selector of CS that the handler was given.
    const std::uint64_t at = d.kvm.state.gpr[kRsp];
    const int vector = kvm_vector(d);
    const bool has_code = vector == 8 || (vector >= 10 && vector <= 14) || vector == 17;
    std::uint64_t selector = 0;
    if (vector >= 0 && in_long_mode(d) && at + 0x18 <= SystemLayout::kRam)
      std::memcpy(&selector, d.kvm_ram + at + (has_code ? 16 : 8), 2);
    const bool made_by_instruction = d.c.mnemonic.starts_with("sysexit") || d.c.mnemonic.starts_with("sysret");
    return (selector & 3) == 3 && (made_by_instruction || (descriptor_of(d, selector) >> 53 & 1));
  };
  bool any = false;
  std::uint64_t changed = d.kvm.state.rflags ^ d.software.state.rflags;
  if (changed != 0 && (native(d.c.state) || native(d.software.state) || is_native_frame()) &&
      (d.kvm.state.rflags & kFlagIopl) == 0)
    changed &= ~kFlagIopl;
  if (d.kvm.end == d.software.end && d.last_vector >= 0 && !differs(d, "rip") && !is_real(d) &&
      (d.software.state.rflags & kFlagAc))
    changed &= ~kFlagAc;
  if (changed == 0) any = std::erase(d.fields, "rflags") != 0;
  // RFLAGS is the third number of a frame, behind an error code if there is one. IOPL is in its second byte, AC in its
  // third: seen in the frame of an exception that came on the way to a handler.
  const bool was_native = native(d.c.state) || native(d.software.state) || is_native_frame();
  const std::uint64_t width = in_long_mode(d) ? 8 : 4, flags = d.kvm.state.gpr[kRsp] + 2 * width;
  any |= std::erase_if(d.memory, [=](const MemoryDifference& m) {
           const std::uint64_t byte = m.physical - flags;
           const bool iopl = was_native && (byte == 1 || byte == width + 1) && ((m.kvm ^ m.software) & ~0x30) == 0 &&
                             (m.kvm & 0x30) == 0;
           const bool ac = (byte == 2 || byte == width + 2) && (m.kvm ^ m.software) == 4 && (m.kvm & 4) == 0;
           return iopl || ac;
         }) != 0;
  return any;
}

}  // namespace machina::jit
