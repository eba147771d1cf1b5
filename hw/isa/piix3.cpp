#include "hw/isa/piix3.h"

#include "core/trace/trace_event.h"

namespace machina {

using namespace piix3;
namespace {

const TraceEvent<unsigned, int> piix3_route_pirq{"piix3_route_pirq", "pirq={} irq={}"};
const TraceEvent<unsigned, bool> piix3_pirq{"piix3_pirq", "pirq={} level={:d}"};
const TraceEvent<unsigned> piix3_rcr_write{"piix3_rcr_write", "value={:#04x}"};

}  // namespace

void Piix3::class_init(PciDeviceClass& c) {
  c.description = "Intel 82371SB (PIIX3) PCI to ISA bridge";
  c.category = Category::Bridge;
  c.user_creatable = false;  // the machine's only way to ISA
  c.vendor_id = pci::kVendorIntel;
  c.device_id = pci::kDevice82371sbIsa;
  c.class_code = pci::kClassBridgeIsa;
  c.set_default("multifunction", true);  // 2.2.8: header type 80h
  c.inputs(&Piix3::isa_lines_, "irq");
  c.outputs("isa-irqs", &Piix3::isa_irqs_).doc("the bank of 16 inputs that ISA's interrupt lines end in");
}

Piix3::Piix3() { add_new_child<IsaBus>("isa.0").set_irq_lines(isa_lines_); }

void Piix3::realize() {
  // 2.2.3: I/O, memory and bus mastering cannot be turned off.
  define_config(pci::kCommand, 2, pci::kCommandIo | pci::kCommandMemory | pci::kCommandBusMaster,
                pci::kCommandSpecialCycles | pci::kCommandSerr);
  define_config(pci::kStatus, 2, pci::kStatusDevselMedium, 0, pci::kStatusErrors & ~0x8100U);
  define_config(pci::kCacheLineSize, 1, 0);
  define_config(pci::kLatencyTimer, 1, 0);
  define_config(pci::kInterruptLine, 1, 0);

  define_config(kIort, 1, 0x4d, 0x7f);
  define_config(kXbcs, 2, 0x0003, 0x01ff);
  for (unsigned i = 0; i < PciBus::kLines; ++i) define_config(kPirqrcA + i, 1, 0x80, kPirqDisable | kPirqRoute);
  define_config(kTom, 1, 0x02, 0xfe);
  define_config(kMstat, 2, 0, 0x0001, 0x8000);
  define_config(kMbirq0, 1, 0x80, 0xef);
  define_config(kMbdma0, 1, 0x0c, 0x8f);
  define_config(kMbdma0 + 1, 1, 0x0c, 0x8f);
  define_config(kPcsc, 2, 0x0002, 0xffff);
  define_config(kApicbase, 1, 0, 0x7f);
  define_config(kDlc, 1, 0, 0x0f);
  define_config(kSmicntl, 1, 0x08, 0x1f);
  define_config(kSmien, 2, 0, 0x01ff);
  define_config(kSee, 4, 0, 0xe000ffff);
  define_config(kFtmr, 1, 0x0f, 0xff);
  define_config(kSmireq, 2, 0, 0x01ff);
  define_config(kCtltmr, 1, 0, 0xff);
  define_config(kCthtmr, 1, 0, 0xff);

  pci_bus().set_interrupt_router([this](unsigned n, bool level) { pirq_changed(n, level); });
  pci_bus().claim_reset_control(&reset_control_);
}

void Piix3::unrealize() {
  pci_bus().set_interrupt_router({});
  pci_bus().claim_reset_control(nullptr);
  for (IrqOut& pirq : pirq_) {
    pirq.set(false);
    pirq.disconnect();
  }
  routed_.fill(-1);
}

void Piix3::reset_enter() {
  PciDevice::reset_enter();
  state_ = State();
}

void Piix3::apply(bool force) {
  PciDevice::apply(force);
  for (unsigned n = 0; n < PciBus::kLines; ++n) route(n, force);
}

void Piix3::route(unsigned n, bool force) {
  const std::uint32_t control = config(kPirqrcA + n, 1);
  const std::uint32_t line = control & kPirqRoute;
  const bool valid = !(control & kPirqDisable) && kLegalRoutes >> line & 1;
  const int target = valid ? static_cast<int>(line) : -1;
  if (force || routed_[n] != target) {
    // A level that is up moves along: it falls on the old line and rises on the new.
    piix3_route_pirq(n, target);
    pirq_[n].disconnect();
    if (valid) pirq_[n].connect(isa_lines_[line]);
    routed_[n] = target;
  }
  pirq_[n].set(pci_bus().line_level(n));
}

void Piix3::isa_line_changed(unsigned n, bool level) { isa_irqs_[n].set(level); }

void Piix3::pirq_changed(unsigned n, bool level) {
  piix3_pirq(n, level);
  pirq_[n].set(level);
}

// RCPU cannot be read as a 1.
IoResult Piix3::read_reset_control(Offset, Width) { return state_.reset_control & kRcSystemReset; }

IoResult Piix3::write_reset_control(Offset, Width, std::uint64_t value) {
  const auto now = static_cast<std::uint8_t>(value & (kRcSystemReset | kRcResetCpu));
  piix3_rcr_write(now);
  const bool rising = now & ~state_.reset_control & kRcResetCpu;
  state_.reset_control = now;
  // With or without SRST: see the header.
  if (rising) system().control.request_reset(ShutdownCause::GuestReset);
  return io_ok();
}

MACHINA_TYPE(Piix3, PciDevice, AcpiContributor, FirmwareSetup);

}  // namespace machina
