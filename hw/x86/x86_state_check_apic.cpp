/// IA32_APIC_BASE and the local APIC's registers: SDM vol. 3, chapter 11.

#include "core/byte_order.h"
#include "hw/intc/apic_regs.h"
#include "hw/x86/x86_state_faults.h"

namespace machina {

using namespace apic;  // NOLINT(google-build-using-namespace): the chip's own register names

namespace {

void check_base(X86StateFaults& f) {
  const std::uint64_t base = f.state.apic_base;
  constexpr std::uint64_t kFlags = kBaseBootstrap | kBaseExtended | kBaseEnable;
  f.require((base & 0xfff & ~kFlags) == 0 && base >> f.physical_bits == 0, "IA32_APIC_BASE", base,
            "bits 9, 7:0 and those beyond the physical address are reserved");
  if (!(base & kBaseExtended)) return;
  f.require(f.has("x2apic"), "IA32_APIC_BASE", base, "this CPU has no x2APIC mode");
  f.require(base & kBaseEnable, "IA32_APIC_BASE", base, "x2APIC mode needs the APIC enabled");
}

}  // namespace

void check_local_apic(X86StateFaults& f) {
  check_base(f);
  if (!f.state.lapic_valid) return;
  const auto at = [&f](std::uint32_t offset) { return load_le<std::uint32_t>(f.state.lapic, offset); };
  // 11.4.8: integrated APICs have 10h to 15h, and at most seven local vectors.
  const std::uint32_t version = at(Version);
  f.require((version & 0xff) >= 0x10 && (version & 0xff) <= 0x15, "the APIC's version", version,
            "integrated APICs have 10h to 15h");
  f.require(at(Tpr) <= 0xff, "the APIC's TPR", at(Tpr), "it has 8 bits");
  f.require(at(Tpr) > 0xff || at(Tpr) >> 4 == f.state.cr8, "the APIC's TPR", at(Tpr),
            fmt::format("its class is CR8, which is {}", f.state.cr8));
  f.require((at(Svr) & ~kSvrDefined) == 0, "the APIC's SVR", at(Svr), "bits 31:13, 11 and 10 are reserved");
  f.require((at(TimerDivide) & ~0xbU) == 0, "the APIC's divide configuration", at(TimerDivide),
            "it has the bits 0, 1 and 3");
  static constexpr std::pair<Register, const char*> kEntries[] = {
      {LvtCmci, "CMCI"},   {LvtTimer, "timer"}, {LvtThermal, "thermal"}, {LvtPerformance, "performance"},
      {LvtLint0, "LINT0"}, {LvtLint1, "LINT1"}, {LvtError, "error"}};
  for (const auto& [offset, name] : kEntries) {
    // Bit 12 is delivery status, 13 to 15 are of the pins only.
    const std::uint32_t mode = offset == LvtTimer ? kLvtTimerMode : kLvtDelivery;
    const std::uint32_t pin = offset == LvtLint0 || offset == LvtLint1 ? 7U << 13 : 0;
    f.require((at(offset) & ~(kLvtVector | kLvtMasked | 1U << 12 | mode | pin)) == 0,
              fmt::format("the APIC's {} vector", name), at(offset), "it has reserved bits");
  }
  // 11.5.2 and 11.8.4: vectors 0 to 15 are never accepted.
  constexpr std::uint32_t kIllegal = (1U << kFirstLegalVector) - 1;
  for (const auto& [offset, name] : {std::pair(Isr, "ISR"), std::pair(Irr, "IRR")})
    f.require((at(offset) & kIllegal) == 0, fmt::format("the APIC's {}", name), at(offset),
              "vectors 0 to 15 are not accepted");
}

}  // namespace machina
