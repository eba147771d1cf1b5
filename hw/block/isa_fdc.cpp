#include "hw/block/isa_fdc.h"

#include <fmt/format.h>

namespace machina {

void IsaFdc::class_init(DeviceClass& c) {
  c.description = "Floppy disk controller, 82078";
  c.category = Category::Storage;
  c.property("iobase", &IsaFdc::iobase_, fdc::kBase).doc("first of eight ports; two of them are not the controller's");
  c.output("irq", &IsaFdc::irq_, "6").doc("ISA interrupt line");
  qom::Property& dma = c.property("dma", &IsaFdc::dma_, 2);
  dma.doc("DMA channel, 0 to 3; -1: none, the CPU moves all data");
  dma.min = kNoDma;
  dma.umax = 3;
}

IsaFdc::IsaFdc()
    : drives_(&add_new_child<FloppyBus>("floppy-bus.0")), fdc_(*drives_, [this](bool level) { irq_.set(level); }) {}

void IsaFdc::realize() {
  IsaDmaChannel* channel = dma_ == kNoDma ? nullptr : &isa_bus().dma_channel(static_cast<unsigned>(dma_));
  map_ports(static_cast<std::uint16_t>(iobase_ + fdc::kDor), low_ports_);
  map_ports(static_cast<std::uint16_t>(iobase_ + fdc::kDir), high_port_);
  fdc_.power_on(clock(), channel);
}

namespace {

/// ACPI 6.4, 9.8.1.2: _FDI, of what INT 13h, AH=08h tells of a drive.
aml::Code drive_information(unsigned unit, FloppyType type) {
  struct Parameters {
    unsigned cylinders, sectors, gap, format_gap;
  };
  const Parameters p = type == FloppyType::K360    ? Parameters{40, 9, 0x2a, 0x50}
                       : type == FloppyType::M1_2  ? Parameters{80, 15, 0x1b, 0x54}
                       : type == FloppyType::M2_88 ? Parameters{80, 36, 0x1b, 0x54}
                                                   : Parameters{80, 18, 0x1b, 0x6c};
  // Drive, type, last cylinder, last sector, last head; then the diskette parameter table of the BIOS: step rate and
  // head times, motor off time in ticks, N, EOT, gap, DTL, gap when formatting, filler, settling time in ms, motor
  // start time in 1/8 s.
  aml::Terms package;
  for (const unsigned v : {unit, static_cast<unsigned>(type), p.cylinders - 1, p.sectors, 1U, 0xafU, 0x02U, 0x25U,
                           0x02U, p.sectors, p.gap, 0xffU, p.format_gap, 0xf6U, 0x0fU, 0x08U})
    package.push_back(aml::integer(v));
  return aml::package(package);
}

}  // namespace

aml::Terms IsaFdc::acpi_objects(AcpiBoard& board) {
  const unsigned number = board.unique_id("PNP0700");
  aml::Resources resources;
  resources.io(static_cast<std::uint16_t>(iobase_ + fdc::kDor), 4)
      .io(static_cast<std::uint16_t>(iobase_ + fdc::kDir), 1);
  if (const auto line = isa_line(irq_)) resources.irq(*line);
  if (dma_ != kNoDma) resources.dma(static_cast<unsigned>(dma_));
  aml::Terms objects{aml::name("_HID", aml::eisa_id("PNP0700")), aml::name("_UID", aml::integer(number)),
                     aml::name("_CRS", resources.code())};
  // 9.8.1.1, _FDE: a doubleword for each of four drives, 1 when it is there, and one for tapes: 2, none.
  std::vector<std::uint8_t> enumerated(20);
  enumerated[16] = 2;
  for (unsigned unit = 0; unit < FloppyBus::kUnits; ++unit) enumerated[4 * unit] = drives_->drive(unit) ? 1 : 0;
  objects.push_back(aml::name("_FDE", aml::buffer(enumerated)));
  for (unsigned unit = 0; unit < FloppyBus::kUnits; ++unit) {
    const FloppyDrive* drive = drives_->drive(unit);
    if (!drive) continue;
    objects.push_back(aml::device(
        fmt::format("FLP{}", unit),
        {aml::name("_ADR", aml::integer(unit)), aml::name("_FDI", drive_information(unit, drive->type()))}));
  }
  return {aml::device(fmt::format("FD{:02X}", number & 0xff), objects)};
}

MACHINA_TYPE(IsaFdc, IsaDevice, AcpiContributor);

}  // namespace machina
