#include "tests/support/board_test_types.h"

namespace machina {

template <>
struct qom::EnumNames<test::Speed> {
  static constexpr const char* name = "speed";
  static constexpr std::pair<test::Speed, const char*> values[] = {{test::Speed::Slow, "slow"},
                                                                   {test::Speed::Fast, "fast"}};
};

namespace test {

void Bridge::class_init(DeviceClass& c) {
  c.description = "Test bridge";
  c.category = Category::Bridge;
  c.user_creatable = false;
  c.inputs(&Bridge::lines_, "lines");
}

Bridge::Bridge() { add_new_child<IsaBus>("isa.0").set_irq_lines(lines_); }

void Pic::class_init(DeviceClass& c) {
  c.description = "Test interrupt controller";
  c.category = Category::Interrupt;
  c.output("out", &Pic::out_);
  c.inputs(&Pic::ir_, "ir");
}

void IsaCard::class_init(DeviceClass& c) {
  c.description = "Test ISA card";
  c.property("iobase", &IsaCard::iobase_, 0x300).doc("first port");
  c.property("baud", &IsaCard::baud_, 9600).range(300, 115200).doc("bits a second");
  c.property("echo", &IsaCard::echo_, false).doc("send back what comes");
  c.property("buffer", &IsaCard::buffer_, qom::Size{4096}).doc("bytes kept");
  c.property("speed", &IsaCard::speed_, Speed::Slow).doc("how fast");
  c.property("label", &IsaCard::label_, "").doc("what it is called");
  c.property("names", &IsaCard::names_, std::vector<std::string>{}).doc("several names");
  c.computed("ready", &IsaCard::ready).doc("whether it is realized");
  c.link("chardev", &IsaCard::chardev_).doc("where the bytes go");
  c.link("pic", &IsaCard::pic_).doc("an interrupt controller");
  c.output("irq", &IsaCard::irq_).doc("interrupt");
}

void IsaCard::realize() {
  if (label_ == "broken") throw Error("the card is broken");
}

void FastIsaCard::class_init(DeviceClass& c) { c.description = "Fast test ISA card"; }

void PciBridge::class_init(DeviceClass& c) { c.description = "Test PCI host bridge"; }

void PciCard::class_init(PciDeviceClass& c) {
  c.description = "Test PCI card";
  c.vendor_id = 0x1234, c.device_id = 0x0001;
}

void Needy::class_init(DeviceClass& c) {
  c.description = "Test device with a property that must be set";
  c.property("file", &Needy::file_, "").must_be_set().doc("name of a file");
}

void Sink::class_init(qom::ObjectClass& c) {
  c.description = "Test back end";
  c.user_creatable = true;
}

MACHINA_TYPE(Bridge, Device);
MACHINA_TYPE(Pic, Device);
MACHINA_TYPE(IsaCard, IsaDevice);
MACHINA_TYPE(FastIsaCard, IsaCard);
MACHINA_TYPE(PciBridge, PciHost);
MACHINA_TYPE(PciCard, PciDevice);
MACHINA_TYPE(Needy, Device);
MACHINA_TYPE(Sink, CharBackend);

}  // namespace test
}  // namespace machina
