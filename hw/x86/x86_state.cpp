#include "hw/x86/x86_state.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/byte_order.h"
#include "hw/intc/apic_regs.h"

namespace machina {

namespace {

constexpr std::uint64_t kCr0Reset = 0x60000010;  // CD, NW, ET
constexpr std::uint64_t kCr0KeptByInit = 0x60000000;
constexpr std::uint32_t kMsrTsc = 0x10;
constexpr std::uint32_t kMsrPat = 0x277;
constexpr std::uint64_t kPatReset = 0x0007040600070406;  // SDM vol. 3, 12.12.4
constexpr std::uint32_t kMsrMiscEnable = 0x1a0;
constexpr std::uint64_t kApicGlobalEnable = 1U << 11;
constexpr std::uint64_t kApicBootstrap = 1U << 8;

X86Segment data_at_reset() { return X86Segment{}; }

X86Segment code_at_reset() {
  X86Segment cs;
  cs.selector = 0xf000;
  cs.base = 0xffff0000;
  cs.type = 11;  // execute, read, accessed
  return cs;
}

X86Segment system_segment(std::uint8_t type) {
  X86Segment s;
  s.s = false;
  s.type = type;
  return s;
}

/// SDM vol. 3, 11.4.7.1: all registers are zero but these. The bootstrap processor's LINT0 passes the PIC's interrupts
/// on, as boards wire it ("virtual wire mode", MultiProcessor Specification 1.4, 3.6.2.2), so that firmware without an
/// APIC driver gets its timer.
std::array<std::uint8_t, 1024> lapic_at_reset(bool bootstrap, std::uint32_t apic_id) {
  std::array<std::uint8_t, 1024> page{};
  const auto put = [&page](std::size_t offset, std::uint32_t value) { store_le(page, offset, value); };
  put(0x20, apic_id << 24);
  put(0x30, 0x50014);     // version 14h, 6 LVT entries
  put(0xe0, 0xffffffff);  // DFR: flat
  put(0xf0, 0xff);        // SVR: disabled by software
  for (const std::size_t lvt : {0x320, 0x330, 0x340, 0x350, 0x360, 0x370}) put(lvt, 0x10000);  // masked
  if (bootstrap) put(0x350, 0x700);                                                            // LINT0: ExtINT
  return page;
}

}  // namespace

std::uint64_t X86State::msr(std::uint32_t index, std::uint64_t otherwise) const {
  const auto it =
      std::lower_bound(msrs.begin(), msrs.end(), index, [](const X86Msr& m, auto i) { return m.index < i; });
  return it != msrs.end() && it->index == index ? it->value : otherwise;
}

void X86State::set_msr(std::uint32_t index, std::uint64_t value) {
  const auto it =
      std::lower_bound(msrs.begin(), msrs.end(), index, [](const X86Msr& m, auto i) { return m.index < i; });
  if (it != msrs.end() && it->index == index) {
    it->value = value;
  } else {
    msrs.insert(it, {index, value});
  }
}

X86State X86State::at_reset(std::uint32_t signature, bool bootstrap, std::uint32_t apic_id) {
  X86State s;
  s.gpr[kRdx] = signature;
  s.rip = 0xfff0;
  s.segment.fill(data_at_reset());
  s.segment[kCs] = code_at_reset();
  s.tr = system_segment(11);  // busy 32-bit TSS
  s.ldt = system_segment(2);
  s.cr0 = kCr0Reset;
  s.apic_base = apic::kDefaultBase | kApicGlobalEnable | (bootstrap ? kApicBootstrap : 0);
  // Legacy region of XSAVE: FCW and MXCSR have values at reset, all else is zero. SDM vol. 1, 13.4.1 and vol. 3, table
  // 10-1.
  s.xsave.assign(4096, 0);
  s.xsave[0] = 0x40;   // FCW = 0040h after RESET (FNINIT makes it 037Fh)
  s.xsave[24] = 0x80;  // MXCSR = 1F80h
  s.xsave[25] = 0x1f;
  s.xsave[512] = 0x3;  // XSTATE_BV: x87 and SSE state are present
  s.set_msr(kMsrTsc, 0);
  s.set_msr(kMsrPat, kPatReset);
  s.set_msr(kMsrMiscEnable, 1);  // fast string operations
  s.mp_state = bootstrap ? MpState::Runnable : MpState::Uninitialized;
  s.lapic = lapic_at_reset(bootstrap, apic_id);
  s.lapic_valid = true;
  return s;
}

void X86State::apply_init(std::uint32_t signature, bool bootstrap) {
  const X86State fresh = at_reset(signature, bootstrap);
  X86State next = *this;
  next.gpr = fresh.gpr;
  next.rip = fresh.rip;
  next.rflags = fresh.rflags;
  next.segment = fresh.segment;
  next.tr = fresh.tr;
  next.ldt = fresh.ldt;
  next.gdt = fresh.gdt;
  next.idt = fresh.idt;
  next.cr0 = (cr0 & kCr0KeptByInit) | (fresh.cr0 & ~kCr0KeptByInit);
  next.cr2 = next.cr3 = next.cr4 = next.cr8 = 0;
  next.efer = 0;
  next.pdptr_valid = false;
  next.pdptr = {};
  next.dr = fresh.dr;
  next.dr6 = fresh.dr6;
  next.dr7 = fresh.dr7;
  next.events = {};
  next.mp_state = bootstrap ? MpState::Runnable : MpState::InitReceived;
  *this = std::move(next);
}

void X86State::apply_sipi(std::uint8_t vector) {
  segment[kCs].selector = static_cast<std::uint16_t>(vector << 8);
  segment[kCs].base = static_cast<std::uint64_t>(vector) << 12;
  rip = 0;
  mp_state = MpState::Runnable;
}

std::vector<std::uint8_t> canonical_xsave(const std::vector<std::uint8_t>& area) {
  constexpr std::size_t kLegacy = 512, kHeader = 64;
  std::vector<std::uint8_t> out = area;
  if (out.size() < kLegacy + kHeader) return out;
  const auto clear = [&out](std::size_t first, std::size_t size) {
    std::fill_n(out.begin() + static_cast<std::ptrdiff_t>(first), size, std::uint8_t{0});
  };
  const std::uint8_t present = out[kLegacy];
  if (!(present & 1)) {  // x87: FNINIT's state
    clear(0, 24);
    out[0] = 0x7f;
    out[1] = 0x03;
    clear(32, 128);
  }
  if (!(present & 2)) clear(160, 256);                                        // XMM0 to XMM15
  if (!(present & 6)) out[24] = 0x80, out[25] = 0x1f, out[26] = out[27] = 0;  // MXCSR: with SSE and AVX
  clear(28, 4);                                                               // MXCSR_MASK: the processor's, not state
  clear(416, 96);                                                             // reserved, and software's own
  // AVX, at its place in the standard form (SDM vol. 1, 13.5.2): zero or not there are the same.
  constexpr std::size_t kAvx = 576, kAvxSize = 256;
  std::uint8_t shown = present | 3;
  if (out.size() >= kAvx + kAvxSize) {
    if (!(present & 4)) clear(kAvx, kAvxSize);
    const auto first = out.begin() + kAvx;
    if (std::all_of(first, first + kAvxSize, [](std::uint8_t b) { return b == 0; })) shown &= 0xfb;
  }
  out[kLegacy] = shown;
  clear(kLegacy + 8, kHeader - 8);
  return out;
}

namespace {

class Differ {
 public:
  template <class T>
  void field(const std::string& name, const T& a, const T& b) {
    if (a != b) out_.push_back(fmt::format("{}: {:#x} / {:#x}", name, +a, +b));
  }
  void segment(const std::string& name, const X86Segment& a, const X86Segment& b) {
    field(name + ".selector", a.selector, b.selector);
    field(name + ".base", a.base, b.base);
    field(name + ".limit", a.limit, b.limit);
    const auto rights = [](const X86Segment& s) {
      return static_cast<unsigned>(s.type | s.s << 4 | s.dpl << 5 | s.present << 7 | s.avl << 12 | s.l << 13 |
                                   s.db << 14 | s.g << 15 | s.unusable << 16);
    };
    field(name + ".rights", rights(a), rights(b));
  }
  std::vector<std::string> take() { return std::move(out_); }

