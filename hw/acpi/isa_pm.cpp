#include "hw/acpi/isa_pm.h"

#include "core/trace/trace_event.h"

namespace machina {

namespace {

const TraceEvent<std::uint64_t, unsigned, std::uint64_t> isa_pm_write{"isa_pm_write", "addr={} size={} value={:#x}"};

constexpr std::uint8_t byte_of(std::uint16_t value, unsigned n) { return static_cast<std::uint8_t>(value >> (8 * n)); }

}  // namespace

void IsaPm::class_init(DeviceClass& c) {
  c.description = "ACPI power management without PCI";
  c.category = Category::Misc;
  c.property("iobase", &IsaPm::iobase_, 0x600).doc("first of 16 I/O ports");
  c.output("sci", &IsaPm::sci_).doc("ACPI's interrupt, level triggered");
}

void IsaPm::press_power_button() {
  state_.status |= kPowerButton;
  update();
}

void IsaPm::acpi_facts(AcpiBoard& board) {
  const auto port = [this](unsigned offset) { return static_cast<std::uint16_t>(iobase_ + offset); };
  AcpiFixedHardware& f = board.fixed;
  f.pm1_event = {port(kStatus), 4};
  f.pm1_control = {port(kControl), 2};
  f.s5 = kSoftOff;
  f.reset_port = port(kReset);
  f.reset_value = kResetValue;
  board.reserve_ports(iobase_, kSize);
  if (!sci_.sinks().empty()) {
    f.sci = sci_.sinks().front()->index();
    board.interrupts.level.insert(*f.sci);
  }
}

IoResult IsaPm::read(Offset offset, Width width) {
  std::uint64_t value = 0;
  for (unsigned i = 0; i < width; ++i) value |= std::uint64_t{read_byte(static_cast<unsigned>(offset) + i)} << (8 * i);
  return value;
}

std::uint8_t IsaPm::read_byte(unsigned offset) const {
  switch (offset & ~1U) {
    case kStatus:
      return byte_of(state_.status, offset & 1);
    case kEnable:
      return byte_of(state_.enable, offset & 1);
    case kControl:
      return byte_of(state_.sleep_type | kSciEnable, offset & 1);
    default:
      return 0;
  }
}

IoResult IsaPm::write(Offset offset, Width width, std::uint64_t value) {
  isa_pm_write(offset, width, value);
  for (unsigned i = 0; i < width; ++i)
    write_byte(static_cast<unsigned>(offset) + i, static_cast<std::uint8_t>(value >> (8 * i)));
  update();
  return io_ok();
}

void IsaPm::write_byte(unsigned offset, std::uint8_t value) {
  const unsigned shift = 8 * (offset & 1);
  const auto placed = static_cast<std::uint16_t>(value << shift);
  const auto replaced = [&](std::uint16_t old) {
    return static_cast<std::uint16_t>((old & ~(0xffU << shift)) | placed);
  };
  RunControl& control = system().control;
  switch (offset) {
    case kStatus:
    case kStatus + 1:
      state_.status &= static_cast<std::uint16_t>(~placed);  // ones clear
      break;
    case kEnable:
    case kEnable + 1:
      // The clock's bit is kept, though nothing here raises that event: Linux enables it whatever FIX_RTC says, and
      // takes a bit that does not stick for a fault.
      state_.enable = replaced(state_.enable) & (kPowerButton | kGlobal | kClock);
      break;
    case kControl:
    case kControl + 1:
      state_.sleep_type = replaced(state_.sleep_type) & kSleepType;
      if (placed & kSleepEnable && state_.sleep_type >> kSleepTypeShift == kSoftOff)
        control.request_shutdown(ShutdownCause::GuestShutdown);
      break;
    case kReset:
      if (value == kResetValue) control.request_reset(ShutdownCause::GuestReset);
      break;
    default:
      break;
  }
}

MACHINA_TYPE(IsaPm, IsaDevice, PowerButton, AcpiContributor);

}  // namespace machina
