#include "hw/ide/isa_ide.h"

#include <fmt/format.h>

namespace machina {

namespace {
constexpr std::uint16_t kSecondaryBase = 0x170;  // of a PC's second channel
}  // namespace

void IsaIde::class_init(DeviceClass& c) {
  c.description = "ISA IDE channel";
  c.category = Category::Storage;
  c.property("iobase", &IsaIde::iobase_, 0x1f0).doc("first of the eight command block ports");
  c.property("iobase2", &IsaIde::iobase2_, 0x3f6).doc("control block port");
  c.output("irq", &IsaIde::irq_, "14").doc("ISA interrupt line: 14 or 15");
}

IsaIde::IsaIde() {
  bus_ = &add_new_child<IdeBus>("ide.0");
  bus_->on_intrq([this](bool level) { irq_.set(level); });
}

void IsaIde::realize() {
  bus_->set_number(iobase_ == kSecondaryBase ? 1 : 0);
  map_ports(iobase_, bus_->command_block());
  map_ports(iobase2_, bus_->control_block());
}

aml::Terms IsaIde::acpi_objects(AcpiBoard& board) {
  const unsigned number = board.unique_id("PNP0600");
  aml::Resources resources;
  resources.io(iobase_, 8).io(iobase2_, 1);
  if (const auto line = isa_line(irq_)) resources.irq(*line);
  return {aml::device(fmt::format("ID{:02X}", number & 0xff),
                      {aml::name("_HID", aml::eisa_id("PNP0600")), aml::name("_UID", aml::integer(number)),
                       aml::name("_CRS", resources.code())})};
}

MACHINA_TYPE(IsaIde, IsaDevice, AcpiContributor);

}  // namespace machina
