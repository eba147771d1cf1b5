#pragma once
/// The ISA bus and what plugs into it. Its 16 interrupt lines are inputs of whatever the bridge is wired to; its ports
/// and its memory are the machine's.

#include <optional>

#include "hw/base/bus.h"

namespace machina {

class IsaDmaChannel;
class IsaDmaController;

class IsaBus final : public Bus {
 public:
  static constexpr const char* kType = "isa-bus";
  static void class_init(qom::ObjectClass& c);
  static constexpr unsigned kLines = 16;

  /// The bridge says where its lines end: 16 inputs that it owns.
  void set_irq_lines(IrqInBank& lines) { lines_ = &lines; }
  IrqIn* irq_line(unsigned n) override { return lines_ && n < lines_->size() ? &(*lines_)[n] : nullptr; }

  /// Null takes the controller away. Throws Error when there is another one.
  void set_dma_controller(IsaDmaController* controller);
  bool has_dma() const { return dma_ != nullptr; }
  /// Channel 0 to 3 (bytes) or 5 to 7 (words), hw/isa/isa_dma.h. Throws Error when there is none.
  IsaDmaChannel& dma_channel(unsigned n);

 private:
  IrqInBank* lines_ = nullptr;
  IsaDmaController* dma_ = nullptr;
};

class IsaDevice : public Device {
 public:
  static constexpr const char* kType = "isa-device";
  static void class_init(DeviceClass& c);

  /// Which line of its bus an output of this device is wired to; nothing when it is to none.
  std::optional<unsigned> isa_line(const IrqOut& output) const;

  IsaBus& isa_bus() const { return static_cast<IsaBus&>(*parent_bus()); }

 protected:
  /// Who has one of `size` ports from `base` on; null: they are free.
  const MemoryRegion* port_user(std::uint16_t base, std::uint64_t size) const;
  /// Ports of the machine, until unrealize. Throws Error naming who has them already.
  void map_ports(std::uint16_t base, IoRegion& ports);
};

}  // namespace machina
