#include "hw/timer/i8254_common.h"

#include "core/units.h"

namespace machina {

void I8254Common::class_init(DeviceClass& c) {
  c.description = "8254 programmable interval timer";
  c.category = Category::Timer;
  c.output("irq", &I8254Common::irq_, "0").doc("OUT of counter 0");
}

const I8254State& I8254Common::get_state() {
  pull_state();
  return state_;
}

void I8254Common::set_state(const I8254State& state) {
  state_ = state;
  push_state();
}

void I8254Common::reset_enter() {
  state_ = {};
  state_.counters[2].gate = false;  // as port 61h after its reset
  for (I8254Counter& c : state_.counters) c.clk = to_clk(clock().now_ns());
}

std::uint64_t I8254Common::to_clk(std::int64_t ns) {
  return ns <= 0 ? 0 : mul_div(static_cast<std::uint64_t>(ns), i8254::kFrequency, kNsPerSecond);
}

std::int64_t I8254Common::to_ns(std::uint64_t clk) {
  return static_cast<std::int64_t>(mul_div_up(clk, kNsPerSecond, i8254::kFrequency));
}

aml::Terms I8254Common::acpi_objects(AcpiBoard&) {
  constexpr unsigned kPorts = 4;
  aml::Resources resources;
  resources.io(i8254::kPort, kPorts);
  if (const auto line = isa_line(irq_)) resources.irq(*line);
  return {aml::device("TIMR", {aml::name("_HID", aml::eisa_id("PNP0100")), aml::name("_CRS", resources.code())})};
}

MACHINA_ABSTRACT_TYPE(I8254Common, IsaDevice, AcpiContributor);

}  // namespace machina
