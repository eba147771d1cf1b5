#include "accel/kvm/kvm_state.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <tuple>

#include "accel/kvm/kvm_api.h"
#include "accel/kvm/kvm_sregs.h"
#include "core/error.h"
#include "core/log.h"

// Younger than Debian 12's header: TRIPLE_FAULT came with it in 5.20.
#ifndef KVM_CAP_X86_TRIPLE_FAULT_EVENT
#define KVM_CAP_X86_TRIPLE_FAULT_EVENT 218
#endif

namespace machina::kvm {

namespace {

// --- segments and control registers ---

void load_sregs(StateTransfer& t, const X86State& s) {
  if (t.support().sregs2) {
    kvm_sregs2 k{};
    fill_sregs(k, s);
    if (s.pdptr_valid) {
      k.flags = KVM_SREGS2_FLAGS_PDPTRS_VALID;
      std::copy(s.pdptr.begin(), s.pdptr.end(), k.pdptrs);
    }
    t.vcpu().must(KVM_SET_SREGS2, &k, "KVM_SET_SREGS2");
    return;
  }
  kvm_sregs k{};
  fill_sregs(k, s);
  if (!t.support().events && s.events.interrupt_injected && !s.events.interrupt_soft)
    k.interrupt_bitmap[s.events.interrupt_vector / 64] |= std::uint64_t{1} << (s.events.interrupt_vector % 64);
  t.vcpu().must(KVM_SET_SREGS, &k, "KVM_SET_SREGS");
}

void store_sregs(StateTransfer& t, X86State& s) {
  s.pdptr_valid = false;
  s.pdptr = {};
  if (t.support().sregs2) {
    kvm_sregs2 k{};
    t.vcpu().must(KVM_GET_SREGS2, &k, "KVM_GET_SREGS2");
    take_sregs(k, s);
    if (k.flags & KVM_SREGS2_FLAGS_PDPTRS_VALID) {
      s.pdptr_valid = true;
      std::copy(std::begin(k.pdptrs), std::end(k.pdptrs), s.pdptr.begin());
    }
    return;
  }
  kvm_sregs k{};
  t.vcpu().must(KVM_GET_SREGS, &k, "KVM_GET_SREGS");
  take_sregs(k, s);
}

void normalize_sregs(StateTransfer&, X86State& s) { normalize_segments(s); }

// --- general registers ---

/// kvm_regs in the order of the instruction encoding, which X86State has.
constexpr std::array<__u64 kvm_regs::*, 16> kGprs = {&kvm_regs::rax, &kvm_regs::rcx, &kvm_regs::rdx, &kvm_regs::rbx,
                                                     &kvm_regs::rsp, &kvm_regs::rbp, &kvm_regs::rsi, &kvm_regs::rdi,
                                                     &kvm_regs::r8,  &kvm_regs::r9,  &kvm_regs::r10, &kvm_regs::r11,
                                                     &kvm_regs::r12, &kvm_regs::r13, &kvm_regs::r14, &kvm_regs::r15};

void load_regs(StateTransfer& t, const X86State& s) {
  kvm_regs k{};
  for (unsigned i = 0; i < 16; ++i) k.*kGprs[i] = s.gpr[i];
  k.rip = s.rip;
  k.rflags = s.rflags;
  t.vcpu().must(KVM_SET_REGS, &k, "KVM_SET_REGS");
}

void store_regs(StateTransfer& t, X86State& s) {
  kvm_regs k{};
  t.vcpu().must(KVM_GET_REGS, &k, "KVM_GET_REGS");
  for (unsigned i = 0; i < 16; ++i) s.gpr[i] = k.*kGprs[i];
  s.rip = k.rip;
  s.rflags = k.rflags;
}

// --- x87, SSE and what XSAVE adds ---

void load_xsave(StateTransfer& t, const X86State& s) {
  const std::size_t size = t.support().xsave_size;
  std::vector<std::uint64_t> area((size + 7) / 8);
  std::memcpy(area.data(), s.xsave.data(), std::min(size, s.xsave.size()));
  if (std::any_of(s.xsave.begin() + static_cast<std::ptrdiff_t>(std::min(size, s.xsave.size())), s.xsave.end(),
                  [](std::uint8_t b) { return b != 0; }))
    throw Error("the CPU state holds XSAVE components that this KVM does not know")
        .why(fmt::format("{} bytes where {} fit", s.xsave.size(), size));
  t.vcpu().must(KVM_SET_XSAVE, area.data(), "KVM_SET_XSAVE");
}

void store_xsave(StateTransfer& t, X86State& s) {
  std::vector<std::uint64_t> area((t.support().xsave_size + 7) / 8);
  if (t.support().xsave2) {
    t.vcpu().must(KVM_GET_XSAVE2, area.data(), "KVM_GET_XSAVE2");
  } else {
    t.vcpu().must(KVM_GET_XSAVE, area.data(), "KVM_GET_XSAVE");
  }
  s.xsave.resize(t.support().xsave_size);
  std::memcpy(s.xsave.data(), area.data(), s.xsave.size());
}

// Offsets in the legacy region: SDM vol. 1, table 10-2.
constexpr std::size_t kFcw = 0, kFsw = 2, kFtw = 4, kFop = 6, kFip = 8, kFdp = 16, kMxcsr = 24, kSt = 32, kXmm = 160;
constexpr std::size_t kXstateBv = 512;

template <class T>
T get(const std::vector<std::uint8_t>& area, std::size_t offset) {
  T value{};
  if (offset + sizeof value <= area.size()) std::memcpy(&value, area.data() + offset, sizeof value);
  return value;
}
template <class T>
void put(std::vector<std::uint8_t>& area, std::size_t offset, T value) {
  std::memcpy(area.data() + offset, &value, sizeof value);
}

void load_fpu(StateTransfer& t, const X86State& s) {
  kvm_fpu k{};
  k.fcw = get<std::uint16_t>(s.xsave, kFcw);
  k.fsw = get<std::uint16_t>(s.xsave, kFsw);
  k.ftwx = get<std::uint8_t>(s.xsave, kFtw);
  k.last_opcode = get<std::uint16_t>(s.xsave, kFop);
  k.last_ip = get<std::uint64_t>(s.xsave, kFip);
  k.last_dp = get<std::uint64_t>(s.xsave, kFdp);
  k.mxcsr = get<std::uint32_t>(s.xsave, kMxcsr);
  if (s.xsave.size() >= kXstateBv) {
    std::memcpy(k.fpr, s.xsave.data() + kSt, sizeof k.fpr);
    std::memcpy(k.xmm, s.xsave.data() + kXmm, sizeof k.xmm);
  }
  t.vcpu().must(KVM_SET_FPU, &k, "KVM_SET_FPU");
}

void store_fpu(StateTransfer& t, X86State& s) {
  kvm_fpu k{};
  t.vcpu().must(KVM_GET_FPU, &k, "KVM_GET_FPU");
  s.xsave.assign(kXstateBv + 64, 0);
  put(s.xsave, kFcw, k.fcw);
  put(s.xsave, kFsw, k.fsw);
  put(s.xsave, kFtw, k.ftwx);
  put(s.xsave, kFop, k.last_opcode);
  put(s.xsave, kFip, std::uint64_t{k.last_ip});
  put(s.xsave, kFdp, std::uint64_t{k.last_dp});
  put(s.xsave, kMxcsr, k.mxcsr);
  std::memcpy(s.xsave.data() + kSt, k.fpr, sizeof k.fpr);
  std::memcpy(s.xsave.data() + kXmm, k.xmm, sizeof k.xmm);
  put(s.xsave, kXstateBv, std::uint64_t{3});
}

void normalize_xsave(StateTransfer& t, X86State& s) {
  s.xsave = canonical_xsave(s.xsave);
  s.xsave.resize(t.support().xsave ? t.support().xsave_size : kXstateBv + 64);
}

void load_xcrs(StateTransfer& t, const X86State& s) {
  kvm_xcrs k{};
  k.nr_xcrs = 1;
  k.xcrs[0].xcr = 0;
  k.xcrs[0].value = s.xcr0;
  t.vcpu().must(KVM_SET_XCRS, &k, "KVM_SET_XCRS");
}

void store_xcrs(StateTransfer& t, X86State& s) {
  kvm_xcrs k{};
  t.vcpu().must(KVM_GET_XCRS, &k, "KVM_GET_XCRS");
  for (unsigned i = 0; i < k.nr_xcrs; ++i)
    if (k.xcrs[i].xcr == 0) s.xcr0 = k.xcrs[i].value;
}

// --- debug registers ---

void load_debug(StateTransfer& t, const X86State& s) {
  kvm_debugregs k{};
  std::copy(s.dr.begin(), s.dr.end(), k.db);
  k.dr6 = s.dr6;
  k.dr7 = s.dr7;
  t.vcpu().must(KVM_SET_DEBUGREGS, &k, "KVM_SET_DEBUGREGS");
}

void store_debug(StateTransfer& t, X86State& s) {
  kvm_debugregs k{};
  t.vcpu().must(KVM_GET_DEBUGREGS, &k, "KVM_GET_DEBUGREGS");
  std::copy(std::begin(k.db), std::end(k.db), s.dr.begin());
  s.dr6 = k.dr6;
  s.dr7 = k.dr7;
}

// --- local APIC, MP state ---

void load_lapic(StateTransfer& t, const X86State& s) {
  if (!s.lapic_valid) return;
  kvm_lapic_state k{};
  static_assert(sizeof k.regs == std::tuple_size_v<decltype(s.lapic)>);
  std::memcpy(k.regs, s.lapic.data(), sizeof k.regs);
  t.vcpu().must(KVM_SET_LAPIC, &k, "KVM_SET_LAPIC");
}

void store_lapic(StateTransfer& t, X86State& s) {
  kvm_lapic_state k{};
  t.vcpu().must(KVM_GET_LAPIC, &k, "KVM_GET_LAPIC");
  std::memcpy(s.lapic.data(), k.regs, sizeof k.regs);
  s.lapic_valid = true;
}

void normalize_lapic(StateTransfer&, X86State& s) {
  const auto clear = [&s](std::size_t offset) { std::memset(&s.lapic[offset], 0, 4); };
  clear(0x30);   // version: KVM's own, the number of LVT entries differs between kernels
  clear(0xa0);   // PPR: computed
  clear(0x390);  // current count: runs
  clear(0x280);  // ESR: KVM keeps none
  clear(0x80);   // TPR: follows CR8
  if (!s.lapic_valid) s.lapic.fill(0);
}

constexpr std::pair<MpState, std::uint32_t> kMpStates[] = {{MpState::Runnable, KVM_MP_STATE_RUNNABLE},
                                                           {MpState::Uninitialized, KVM_MP_STATE_UNINITIALIZED},
                                                           {MpState::InitReceived, KVM_MP_STATE_INIT_RECEIVED},
                                                           {MpState::Halted, KVM_MP_STATE_HALTED},
                                                           {MpState::SipiReceived, KVM_MP_STATE_SIPI_RECEIVED}};

void load_mp_state(StateTransfer& t, const X86State& s) {
  kvm_mp_state k{};
  for (const auto& [ours, theirs] : kMpStates)
    if (ours == s.mp_state) k.mp_state = theirs;
  t.vcpu().must(KVM_SET_MP_STATE, &k, "KVM_SET_MP_STATE");
}

void store_mp_state(StateTransfer& t, X86State& s) {
  kvm_mp_state k{};
  t.vcpu().must(KVM_GET_MP_STATE, &k, "KVM_GET_MP_STATE");
  s.mp_state = MpState::Runnable;
  for (const auto& [ours, theirs] : kMpStates)
    if (theirs == k.mp_state) s.mp_state = ours;
}

/// KVM takes a SIPI that was received at the next look: it reads back as runnable.
void normalize_mp_state(StateTransfer&, X86State& s) {
  if (s.mp_state == MpState::SipiReceived) s.mp_state = MpState::Runnable;
}

// --- MSRs ---

void load_msrs(StateTransfer& t, const X86State& s) { t.msrs().load(t.vcpu(), s, t.tsc_as_read); }

void store_msrs(StateTransfer& t, X86State& s) {
  t.msrs().store(t.vcpu(), s);
  const auto tsc = std::find_if(s.msrs.begin(), s.msrs.end(), [](const X86Msr& m) { return m.index == kMsrTsc; });
  t.tsc_as_read = tsc == s.msrs.end() ? std::optional<std::uint64_t>() : tsc->value;
}

void normalize_msrs(StateTransfer& t, X86State& s) {
  X86State all;
  for (const std::uint32_t index : t.msrs().indices())
    if (t.msrs().comparable(index)) all.set_msr(index, s.msr(index, t.msrs().at_power_on(index)));
  s.msrs = all.msrs;
}

// --- events ---

void load_events(StateTransfer& t, const X86State& s) {
  const X86Events& e = s.events;
  const StateSupport& has = t.support();
  kvm_vcpu_events k{};
  k.exception.injected = e.exception_injected;
  k.exception.nr = e.exception_vector;
  k.exception.has_error_code = e.exception_has_error_code;
  k.exception.error_code = e.exception_error_code;
  k.interrupt.injected = e.interrupt_injected;
  k.interrupt.nr = e.interrupt_vector;
  k.interrupt.soft = e.interrupt_soft;
  k.nmi.injected = e.nmi_injected;
  k.nmi.pending = e.nmi_pending;
  k.nmi.masked = e.nmi_masked;
  k.sipi_vector = e.sipi_vector;
  k.flags = KVM_VCPUEVENT_VALID_NMI_PENDING;
  if (has.lapic) k.flags |= KVM_VCPUEVENT_VALID_SIPI_VECTOR;
  if (has.payload) {
    k.flags |= KVM_VCPUEVENT_VALID_PAYLOAD;
    k.exception.pending = e.exception_pending;
    k.exception_has_payload = e.exception_has_payload;
    k.exception_payload = e.exception_payload;
  }
  if (has.interrupt_shadow) {
    k.flags |= KVM_VCPUEVENT_VALID_SHADOW;
    k.interrupt.shadow = e.interrupt_shadow;
  }
  if (has.smm) {
    k.flags |= KVM_VCPUEVENT_VALID_SMM;
    k.smi.smm = e.smm;
    k.smi.pending = e.smi_pending;
    k.smi.smm_inside_nmi = e.smm_inside_nmi;
    k.smi.latched_init = e.latched_init;
  }
  if (has.triple_fault) {
    k.flags |= KVM_VCPUEVENT_VALID_TRIPLE_FAULT;
    k.triple_fault.pending = e.triple_fault_pending;
  }
  t.vcpu().must(KVM_SET_VCPU_EVENTS, &k, "KVM_SET_VCPU_EVENTS");
}

void store_events(StateTransfer& t, X86State& s) {
  kvm_vcpu_events k{};
  t.vcpu().must(KVM_GET_VCPU_EVENTS, &k, "KVM_GET_VCPU_EVENTS");
  const StateSupport& has = t.support();
  X86Events e;
  e.exception_injected = k.exception.injected;
  e.exception_vector = k.exception.nr;
  e.exception_has_error_code = k.exception.has_error_code;
  e.exception_error_code = k.exception.error_code;
  if (has.payload) {
    e.exception_pending = k.exception.pending;
    e.exception_has_payload = k.exception_has_payload;
    e.exception_payload = k.exception_payload;
  }
  e.interrupt_injected = k.interrupt.injected;
  e.interrupt_vector = k.interrupt.nr;
  e.interrupt_soft = k.interrupt.soft;
  if (has.interrupt_shadow) e.interrupt_shadow = k.interrupt.shadow;
  e.nmi_injected = k.nmi.injected;
  e.nmi_pending = k.nmi.pending;
  e.nmi_masked = k.nmi.masked;
  e.sipi_vector = k.sipi_vector;
  if (has.smm && (k.flags & KVM_VCPUEVENT_VALID_SMM)) {
    e.smm = k.smi.smm;
    e.smi_pending = k.smi.pending;
    e.smm_inside_nmi = k.smi.smm_inside_nmi;
    e.latched_init = k.smi.latched_init;
  }
  if (has.triple_fault && (k.flags & KVM_VCPUEVENT_VALID_TRIPLE_FAULT)) e.triple_fault_pending = k.triple_fault.pending;
  s.events = e;
}

/// Vectors without their event mean nothing; what this KVM has no field for cannot come back.
void normalize_events(StateTransfer& t, X86State& s) {
  X86Events& e = s.events;
  const StateSupport& has = t.support();
  if (!has.payload) e.exception_pending = e.exception_has_payload = false;
  if (!e.exception_has_payload) e.exception_payload = 0;
  if (!e.exception_injected && !e.exception_pending) {
    e.exception_vector = 0;
    e.exception_has_error_code = false;
  }
  if (!e.exception_has_error_code) e.exception_error_code = 0;
  if (!e.interrupt_injected) e.interrupt_vector = 0, e.interrupt_soft = false;
  if (!has.interrupt_shadow) e.interrupt_shadow = 0;
  if (!has.smm) e.smm = e.smi_pending = e.smm_inside_nmi = e.latched_init = false;
  if (!has.triple_fault) e.triple_fault_pending = false;
  e.sipi_vector = 0;  // consumed by the vCPU as soon as it is looked at
}

// --- what an instruction has changed ---

template <auto... Members>
bool differ(const X86State& a, const X86State& b) {
  return ((a.*Members != b.*Members) || ...);
}
constexpr auto regs_differ = &differ<&X86State::gpr, &X86State::rip, &X86State::rflags>;
constexpr auto sregs_differ = &differ<&X86State::segment, &X86State::tr, &X86State::ldt, &X86State::gdt, &X86State::idt,
                                      &X86State::cr0, &X86State::cr2, &X86State::cr3, &X86State::cr4, &X86State::cr8,
                                      &X86State::efer, &X86State::apic_base, &X86State::pdptr>;
bool xsave_differs(const X86State& a, const X86State& b) {
  return canonical_xsave(a.xsave) != canonical_xsave(b.xsave);
}

constexpr auto kAlways = [](const StateSupport&) { return true; };

/// Why this order:
///  - Segments and control registers first: they hold EFER and CR4, which later parts are checked against, and the APIC
///    base, without which the local APIC's registers would be read in the wrong mode (xAPIC or x2APIC).
///  - General registers before events: KVM_SET_REGS drops a pending exception.
///  - The local APIC before MSRs: the deadline MSR arms a timer only while the LVT says "deadline". Within the MSRs the
///    TSC is first and the deadline last, see kvm_msr.cpp.
///  - MP state after the local APIC, whose state a pending INIT or SIPI is part of.
///  - Events last: every part before may change them.
constexpr StateElement kElements[] = {
    {"segments and control registers", kAlways, load_sregs, store_sregs, normalize_sregs, sregs_differ},
    {"general registers", kAlways, load_regs, store_regs, nullptr, regs_differ},
    {"XCR0", [](const StateSupport& s) { return s.xcrs; }, load_xcrs, store_xcrs, nullptr, &differ<&X86State::xcr0>},
    {"XSAVE area", [](const StateSupport& s) { return s.xsave; }, load_xsave, store_xsave, normalize_xsave,
     xsave_differs},
    {"FPU", [](const StateSupport& s) { return !s.xsave; }, load_fpu, store_fpu, normalize_xsave, xsave_differs},
    {"debug registers", [](const StateSupport& s) { return s.debug_registers; }, load_debug, store_debug, nullptr,
     &differ<&X86State::dr, &X86State::dr6, &X86State::dr7>},
    {"local APIC", [](const StateSupport& s) { return s.lapic; }, load_lapic, store_lapic, normalize_lapic, nullptr},
    {"MSRs", kAlways, load_msrs, store_msrs, normalize_msrs, nullptr},
    {"MP state", [](const StateSupport& s) { return s.lapic; }, load_mp_state, store_mp_state, normalize_mp_state,
     &differ<&X86State::mp_state>},
    {"events", [](const StateSupport& s) { return s.events; }, load_events, store_events, normalize_events,
     &differ<&X86State::events>},
};

}  // namespace

std::span<const StateElement> state_elements() { return kElements; }

StateSupport StateSupport::find_out(const std::function<int(unsigned)>& capability) {
  const auto has = [&](unsigned number) { return capability(number) > 0; };
  StateSupport s;
  s.sregs2 = has(KVM_CAP_SREGS2);
  s.xsave = has(KVM_CAP_XSAVE);
  const int xsave2 = capability(KVM_CAP_XSAVE2);
  s.xsave2 = xsave2 > 0;
  s.xsave_size = std::max<std::size_t>(sizeof(kvm_xsave), xsave2 > 0 ? static_cast<std::size_t>(xsave2) : 0);
  s.xcrs = has(KVM_CAP_XCRS);
  s.debug_registers = has(KVM_CAP_DEBUGREGS);
  s.events = has(KVM_CAP_VCPU_EVENTS);
  s.interrupt_shadow = has(KVM_CAP_INTR_SHADOW);
  s.smm = has(KVM_CAP_X86_SMM);
  return s;
}

StateTransfer::StateTransfer(const Fd& vcpu, const StateSupport& support, MsrSet& msrs)
    : vcpu_(vcpu), support_(support), msrs_(msrs) {
  kvm_lapic_state lapic{};
  support_.lapic = vcpu_.call(KVM_GET_LAPIC, &lapic) == 0;
}

void StateTransfer::load(const X86State& state) {
  for (const StateElement& e : kElements)
    if (e.present(support_)) e.load(*this, state);
}

void StateTransfer::load_changes(const X86State& before, const X86State& after) {
  std::vector<X86Msr> msrs;
  for (const X86Msr& m : after.msrs)
    if (m.index != kMsrTsc && before.msr(m.index, ~m.value) != m.value) msrs.push_back(m);
  set_msrs(vcpu_, msrs);
  for (const StateElement& e : kElements)
    if (e.differs && e.present(support_) && e.differs(before, after)) e.load(*this, after);
}

void StateTransfer::store(X86State& state) {
  for (const StateElement& e : kElements)
    if (e.present(support_)) e.store(*this, state);
}

std::vector<std::string> StateTransfer::verify(const X86State& state) {
  X86State wanted = state, found = state;
  // Reading must not look like a store that somebody will write back.
  const std::optional<std::uint64_t> keep = tsc_as_read;
  store(found);
  tsc_as_read = keep;
  if (!state.lapic_valid) found.lapic = state.lapic, found.lapic_valid = false;
  if (!state.pdptr_valid) found.pdptr = state.pdptr, found.pdptr_valid = false;
  for (const StateElement& e : kElements) {
    if (!e.present(support_) || !e.normalize) continue;
    e.normalize(*this, wanted);
    e.normalize(*this, found);
  }
  return differences(wanted, found);
}

}  // namespace machina::kvm
