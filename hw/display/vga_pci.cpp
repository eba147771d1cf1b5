#include "hw/display/vga_pci.h"

#include <fmt/format.h>

#include <bit>

#include "core/units.h"

namespace machina {
namespace {

// In BAR 2.
constexpr Offset kEdid = 0x000, kPorts = 0x400, kPortsEnd = 0x420, kDispi = 0x500;
constexpr Offset kDispiEnd = kDispi + 2 * vga::kDispiRegisters;
constexpr Offset kExtended = 0x600, kExtendedEnd = 0x608;
constexpr std::uint32_t kLittleEndian = 0x1e1e1e1e, kBigEndian = 0xbebebebe;

}  // namespace

void VgaPci::class_init(PciDeviceClass& c) {
  c.description = "Standard VGA";
  c.category = Category::Display;
  c.vendor_id = 0x1234;
  c.device_id = 0x1111;
  c.revision = 2;  // has BAR 2 with extended registers
  c.class_code = 0x0300;
  c.set_default("romfile", "vgabios-stdvga.bin");
  c.property("vgamem_mb", &VgaPci::vgamem_mb_, 16).doc("video memory in MiB, a power of two").range(1, 256);
  c.property("edid", &VgaPci::edid_enabled_, true).doc("the monitor describes itself");
  c.property("xres", &VgaPci::xres_, 1280).doc("preferred width, for the EDID").range(8, 4095);
  c.property("yres", &VgaPci::yres_, 800).doc("preferred height, for the EDID").range(8, 4095);
}

void VgaPci::realize() {
  if (!std::has_single_bit(vgamem_mb_))
    throw Error(fmt::format("vgamem_mb={} is not a power of two", vgamem_mb_))
        .hint("a base address register needs one");
  create_adapter(clock(), system().memory, vgamem_mb_ * MiB);
  edid_ = make_edid(xres_, yres_);

  const MemoryTransaction transaction;
  add_bar(0, BarKind::Prefetchable, region());
  add_bar(2, BarKind::Memory, mmio_);
  // The ports of the original are no BAR's, but the bit that switches ports is there for software to set.
  const std::uint32_t writable = config_get(layout().writable(), pci::kCommand, 2) | pci::kCommandIo;
  define_config(pci::kCommand, 2, config_get(layout().reset_value(), pci::kCommand, 2), writable);
  for (const VgaAdapter::Ports& p : adapter().ports()) map(pci_bus().io(), p.base, *p.region);
  map(pci_bus().memory(), VgaAdapter::kWindowBase, adapter().window(), 1);
}

void VgaPci::reset_enter() {
  PciDevice::reset_enter();
  adapter().reset();
}

IoResult VgaPci::read_mmio(Offset offset, Width width) {
  VgaCore& core = adapter().core();
  if (offset < kEdid + kEdidSize && edid_enabled_) {
    std::uint64_t value = 0;
    for (Width i = 0; i < width && offset + i < kEdidSize; ++i)
      value |= static_cast<std::uint64_t>(edid_[offset + i]) << (8 * i);
    return value;
  }
  if (offset >= kPorts && offset < kPortsEnd && width <= 2) {
    std::uint64_t value = 0;
    for (Width i = 0; i < width; ++i) {
      std::uint8_t byte = 0xff;
      (void)core.read_port(static_cast<std::uint16_t>(0x3c0 + offset - kPorts + i), adapter().now(), byte);
      value |= static_cast<std::uint64_t>(byte) << (8 * i);
    }
    return value;
  }
  if (offset >= kDispi && offset < kDispiEnd && width == 2 && offset % 2 == 0)
    return core.read_dispi(static_cast<std::uint16_t>((offset - kDispi) / 2));
  if (offset == kExtended && width == 4) return kExtendedEnd - kExtended;
  if (offset == kExtended + 4 && width == 4) return core.big_endian() ? kBigEndian : kLittleEndian;
  return IoStatus::BadRegister;
}

IoResult VgaPci::write_mmio(Offset offset, Width width, std::uint64_t value) {
  VgaCore& core = adapter().core();
  if (offset >= kPorts && offset < kPortsEnd && width <= 2) {
    // A word is an index and its data.
    for (Width i = 0; i < width; ++i) {
      (void)adapter().write_port(static_cast<std::uint16_t>(0x3c0 + offset - kPorts + i),
                                 static_cast<std::uint8_t>(value >> (8 * i)));
    }
    return io_ok();
  }
  if (offset >= kDispi && offset < kDispiEnd && width == 2 && offset % 2 == 0) {
    core.write_dispi(static_cast<std::uint16_t>((offset - kDispi) / 2), static_cast<std::uint16_t>(value));
    return io_ok();
  }
  if (offset == kExtended + 4 && width == 4) {
    const auto order = static_cast<std::uint32_t>(value);
    if (order == kBigEndian || order == kLittleEndian) core.set_big_endian(order == kBigEndian);
    return io_ok();
  }
  return IoStatus::BadRegister;
}

MACHINA_TYPE(VgaPci, PciDevice, DisplaySource, AcpiContributor);

}  // namespace machina
