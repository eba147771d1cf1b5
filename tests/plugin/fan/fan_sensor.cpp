/// A fan that a board can have: an example of a plugin, built outside of Machina's tree by
/// tests/plugin/plugin_test.cpp.
///
/// Port 0 reads the tachometer in units of 60 revolutions a minute; port 1 holds the duty cycle, 0 to 255.

#include "hw/isa/isa_bus.h"
#include "qom/plugin.h"

namespace fan {

using machina::IoResult;
using machina::Offset;
using machina::Width;

class FanSensor final : public machina::IsaDevice {
 public:
  static constexpr const char* kType = "fan-sensor";
  static void class_init(machina::DeviceClass& c) {
    c.description = "Fan with a tachometer";
    c.property("iobase", &FanSensor::iobase_, 0x290).doc("first of two I/O ports");
    c.property("max-rpm", &FanSensor::max_rpm_, 12000U).range(60, 15300).doc("speed at full duty");
  }

  void reset_enter() override { duty_ = 128; }

 private:
  void realize() override { map_ports(iobase_, ports_); }

  IoResult read(Offset offset, Width) {
    if (offset == 1) return duty_;
    return max_rpm_ * duty_ / 255 / 60;
  }
  IoResult write(Offset offset, Width, std::uint64_t value) {
    if (offset == 0) return machina::IoStatus::BadRegister;
    duty_ = static_cast<std::uint8_t>(value);
    return machina::io_ok();
  }

  // configuration
  std::uint16_t iobase_ = 0;
  std::uint32_t max_rpm_ = 0;
  // regions
  machina::IoRegion ports_{"fan", 2, machina::Widths::only(1), this, &FanSensor::read, &FanSensor::write};
  // state
  std::uint8_t duty_ = 128;
};

MACHINA_TYPE(FanSensor, machina::IsaDevice);

}  // namespace fan

MACHINA_PLUGIN("fan", "0.1");
