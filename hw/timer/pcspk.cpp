#include "hw/timer/pcspk.h"

namespace machina {

using namespace i8254;  // NOLINT(google-build-using-namespace): the chip's own register names

void PcSpeaker::class_init(DeviceClass& c) {
  c.description = "PC speaker and port 61h";
  c.category = Category::Sound;
  c.property("iobase", &PcSpeaker::iobase_, kNmiScPort).doc("its port");
  c.link("pit", &PcSpeaker::pit_).must_be_set().doc("the timer whose counter 2 it gates");
}

void PcSpeaker::realize() { map_ports(iobase_, port_); }

void PcSpeaker::apply() { pit_->set_gate(2, state_.control & kGate2); }

bool PcSpeaker::speaker() { return (state_.control & kSpeakerData) && pit_->out(2); }

IoResult PcSpeaker::read(Offset, Width) {
  const std::uint64_t refreshes = I8254Common::to_clk(clock().now_ns()) / kRefreshClocks;
  return static_cast<std::uint64_t>(state_.control | (refreshes % 2 ? kRefreshToggle : 0) | (pit_->out(2) ? kOut2 : 0));
}

IoResult PcSpeaker::write(Offset, Width, std::uint64_t value) {
  state_.control = static_cast<std::uint8_t>(value & kNmiScWritable);
  apply();
  return io_ok();
}

aml::Terms PcSpeaker::acpi_objects(AcpiBoard&) {
  return {aml::device(
      "SPKR", {aml::name("_HID", aml::eisa_id("PNP0800")), aml::name("_CRS", aml::Resources().io(iobase_, 1).code())})};
}

MACHINA_TYPE(PcSpeaker, IsaDevice, AcpiContributor);

}  // namespace machina
