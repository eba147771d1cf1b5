#pragma once
/// What every implementation of the I/O APIC shares: inputs, address, state, and those who want to know its routes.

#include <array>
#include <vector>

#include "hw/acpi/acpi_board.h"
#include "hw/base/device.h"
#include "hw/intc/apic_msg.h"
#include "hw/intc/eoi_listener.h"
#include "hw/intc/ioapic_regs.h"

namespace machina {

struct IoapicState {
  std::uint8_t id = 0;
  std::uint8_t select = 0;  ///< IOREGSEL
  /// Requests that wait: of level pins the line itself, of edge pins what has not been sent.
  std::uint32_t irr = 0;
  std::uint32_t lines = 0;  ///< the inputs now
  std::array<std::uint64_t, ioapic::kPins> redirection{};

  friend bool operator==(const IoapicState&, const IoapicState&) = default;
};

/// Where a pin leads to. An accelerator programs the host's routes with it, and whether it must report EOIs.
struct IoapicRoute {
  std::uint64_t address = 0;  ///< of the message, as of an MSI
  std::uint32_t data = 0;
  bool level = false;
  bool masked = true;
  friend bool operator==(const IoapicRoute&, const IoapicRoute&) = default;
};

/// Told, under the machine lock, when the guest has programmed a pin, and of all pins when the state is replaced.
class IoapicListener {
 public:
  virtual ~IoapicListener() = default;
  virtual void route_changed(unsigned pin, const IoapicRoute& route) = 0;
};

/// Inputs "in" 0 to 23.
class IoapicCommon : public Device, public EoiListener, public AcpiContributor {
 public:
  static constexpr const char* kType = "ioapic-common";
  static void class_init(DeviceClass& c);

  void acpi_facts(AcpiBoard& board) override;

  const IoapicState& get_state();
  void set_state(const IoapicState& state);

  /// How often input `pin` has risen since power-on; the guest may have masked it. Machine lock held.
  std::uint64_t rises(unsigned pin) const { return rises_.at(pin); }

  /// A new listener is told of every pin. It must remove itself before it dies.
  void add_listener(IoapicListener& listener);
  void remove_listener(IoapicListener& listener);
  IoapicRoute route(unsigned pin) const;

 protected:
  /// For implementations whose registers live elsewhere: copy them into state_.
  virtual void pull_state() {}
  /// Called whenever state_ was replaced as a whole (reset, set_state). Overriders call this one.
  virtual void push_state();
  virtual void pin_changed(unsigned pin, bool level) = 0;

  void reset_enter() override;
  void reset_hold() override { push_state(); }

  /// Tells the listeners if the route of `pin` is another one than they were told last.
  void tell_route(unsigned pin);

  // configuration
  std::uint64_t address_ = ioapic::kAddress;
  std::uint8_t version_ = ioapic::kVersionWithEoi;
  // sub-parts
  IrqInBank in_{"in", ioapic::kPins, this, &IoapicCommon::count_and_change};
  // bookkeeping
  std::vector<IoapicListener*> listeners_;
  std::array<IoapicRoute, ioapic::kPins> told_{};

  IoapicState state_;

 private:
  void count_and_change(unsigned pin, bool level) {
    if (level) ++rises_[pin];
    pin_changed(pin, level);
  }
  // bookkeeping
  std::array<std::uint64_t, ioapic::kPins> rises_{};
};

}  // namespace machina
