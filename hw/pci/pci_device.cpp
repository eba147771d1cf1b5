#include "hw/pci/pci_device.h"

#include <fmt/format.h>

#include <bit>
#include <cassert>

#include "core/trace/trace_event.h"
#include "hw/pci/msi.h"

namespace machina {

using namespace pci;

namespace {

const TraceEvent<std::string_view, std::string_view, unsigned, std::uint32_t, Width> pci_cfg_read{
    "pci_cfg_read", "dev={} at={} offset={:#04x} value={:#x} size={}"};
const TraceEvent<std::string_view, std::string_view, unsigned, std::uint32_t, Width> pci_cfg_write{
    "pci_cfg_write", "dev={} at={} offset={:#04x} value={:#x} size={}"};
const TraceEvent<std::string_view, std::string_view, std::string_view, std::uint64_t, std::uint64_t>
    pci_update_mappings_add{"pci_update_mappings_add", "dev={} at={} region={} addr={:#x} size={:#x}"};
const TraceEvent<std::string_view, std::string_view, std::string_view, std::uint64_t, std::uint64_t>
    pci_update_mappings_del{"pci_update_mappings_del", "dev={} at={} region={} addr={:#x} size={:#x}"};
const TraceEvent<std::string_view, std::string_view, bool> pci_set_irq{"pci_set_irq", "dev={} at={} level={:d}"};

}  // namespace

void PciDevice::class_init(PciDeviceClass& c) {
  c.description = "PCI device";
  c.bus_type = PciBus::kType;

  qom::Property addr;
  addr.name = "addr";
  addr.type = "pci-address";
  addr.kind = qom::PropertyKind::String;
  addr.default_value = "";
  addr.description = "slot or slot.function, hexadecimal (1f.7); the next free slot when empty";
  addr.get = [](const qom::Object& o) -> qom::Value {
    const auto& d = static_cast<const PciDevice&>(o);
    if (d.realized()) return d.address_.to_string();
    return d.wanted_ ? d.wanted_->to_string() : std::string();
  };
  addr.set = [](qom::Object& o, const qom::Value& v) {
    const auto& text = std::get<std::string>(v.get());
    auto& wanted = static_cast<PciDevice&>(o).wanted_;
    wanted = text.empty() ? std::nullopt : std::optional(PciAddress::parse(text));
  };
  addr.check = [](const qom::Value& v) {
    if (const auto& text = std::get<std::string>(v.get()); !text.empty()) PciAddress::parse(text);
  };
  c.custom(std::move(addr));

  c.property("multifunction", &PciDevice::multifunction_, false).doc("function 0 of a device with several");
  c.property("romfile", &PciDevice::romfile_, "").doc("image of the expansion ROM; none when empty");
  c.property("rombar", &PciDevice::rombar_, true).doc("off hides the expansion ROM from the guest");
}

void PciDevice::define_config(unsigned offset, Width width, std::uint32_t reset, std::uint32_t writable,
                              std::uint32_t write_one_to_clear) {
  layout_.define(offset, width, reset, writable, write_one_to_clear);
  put_config(offset, width, reset);
}

void PciDevice::define_header() {
  const PciDeviceClass& c = pci_class();
  layout_ = ConfigLayout();
  for (unsigned offset = 0; offset < ConfigLayout::kSize; offset += 4) define_config(offset, 4, 0);
  define_config(kVendorId, 2, c.vendor_id);
  define_config(kDeviceId, 2, c.device_id);
  define_config(kCommand, 2, 0, kCommandBusMaster | kCommandParity | kCommandSerr | kCommandIntxDisable);
  define_config(kStatus, 2, 0, 0, kStatusErrors);
  layout_.volatile_bits(kStatus, 2, kStatusInterrupt);
  define_config(kRevisionId, 1, c.revision);
  define_config(kProgIf, 1, c.prog_if);
  define_config(kClassCode, 2, c.class_code);
  define_config(kCacheLineSize, 1, 0, 0xff);
  define_config(kLatencyTimer, 1, 0, 0xff);
  define_config(kHeaderType, 1, multifunction_ ? kHeaderMultifunction : 0);
  define_config(kSubsystemVendorId, 2, c.subsystem_vendor_id);
  define_config(kSubsystemId, 2, c.subsystem_id);
  define_config(kInterruptLine, 1, 0, 0xff);
}

void PciDevice::pre_realize() {
  Device::pre_realize();
  state_ = State();
  bars_ = {};
  msi_.clear();
  capability_end_ = kHeaderSize;
  define_header();
  load_rom();
}

void PciDevice::post_unrealize() {
  intx_pin_.set(false);
  intx_pin_.disconnect();
  Device::post_unrealize();
  for (Bar& bar : bars_) bar.mapped_at.reset();
  rom_at_.reset();
  rom_.reset();
}

void PciDevice::add_bar(unsigned n, BarKind kind, MemoryRegion& region) {
  assert(n < kBars && !bars_[n].region);
  const bool io = kind == BarKind::Io;
  const std::uint64_t size = region.size();
  if (!std::has_single_bit(size) || size < (io ? 4U : 16U)) {
    throw Error(fmt::format("BAR {} cannot map '{}', {:#x} bytes", n, region.name(), size))
        .why("the size of what a base address register maps is a power of two");
  }
  bars_[n] = {&region, kind, std::nullopt};
  const std::uint64_t address_bits = ~(size - 1);
  std::uint32_t type = 0;
  if (io) type = kBarIo;
  if (is_64_bit(n)) type |= kBarMemory64;
  if (kind == BarKind::Prefetchable || kind == BarKind::Prefetchable64) type |= kBarPrefetchable;
  define_config(kBar0 + 4 * n, 4, type, static_cast<std::uint32_t>(address_bits));
  if (is_64_bit(n)) {
    assert(n + 1 < kBars && !bars_[n + 1].region);
    define_config(kBar0 + 4 * (n + 1), 4, 0, static_cast<std::uint32_t>(address_bits >> 32));
  } else if (size > 0x80000000) {
    throw Error(fmt::format("BAR {} cannot map '{}', {:#x} bytes", n, region.name(), size))
        .why("a 32-bit base address register maps 2 GiB at most");
  }
  const std::uint32_t writable = config_get(layout_.writable(), kCommand, 2) | (io ? kCommandIo : kCommandMemory);
  define_config(kCommand, 2, config_get(layout_.reset_value(), kCommand, 2), writable);
}

void PciDevice::use_interrupt_pin(unsigned pin) {
  assert(pin >= 1 && pin <= PciBus::kLines);
  define_config(kInterruptPin, 1, pin);
  intx_pin_.connect(pci_bus().line(PciBus::line_of(address_.slot, pin - 1)));
}

unsigned PciDevice::add_capability(std::uint8_t id, unsigned length, unsigned at) {
  const unsigned offset = at ? at : capability_end_;
  if (offset < kHeaderSize || offset + length > ConfigLayout::kSize) {
    throw Error(fmt::format("no room for PCI capability {:#x} of {} bytes", id, length))
        .why("configuration space has 256 bytes");
  }
  capability_end_ = std::max(capability_end_, (offset + length + 3) & ~3U);
  define_config(offset + kCapabilityId, 1, id);
  define_config(offset + kCapabilityNext, 1, config_get(layout_.reset_value(), kCapabilityList, 1));
  define_config(kCapabilityList, 1, offset);
  define_config(kStatus, 2, config_get(layout_.reset_value(), kStatus, 2) | kStatusCapabilities, 0, kStatusErrors);
  layout_.volatile_bits(kStatus, 2, kStatusInterrupt);
  return offset;
}

std::uint32_t PciDevice::config_read(unsigned offset, Width width) const {
  assert(offset + width <= ConfigLayout::kSize);
  const std::uint32_t value = config(offset, width);
  pci_cfg_read(
      type_name(), [this] { return address_.to_string(); }, offset, value, width);
  return value;
}

void PciDevice::config_write(unsigned offset, Width width, std::uint32_t value) {
  assert(offset + width <= ConfigLayout::kSize);
  pci_cfg_write(
      type_name(), [this] { return address_.to_string(); }, offset, value, width);
  const ConfigLayout::Bytes before = state_.config;
  layout_.write(state_.config, offset, width, value);
  adjust(before);
  apply(false);
}

AddressSpace& PciDevice::dma() { return bus_master() ? system().memory : pci_bus().no_dma(); }

std::optional<std::uint64_t> PciDevice::bar_address(unsigned n) const { return bars_.at(n).mapped_at; }

std::optional<std::uint64_t> PciDevice::decoded_bar(unsigned n) const {
  const Bar& bar = bars_[n];
  const std::uint32_t command = config(kCommand, 2);
  const std::uint64_t low = config(kBar0 + 4 * n, 4);
  const std::uint64_t size = bar.region->size();
  if (bar.kind == BarKind::Io) {
    const std::uint64_t address = low & kBarIoAddress;
    // A PC has 64 KiB of ports. Address 0 and the one that sizing leaves behind (all ones) are places where nobody
    // means to put a function; hardware would decode there and shadow DMA controllers or the firmware meanwhile.
    if (!(command & kCommandIo) || address == 0 || address + size > 0xffff) return std::nullopt;
    return address;
  }
  if (!(command & kCommandMemory)) return std::nullopt;
  std::uint64_t address = low & kBarMemoryAddress;
  if (is_64_bit(n)) address |= std::uint64_t{config(kBar0 + 4 * (n + 1), 4)} << 32;
  const std::uint64_t last = address + (size - 1);
  if (address == 0 || last < address || last == ~std::uint64_t{0}) return std::nullopt;
  if (!is_64_bit(n) && last >= 0xffffffff) return std::nullopt;
  return address;
}

std::optional<std::uint64_t> PciDevice::decoded_rom() const {
  const std::uint32_t value = config(kRomAddress, 4);
  const std::uint64_t address = value & kRomAddressMask;
  // 6.2.5.2: decodes only with both the memory-space bit and its own enable bit.
  if (!rom_ || !(config(kCommand, 2) & kCommandMemory) || !(value & kRomEnable)) return std::nullopt;
  if (address == 0 || address + rom_->size() > 0xffffffff) return std::nullopt;
  return address;
}

void PciDevice::apply_bar(MemoryRegion& region, ContainerRegion& where, std::optional<std::uint64_t> at,
                          std::optional<std::uint64_t>& mapped_at, bool force) {
  if (!force && at == mapped_at) return;
  const auto place = [this] { return address_.to_string(); };
  if (mapped_at) {
    pci_update_mappings_del(type_name(), place, region.name(), *mapped_at, region.size());
    unmap(region);
  }
  // Overlapping BARs are software's mistake and no error: one of them is seen. Ports and memory of the board itself
  // are below (priority 0), as ISA devices decode subtractively.
  if (at) {
    pci_update_mappings_add(type_name(), place, region.name(), *at, region.size());
    map(where, *at, region, 1);
  }
  mapped_at = at;
}

void PciDevice::apply(bool force) {
  {
    const MemoryTransaction transaction;
    for (unsigned n = 0; n < kBars; ++n) {
      Bar& bar = bars_[n];
      if (!bar.region) continue;
      ContainerRegion& where = bar.kind == BarKind::Io ? pci_bus().io() : pci_bus().memory();
      apply_bar(*bar.region, where, decoded_bar(n), bar.mapped_at, force);
    }
    if (rom_) apply_bar(*rom_, pci_bus().memory(), decoded_rom(), rom_at_, force);
  }
  bool messages = false;
  for (MsiCapability* msi : msi_) {
    msi->apply();
    messages = messages || msi->enabled();
  }
  // 6.2.3: the status bit shows the function's request whatever the disable bit says. 6.8.2: no INTx while MSI is on.
  const std::uint32_t status = config(kStatus, 2) & ~std::uint32_t{kStatusInterrupt};
  put_config(kStatus, 2, status | (state_.intx ? kStatusInterrupt : 0U));
  intx_pin_.set(state_.intx && !(config(kCommand, 2) & kCommandIntxDisable) && !messages);
}

void PciDevice::set_intx(bool level) {
  if (state_.intx == level) return;
  pci_set_irq(
      type_name(), [this] { return address_.to_string(); }, level);
  state_.intx = level;
  PciDevice::apply(false);
}

void PciDevice::reset_enter() {
  state_ = State();
  state_.config = layout_.reset_value();
}

void PciDevice::reset_hold() { apply(true); }

MACHINA_ABSTRACT_TYPE(PciDevice, Device);

}  // namespace machina
