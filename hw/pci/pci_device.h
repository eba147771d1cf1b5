#pragma once
/// A PCI function: configuration space, base address registers, expansion ROM, INTx and bus mastering.
///
/// A subclass declares who it is in class_init (vendor_id, device_id, class_code, …) and its registers in realize():
/// add_bar(), define_config(), use_interrupt_pin(), add_capability(). All effects of configuration space are made by
/// apply(), which is called after a guest's write, after reset and after a restore; a subclass with registers of its
/// own overrides it and calls the base's first.

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "hw/pci/config_layout.h"
#include "hw/pci/pci_bus.h"
#include "hw/pci/pci_regs.h"

namespace machina {

class PciDeviceClass : public DeviceClass {
 public:
  std::uint16_t vendor_id = 0xffff;
  std::uint16_t device_id = 0xffff;
  std::uint8_t revision = 0;
  std::uint16_t class_code = 0;  ///< base class and sub-class: 0x0300 is a VGA controller
  std::uint8_t prog_if = 0;
  /// Both 0: the function has none, as chips older than PCI 2.1.
  std::uint16_t subsystem_vendor_id = pci::kSubsystemVendorDefault;
  std::uint16_t subsystem_id = pci::kSubsystemDefault;
  /// The function does its work without its ROM: that of the class may be missing on this host, with a warning.
  bool rom_optional = false;
};

/// Kinds of base address registers (PCI 3.0, 6.2.5.1).
enum class BarKind { Io, Memory, Memory64, Prefetchable, Prefetchable64 };

class PciDevice : public Device {
 public:
  static constexpr const char* kType = "pci-device";
  using Class = PciDeviceClass;
  static void class_init(PciDeviceClass& c);

  static constexpr unsigned kBars = 6;

  const PciDeviceClass& pci_class() const { return static_cast<const PciDeviceClass&>(object_class()); }
  PciBus& pci_bus() const { return static_cast<PciBus&>(*parent_bus()); }
  /// Where it is; before it is realized, where the user wants it, or nothing for the next free slot.
  const std::optional<PciAddress>& wanted_address() const { return wanted_; }
  PciAddress address() const { return address_; }
  bool multifunction() const { return multifunction_; }

  /// A configuration access of the guest; `offset` and `width` (1, 2, 4) stay within the 256 bytes.
  std::uint32_t config_read(unsigned offset, Width width) const;
  void config_write(unsigned offset, Width width, std::uint32_t value);

  /// System memory while the bus-master bit is set; else a space where nothing answers. Ask for each transfer.
  AddressSpace& dma() override;
  bool bus_master() const { return config(pci::kCommand, 2) & pci::kCommandBusMaster; }

  /// Where BAR `n` is mapped now; empty when it is not.
  std::optional<std::uint64_t> bar_address(unsigned n) const;
  /// Bytes of BAR `n`; 0 when there is none.
  std::uint64_t bar_size(unsigned n) const { return bars_.at(n).region ? bars_[n].region->size() : 0; }

  void reset_enter() override;
  void reset_hold() override;

 protected:
  // --- declarations, for realize() ---
  /// BAR `n` (and n + 1 for 64-bit kinds) maps `region`, whose size is a power of two from 16 (memory) or 4 (I/O)
  /// bytes up. The region lives as long as the device is realized. Throws Error.
  void add_bar(unsigned n, BarKind kind, MemoryRegion& region);
  void define_config(unsigned offset, Width width, std::uint32_t reset, std::uint32_t writable = 0,
                     std::uint32_t write_one_to_clear = 0);
  /// The function asserts INTA# (1) to INTD# (4).
  void use_interrupt_pin(unsigned pin);
  /// Adds a capability of `length` bytes (with its two-byte head) and returns its offset: the next free one from 40h
  /// on, or `at`. The caller defines its registers. Throws Error when it does not fit.
  unsigned add_capability(std::uint8_t id, unsigned length, unsigned at = 0);

  // --- while it runs ---
  /// Level of the INTx pin, before the guest's interrupt-disable bit.
  void set_intx(bool level);
  bool intx() const { return state_.intx; }
  std::uint32_t config(unsigned offset, Width width) const { return config_get(state_.config, offset, width); }
  /// The device changes a register of its own; no effect is applied.
  void put_config(unsigned offset, Width width, std::uint32_t value) {
    config_put(state_.config, offset, width, value);
  }
  const ConfigLayout& layout() const { return layout_; }

  /// After a guest's write and before its effects: bits that depend on others (locks), and what an edge starts.
  /// `before` is configuration space as it was.
  virtual void adjust(const ConfigLayout::Bytes& /*before*/) {}
  /// Makes the effects of configuration space true. Without `force` only what differs from what is in effect is
  /// touched; with it everything is done again (reset, restore).
  virtual void apply(bool force);

  void pre_realize() override;
  void post_unrealize() override;

 private:
  friend class PciBus;
  friend class MsiCapability;
  struct Bar {
    MemoryRegion* region = nullptr;
    BarKind kind = BarKind::Memory;
    std::optional<std::uint64_t> mapped_at;
  };
  bool is_64_bit(unsigned n) const {
    return bars_[n].kind == BarKind::Memory64 || bars_[n].kind == BarKind::Prefetchable64;
  }
  void define_header();
  void load_rom();
  std::optional<std::uint64_t> decoded_bar(unsigned n) const;
  std::optional<std::uint64_t> decoded_rom() const;
  void apply_bar(MemoryRegion& region, ContainerRegion& where, std::optional<std::uint64_t> at,
                 std::optional<std::uint64_t>& mapped_at, bool force);

  // configuration
  std::optional<PciAddress> wanted_;
  bool multifunction_ = false;
  std::string romfile_;
  bool rombar_ = true;
  ConfigLayout layout_;
  // regions
  std::array<Bar, kBars> bars_;
  std::unique_ptr<RamRegion> rom_;
  // sub-parts
  IrqOut intx_pin_;
  // bookkeeping
  PciAddress address_;
  std::optional<std::uint64_t> rom_at_;
  unsigned capability_end_ = pci::kHeaderSize;
  std::vector<class MsiCapability*> msi_;

  struct State {
    ConfigLayout::Bytes config{};
    bool intx = false;  ///< what the device asserts, before the interrupt-disable bit
  };
  State state_;
};

}  // namespace machina
