#pragma once
/// What connects the local APICs of a machine: messages between them, from I/O APICs and from MSI functions, and the
/// broadcast of EOIs.
///
/// Source: Intel SDM vol. 3A, 11.6.2 (destinations), 11.6.2.4 (lowest priority), 11.8.5 (EOI), 11.11 (MSI).
///
/// A device's write to FEE00000h-FEEFFFFFh of system memory is a message. The CPUs' own accesses to their APIC page
/// never come here: each CPU asks its Apic first.
///
/// Not modelled: bus arbitration; among APICs of equal priority the lowest-priority mode takes turns.

#include <vector>

#include "hw/base/device.h"
#include "hw/intc/apic_msg.h"
#include "hw/intc/eoi_listener.h"
#include "hw/intc/interrupt_acknowledge.h"

namespace machina {

class Apic;

class ApicBus final : public Device {
 public:
  static constexpr const char* kType = "apic-bus";
  static void class_init(DeviceClass& c);

  /// Sends to whomever the destination names, but not to `except`; returns how many there are.
  unsigned deliver(const ApicMessage& message, const Apic* except = nullptr);
  /// A level-triggered interrupt was ended by a local APIC.
  void broadcast_eoi(std::uint8_t vector);

  /// An I/O APIC of the machine does so itself. Once is enough.
  void add_eoi_listener(EoiListener& listener) { remove_eoi_listener(listener), eoi_listeners_.push_back(&listener); }
  void remove_eoi_listener(EoiListener& listener) { std::erase(eoi_listeners_, &listener); }

  /// The 8259 pair that answers ExtINT, or null.
  InterruptAcknowledge* pic() const { return pic_.get(); }

  /// Apic's, in its realize and unrealize.
  void add(Apic& apic) { apics_.push_back(&apic); }
  void remove(Apic& apic) { std::erase(apics_, &apic); }
  const std::vector<Apic*>& apics() const { return apics_; }

 protected:
  void realize() override;
  void reset_enter() override { last_chosen_ = 0; }

 private:
  IoResult write(Offset offset, Width, std::uint64_t value);
  Apic* lowest_priority(const std::vector<Apic*>& candidates, std::uint8_t vector);

  // dependencies
  qom::Link<InterruptAcknowledge> pic_;
  // regions
  IoRegion window_{"apic-msi", apic_msg::kWindowSize, Widths::only(4),
                   [](Offset, Width) -> IoResult { return IoStatus::NoResponse; },
                   [this](Offset o, Width w, std::uint64_t v) { return write(o, w, v); }};
  // bookkeeping
  std::vector<Apic*> apics_;
  std::vector<EoiListener*> eoi_listeners_;
  std::uint32_t last_chosen_ = 0;  // APIC ID that got the last lowest-priority message
};

}  // namespace machina
