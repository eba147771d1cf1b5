#include "hw/ide/piix3_ide.h"

namespace machina {

namespace {

// 2.3: configuration space of function 1.
constexpr unsigned kIdetim = 0x40;   // timing, 16 bits for each channel
constexpr unsigned kSidetim = 0x44;  // timing of the second drives
constexpr std::uint32_t kDecodeEnable = 1 << 15;
constexpr unsigned kBusMasterBar = 4;

constexpr std::array<std::uint16_t, Piix3Ide::kChannels> kCommandBlock = {0x1f0, 0x170};
constexpr std::array<std::uint16_t, Piix3Ide::kChannels> kControlBlock = {0x3f6, 0x376};

}  // namespace

void Piix3Ide::class_init(PciDeviceClass& c) {
  c.description = "Intel 82371SB (PIIX3) IDE controller";
  c.category = Category::Storage;
  c.vendor_id = pci::kVendorIntel;
  c.device_id = pci::kDevice82371sbIde;
  c.class_code = pci::kClassStorageIde;
  c.prog_if = 0x80;  // legacy ports, bus master
  c.outputs("irqs", &Piix3Ide::irqs_).doc("ISA interrupts 14 and 15: the input that 14 is wired to");
}

Piix3Ide::Piix3Ide()
    : engine_{BusMaster{[this]() -> AddressSpace& { return dma(); }, [this] { bus_[0]->bus_master_started(); }},
              BusMaster{[this]() -> AddressSpace& { return dma(); }, [this] { bus_[1]->bus_master_started(); }}} {
  for (unsigned n = 0; n < kChannels; ++n) {
    bus_[n] = &add_new_child<IdeBus>(n == 0 ? "ide.0" : "ide.1");
    bus_[n]->set_number(n);
    bus_[n]->on_intrq([this, n](bool level) { irqs_[n].set(level); });
    bus_[n]->set_bus_master(engine_[n]);
  }
}

void Piix3Ide::realize() {
  define_config(pci::kStatus, 2, pci::kStatusFastBackToBack | pci::kStatusDevselMedium, 0,
                pci::kStatusErrors & ~0xc100U);
  define_config(pci::kCacheLineSize, 1, 0);
  define_config(pci::kLatencyTimer, 1, 0, 0xf0);
  define_config(pci::kInterruptLine, 1, 0);
  define_config(pci::kCommand, 2, 0, pci::kCommandIo | pci::kCommandBusMaster);
  // 2.3.9 has 0: nothing is decoded before firmware has set the timing. Firmware that knows virtual machines alone
  // (OVMF) leaves these registers as they are, and would wait for drives that do not answer: here they begin enabled.
  for (unsigned n = 0; n < kChannels; ++n) define_config(kIdetim + 2 * n, 2, kDecodeEnable, 0xf3ff);
  define_config(kSidetim, 1, 0, 0xff);
  add_bar(kBusMasterBar, BarKind::Io, bus_master_ports_);
  for (unsigned n = 0; n < kChannels; ++n) {
    bus_[n]->command_block().set_enabled(false);
    bus_[n]->control_block().set_enabled(false);
    map(system().io_root, kCommandBlock[n], bus_[n]->command_block());
    map(system().io_root, kControlBlock[n], bus_[n]->control_block());
  }
}

void Piix3Ide::reset_enter() {
  PciDevice::reset_enter();
  for (IdeBus* bus : bus_) bus->reset_enter();
  for (BusMaster& engine : engine_) engine.reset();
}

void Piix3Ide::reset_hold() {
  PciDevice::reset_hold();
  for (IdeBus* bus : bus_) bus->reset_hold();
}

void Piix3Ide::apply(bool force) {
  const MemoryTransaction transaction;
  PciDevice::apply(force);
  for (unsigned n = 0; n < kChannels; ++n) {
    // 2.3.3 and 2.3.9: legacy ports are decoded with both the I/O space bit and the channel's own enable bit.
    const bool decodes = config(pci::kCommand, 2) & pci::kCommandIo && config(kIdetim + 2 * n, 2) & kDecodeEnable;
    bus_[n]->command_block().set_enabled(decodes);
    bus_[n]->control_block().set_enabled(decodes);
  }
}

IoResult Piix3Ide::read_bus_master(Offset offset, Width width) {
  std::uint64_t value = 0;
  for (unsigned i = 0; i < width; ++i) {
    const auto at = static_cast<unsigned>(offset) + i;
    value |= std::uint64_t{engine_[at / BusMaster::kRegisters].read(at % BusMaster::kRegisters)} << (8 * i);
  }
  return value;
}

IoResult Piix3Ide::write_bus_master(Offset offset, Width width, std::uint64_t value) {
  for (unsigned i = 0; i < width; ++i) {
    const auto at = static_cast<unsigned>(offset) + i;
    engine_[at / BusMaster::kRegisters].write(at % BusMaster::kRegisters, static_cast<std::uint8_t>(value >> (8 * i)));
  }
  return io_ok();
}

MACHINA_TYPE(Piix3Ide, PciDevice);

}  // namespace machina
