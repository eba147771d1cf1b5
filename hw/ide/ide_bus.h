#pragma once
/// An IDE channel: two drives on one cable, the command block and control block registers through which software
/// reaches them, and their one interrupt line. ATA/ATAPI-6, sections 5 to 7 and 9.16 (one drive alone).

#include <array>
#include <functional>

#include "hw/base/bus.h"
#include "hw/ide/ata_regs.h"

namespace machina {

class BusMaster;
class IdeDevice;

class IdeBus final : public Bus {
 public:
  static constexpr const char* kType = "ide-bus";
  static void class_init(qom::ObjectClass& c);
  static constexpr unsigned kUnits = 2;

  IdeBus();

  // --- for the controller ---
  IoRegion& command_block() { return command_block_; }  ///< 8 ports: 1F0h or 170h
  IoRegion& control_block() { return control_block_; }  ///< one port: 3F6h or 376h
  /// Where the cable's interrupt goes. Once, in the controller's constructor.
  void on_intrq(std::function<void(bool level)> handler) { intrq_ = std::move(handler); }
  /// The channel's engine; without one DMA commands are refused.
  void set_bus_master(BusMaster& engine) { bus_master_ = &engine; }
  /// The engine was started: the selected drive may move data.
  void bus_master_started();
  void reset_enter();
  void reset_hold() { update_intrq(); }

  // --- for drives ---
  BusMaster* bus_master() const { return bus_master_; }
  IdeDevice* unit(unsigned n) const { return units_.at(n); }
  /// The device register, and its low four bits (head or LBA 27:24).
  std::uint8_t device_register() const { return state_.device; }
  void set_head(unsigned head) { state_.device = static_cast<std::uint8_t>((state_.device & 0xf0) | (head & 0x0f)); }
  /// Which cable of its controller: 0 or 1.
  unsigned number() const { return number_; }
  void set_number(unsigned number) { number_ = number; }
  /// A drive's interrupt request changed.
  void update_intrq();

  void plug(Device& device) override;
  void unplug(Device& device) override;

 private:
  IdeDevice* selected() const { return units_[state_.device & ata::kDeviceSelect ? 1 : 0]; }
  std::uint8_t read_register(unsigned reg);
  void write_register(unsigned reg, std::uint8_t value);
  std::uint8_t status() const;
  void write_control(std::uint8_t value);
  void select_device(std::uint8_t value);
  void start_command(std::uint8_t opcode);
  IoResult read_command_block(Offset offset, Width width);
  IoResult write_command_block(Offset offset, Width width, std::uint64_t value);

  // configuration
  unsigned number_ = 0;
  // dependencies
  std::function<void(bool)> intrq_;
  BusMaster* bus_master_ = nullptr;
  // regions
  IoRegion command_block_;
  IoRegion control_block_;
  // bookkeeping
  std::array<IdeDevice*, kUnits> units_{};
  bool line_ = false;

  /// The registers that both drives hold alike.
  struct State {
    std::uint8_t device = 0;
    std::uint8_t control = 0;
  };
  State state_;
};

}  // namespace machina