 private:
  std::vector<std::string> out_;
};

}  // namespace

std::vector<std::string> differences(const X86State& a, const X86State& b) {
  static constexpr const char* kGprNames[] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                              "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
  static constexpr const char* kSegmentNames[] = {"es", "cs", "ss", "ds", "fs", "gs"};
  Differ d;
  for (unsigned i = 0; i < 16; ++i) d.field(kGprNames[i], a.gpr[i], b.gpr[i]);
  d.field("rip", a.rip, b.rip);
  d.field("rflags", a.rflags, b.rflags);
  for (unsigned i = 0; i < 6; ++i) d.segment(kSegmentNames[i], a.segment[i], b.segment[i]);
  d.segment("tr", a.tr, b.tr);
  d.segment("ldt", a.ldt, b.ldt);
  d.field("gdt.base", a.gdt.base, b.gdt.base);
  d.field("gdt.limit", a.gdt.limit, b.gdt.limit);
  d.field("idt.base", a.idt.base, b.idt.base);
  d.field("idt.limit", a.idt.limit, b.idt.limit);
  d.field("cr0", a.cr0, b.cr0);
  d.field("cr2", a.cr2, b.cr2);
  d.field("cr3", a.cr3, b.cr3);
  d.field("cr4", a.cr4, b.cr4);
  d.field("cr8", a.cr8, b.cr8);
  d.field("efer", a.efer, b.efer);
  d.field("apic_base", a.apic_base, b.apic_base);
  d.field("xcr0", a.xcr0, b.xcr0);
  if (a.pdptr_valid && b.pdptr_valid)
    for (unsigned i = 0; i < 4; ++i) d.field(fmt::format("pdptr{}", i), a.pdptr[i], b.pdptr[i]);
  for (unsigned i = 0; i < 4; ++i) d.field(fmt::format("dr{}", i), a.dr[i], b.dr[i]);
  d.field("dr6", a.dr6, b.dr6);
  d.field("dr7", a.dr7, b.dr7);
  const std::size_t xsave_size = std::min(a.xsave.size(), b.xsave.size());
  for (std::size_t i = 0; i < xsave_size; ++i)
    if (a.xsave[i] != b.xsave[i]) d.field(fmt::format("xsave[{:#x}]", i), a.xsave[i], b.xsave[i]);
  for (const X86Msr& m : a.msrs) d.field(fmt::format("msr {:#x}", m.index), m.value, b.msr(m.index, ~m.value));
  const auto events = [](const X86Events& e) {
    return static_cast<unsigned>(e.exception_pending | e.exception_injected << 1 | e.exception_has_error_code << 2 |
                                 e.interrupt_injected << 3 | e.interrupt_soft << 4 | e.nmi_injected << 5 |
                                 e.nmi_pending << 6 | e.nmi_masked << 7 | e.smm << 8 | e.smi_pending << 9 |
                                 e.triple_fault_pending << 10 | e.smm_inside_nmi << 11 | e.latched_init << 12 |
                                 e.exception_has_payload << 13 | e.exception_vector << 16 | e.interrupt_shadow << 24);
  };
  d.field("events", events(a.events), events(b.events));
  d.field("events.exception_payload", a.events.exception_payload, b.events.exception_payload);
  d.field("events.sipi_vector", a.events.sipi_vector, b.events.sipi_vector);
  d.field("events.interrupt_vector", a.events.interrupt_vector, b.events.interrupt_vector);
  d.field("events.error_code", a.events.exception_error_code, b.events.exception_error_code);
  d.field("mp_state", static_cast<unsigned>(a.mp_state), static_cast<unsigned>(b.mp_state));
  if (a.lapic_valid && b.lapic_valid)
    for (std::size_t i = 0; i < a.lapic.size(); ++i)
      if (a.lapic[i] != b.lapic[i]) d.field(fmt::format("lapic[{:#x}]", i), a.lapic[i], b.lapic[i]);
  return d.take();
}

}  // namespace machina
