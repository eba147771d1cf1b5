/// The human monitor's view of interrupts: controllers and lines.

#include <fmt/format.h>

#include "hw/intc/i8259_common.h"
#include "hw/intc/ioapic_common.h"
#include "machines/monitor/human_command.h"
#include "machines/monitor/qmp_command.h"

namespace machina {
namespace {

std::string pins_of(std::uint32_t bits) {
  std::string list;
  for (unsigned n = 0; n < 32; ++n)
    if (bits >> n & 1) list += fmt::format("{} ", n);
  return list.empty() ? "(none)" : list;
}

void print_ioapic(HumanContext& c, unsigned number, IoapicCommon& chip) {
  static constexpr const char* kModes[] = {"fixed", "lowpri", "SMI", "...", "NMI", "INIT", "...", "extINT"};
  const IoapicState& s = chip.get_state();
  c.print("ioapic{}: ver=0x{:x} id=0x{:02x} sel=0x{:02x}\n", number, std::get<std::uint64_t>(chip.get("version").get()),
          s.id, s.select);
  std::uint32_t remote = 0;
  for (unsigned n = 0; n < ioapic::kPins; ++n) {
    const std::uint64_t e = s.redirection[n];
    if (e & ioapic::kRemoteIrr) remote |= 1U << n;
    c.print("  pin {:<2} 0x{:016x} dest={:x} vec={:<3} {} {:<5} {:<6} {:<6} {}\n", n, e, e >> ioapic::kDestinationShift,
            e & ioapic::kVectorMask, e & ioapic::kActiveLow ? "active-lo" : "active-hi",
            e & ioapic::kLevel ? "level" : "edge", e & ioapic::kMasked ? "masked" : "",
            kModes[e >> ioapic::kDeliveryShift & 7], e & ioapic::kLogical ? "logical" : "physical");
  }
  c.print("  IRR      {}\n  Remote IRR {}\n", pins_of(s.irr), pins_of(remote));
}

void print_i8259(HumanContext& c, I8259Common& pair) {
  const I8259State& s = pair.get_state();
  for (const unsigned n : {1U, 0U}) {
    const I8259Chip& chip = s.chips[n];
    c.print("pic{}: irr={:02x} imr={:02x} isr={:02x} hprio={} irq_base={:02x} rr_sel={} elcr={:02x} fnm={}\n", n,
            chip.irr, chip.imr, chip.isr, (chip.lowest_priority + 1) & 7, chip.vector_base, chip.read_isr ? 1 : 0,
            chip.elcr, chip.special_fully_nested ? 1 : 0);
  }
}

void info_pic(HumanContext& c, const QmpArguments&) {
  unsigned number = 0;
  qom::for_each<IoapicCommon>(c.machine(), [&](IoapicCommon& chip) { print_ioapic(c, number++, chip); });
  qom::for_each<I8259Common>(c.machine(), [&](I8259Common& pair) { print_i8259(c, pair); });
}

template <class Chip>
void print_rises(HumanContext& c, const Chip& chip, unsigned inputs) {
  c.print("IRQ statistics for {}:\n", chip.object_class().name());
  for (unsigned n = 0; n < inputs; ++n)
    if (chip.rises(n) > 0) c.print("{:2}: {}\n", n, chip.rises(n));
}

/// How often inputs of the controllers have risen, masked or not, wherever these are; but the rises of a timer that is
/// itself in a kernel nobody here sees. Then the inputs of every device that are high now.
void info_irq(HumanContext& c, const QmpArguments&) {
  qom::for_each<IoapicCommon>(c.machine(), [&](IoapicCommon& chip) { print_rises(c, chip, ioapic::kPins); });
  qom::for_each<I8259Common>(c.machine(), [&](I8259Common& pair) { print_rises(c, pair, I8259Common::kInputs); });
  qom::for_each<Device>(c.machine(), [&](Device& device) {
    if (!device.realized()) return;
    for (const DeviceClass::Input& input : device.device_class().inputs()) {
      IrqInBank& bank = input.bank(device);
      std::string high;
      for (unsigned n = 0; n < bank.size(); ++n)
        if (bank[n].level()) high += fmt::format(" {}", n);
      c.print("{}.{} ({}): {}\n", device.name(), input.name, bank.size(), high.empty() ? "all low" : "high:" + high);
    }
  });
}

void add(MonitorTable& t) {
  t.human({.name = "info pic", .doc = "the interrupt controllers", .run = info_pic});
  t.human({.name = "info irq",
           .doc = "how often inputs of interrupt controllers have risen, and which inputs are asserted now",
           .run = info_irq});
}

const MonitorFamily kFamily{"Interrupts", add};

}  // namespace
}  // namespace machina
