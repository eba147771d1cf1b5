#pragma once
/// What every implementation of the local APIC shares: identity, LINT pins and state.

#include <array>
#include <bit>

#include "hw/base/device.h"
#include "hw/intc/apic_regs.h"

namespace machina {

/// ISR, TMR, IRR: a bit for each vector, as eight registers of 32 bits.
struct ApicVectors {
  std::array<std::uint32_t, 8> words{};

  bool test(unsigned vector) const { return words[vector / 32] >> vector % 32 & 1; }
  void set(unsigned vector) { words[vector / 32] |= 1U << vector % 32; }
  void clear(unsigned vector) { words[vector / 32] &= ~(1U << vector % 32); }
  /// The highest vector that is set, or -1.
  int highest() const {
    for (unsigned i = 8; i-- > 0;)
      if (words[i]) return static_cast<int>(i * 32 + 31) - std::countl_zero(words[i]);
    return -1;
  }
  friend bool operator==(const ApicVectors&, const ApicVectors&) = default;
};

/// Registers as the SDM names them.
struct ApicState {
  std::uint64_t base = 0;  ///< IA32_APIC_BASE
  std::uint32_t id = 0;    ///< 8 bits in xAPIC mode, 32 in x2APIC mode
  std::uint32_t tpr = 0;
  std::uint32_t ldr = 0;  ///< as read: bits 31-24 in xAPIC mode, all 32 in x2APIC mode
  std::uint32_t dfr = 0xffffffff;
  std::uint32_t svr = 0xff;
  ApicVectors isr{}, tmr{}, irr{};
  std::uint32_t esr = 0;        ///< what reads see: errors up to the last write of ESR
  std::uint32_t esr_latch = 0;  ///< errors since then
  std::uint64_t icr = 0;        ///< high half in bits 63-32
  std::uint32_t lvt_cmci = apic::kLvtMasked;
  std::uint32_t lvt_timer = apic::kLvtMasked;
  std::uint32_t lvt_thermal = apic::kLvtMasked;
  std::uint32_t lvt_performance = apic::kLvtMasked;
  std::array<std::uint32_t, 2> lvt_lint{apic::kLvtMasked, apic::kLvtMasked};
  std::uint32_t lvt_error = apic::kLvtMasked;
  std::uint32_t timer_initial = 0;
  std::uint32_t timer_divide = 0;
  std::int64_t timer_start = 0;    ///< ns of the virtual clock at which timer_initial began to count
  bool timer_over = false;         ///< one shot has come to its end: 0 in any mode, until timer_initial is written
  std::uint64_t tsc_deadline = 0;  ///< 0: not armed
  std::array<bool, 2> lint{};      ///< levels of the pins
  bool extint = false;             ///< an ExtINT message waits for its acknowledge

  friend bool operator==(const ApicState&, const ApicState&) = default;
};

/// Inputs "lint" 0 (the 8259's INTR on a PC) and 1 (NMI).
class ApicCommon : public Device {
 public:
  static constexpr const char* kType = "apic-common";
  static void class_init(DeviceClass& c);

  std::uint32_t initial_id() const { return initial_id_; }

  const ApicState& get_state();
  void set_state(const ApicState& state);

 protected:
  /// For implementations whose registers live elsewhere: copy them into state_.
  virtual void pull_state() {}
  /// Called whenever state_ was replaced as a whole (reset, set_state).
  virtual void push_state() = 0;
  virtual void lint_changed(unsigned pin, bool level) = 0;

  /// State after RESET; after INIT, SDM 11.4.7.3, ID and IA32_APIC_BASE stay.
  ApicState reset_state();
  void reset_enter() override { state_ = reset_state(); }
  void reset_hold() override { push_state(); }

  // configuration
  std::uint32_t initial_id_ = 0;
  bool bootstrap_ = false;
  bool virtual_wire_ = true;
  // sub-parts
  IrqInBank lint_{"lint", 2, this, &ApicCommon::lint_changed};

  ApicState state_;
};

}  // namespace machina
