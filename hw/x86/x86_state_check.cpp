#include "hw/x86/x86_state_check.h"

#include "core/byte_order.h"
#include "hw/intc/apic_regs.h"
#include "hw/x86/cpu_model.h"
#include "hw/x86/x86_state_faults.h"
#include "qom/error.h"

namespace machina {

namespace {

constexpr std::uint64_t kUpper = 0xffffffff00000000;

// SDM vol. 3, 2.5
constexpr std::uint64_t kCr0Pe = 1, kCr0Wp = 1U << 16, kCr0Nw = 1U << 29, kCr0Cd = 1U << 30, kCr0Pg = 1U << 31;
constexpr std::uint64_t kCr0Defined = 0xe005003f;
constexpr std::uint64_t kCr4Pae = 1U << 5, kCr4Pcide = 1U << 17, kCr4Cet = 1U << 23;
constexpr std::uint64_t kEferLme = 1U << 8, kEferLma = 1U << 10;
constexpr std::uint64_t kFlagsFixed = 2, kFlagsDefined = 0x3f7fd7, kVm = 1U << 17, kIf = 1U << 9;

// --- control registers: SDM vol. 3, 27.3.1.1 ---

std::uint64_t cr4_allowed(const X86StateFaults& f) {
  // "-" stands for no feature: of every CPU that there is.
  static constexpr std::pair<const char*, std::uint64_t> kBits[] = {
      {"vme", 3},          {"tsc", 1U << 2},   {"de", 1U << 3},    {"pse", 1U << 4},       {"pae", 1U << 5},
      {"mce", 1U << 6},    {"pge", 1U << 7},   {"fxsr", 1U << 9},  {"sse", 1U << 10},      {"umip", 1U << 11},
      {"la57", 1U << 12},  {"vmx", 1U << 13},  {"smx", 1U << 14},  {"fsgsbase", 1U << 16}, {"pcid", 1U << 17},
      {"xsave", 1U << 18}, {"smep", 1U << 20}, {"smap", 1U << 21}, {"pku", 1U << 22},      {"pks", 1U << 24}};
  constexpr std::uint64_t kPerformanceCounters = 1U << 8;
  std::uint64_t allowed = kPerformanceCounters;
  for (const auto& [name, mask] : kBits)
    if (f.has(name)) allowed |= mask;
  // Shadow stacks (7:ECX bit 7) and indirect branch tracking (7:EDX bit 20): no model has them, a host may.
  const CpuidLeaf extended = f.cpuid.find(7, 0);
  if ((extended.ecx >> 7 & 1) || (extended.edx >> 20 & 1)) allowed |= kCr4Cet;
  return allowed;
}

std::uint64_t efer_allowed(const X86StateFaults& f) {
  static constexpr std::pair<const char*, std::uint64_t> kBits[] = {
      {"syscall", 1},         {"lm", kEferLme | kEferLma}, {"nx", 1U << 11},       {"svm", 1U << 12 | 1U << 13},
      {"fxsr-opt", 1U << 14}, {"tce", 1U << 15},           {"auto-ibrs", 1U << 21}};
  std::uint64_t allowed = 0;
  for (const auto& [name, mask] : kBits)
    if (f.has(name)) allowed |= mask;
  return allowed;
}

void check_control(X86StateFaults& f) {
  const X86State& s = f.state;
  f.require((s.cr0 & ~kCr0Defined) == 0, "CR0", s.cr0, "bits 63:32, 28:19, 17 and 15:6 are reserved");
  f.require(!(s.cr0 & kCr0Pg) || (s.cr0 & kCr0Pe), "CR0", s.cr0, "PG needs PE");
  f.require(!(s.cr0 & kCr0Nw) || (s.cr0 & kCr0Cd), "CR0", s.cr0, "NW needs CD");
  if (const std::uint64_t reserved = s.cr4 & ~cr4_allowed(f))
    f.add("CR4", s.cr4, fmt::format("this CPU does not have the bits {:#x}", reserved));
  f.require(!(s.cr4 & kCr4Pcide) || (s.efer & kEferLma), "CR4", s.cr4, "PCIDE needs IA-32e mode");
  f.require(!(s.cr4 & kCr4Cet) || (s.cr0 & kCr0Wp), "CR4", s.cr4, "CET needs CR0.WP");
  if (const std::uint64_t reserved = s.efer & ~efer_allowed(f))
    f.add("EFER", s.efer, fmt::format("this CPU does not have the bits {:#x}", reserved));
  const bool active = (s.efer & kEferLme) && (s.cr0 & kCr0Pg);
  f.require(active == ((s.efer & kEferLma) != 0), "EFER", s.efer, "LMA is LME with CR0.PG");
  f.require(!(s.efer & kEferLma) || (s.cr4 & kCr4Pae), "CR4", s.cr4, "IA-32e mode needs PAE");
  f.require(s.cr3 >> f.physical_bits == 0, "CR3", s.cr3,
            fmt::format("this CPU has {} bits of physical address", f.physical_bits));
  f.require(s.cr8 <= 15, "CR8", s.cr8, "a task priority is 0 to 15");
}

// SDM vol. 3, 4.4.1 and 27.3.1.6
void check_pdptrs(X86StateFaults& f) {
  const X86State& s = f.state;
  if (!s.pdptr_valid || !(s.cr0 & kCr0Pg) || !(s.cr4 & kCr4Pae) || f.long_mode) return;
  constexpr std::uint64_t kReserved = 0x1e6;
  for (unsigned i = 0; i < 4; ++i)
    f.require(!(s.pdptr[i] & 1) || (!(s.pdptr[i] & kReserved) && s.pdptr[i] >> f.physical_bits == 0),
              fmt::format("PDPTE{}", i), s.pdptr[i], "an entry that is present has reserved bits");
}

// SDM vol. 3, 2.6 and vol. 1, 13.3
void check_xcr0(X86StateFaults& f) {
  const std::uint64_t v = f.state.xcr0;
  if (!f.has("xsave")) {
    f.require(v == 1, "XCR0", v, "without XSAVE it is 1");
    return;
  }
  const CpuidLeaf leaf = f.cpuid.find(0xd, 0);
  const std::uint64_t supported = leaf.eax | std::uint64_t{leaf.edx} << 32;
  f.require(v & 1, "XCR0", v, "x87 state (bit 0) is always on");
  f.require((v & ~(supported | 1)) == 0, "XCR0", v, fmt::format("this CPU has the components {:#x}", supported));
  f.require(!(v & 4) || (v & 2), "XCR0", v, "AVX (bit 2) needs SSE (bit 1)");
  f.require((v >> 3 & 1) == (v >> 4 & 1), "XCR0", v, "BNDREGS and BNDCSR (bits 3, 4) go together");
  f.require((v & 0xe0) == 0 || (v & 0xe4) == 0xe4, "XCR0", v, "the parts of AVX-512 (bits 7:5) go together with AVX");
  f.require((v >> 17 & 1) == (v >> 18 & 1), "XCR0", v, "TILECFG and TILEDATA (bits 17, 18) go together");
}

// SDM vol. 3, 18.2.3 and 18.2.4. Bits for bus locks (DR6 bit 11) and transactions (DR6 bit 16, DR7 bit 11) are let
// pass.
void check_debug(X86StateFaults& f) {
  const X86State& s = f.state;
  constexpr std::uint64_t kDr6Zero = kUpper | 0x1000, kDr6One = 0xfffe07f0, kDr7Zero = kUpper | 0xd000, kDr7One = 0x400;
  f.require((s.dr6 & kDr6Zero) == 0 && (s.dr6 & kDr6One) == kDr6One, "DR6", s.dr6,
            "bits 63:32 and 12 are 0; 31:17, 10:4 are 1");
  f.require((s.dr7 & kDr7Zero) == 0 && (s.dr7 & kDr7One), "DR7", s.dr7, "bits 63:32, 15, 14 and 12 are 0; 10 is 1");
}

// SDM vol. 3, 27.3.1.4
void check_flags(X86StateFaults& f) {
  const X86State& s = f.state;
  f.require((s.rflags & ~kFlagsDefined) == 0 && (s.rflags & kFlagsFixed), "RFLAGS", s.rflags,
            "bits 63:22, 15, 5 and 3 are 0, bit 1 is 1");
  f.require(!(s.rflags & kVm) || (f.protected_mode && !f.long_mode), "RFLAGS", s.rflags,
            "VM needs protected mode, and there is none of it in IA-32e mode");
  const X86Segment& cs = s.segment[kCs];
  if (f.long_mode && cs.l) {
    // Not "canonical": the instruction behind the last one of a half faults only when it is fetched.
    const std::uint64_t top = static_cast<std::uint64_t>(static_cast<std::int64_t>(s.rip) >> (f.linear_bits - 1));
    f.require(top == 0 || top == 1 || top == ~std::uint64_t{0}, "RIP", s.rip, "it is not canonical");
  } else {
    f.require((s.rip & kUpper) == 0, "RIP", s.rip, "outside of 64-bit mode it has 32 bits");
  }
}

// --- XSAVE area: SDM vol. 1, 13.4 ---

void check_xsave(X86StateFaults& f) {
  constexpr std::size_t kLegacy = 512, kHeader = 64, kMxcsr = 24;
  constexpr std::uint32_t kMxcsrDefined = 0xffff;
  const std::vector<std::uint8_t>& area = f.state.xsave;
  if (area.size() < kLegacy + kHeader) {
    f.add("the size of the XSAVE area", area.size(), "legacy region and header take 576 bytes");
    return;
  }
  const auto mxcsr = load_le<std::uint32_t>(area, kMxcsr);
  f.require((mxcsr & ~kMxcsrDefined) == 0, "MXCSR", mxcsr, "bits 31:16 are reserved");
  const auto present = load_le<std::uint64_t>(area, kLegacy);
  f.require(load_le<std::uint64_t>(area, kLegacy + 8) == 0, "XCOMP_BV", load_le<std::uint64_t>(area, kLegacy + 8),
            "the area is kept in standard form");
  for (std::size_t at = kLegacy + 16; at < kLegacy + kHeader; at += 8)
    f.require(load_le<std::uint64_t>(area, at) == 0, fmt::format("byte {} of the XSAVE area", at),
              load_le<std::uint64_t>(area, at), "its header is reserved there");
  // A CPU without XSAVE has a host's area all the same: then the components are those of that host.
  if (!f.has("xsave")) return;
  const CpuidLeaf whole = f.cpuid.find(0xd, 0);
  const std::uint64_t supported = whole.eax | std::uint64_t{whole.edx} << 32 | 3;
  f.require((present & ~supported) == 0, "XSTATE_BV", present,
            fmt::format("this CPU has the components {:#x}", supported));
  for (unsigned i = 2; i < 63; ++i) {
    if (!(present >> i & 1)) continue;
    const CpuidLeaf component = f.cpuid.find(0xd, i);
    const std::uint64_t end = std::uint64_t{component.eax} + component.ebx;
    if (component.eax != 0)
      f.require(area.size() >= end, "the size of the XSAVE area", area.size(),
                fmt::format("its component {} ends at {}", i, end));
  }
}

// --- what has been recognised: SDM vol. 3, 27.3.1.5 and chapter 6 ---

void check_events(X86StateFaults& f) {
  const X86Events& e = f.state.events;
  const bool exception = e.exception_pending || e.exception_injected;
  f.require(!(e.exception_pending && e.exception_injected), "the exception", e.exception_vector,
            "it is either pending or being delivered");
  if (exception) {
    f.require(e.exception_vector < 32 && e.exception_vector != 2, "the vector of the exception", e.exception_vector,
              "exceptions have 0 to 31, and 2 is the NMI");
    constexpr std::uint32_t kWithCode = 1U << 8 | 0x1fU << 10 | 1U << 17 | 1U << 21 | 1U << 29 | 1U << 30;
    if (e.exception_has_error_code)
      f.require(e.exception_vector < 32 && (kWithCode >> e.exception_vector & 1), "the vector of the exception",
                e.exception_vector, "it has no error code");
  }
  f.require(!e.exception_has_payload || e.exception_pending, "the payload of the exception", e.exception_payload,
            "only a pending one has it");
  f.require(e.interrupt_shadow <= 3, "the interrupt shadow", e.interrupt_shadow, "1 is of STI, 2 of MOV SS");
  f.require(e.interrupt_shadow != 1 || (f.state.rflags & kIf), "the interrupt shadow", e.interrupt_shadow,
            "that of STI needs RFLAGS.IF");
  f.require(!e.interrupt_injected || !e.nmi_injected, "the injected interrupt", e.interrupt_vector,
            "an NMI is being delivered already");
  f.require(!e.smm_inside_nmi || e.smm, "events.smm_inside_nmi", e.smm_inside_nmi, "it needs SMM");
  f.require(e.sipi_vector <= 0xff, "the vector of the SIPI", e.sipi_vector, "it has 8 bits");
}

void check_mp_state(X86StateFaults& f) {
  const MpState mp = f.state.mp_state;
  const auto number = static_cast<unsigned>(mp);
  if (mp > MpState::SipiReceived) return f.add("the MP state", number, "there are five");
  f.require(!f.bootstrap || mp == MpState::Runnable || mp == MpState::Halted, "the MP state", number,
            "the bootstrap processor does not wait for INIT or SIPI");
}

}  // namespace

X86StateFaults::X86StateFaults(const X86State& checked, const CpuidTable& table, bool is_bootstrap)
    : state(checked),
      cpuid(table),
      bootstrap(is_bootstrap),
      features(features_of(table)),
      linear_bits(has_feature(features, "la57") ? 57 : 48),
      physical_bits(physical_address_bits(table)),
      protected_mode(checked.cr0 & kCr0Pe),
      virtual_8086((checked.cr0 & kCr0Pe) && (checked.rflags & kVm) && !(checked.efer & kEferLma)),
      long_mode(checked.efer & kEferLma) {}

std::vector<std::string> impossible_parts(const X86State& state, const CpuidTable& cpuid, bool bootstrap) {
  X86StateFaults f(state, cpuid, bootstrap);
  check_control(f);
  check_pdptrs(f);
  check_xcr0(f);
  check_debug(f);
  check_flags(f);
  check_segments(f);
  check_xsave(f);
  check_msrs(f);
  check_events(f);
  check_mp_state(f);
  check_local_apic(f);
  return f.take();
}

void require_possible(const X86State& state, const CpuidTable& cpuid, bool bootstrap) {
  const std::vector<std::string> faults = impossible_parts(state, cpuid, bootstrap);
  if (faults.empty()) return;
  std::string all;
  for (const std::string& fault : faults) all += (all.empty() ? "" : "; ") + fault;
  throw Error("no CPU of this model can be in that state").why(all);
}

}  // namespace machina
