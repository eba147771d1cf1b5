#include "hw/pci/pci_bus.h"

#include <fmt/format.h>

#include <charconv>

#include "hw/pci/pci_device.h"

namespace machina {

namespace {

/// Hexadecimal, all of `text`; nothing when it is not.
std::optional<unsigned> parse_hex(std::string_view text) {
  if (text.starts_with("0x") || text.starts_with("0X")) text.remove_prefix(2);
  unsigned n = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n, 16);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return n;
}

}  // namespace

std::string PciAddress::to_string() const { return fmt::format("{:02x}.{:x}", slot, function); }

PciAddress PciAddress::parse(std::string_view text) {
  const std::size_t dot = text.find('.');
  const std::optional<unsigned> slot = parse_hex(text.substr(0, dot));
  const std::optional<unsigned> function = dot == std::string_view::npos ? 0U : parse_hex(text.substr(dot + 1));
  if (!slot || !function || *slot >= PciBus::kSlots || *function >= PciBus::kFunctions) {
    throw Error(fmt::format("not a PCI address: '{}'", text))
        .hint("expected SLOT or SLOT.FUNCTION in hexadecimal, 0 to 1f and 0 to 7: 1.3");
  }
  return {*slot, *function};
}

void PciBus::class_init(qom::ObjectClass& c) { c.description = "PCI bus"; }

PciBus::PciBus()
    : lines_("intx", kLines, [this](unsigned line, bool level) {
        if (router_) router_(line, level);
      }) {}

PciBus::~PciBus() = default;

AddressSpace& PciBus::no_dma() {
  if (!no_dma_) {
    auto* bridge = qom::cast<Device>(parent());
    if (!bridge) throw Error("a PCI bus belongs to a bridge").object(path());
    nothing_ = std::make_unique<ContainerRegion>("no-dma", MemoryRegion::kWholeSpace);
    no_dma_ = std::make_unique<AddressSpace>("no-dma", *nothing_, bridge->system().lock);
  }
  return *no_dma_;
}

PciDevice* PciBus::target(unsigned bus, unsigned slot, unsigned function) const {
  if (bus != 0) return nullptr;
  // A device that is not multifunction decodes function 0 only; plug() saw to it that there are no others.
  return functions_[slot * kFunctions + function];
}

PciAddress PciBus::place(PciDevice& device) {
  if (const auto& wanted = device.wanted_address()) {
    if (const PciDevice* other = function(*wanted)) {
      throw Error(fmt::format("PCI address {} of bus '{}' is taken", wanted->to_string(), name()))
          .why(fmt::format("'{}' ({}) is there", other->path(), other->type_name()))
          .hint("choose another addr, or none for the next free slot");
    }
    const auto conflict = [&](const PciDevice& other) {
      return Error(fmt::format("PCI slot {:02x} of bus '{}' cannot hold both '{}' and '{}'", wanted->slot, name(),
                               device.path(), other.path()))
          .why(fmt::format("'{}', function 0, is a single-function device",
                           wanted->function == 0 ? device.path() : other.path()))
          .hint("give function 0 multifunction=on, or choose another slot");
    };
    if (wanted->function != 0) {
      const PciDevice* first = function(wanted->slot, 0);
      if (first && !first->multifunction()) throw conflict(*first);
    } else if (!device.multifunction()) {
      for (unsigned f = 1; f < kFunctions; ++f)
        if (const PciDevice* other = function(wanted->slot, f)) throw conflict(*other);
    }
    return *wanted;
  }
  // The slots that others asked for are left to them, whoever is realized first.
  std::array<bool, kSlots> taken{};
  for (unsigned i = 0; i < functions_.size(); ++i)
    if (functions_[i]) taken[i / kFunctions] = true;
  qom::for_each<PciDevice>(root(), [&](PciDevice& other) {
    if (other.parent_bus() == this && other.wanted_address()) taken[other.wanted_address()->slot] = true;
  });
  for (unsigned slot = 0; slot < kSlots; ++slot)
    if (!taken[slot]) return {slot, 0};
  throw Error(fmt::format("PCI bus '{}' has no free slot", name())).why("all 32 are taken");
}

void PciBus::plug(Device& device) {
  auto& function = static_cast<PciDevice&>(device);
  const PciAddress at = place(function);
  Bus::plug(device);
  functions_[at.devfn()] = &function;
  function.address_ = at;
}

void PciBus::unplug(Device& device) {
  for (PciDevice*& f : functions_)
    if (f == &device) f = nullptr;
  Bus::unplug(device);
}

MACHINA_TYPE(PciBus, Bus);

}  // namespace machina
