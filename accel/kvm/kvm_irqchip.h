#pragma once
/// The interrupt half of KVM: which controllers are in the kernel, their lines, messages, routes and event descriptors.
///
/// kernel-irqchip=on puts PIC pair, IOAPIC and local APICs (and, when the board has one, the PIT) into the kernel;
/// split only the local APICs; off none. docs/interrupts.md follows one interrupt through each.
///
/// Machine lock held everywhere, unless a function says otherwise.

#include <cstdint>
#include <map>
#include <memory>

#include "accel/kvm/kvm_calls.h"
#include "accel/kvm/kvm_gsi_routes.h"
#include "core/memory/memory_region.h"
#include "hw/intc/ioapic_common.h"
#include "hw/x86/accelerator.h"
#include "qom/property.h"

struct kvm_irqchip;
struct kvm_pit_state2;

namespace machina {

class IrqIn;
class KvmPit;
struct System;

enum class KernelIrqchip { Off, Split, On };

namespace qom {
template <>
struct EnumNames<KernelIrqchip> {
  static constexpr const char* name = "OnOffSplit";
  static constexpr std::pair<KernelIrqchip, const char*> values[] = {
      {KernelIrqchip::On, "on"}, {KernelIrqchip::Off, "off"}, {KernelIrqchip::Split, "split"}};
};
}  // namespace qom

namespace kvm {

/// What of all this a kernel's KVM has.
struct IrqchipCapabilities {
  bool irqchip = false, split = false, pit = false, signal_msi = false, irqfd = false, irqfd_resample = false;
  bool reinject_control = false, x2apic_api = false;
  unsigned routes = 0;
};

class Irqchip final : private IoapicListener {
 public:
  /// Throws Error when the kernel cannot do `mode`.
  Irqchip(const Fd& vm, System& system, KernelIrqchip mode, const IrqchipCapabilities& capabilities);
  ~Irqchip() override;
  Irqchip(const Irqchip&) = delete;
  Irqchip& operator=(const Irqchip&) = delete;

  KernelIrqchip mode() const { return mode_; }
  const IrqchipCapabilities& capabilities() const { return capabilities_; }
  bool pic_in_kernel() const { return mode_ == KernelIrqchip::On; }
  bool lapic_in_kernel() const { return mode_ != KernelIrqchip::Off; }

  /// Makes the kernel's part. The accelerator calls it before the first vCPU, as KVM wants, and as late as that: adding
  /// a memory slot within milliseconds after it takes 5 ms more. Throws Error.
  void create();
  bool created() const { return created_; }

  // --- lines (mode on) ---
  /// Drives a GSI of GsiRoutes. Nothing happens before create(); the owner drives its lines again at reset.
  void set_line(unsigned gsi, bool level);
  /// KVM_GET_IRQCHIP and KVM_SET_IRQCHIP of `chip_id` in the argument. Throws Error.
  void get_chip(kvm_irqchip& chip) const;
  void set_chip(kvm_irqchip& chip) const;
  void set_timer_pin(unsigned pin) { timer_pin_ = pin; }
  /// What input of the board the GSIs 0 to 23 are, so that an irqfd can raise them.
  void name_gsi(unsigned gsi, IrqIn* input);

  // --- the timer (mode on) ---
  /// The device that stands for the kernel's PIT, which is made with the controllers, or now when these exist already.
  void attach_pit(KvmPit& pit);
  void detach_pit(KvmPit& pit);
  void get_pit(kvm_pit_state2& state) const;
  void set_pit(kvm_pit_state2& state) const;
  /// True: ticks that the guest was too late for are kept and delivered later.
  void set_reinject(bool on);
  /// True: high precision event timers have taken its interrupt.
  void mute_pit(bool on);

  // --- messages (modes on and split) ---
  /// A message that a device writes to the local APICs' window. False when no local APIC takes it.
  bool send(const MsiMessage& message);
  GsiRoutes& routes() { return routes_; }

  // --- an I/O APIC in user space (mode split) ---
  /// Its level-triggered pins become routes, by which KVM knows which EOIs to report; until detached or this object
  /// dies. One I/O APIC; more are ignored.
  void attach_ioapic(IoapicCommon& ioapic);
  void end_of_interrupt(std::uint8_t vector);

  // --- event descriptors (modes on and split) ---
  /// Lets KVM raise an interrupt when `fd` is signalled. Null when KVM cannot: the sink is no GSI of the kernel's
  /// chips.
  std::unique_ptr<InterruptEvent> connect_line(IrqIn& sink, int fd, int resample_fd);
  std::unique_ptr<InterruptEvent> connect_message(const MsiMessage& message, int fd);

  /// The machine stops or goes on; all vCPUs are parked.
  void clock_running(bool running);

 private:
  void create_pit();
  void route_changed(unsigned pin, const IoapicRoute& route) override;
  IoResult write_window(Offset offset, Width width, std::uint64_t value);

  const Fd& vm_;
  KernelIrqchip mode_;
  IrqchipCapabilities capabilities_;
  GsiRoutes routes_;
  std::unique_ptr<IoRegion> window_;
  std::map<const IrqIn*, unsigned> gsi_of_;
  qom::Ref<IoapicCommon> ioapic_;
  unsigned timer_pin_ = 2;
  KvmPit* pit_ = nullptr;
  bool created_ = false, pit_created_ = false;
};

}  // namespace kvm
}  // namespace machina
