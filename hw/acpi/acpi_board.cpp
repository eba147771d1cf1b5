#include "hw/acpi/acpi_board.h"

#include "hw/base/bus.h"

namespace machina {

void AcpiBoard::on_event(unsigned n, aml::Terms body) {
  aml::Terms& all = events_[n];
  all.insert(all.end(), body.begin(), body.end());
}

aml::Terms AcpiBoard::objects_on(const Bus& bus) {
  aml::Terms all;
  for (Device* device : bus.devices()) {
    auto* contributor = qom::cast<AcpiContributor>(device);
    if (!contributor || !device->realized()) continue;
    aml::Terms own = contributor->acpi_objects(*this);
    all.insert(all.end(), own.begin(), own.end());
  }
  return all;
}

MACHINA_INTERFACE(AcpiContributor);
MACHINA_INTERFACE(FirmwareSetup);

}  // namespace machina
