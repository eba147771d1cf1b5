#pragma once
/// Devices for tests of the board loader: a bridge with an ISA bus, an interrupt controller, an ISA and a PCI card.
/// Small, real and without a datasheet, so that a test of the loader breaks when the loader changes and not when a
/// chip does.

#include "core/chardev/char_backend.h"
#include "hw/isa/isa_bus.h"
#include "hw/pci/pci_device.h"
#include "hw/pci/pci_host.h"

namespace machina::test {

/// Brings the bus "isa.0"; its lines end in its own inputs.
class Bridge final : public Device {
 public:
  static constexpr const char* kType = "test-bridge";
  static void class_init(DeviceClass& c);
  Bridge();

 private:
  IrqInBank lines_{"lines", IsaBus::kLines, [](unsigned, bool) {}};
};

/// Eight inputs called "ir", and an output.
class Pic final : public Device {
 public:
  static constexpr const char* kType = "test-pic";
  static void class_init(DeviceClass& c);

 private:
  IrqOut out_;
  IrqInBank ir_{"ir", 8, [](unsigned, bool) {}};
};

enum class Speed { Slow, Fast };

/// A property of each kind.
class IsaCard : public IsaDevice {
 public:
  static constexpr const char* kType = "test-isa-card";
  static void class_init(DeviceClass& c);

 private:
  void realize() override;
  bool ready() const { return realized(); }

  std::uint16_t iobase_ = 0;
  std::uint32_t baud_ = 0;
  bool echo_ = false;
  qom::Size buffer_;
  Speed speed_ = Speed::Slow;
  std::string label_;
  std::vector<std::string> names_;
  qom::Link<CharBackend> chardev_;
  qom::Link<Pic> pic_;
  IrqOut irq_;
};

/// What an accelerator may put in the place of an IsaCard.
class FastIsaCard final : public IsaCard {
 public:
  static constexpr const char* kType = "test-fast-isa-card";
  static void class_init(DeviceClass& c);
};

class PciBridge final : public PciHost {
 public:
  static constexpr const char* kType = "test-pci-bridge";
  static void class_init(DeviceClass& c);
};

class PciCard final : public PciDevice {
 public:
  static constexpr const char* kType = "test-pci-card";
  static void class_init(PciDeviceClass& c);
};

/// Needs a property that has no default.
class Needy final : public Device {
 public:
  static constexpr const char* kType = "test-needy";
  static void class_init(DeviceClass& c);

 private:
  std::string file_;
};

/// A back end that keeps nothing.
class Sink final : public CharBackend {
 public:
  static constexpr const char* kType = "test-chardev";
  static void class_init(qom::ObjectClass& c);
  std::size_t write(std::span<const std::byte> bytes) override { return bytes.size(); }
  std::string description() const override { return "sink"; }
};

}  // namespace machina::test
