#pragma once
/// The local APIC in user space, xAPIC and x2APIC.
///
/// Source: Intel SDM vol. 3A (325384-083), chapter 11.
///
/// Its CPU calls mmio_read/mmio_write for its own accesses to the APIC page, msr_read/msr_write for 1Bh, 6E0h and
/// 800h-8FFh, and acknowledge() to take an interrupt. Everything else comes over the ApicBus or its LINT pins.
///
/// Threads: all under the machine lock, except interrupt_pending(), which the vCPU thread polls.
///
/// What guests depend on:
///  - An ExtINT (LINT0 or message) is acknowledged before an own vector, as in-kernel APICs do.
///  - While the APIC is disabled in IA32_APIC_BASE, LINT0 and LINT1 are the INTR and NMI pins of the CPU.
///  - While it is disabled by software (SVR), fixed interrupts are refused and those already accepted wait.
///
/// Not modelled: remote read, sources of the CMCI, thermal and performance entries other than local_event(), delivery
/// status (messages arrive at once), polarity (wires carry "asserted"). A periodic timer faster than kMinPeriodNs loses
/// ticks, so that a guest cannot stop the host's clockwork with it.

#include <atomic>
#include <optional>

#include "core/clock.h"
#include "hw/intc/apic_bus.h"
#include "hw/intc/apic_common.h"
#include "hw/intc/apic_cpu.h"
#include "hw/intc/apic_msg.h"
#include "hw/intc/apic_page.h"
#include "hw/intc/interrupt_acknowledge.h"

namespace machina {

class Apic final : public ApicCommon, public InterruptAcknowledge {
 public:
  static constexpr const char* kType = "apic";
  static void class_init(DeviceClass& c);

  static constexpr std::int64_t kMinPeriodNs = 10'000;

  /// Before realize, by the CPU. It must outlive the APIC's realized life.
  void connect(ApicCpu& cpu) { cpu_ = &cpu; }

  // --- the CPU's accesses ---
  /// `offset` in the APIC page. An access that is not 32 bits wide at a multiple of 16 reads parts or is ignored.
  std::uint64_t mmio_read(std::uint64_t offset, Width width);
  void mmio_write(std::uint64_t offset, Width width, std::uint64_t value);
  /// RDMSR and WRMSR of IA32_APIC_BASE, IA32_TSC_DEADLINE and 800h-8FFh; false: the CPU raises #GP(0).
  bool msr_read(std::uint32_t index, std::uint64_t& value);
  bool msr_write(std::uint32_t index, std::uint64_t value);
  /// Where the page is, and whether it is there at all: not while disabled, nor in x2APIC mode.
  bool page_enabled() const { return enabled() && !x2apic(); }
  std::uint64_t page_address() const { return state_.base & apic::kBaseAddress; }
  /// Somebody set the TSC: what a deadline waits for may be nearer or farther.
  void tsc_changed();
  /// CR8 is TPR bits 7-4.
  std::uint64_t cr8() const { return state_.tpr >> 4; }
  void set_cr8(std::uint64_t value);
  /// A vector is requested that would interrupt now if TPR were 0.
  bool held_by_task_priority() const;

  /// A fixed interrupt (`vector`) or an NMI to the APICs whose IDs are `first` + n for each bit n of `set`; returns how
  /// many there are. What hypervisors offer beside the ICR, which names one or all.
  unsigned send_to_each(std::uint32_t first, std::uint64_t set, ApicDelivery delivery, std::uint8_t vector);

  /// INTR of the CPU. Any thread.
  bool interrupt_pending() const { return pending_.load(std::memory_order_acquire); }
  /// The vector to take; the spurious vector when TPR was raised meanwhile; -1 when there is nothing at all.
  int acknowledge() override;

  /// Thermal, performance, CMCI: the event of an LVT entry.
  enum class LocalEvent { Cmci, Thermal, Performance };
  void local_event(LocalEvent event);

  // --- the bus ---
  std::uint32_t id() const { return state_.id; }
  bool is_destination(const ApicMessage& message) const;
  /// Enabled in IA32_APIC_BASE and by software.
  bool accepts_fixed() const { return enabled() && (state_.svr & apic::kSvrEnable); }
  /// It has the vector already, and focus checking is on.
  bool is_focus(std::uint8_t vector) const;
  std::uint8_t arbitration_priority() const;
  void receive(const ApicMessage& message);

  /// The registers as they stand in the page, for state that is kept in that form: 1 KiB. Side effects none. Errors
  /// that ESR does not show yet are not in it.
  ApicPage registers() const;
  void set_registers(const ApicPage& page);

 protected:
  void realize() override;
  void unrealize() override;
  void push_state() override;
  void lint_changed(unsigned pin, bool level) override;

 private:
  bool enabled() const { return state_.base & apic::kBaseEnable; }
  bool x2apic() const { return state_.base & apic::kBaseExtended; }
  /// Mask bits are stuck at 1 while software-disabled, but for the 8259's way through; see reset_state().
  void mask_all_lvt();

  bool read_register(std::uint32_t offset, std::uint32_t& value);
  bool write_register(std::uint32_t offset, std::uint32_t value);
  bool write_base(std::uint64_t value);
  void write_svr(std::uint32_t value);
  void write_lvt(std::uint32_t& entry, std::uint32_t value, std::uint32_t writable);
  std::uint32_t* lvt_entry(std::uint32_t offset, std::uint32_t& writable);
  void write_icr(std::uint64_t value);
  void end_of_interrupt();
  std::uint32_t x2apic_ldr() const;

  std::uint8_t processor_priority() const;
  /// The requested vector that may interrupt now, or -1.
  int deliverable() const;
  bool extint_line() const;
  void accept(std::uint8_t vector, bool level);
  void deliver_lvt(std::uint32_t& entry, bool level_pin = false);
  void error(std::uint32_t bit);
  void init_reset();
  void apply();

  // timer
  std::uint32_t timer_mode() const { return state_.lvt_timer & apic::kLvtTimerMode; }
  unsigned divisor() const;
  std::uint64_t elapsed_counts(std::int64_t at) const;
  std::uint32_t current_count() const;
  void start_timer(std::uint32_t initial);
  /// The count is `count` now, and goes on from there as mode and divider are now.
  void go_on_counting(std::uint32_t count);
  /// An expiry that the event loop has not come to yet, before a write changes what it means.
  void signal_due_timer();
  void arm_timer();
  void timer_expired();

  // configuration
  std::uint64_t frequency_ = 0;
  // dependencies
  qom::Link<ApicBus> bus_;
  ApicCpu* cpu_ = nullptr;
  // sub-parts
  std::optional<Timer> timer_;
  // bookkeeping
  std::atomic<bool> pending_{false};
  bool held_ = false;              // by the task priority, as the CPU has been told
  std::int64_t timer_served_ = 0;  // expiries up to this time have been signalled
};

}  // namespace machina
