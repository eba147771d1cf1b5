#include "accel/jit/jit_state.h"

#include <fmt/format.h>

#include "accel/jit/control_registers.h"
#include "accel/jit/debug.h"
#include "accel/jit/environment.h"
#include "accel/jit/fault.h"
#include "accel/jit/msr.h"
#include "accel/jit/xsave.h"
#include "core/log.h"

namespace machina::jit {

namespace {

/// What Cpu::pending_debug may have.
constexpr std::uint32_t kDr6Pending = kDr6DataBreakpoints | kDr6SingleStep | kDr6TaskSwitch;

Segment from(const X86Segment& s) {
  Segment out;
  out.selector = s.selector;
  out.base = s.base;
  out.limit = s.limit;
  out.rights = static_cast<std::uint16_t>(s.type | s.s << 4 | s.dpl << 5 | (s.present && !s.unusable) << 7 |
                                          s.avl << 12 | s.l << 13 | s.db << 14 | s.g << 15);
  return out;
}

X86Segment to(const Segment& s) {
  X86Segment out;
  out.selector = s.selector;
  out.base = s.base;
  out.limit = s.limit;
  out.type = static_cast<std::uint8_t>(s.type());
  out.s = s.code_or_data();
  out.dpl = static_cast<std::uint8_t>(s.dpl());
  out.present = s.present();
  out.avl = s.rights & 0x1000;
  out.l = s.rights & 0x2000;
  out.db = s.rights & 0x4000;
  out.g = s.rights & 0x8000;
  out.unusable = !s.present();
  return out;
}

}  // namespace

void load_registers(Cpu& cpu, const X86State& s) {
  for (unsigned i = 0; i < 16; ++i) cpu.gpr[i] = s.gpr[i];
  cpu.rip = s.rip;
  cpu.set_eflags(static_cast<std::uint32_t>(s.rflags));
  for (unsigned i = 0; i < 6; ++i) cpu.set_segment(i, from(s.segment[i]));
  cpu.tr = from(s.tr);
  cpu.ldt = from(s.ldt);
  cpu.gdt = {s.gdt.base, s.gdt.limit};
  cpu.idt = {s.idt.base, s.idt.limit};
  cpu.cr0 = s.cr0;
  cpu.cr2 = s.cr2;
  cpu.cr3 = s.cr3;
  cpu.cr4 = s.cr4;
  cpu.efer = s.efer;
  cpu.xcr0 = s.xcr0;
  cpu.dr = s.dr;
  cpu.dr6 = s.dr6;
  cpu.dr7 = s.dr7;
  cpu.smm = s.events.smm;
  cpu.nmi_masked = s.events.nmi_masked;
  cpu.interrupt_shadow = s.events.interrupt_shadow;
  cpu.mid_repetition = false;
  cpu.undelivered.reset();
  const X86Events& e = s.events;
  // A #DB that is due is an exception that waits, with what DR6 will say.
  const bool debug = e.exception_pending && !e.exception_injected && e.exception_has_payload &&
                     e.exception_vector == static_cast<std::uint8_t>(Vector::Debug);
  cpu.pending_debug = debug ? static_cast<std::uint32_t>(e.exception_payload) & kDr6Pending : 0;
  if (e.exception_injected || (e.exception_pending && !debug)) {
    const auto vector = static_cast<Vector>(e.exception_vector);
    const bool has_cr2 = !e.exception_injected && e.exception_has_payload && vector == Vector::PageFault;
    cpu.undelivered =
        GuestFault{vector, e.exception_has_error_code, e.exception_error_code, has_cr2 ? e.exception_payload : s.cr2};
  }
  cpu.cpl = cpu.privilege();
  cpu.environment.refresh();  // before memory is used
  cpu.flush_tlb();
  const bool pae = (cpu.cr0 & kCr0Pg) && (cpu.cr4 & kCr4Pae) && !cpu.long_mode();
  if (s.pdptr_valid) {
    cpu.pdptr = s.pdptr;
  } else if (pae && !load_pdptrs(cpu, cpu.environment, cpu.cr3)) {
    cpu.pdptr = {};
    log::warn_once("jit-pdptr", "a state has CR3 point at PDPTEs with reserved bits: none of them is used");
  }
  load_xsave(cpu, s.xsave);
  cpu.block = nullptr;
  cpu.chain_slot = nullptr;
  cpu.update_mode();
}

void load_state(Cpu& cpu, const X86State& s) {
  load_registers(cpu, s);
  for (const X86Msr& refused : load_msrs(cpu, s))
    log::warn_once(fmt::format("jit-msr {:#x}", refused.index),
                   fmt::format("the software CPU cannot have {:#x} in MSR {:#x}", refused.value, refused.index));
  cpu.update_mode();
  cpu.request(kRequestInterrupt);
}

void store_registers(Cpu& cpu, X86State& s) {
  for (unsigned i = 0; i < 16; ++i) s.gpr[i] = cpu.gpr[i];
  s.rip = cpu.rip;
  s.rflags = cpu.eflags() | (cpu.mid_repetition ? kRf : 0);
  for (unsigned i = 0; i < 6; ++i) s.segment[i] = to(cpu.segment[i]);
  s.tr = to(cpu.tr);
  s.ldt = to(cpu.ldt);
  s.gdt = {cpu.gdt.base, cpu.gdt.limit};
  s.idt = {cpu.idt.base, cpu.idt.limit};
  s.cr0 = cpu.cr0;
  s.cr2 = cpu.cr2;
  s.cr3 = cpu.cr3;
  s.cr4 = cpu.cr4;
  s.efer = cpu.efer;
  s.xcr0 = cpu.xcr0;
  s.dr = cpu.dr;
  s.dr6 = cpu.dr6;
  s.dr7 = cpu.dr7;
  s.pdptr_valid = (cpu.cr0 & kCr0Pg) && (cpu.cr4 & kCr4Pae) && !cpu.long_mode();
  s.pdptr = s.pdptr_valid ? cpu.pdptr : std::array<std::uint64_t, 4>{};
  s.events = {};
  s.events.smm = cpu.smm;
  s.events.nmi_masked = cpu.nmi_masked;
  s.events.interrupt_shadow = cpu.interrupt_shadow;
  if (cpu.undelivered) {
    s.events.exception_injected = true;
    s.events.exception_vector = static_cast<std::uint8_t>(cpu.undelivered->vector);
    s.events.exception_has_error_code = cpu.undelivered->has_error_code;
    s.events.exception_error_code = cpu.undelivered->error_code;
  } else if (cpu.pending_debug != 0) {
    s.events.exception_pending = s.events.exception_has_payload = true;
    s.events.exception_vector = static_cast<std::uint8_t>(Vector::Debug);
    s.events.exception_payload = cpu.pending_debug;
  }
  store_xsave(cpu, s.xsave);
}

void store_state(Cpu& cpu, X86State& s) {
  store_registers(cpu, s);
  store_msrs(cpu, s);
}

}  // namespace machina::jit
