#pragma once
/// A PCI bus: 32 devices of up to 8 functions, their configuration space, and four interrupt lines.
///
/// The bridge that makes the bus says which memory and ports are behind it (attach) and where the four lines end
/// (set_interrupt_router). PCI-to-PCI bridges are not modelled yet: a configuration cycle for another bus number is
/// answered by nobody.

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include "hw/base/bus.h"

namespace machina {

class PciDevice;

/// Device and function number; 00.0 to 1f.7 as text.
struct PciAddress {
  unsigned slot = 0;
  unsigned function = 0;

  unsigned devfn() const { return slot << 3 | function; }
  std::string to_string() const;  ///< "01.3"
  /// "slot" or "slot.function", hexadecimal with or without 0x, as QEMU reads it: 1.3, 0x1f, 1f.0. Throws Error.
  static PciAddress parse(std::string_view text);
  friend bool operator==(const PciAddress&, const PciAddress&) = default;
};

class PciBus final : public Bus {
 public:
  static constexpr const char* kType = "pci-bus";
  static void class_init(qom::ObjectClass& c);

  static constexpr unsigned kSlots = 32;
  static constexpr unsigned kFunctions = 8;
  static constexpr unsigned kLines = 4;

  PciBus();
  ~PciBus() override;

  // --- for the bridge ---
  /// Where memory BARs are mapped. From the bridge's constructor, so that what wants to be behind the bridge (firmware)
  /// may be realized before it.
  void attach_memory(ContainerRegion& memory) { memory_ = &memory; }
  /// Where I/O BARs are mapped; when the bridge is realized.
  void attach_io(ContainerRegion& io) { io_ = &io; }
  /// Called when one of the four lines changes; of one router, the interrupt router of the ISA bridge.
  using Router = std::function<void(unsigned line, bool level)>;
  void set_interrupt_router(Router router) { router_ = std::move(router); }
  bool line_level(unsigned line) { return lines_[line].level(); }
  /// The port CF9h, which lies within the host bridge's CF8h-CFBh, belongs to the ISA bridge; null: to nobody.
  void claim_reset_control(IoRegion* port) { reset_control_ = port; }
  IoRegion* reset_control() const { return reset_control_; }

  // --- for functions ---
  ContainerRegion& memory() const { return *memory_; }
  ContainerRegion& io() const { return *io_; }
  /// The line that INTA# (pin 0) to INTD# (3) of a slot are wired to. PC boards turn the pins by one from slot to slot,
  /// such that INTA# of slot 1 is line 0, PIRQA#.
  static unsigned line_of(unsigned slot, unsigned pin) { return (slot + pin + kLines - 1) % kLines; }
  IrqIn& line(unsigned n) { return lines_[n]; }
  /// An address space in which nothing answers: where a function that is not bus master masters the bus.
  AddressSpace& no_dma();

  PciDevice* function(unsigned slot, unsigned function) const { return functions_.at(slot * kFunctions + function); }
  PciDevice* function(PciAddress a) const { return function(a.slot, a.function); }

  /// A configuration cycle to `bus`: null when no function is there.
  PciDevice* target(unsigned bus, unsigned slot, unsigned function) const;

  void plug(Device& device) override;
  void unplug(Device& device) override;

 private:
  PciAddress place(PciDevice& device);

  ContainerRegion* memory_ = nullptr;
  ContainerRegion* io_ = nullptr;
  Router router_;
  IoRegion* reset_control_ = nullptr;
  IrqInBank lines_;
  std::unique_ptr<ContainerRegion> nothing_;
  std::unique_ptr<AddressSpace> no_dma_;
  std::array<PciDevice*, kSlots * kFunctions> functions_{};
};

}  // namespace machina
