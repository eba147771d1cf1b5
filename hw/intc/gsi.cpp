#include "hw/intc/gsi.h"

#include "core/trace/trace_event.h"

namespace machina {

namespace {

const TraceEvent<unsigned, bool> x86_gsi_interrupt{"x86_gsi_interrupt", "gsi={} level={:d}"};

constexpr unsigned kTimerLine = 0, kClockLine = 8;

}  // namespace

void Gsi::class_init(DeviceClass& c) {
  c.description = "Global system interrupts";
  c.category = Category::Interrupt;
  c.inputs(&Gsi::gsi_, "gsi");
  c.inputs(&Gsi::hpet_, "hpet");
  c.inputs(&Gsi::legacy_, "legacy");
  c.outputs("pic", &Gsi::pic_).doc("inputs of the 8259 pair, for interrupts 0 to 15");
  c.outputs("ioapic", &Gsi::ioapic_).doc("inputs of the IOAPIC");
  c.property("timer-pin", &Gsi::timer_pin_, 2)
      .range(0, kCount - 1)
      .doc("IOAPIC pin of interrupt 0; what the interrupt source override of the firmware says");
}

void Gsi::realize() {
  // The end of an interrupt is reported to the controller's pin; sources hang on ours.
  for (unsigned n = 0; n < pic_.size(); ++n)
    for (IrqIn* sink : pic_[n].sinks()) sink->on_resample(this, [this, n] { gsi_[n].resample(); });
  for (unsigned pin = 0; pin < kCount; ++pin) {
    for (IrqIn* sink : ioapic_[pin].sinks()) {
      sink->on_resample(this, [this, pin] {
        for (unsigned n = 0; n < kCount; ++n)
          if (ioapic_pin(n) == pin) gsi_[n].resample();
      });
    }
  }
}

void Gsi::unrealize() {
  for (unsigned n = 0; n < pic_.size(); ++n)
    for (IrqIn* sink : pic_[n].sinks()) sink->remove_resample(this);
  for (unsigned pin = 0; pin < kCount; ++pin)
    for (IrqIn* sink : ioapic_[pin].sinks()) sink->remove_resample(this);
}

void Gsi::gsi_changed(unsigned n, bool level) {
  x86_gsi_interrupt(n, level);
  if (n < pic_.size()) pic_[n].set(level);
  // Two interrupts may share a pin, through the override.
  const unsigned pin = ioapic_pin(n);
  bool any = level;
  for (unsigned other = 0; other < kCount; ++other)
    if (ioapic_pin(other) == pin) any = any || this->level(other);
  ioapic_[pin].set(any);
}

bool Gsi::level(unsigned n) {
  const bool cut_off = legacy_[0].level() && (n == kTimerLine || n == kClockLine);
  return (gsi_[n].level() && !cut_off) || hpet_[n].level();
}

void Gsi::replace_legacy(unsigned, bool on) {
  for (const unsigned n : {kTimerLine, kClockLine}) gsi_changed(n, level(n));
  legacy_changed(on);
}

void Gsi::acpi_facts(AcpiBoard& board) {
  for (unsigned line = 0; line < pic_.size(); ++line)
    if (ioapic_pin(line) != line) board.interrupts.moved[line] = ioapic_pin(line);
}

MACHINA_TYPE(Gsi, Device, AcpiContributor);

}  // namespace machina
