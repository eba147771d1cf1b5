#include "hw/acpi/piix4_pm.h"

#include "core/machine_events.h"
#include "core/trace/trace_event.h"
#include "hw/acpi/acpi_timer.h"

namespace machina {

using namespace piix4;

namespace {

const TraceEvent<std::uint64_t, unsigned, std::uint64_t> piix4_pm_write{"piix4_pm_write",
                                                                        "addr={:#04x} size={} value={:#x}"};
const TraceEvent<unsigned, std::string_view> piix4_pm_event{"piix4_pm_event", "status={:#x} what={}"};
const TraceEvent<bool> piix4_pm_sci{"piix4_pm_sci", "level={:d}"};
const TraceEvent<unsigned> piix4_gpe_raise{"piix4_gpe_raise", "event={}"};
const TraceEvent<std::uint64_t, unsigned> piix4_gpe_writeb{"piix4_gpe_writeb", "addr={} value={:#04x}"};
const TraceEvent<unsigned> piix4_sleep{"piix4_sleep", "type={}"};
const TraceEvent<std::uint64_t, unsigned> apm_ioport_writeb{"apm_ioport_writeb", "addr={} value={:#04x}"};
const TraceEvent<std::string_view> piix4_smi{"piix4_smi", "why={}"};

constexpr int kOverIsa = 1;

/// Registers that keep what is written and do nothing else: the bits that exist.
std::uint8_t stored_mask(unsigned offset) {
  switch (offset & ~3U) {
    case kPcntrl:
    case kDevctl:
    case kGporeg:
      return 0xff;
    case kGlben:
      return offset < kGlben + 2 ? 0xff : 0;
    case kGlbctl:
      return offset == kGlbctl ? static_cast<std::uint8_t>(~kBiosRelease) : 0xff;
    default:
      return 0;
  }
}

constexpr std::uint16_t replace_byte(std::uint16_t word, unsigned byte, std::uint8_t value) {
  const unsigned shift = 8 * byte;
  return static_cast<std::uint16_t>((word & ~(0xffU << shift)) | unsigned{value} << shift);
}

}  // namespace

void Piix4Pm::class_init(PciDeviceClass& c) {
  c.description = "Intel 82371AB (PIIX4) power management";
  c.category = Category::Bridge;
  c.user_creatable = false;  // one to a board, beside the ISA bridge
  c.vendor_id = pci::kVendorIntel;
  c.device_id = pci::kDevice82371abPm;
  c.revision = 0x03;
  c.class_code = pci::kClassBridgeOther;
  c.property("disable_s3", &Piix4Pm::disable_s3_, false).doc("suspend to RAM is not possible");
  c.property("disable_s4", &Piix4Pm::disable_s4_, false).doc("suspend to disk is not possible");
  c.property("s4_val", &Piix4Pm::s4_value_, kSuspendToDisk).doc("SUS_TYP that means suspend to disk").range(2, 7);
  c.property("smm-enabled", &Piix4Pm::smm_, false)
      .doc("the CPUs have system management mode; otherwise firmware is told that SMIs are set up already");
  c.output("sci", &Piix4Pm::sci_).doc("ACPI's interrupt: ISA line 9");
  c.output("smi", &Piix4Pm::smi_).doc("system management interrupt of the CPUs");
  c.inputs(&Piix4Pm::rtc_alarm_, "rtc-alarm");
  c.inputs(&Piix4Pm::gpe_in_, "gpe");
}

Piix4Pm::Piix4Pm() : smbus_(add_new_child<I2cBus>("i2c"), [this] { smbus_changed(); }) {}

void Piix4Pm::realize() {
  define_config(pci::kCommand, 2, 0, pci::kCommandIo);
  define_config(pci::kStatus, 2, pci::kStatusFastBackToBack | pci::kStatusDevselMedium, 0, 0x1800);
  define_config(pci::kCacheLineSize, 1, 0);
  define_config(pci::kLatencyTimer, 1, 0);
  define_config(pci::kInterruptPin, 1, 1);  // says INTA#; the SCI goes to ISA line 9

  define_config(kPmba, 4, kIoSpace, kPmbaAddress);
  for (unsigned reg = kCntA; reg < kPmRegMisc; reg += 4) define_config(reg, 4, 0, 0xffffffff);
  // Firmware that finds APMC_EN set takes SMM for set up, and leaves it alone.
  if (!smm_) define_config(kDevActB, 4, kApmcEnable, 0xffffffff);
  define_config(kPmRegMisc, 1, 0, kPmIose);
  define_config(kSmbba, 4, kIoSpace, kSmbbaAddress);
  define_config(kSmbHstCfg, 1, 0, 0x0f);
  for (unsigned reg = kSmbHstCfg + 1; reg < kSmbHstCfg + 4; ++reg) define_config(reg, 1, 0, 0xff);

  overflow_ = std::make_unique<Timer>(clock(), "piix4-pm.timer", [this] { apply_events(); });
  ContainerRegion& io = system().io_root;
  pm_ports_.set_enabled(false);
  map(io, 0, pm_ports_, kOverIsa);
  smbus_.attach(clock());
  smbus_.ports().set_enabled(false);
  map(io, 0, smbus_.ports(), kOverIsa);
  map(io, kGpePort, gpe_ports_);
  map(io, kApmPort, apm_ports_);
}

void Piix4Pm::post_unrealize() {
  overflow_.reset();
  smbus_.detach();
  PciDevice::post_unrealize();
}

void Piix4Pm::reset_enter() {
  PciDevice::reset_enter();
  smbus_.reset();
  smbus_interrupts_ = false;
  const std::uint16_t woken_by = state_.status & kWakeBits;
  const auto events = state_.gpe_status;
  state_ = State();
  state_.timer_start_ns = clock().now_ns();
  state_.next_change_tick = acpi_timer::next_change(0);
  // The resume well keeps its power in S3, and says why the rest has been reset.
  if (system().control.run_state() != RunState::Suspended) return;
  state_.status = kResume | woken_by;
  state_.gpe_status = events;
}

void Piix4Pm::apply(bool force) {
  PciDevice::apply(force);
  const std::uint32_t base = config(kPmba, 4) & kPmbaAddress;
  {
    const MemoryTransaction transaction;
    pm_ports_.set_offset(base);
    pm_ports_.set_enabled(base != 0 && config(kPmRegMisc, 1) & kPmIose);
    // 7.1.2: of the command register's bits this block alone heeds one.
    const std::uint32_t smbus_base = config(kSmbba, 4) & kSmbbaAddress;
    smbus_.ports().set_offset(smbus_base);
    smbus_.ports().set_enabled(smbus_base != 0 && config(kSmbHstCfg, 1) & kSmbHstEn &&
                               config(pci::kCommand, 2) & pci::kCommandIo);
  }
  apply_events();
}

std::uint64_t Piix4Pm::ticks() const { return acpi_timer::ticks(state_.timer_start_ns, clock().now_ns()); }

/// TMROF_STS is set when bit 23 changes, whether anybody waits for it or not.
void Piix4Pm::catch_up_timer() {
  const std::uint64_t now = ticks();
  if (now < state_.next_change_tick) return;
  state_.status |= kTimerOverflow;
  state_.next_change_tick = acpi_timer::next_change(now);
}

void Piix4Pm::apply_events() {
  catch_up_timer();
  const bool pending = (state_.status & state_.enable & kEnableBits) || gpe_pending();
  const bool smbus = smbus_.interrupt() && (config(kSmbHstCfg, 1) & kSmbIntrSel) == kSmbIntrIrq9;
  const bool sci = (pending && state_.control & kSciEnable) || smbus;
  if (sci != sci_.level()) piix4_pm_sci(sci);
  sci_.set(sci);
  // The timer's event needs a timer of ours only while it can interrupt and has not happened.
  const bool waits = state_.enable & kTimerOverflow && !(state_.status & kTimerOverflow);
  if (waits) {
    overflow_->arm(acpi_timer::time_of(state_.timer_start_ns, state_.next_change_tick));
  } else {
    overflow_->cancel();
  }
}

/// Its interrupt shares IRQ9 with the SCI, or is an SMI.
void Piix4Pm::smbus_changed() {
  const bool interrupts = smbus_.interrupt();
  const bool began = interrupts && !smbus_interrupts_;
  smbus_interrupts_ = interrupts;
  if (began && smm_ && (config(kSmbHstCfg, 1) & kSmbIntrSel) == 0) smi_.pulse();
  apply_events();
}

void Piix4Pm::event(std::uint16_t status, const char* wakes_up) {
  piix4_pm_event(status, wakes_up);
  state_.status |= status;
  // Whether the machine sleeps is its own to know: it may be about to.
  if (state_.enable & status || status == kPowerButton) system().control.request_wakeup(wakes_up);
  apply_events();
}

void Piix4Pm::press_power_button() { event(kPowerButton, "power-button"); }

void Piix4Pm::rtc_alarm(unsigned, bool level) {
  if (level) event(kRtc, "rtc");
}

std::array<std::uint8_t, 6> Piix4Pm::sleep_states() const {
  constexpr unsigned kPossible = 0x80;
  const auto state = [](unsigned sus_typ, bool possible) {
    return static_cast<std::uint8_t>(sus_typ | (possible ? kPossible : 0));
  };
  return {state(0, true),       0, 0, state(kSuspendToRam, !disable_s3_), state(s4_value_, !disable_s4_),
          state(kSoftOff, true)};
}

void Piix4Pm::raise_gpe(unsigned n) {
  piix4_gpe_raise(n);
  const unsigned byte = n / 8 % 2;
  state_.gpe_status[byte] = static_cast<std::uint8_t>(state_.gpe_status[byte] | 1U << n % 8);
  // Before it sleeps the operating system leaves enabled what may wake it (ACPI 6.4, 4.8.4.1).
  if (state_.gpe_enable[byte] >> n % 8 & 1) system().control.request_wakeup("gpe");
  apply_events();
}

void Piix4Pm::gpe_changed(unsigned n, bool level) {
  if (level) raise_gpe(n);
}

void Piix4Pm::go_to_sleep(unsigned sus_typ) {
  piix4_sleep(sus_typ);
  RunControl& control = system().control;
  if (sus_typ == kSoftOff) {
    control.request_shutdown(ShutdownCause::GuestShutdown);
  } else if (sus_typ == kSuspendToRam) {
    if (disable_s3_) return;
    control.request_suspend();
    // An enabled event that has happened already ends the sleep at once: ACPI 6.4, 4.8.3.1 and 16.3.1.1.
    if ((state_.status & state_.enable & kWakeBits) || gpe_pending()) control.request_wakeup("other");
  } else if (sus_typ == s4_value_) {
    // The guest has saved its memory itself: for the machine it is the same as off.
    if (disable_s4_) return;
    report_event(control, "SUSPEND_DISK");
    control.request_shutdown(ShutdownCause::GuestShutdown);
  }
}

IoResult Piix4Pm::read_pm(Offset offset, Width width) {
  std::uint64_t value = 0;
  if (offset == kPmtmr && width == 4) return acpi_timer::value(ticks());
  for (unsigned i = 0; i < width; ++i)
    value |= std::uint64_t{read_pm_byte(static_cast<unsigned>(offset) + i)} << (8 * i);
  return value;
}

IoResult Piix4Pm::write_pm(Offset offset, Width width, std::uint64_t value) {
  piix4_pm_write(offset, width, value);
  for (unsigned i = 0; i < width; ++i)
    write_pm_byte(static_cast<unsigned>(offset) + i, static_cast<std::uint8_t>(value >> (8 * i)));
  apply_events();
  return io_ok();
}

std::uint8_t Piix4Pm::read_pm_byte(unsigned offset) {
  const auto byte_of = [offset](std::uint32_t reg) { return static_cast<std::uint8_t>(reg >> (8 * (offset & 3))); };
  switch (offset & ~3U) {
    case kPmsts:
      catch_up_timer();
      return byte_of(state_.status | std::uint32_t{state_.enable} << 16);
    case kPmcntrl:
      return byte_of(state_.control);
    case kPmtmr:
      return byte_of(acpi_timer::value(ticks()));
    default:
      return state_.stored[offset];
  }
}

void Piix4Pm::write_pm_byte(unsigned offset, std::uint8_t value) {
  switch (offset) {
    case kPmsts:
    case kPmsts + 1:
      catch_up_timer();
      state_.status &= static_cast<std::uint16_t>(~(unsigned{value} << (8 * (offset - kPmsts)) & kStatusBits));
      break;
    case kPmen:
    case kPmen + 1:
      state_.enable = replace_byte(state_.enable, offset - kPmen, value) & kEnableBits;
      break;
    case kPmcntrl:
    case kPmcntrl + 1:
      write_control(offset - kPmcntrl, value);
      break;
    case kGlbctl:
      if (value & kBiosRelease) state_.status |= kGlobal;
      [[fallthrough]];
    default:
      state_.stored[offset] = value & stored_mask(offset);
      break;
  }
}

void Piix4Pm::write_control(unsigned byte, std::uint8_t value) {
  const std::uint16_t written = replace_byte(state_.control, byte, value);
  state_.control = written & (kSciEnable | kBrldEnable | kSusTyp);
  if (written & kSusEnable) go_to_sleep((written & kSusTyp) >> kSusTypShift);
}

IoResult Piix4Pm::read_gpe(Offset offset, Width) {
  return offset < 2 ? state_.gpe_status[offset] : state_.gpe_enable[offset - 2];
}

IoResult Piix4Pm::write_gpe(Offset offset, Width, std::uint64_t value) {
  const auto byte = static_cast<std::uint8_t>(value);
  piix4_gpe_writeb(offset, byte);
  if (offset < 2) {
    state_.gpe_status[offset] &= static_cast<std::uint8_t>(~byte);
  } else {
    state_.gpe_enable[offset - 2] = byte;
  }
  apply_events();
  return io_ok();
}

IoResult Piix4Pm::read_apm(Offset offset, Width) { return offset == 0 ? state_.apmc : state_.apms; }

IoResult Piix4Pm::write_apm(Offset offset, Width, std::uint64_t value) {
  apm_ioport_writeb(offset, static_cast<std::uint8_t>(value));
  if (offset == 1) {
    state_.apms = static_cast<std::uint8_t>(value);
    return io_ok();
  }
  state_.apmc = static_cast<std::uint8_t>(value);
  // What the SMI handler of other firmware does, since that of this machine leaves it to the chip.
  if (state_.apmc == kApmAcpiEnable) state_.control |= kSciEnable;
  if (state_.apmc == kApmAcpiDisable) state_.control &= static_cast<std::uint16_t>(~kSciEnable);
  apply_events();
  const bool smi = smm_ && config(kDevActB, 4) & kApmcEnable && state_.stored[kGlbctl] & kSmiEnable;
  if (smi) {
    piix4_smi("apm");
    smi_.pulse();
  }
  return io_ok();
}

void Piix4Pm::acpi_facts(AcpiBoard& board) {
  AcpiFixedHardware& f = board.fixed;
  const auto base = static_cast<std::uint16_t>(config(kPmba, 4) & kPmbaAddress);
  const auto at = [base](unsigned reg) { return static_cast<std::uint16_t>(base + reg); };
  f.pm1_event = {at(kPmsts), 4};
  f.pm1_control = {at(kPmcntrl), 2};
  f.pm_timer = {at(kPmtmr), 4};
  f.gpe0 = {kGpePort, kGpeSize};
  f.timer_reads_well = true;
  f.rtc_event = true;
  f.smi_command = kApmPort;
  f.acpi_enable = kApmAcpiEnable;
  f.acpi_disable = kApmAcpiDisable;
  if (!disable_s3_) f.s3 = kSuspendToRam;
  if (!disable_s4_) f.s4 = s4_value_;
  f.s5 = kSoftOff;
  board.reserve_ports(base, kPmSize);
  board.reserve_ports(kGpePort, kGpeSize);
  if (config(kSmbHstCfg, 1) & kSmbHstEn)
    board.reserve_ports(static_cast<std::uint16_t>(config(kSmbba, 4) & kSmbbaAddress), piix4_smbus::kPorts);
  if (!sci_.sinks().empty()) {
    f.sci = sci_.sinks().front()->index();
    board.interrupts.level.insert(*f.sci);
    // The function says INTA#, but its interrupt is the SCI.
    board.wired_pins[{address().slot, 0}] = "LNKS";
  }
}

aml::Terms Piix4Pm::acpi_objects(AcpiBoard& board) {
  aml::Terms objects{aml::device("PMRS", {aml::name("_HID", aml::eisa_id("PNP0C02")),  // resources of the mainboard
                                          aml::name("_UID", aml::string("GPE0")),
                                          aml::name("_CRS", aml::Resources().io(kGpePort, kGpeSize).code())})};
  if (board.fixed.sci) {
    const aml::Code only = aml::Resources().interrupt({*board.fixed.sci}, aml::kRoutedPciIrq).code();
    constexpr unsigned kEnabled = 0x0b;
    objects.push_back(aml::device(
        "LNKS", {aml::name("_HID", aml::eisa_id("PNP0C0F")), aml::name("_UID", aml::integer(4)),
                 aml::name("_PRS", only), aml::name("_CRS", only), aml::name("_STA", aml::integer(kEnabled)),
                 aml::method("_SRS", 1, aml::Serialize::No, {}), aml::method("_DIS", 0, aml::Serialize::No, {})}));
  }
  return objects;
}

void Piix4Pm::set_up_as_firmware() {
  config_write(kPmba, 4, kPmbaOfFirmware);
  config_write(kPmRegMisc, 1, kPmIose);
  config_write(kSmbba, 4, kSmbbaOfFirmware);
  config_write(kSmbHstCfg, 1, kSmbHstEn | kSmbIntrIrq9);
  config_write(pci::kCommand, 2, config(pci::kCommand, 2) | pci::kCommandIo);
  if (!sci_.sinks().empty()) config_write(pci::kInterruptLine, 1, sci_.sinks().front()->index());
}

MACHINA_INTERFACE(PowerButton);
MACHINA_TYPE(Piix4Pm, PciDevice, PowerButton, AcpiEvents, AcpiContributor, FirmwareSetup);

}  // namespace machina
