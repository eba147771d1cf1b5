#include "hw/block/fdc.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "core/log.h"
#include "core/trace/trace_event.h"

namespace machina {

using namespace fdc;
namespace {

const TraceEvent<unsigned, unsigned> fdc_ioport_read{"fdc_ioport_read", "reg={} value={:#04x}"};
const TraceEvent<unsigned, unsigned> fdc_ioport_write{"fdc_ioport_write", "reg={} value={:#04x}"};
const TraceEvent<std::string_view> fdc_command{"fdc_command", "bytes={}"};
const TraceEvent<std::string_view> fdc_result{"fdc_result", "bytes={}"};
const TraceEvent<bool> fdc_set_irq{"fdc_set_irq", "level={:d}"};
const TraceEvent<unsigned> fdc_reset{"fdc_reset", "dor={:#04x}"};

}  // namespace

// --- the chip ---

void Fdc::power_on(Clock& clock, IsaDmaChannel* dma) {
  if (dma) dma->attach(this);
  dma_ = dma;
  clock_ = &clock;
  timer_.emplace(clock, "fdc.command", [this] {
    const auto step = std::exchange(step_, nullptr);
    if (step) (this->*step)();
  });
  seek_timer_.emplace(clock, "fdc.seek", [this] { seek_timer_expired(); });
}

void Fdc::power_off() {
  if (request_) request_->fdc = nullptr;
  request_.reset();
  timer_.reset();
  seek_timer_.reset();
  if (dma_) dma_->attach(nullptr);
  dma_ = nullptr;
}

void Fdc::reset_enter() {
  abandon();
  state_ = State();
  if (seek_timer_) seek_timer_->cancel();
}

void Fdc::reset_hold() { update_pins(); }

void Fdc::abandon() {
  step_ = nullptr;
  if (timer_) timer_->cancel();
  // The disk may still be at work; its answer is not wanted any more, and the next request waits for it.
  if (request_) request_->cancelled = true;
  state_.transfer = Transfer();
}

void Fdc::software_reset() {
  fdc_reset(state_.dor);
  abandon();
  if (seek_timer_) seek_timer_->cancel();
  state_.seeks = {};
  state_.at = state_.end = 0;
  state_.transfer_interrupt = state_.attention = false;
  // 5.2.7 and 5.2.8: what LOCK protects, and what only the reset pin clears.
  if (!state_.locked) {
    state_.configure = static_cast<std::uint8_t>((state_.configure & ~kFifoThreshold) | kFifoOff);
    state_.precompensation_track = 0;
  }
  // Drive polling: enabled upon any reset, LOCK or not. Linux switches it off and waits for the interrupt of the next
  // reset all the same.
  state_.configure &= static_cast<std::uint8_t>(~kPollOff);
  state_.perpendicular &= kPerpendicularDrives;
  state_.phase = Phase::Reset;
  if (!in_reset()) after(kResetTime, &Fdc::reset_done);
  update_pins();
}

void Fdc::reset_done() {
  to_command_phase();
  // 5.2.4: polling finds all drives' ready lines changed, which is four statuses behind one interrupt.
  for (unsigned n = 0; n < kDrives; ++n) state_.seeks[n].status = static_cast<std::uint8_t>(kSt0Polled | n);
  set_attention(true);
}

void Fdc::after(std::int64_t delay, void (Fdc::*step)()) {
  step_ = step;
  timer_->arm(clock_->now_ns() + delay);
}

void Fdc::set_transfer_interrupt(bool on) {
  state_.transfer_interrupt = on;
  update_pins();
}

void Fdc::set_attention(bool on) {
  state_.attention = on;
  update_pins();
}

void Fdc::update_pins() {
  const bool gate = (state_.dor & kDorGate) != 0;
  const bool interrupt = (state_.transfer_interrupt || state_.attention) && gate;
  if (interrupt != interrupt_level_) {
    fdc_set_irq(interrupt);
    interrupt_level_ = interrupt;
    interrupt_(interrupt);
  }
  const bool request = state_.transfer.ready && !non_dma() && gate;
  if (request != request_level_) {
    request_level_ = request;
    if (dma_) dma_->request(request);
  }
}

// --- registers ---

std::uint8_t Fdc::main_status() const {
  unsigned status = 0;
  for (unsigned n = 0; n < kDrives; ++n) status |= static_cast<unsigned>(state_.seeks[n].moving) << n;
  switch (state_.phase) {
    case Phase::Reset:
      return 0;
    case Phase::Command:
      status |= kMsrRequest | (state_.at ? kMsrBusy : 0);
      break;
    case Phase::Execution:
      status |= kMsrBusy;
      if (non_dma() && state_.transfer.flow != Flow::None) status |= kMsrNonDma;
      if (non_dma() && state_.transfer.ready)
        status |= kMsrRequest | (state_.transfer.flow == Flow::ToHost ? kMsrToHost : 0);
      break;
    case Phase::Result:
      status |= kMsrRequest | kMsrToHost | kMsrBusy;
      break;
  }
  return static_cast<std::uint8_t>(status);
}

std::uint8_t Fdc::input_register() const {
  // The line belongs to the drive that the output register selects.
  const FloppyDrive* drive = drives_.drive(state_.dor & kDorDrive);
  return drive && drive->changed() ? kDirChanged : 0;
}

IoResult Fdc::read(unsigned reg) {
  const IoResult answer = read_register(reg);
  fdc_ioport_read(reg, static_cast<std::uint8_t>(answer.value()));
  return answer;
}

IoResult Fdc::read_register(unsigned reg) {
  switch (reg) {
    case kDor:
      return state_.dor;
    case kTdr:
      return state_.tdr;
    case kMsr:
      return main_status();
    case kFifo:
      return read_fifo();
    case kDir:
      return input_register();
    default:
      return IoStatus::BadRegister;
  }
}

IoResult Fdc::write(unsigned reg, std::uint8_t value) {
  fdc_ioport_write(reg, value);
  switch (reg) {
    case kDor:
      write_dor(value);
      break;
    case kTdr:
      state_.tdr = value & kTdrTape;
      break;
    case kDsr:
      write_dsr(value);
      break;
    case kFifo:
      write_fifo(value);
      break;
    case kCcr:
      state_.dsr = static_cast<std::uint8_t>((state_.dsr & ~kRate) | (value & kRate));
      break;
    default:
      return IoStatus::BadRegister;
  }
  return io_ok();
}

void Fdc::write_dor(std::uint8_t value) {
  const std::uint8_t before = state_.dor;
  state_.dor = value;
  if ((before ^ value) & kDorNotReset) {
    software_reset();  // holds the chip, or lets it go
  } else {
    update_pins();
  }
}

void Fdc::write_dsr(std::uint8_t value) {
  state_.dsr = value & static_cast<std::uint8_t>(~kDsrReset);  // which clears itself
  if (value & kDsrReset && !in_reset()) software_reset();
}

// --- command and result phases ---

void Fdc::to_command_phase() {
  state_.phase = Phase::Command;
  state_.at = state_.end = 0;
}

void Fdc::result(Bytes bytes) {
  std::transform(bytes.begin(), bytes.end(), state_.fifo.begin(),
                 [](unsigned b) { return static_cast<std::uint8_t>(b); });
  fdc_result([&bytes] { return fmt::format("{:02x}", fmt::join(bytes, "")); });
  state_.at = 0;
  state_.end = bytes.size();
  state_.phase = Phase::Result;
}

std::uint8_t Fdc::read_fifo() {
  if (state_.phase == Phase::Result) {
    const std::uint8_t value = state_.fifo[state_.at++];
    if (state_.at == 1) set_transfer_interrupt(false);
    if (state_.at == state_.end) to_command_phase();
    return value;
  }
  Transfer& t = state_.transfer;
  if (state_.phase == Phase::Execution && non_dma() && t.ready && t.flow == Flow::ToHost) {
    const std::uint8_t value = t.buffer[t.at++];
    data_moved();
    return value;
  }
  log::guest_error("fdc", "FIFO read while there is nothing in it");
  return 0;
}

void Fdc::write_fifo(std::uint8_t value) {
  Transfer& t = state_.transfer;
  if (state_.phase == Phase::Command) {
    command_byte(value);
  } else if (state_.phase == Phase::Execution && non_dma() && t.ready && t.flow == Flow::FromHost) {
    t.buffer[t.at++] = value;
    data_moved();
  } else {
    log::guest_error("fdc", "byte {:#x} written to a FIFO that takes none", value);
  }
}

const Fdc::CommandInfo* Fdc::find_command(std::uint8_t code) {
  // Bits 7 to 5 are multi-track, MFM and skip where the command has such; "perpendicular" and the like fix all eight.
  static constexpr CommandInfo kCommands[] = {
      {Command::ReadTrack, 0xbf, 8, &Fdc::read_track},
      {Command::Specify, 0xff, 2, &Fdc::specify},
      {Command::SenseDriveStatus, 0xff, 1, &Fdc::sense_drive_status},
      {Command::WriteData, 0x3f, 8, &Fdc::write_data},
      {Command::ReadData, 0x1f, 8, &Fdc::read_data},
      {Command::Recalibrate, 0xff, 1, &Fdc::recalibrate},
      {Command::SenseInterruptStatus, 0xff, 0, &Fdc::sense_interrupt_status},
      {Command::WriteDeletedData, 0x3f, 8, &Fdc::write_deleted_data},
      {Command::ReadId, 0xbf, 1, &Fdc::read_id},
      {Command::ReadDeletedData, 0x1f, 8, &Fdc::read_deleted_data},
      {Command::FormatTrack, 0xbf, 5, &Fdc::format_track},
      {Command::DumpReg, 0xff, 0, &Fdc::dump_registers},
      {Command::Seek, 0xff, 2, &Fdc::seek},
      {Command::Version, 0xff, 0, &Fdc::version},
      {Command::ScanEqual, 0x1f, 8, &Fdc::scan},
      {Command::PerpendicularMode, 0xff, 1, &Fdc::perpendicular_mode},
      {Command::Configure, 0xff, 3, &Fdc::configure},
      {Command::Lock, 0x7f, 0, &Fdc::lock},
      {Command::Verify, 0x1f, 8, &Fdc::verify},
      {Command::PowerdownMode, 0xff, 1, &Fdc::powerdown_mode},
      {Command::PartId, 0xff, 0, &Fdc::part_id},
      {Command::ScanLowOrEqual, 0x1f, 8, &Fdc::scan},
      {Command::ScanHighOrEqual, 0x1f, 8, &Fdc::scan},
      {Command::Save, 0xff, 0, &Fdc::save},
      {Command::Option, 0xff, 1, &Fdc::option},
      {Command::Restore, 0xff, 16, &Fdc::restore},
      {Command::DriveSpecification, 0xff, 1, &Fdc::drive_specification},
      {Command::RelativeSeek, 0xbf, 2, &Fdc::relative_seek},
  };
  // Those with fewer bits of their own come last: 4Eh is RESTORE, and DUMPREG has no MFM bit.
  const CommandInfo* found = nullptr;
  for (const CommandInfo& c : kCommands)
    if ((code & c.mask) == static_cast<std::uint8_t>(c.code) && (!found || c.mask > found->mask)) found = &c;
  return found;
}

void Fdc::command_byte(std::uint8_t value) {
  if (state_.at == 0) {
    const CommandInfo* command = find_command(value);
    if (!command) {
      log::guest_error("fdc", "command {:#x} is not known", value);
      return result({kSt0Invalid});
    }
    state_.end = 1 + command->parameters;
  }
  state_.fifo[state_.at++] = value;
  // DRIVE SPECIFICATION alone has a list of parameters, which says where it ends.
  const bool list = state_.fifo[0] == static_cast<std::uint8_t>(Command::DriveSpecification);
  if (list && state_.at == state_.end && state_.at > 1 && !(value & kDriveSpecDone) && state_.at < state_.fifo.size())
    ++state_.end;
  if (state_.at < state_.end) return;
  fdc_command(
      [this] { return fmt::format("{:02x}", fmt::join(state_.fifo.begin(), state_.fifo.begin() + state_.end, "")); });
  void (Fdc::*const run)() = find_command(state_.fifo[0])->run;
  // Commands that say nothing else are over when they return.
  state_.phase = Phase::Execution;
  (this->*run)();
}

}  // namespace machina
