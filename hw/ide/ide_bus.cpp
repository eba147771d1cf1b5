#include "hw/ide/ide_bus.h"

#include <fmt/format.h>

#include "core/trace/trace_event.h"
#include "hw/ide/bus_master.h"
#include "hw/ide/ide_device.h"

namespace machina {

using namespace ata;

namespace {

const TraceEvent<unsigned, unsigned, unsigned> ide_ioport_read{"ide_ioport_read", "bus={} reg={} value={:#04x}"};
const TraceEvent<unsigned, unsigned, unsigned> ide_ioport_write{"ide_ioport_write", "bus={} reg={} value={:#04x}"};
const TraceEvent<unsigned, unsigned> ide_ctrl_write{"ide_ctrl_write", "bus={} value={:#04x}"};
const TraceEvent<unsigned, unsigned, unsigned> ide_exec_cmd{"ide_exec_cmd", "bus={} unit={} cmd={:#04x}"};
const TraceEvent<unsigned, bool> ide_set_irq{"ide_set_irq", "bus={} level={:d}"};

// A cable without drives: the host pulls DD7 down, so that nobody is waited for (ATA/ATAPI-6, 4.3 and 9.16.2); the
// other lines float high.
constexpr std::uint8_t kFloating = 0x7f;

}  // namespace

void IdeBus::class_init(qom::ObjectClass& c) { c.description = "IDE channel"; }

IdeBus::IdeBus()
    : command_block_("ide-command-block", 8, Widths{1, 4, true}, this, &IdeBus::read_command_block,
                     &IdeBus::write_command_block),
      control_block_(
          "ide-control-block", 1, Widths::only(1), [this](Offset, Width) -> IoResult { return status(); },
          [this](Offset, Width, std::uint64_t value) -> IoResult {
            write_control(static_cast<std::uint8_t>(value));
            return io_ok();
          }) {}

void IdeBus::plug(Device& device) {
  auto& drive = static_cast<IdeDevice&>(device);
  if (drive.unit_ < 0) drive.unit_ = units_[0] ? 1 : 0;
  const auto n = static_cast<unsigned>(drive.unit_);
  if (n >= kUnits) {
    throw Error(fmt::format("no such IDE unit: {}", n)).hint("0 is the first drive of a channel, 1 the second");
  }
  if (const IdeDevice* other = units_[n]) {
    throw Error(fmt::format("unit {} of '{}' is taken", n, name()))
        .why(fmt::format("'{}' ({}) is there", other->path(), other->type_name()))
        .hint("choose another unit, or another channel with bus=");
  }
  Bus::plug(device);
  units_[n] = &drive;
}

void IdeBus::unplug(Device& device) {
  for (IdeDevice*& unit : units_)
    if (unit == &device) unit = nullptr;
  Bus::unplug(device);
  update_intrq();
}

void IdeBus::reset_enter() { state_ = State(); }

void IdeBus::update_intrq() {
  // 5.2.9: only the selected drive drives INTRQ, and only while nIEN is clear.
  const IdeDevice* drive = selected();
  const bool level = drive && drive->intrq() && !(state_.control & kNien);
  if (level == line_) return;
  ide_set_irq(number(), level);
  line_ = level;
  if (level && bus_master_) bus_master_->interrupt();
  if (intrq_) intrq_(level);
}

void IdeBus::bus_master_started() {
  if (IdeDevice* drive = selected()) drive->bus_master_started();
}

std::uint8_t IdeBus::status() const {
  if (const IdeDevice* drive = selected()) return drive->status();
  // 9.16.1: device 0 answers for a device 1 that is not there, with 00h. Nobody answers for a missing device 0.
  return units_[0] ? 0 : kFloating;
}

std::uint8_t IdeBus::read_register(unsigned reg) {
  const IdeDevice* drive = selected() ? selected() : units_[0];
  if (reg == kStatus) {
    const std::uint8_t value = status();
    if (IdeDevice* chosen = selected()) chosen->clear_intrq();
    ide_ioport_read(number(), reg, value);
    update_intrq();
    return value;
  }
  if (!drive) return kFloating;
  const std::uint8_t value = reg == kDevice ? static_cast<std::uint8_t>(state_.device | kDeviceObsolete)
                                            : drive->read_register(reg, state_.control & kHob);
  ide_ioport_read(number(), reg, value);
  return value;
}

void IdeBus::write_register(unsigned reg, std::uint8_t value) {
  ide_ioport_write(number(), reg, value);
  state_.control &= static_cast<std::uint8_t>(~kHob);  // 7.9: any write to the command block does
  if (reg == kCommand) return start_command(value);
  if (reg == kDevice) return select_device(value);
  // 5.2: both drives take what is written, whichever is selected; a busy one ignores it.
  for (IdeDevice* drive : units_)
    if (drive && !drive->busy()) drive->write_register(reg, value);
}

void IdeBus::select_device(std::uint8_t value) {
  if (const IdeDevice* drive = selected(); drive && drive->busy()) return;
  state_.device = value;
  update_intrq();
}

void IdeBus::start_command(std::uint8_t opcode) {
  if (static_cast<Command>(opcode) == Command::ExecuteDeviceDiagnostic) {
    for (const IdeDevice* drive : units_)
      if (drive && drive->busy()) return;
    state_.device = 0;
    for (IdeDevice* drive : units_)
      if (drive) drive->clear_intrq();
    update_intrq();
    for (IdeDevice* drive : units_)
      if (drive) drive->diagnose();
    return;
  }
  IdeDevice* drive = selected();
  if (!drive) return;
  // 8.9: what a drive that takes packets hears in any state.
  const bool resets = static_cast<Command>(opcode) == Command::DeviceReset && drive->takes_packets();
  if (drive->busy() && !resets) return;
  // The line falls before the command runs, so that one that ends at once makes an edge.
  ide_exec_cmd(number(), static_cast<unsigned>(drive->unit()), opcode);
  drive->clear_intrq();
  update_intrq();
  drive->start_command(opcode);
}

void IdeBus::write_control(std::uint8_t value) {
  ide_ctrl_write(number(), value);
  const std::uint8_t before = state_.control;
  state_.control = value & (kHob | kSrst | kNien);
  const std::uint8_t changed = before ^ state_.control;
  if (changed & kSrst) {
    state_.device = 0;
    for (IdeDevice* drive : units_) {
      if (!drive) continue;
      if (value & kSrst) {
        drive->enter_soft_reset();
      } else {
        drive->leave_soft_reset();
      }
    }
  }
  update_intrq();
}

IoResult IdeBus::read_command_block(Offset offset, Width width) {
  if (offset == kData) {
    IdeDevice* drive = selected();
    // An 8-bit access to the data register is no transfer.
    if (!drive || width == 1 || !drive->data_ready()) return IoStatus::NoResponse;
    return drive->read_data(width);
  }
  // The other registers are 8 bits wide: a wider access is one to each of them, lowest first.
  std::uint64_t value = 0;
  for (unsigned i = 0; i < width; ++i)
    value |= std::uint64_t{read_register(static_cast<unsigned>(offset) + i)} << (8 * i);
  return value;
}

IoResult IdeBus::write_command_block(Offset offset, Width width, std::uint64_t value) {
  if (offset == kData) {
    IdeDevice* drive = selected();
    if (!drive || width == 1 || !drive->data_ready()) return IoStatus::NoResponse;
    drive->write_data(width, static_cast<std::uint32_t>(value));
    return io_ok();
  }
  for (unsigned i = 0; i < width; ++i)
    write_register(static_cast<unsigned>(offset) + i, static_cast<std::uint8_t>(value >> (8 * i)));
  return io_ok();
}

MACHINA_TYPE(IdeBus, Bus);

}  // namespace machina
