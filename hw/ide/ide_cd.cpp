#include "hw/ide/ide_cd.h"

#include <fmt/format.h>

#include "core/machine_events.h"
#include "hw/ide/ata_identify.h"

namespace machina {

using namespace ata;

void IdeCd::class_init(DeviceClass& c) {
  c.description = "IDE CD and DVD drive";
  c.link("drive", &IdeCd::drive_).doc("the block backend of the disc in it; none: the drive is empty");
  limit(c.property("serial", &IdeCd::serial_, "").doc("serial number; made from its place when empty"), 20);
  limit(c.property("model", &IdeCd::model_, "MACHINA DVD-ROM").doc("model number"), 40);
  limit(c.property("ver", &IdeCd::version_, "1.0").doc("firmware revision"), 8);
}

namespace {

std::uint64_t blocks_of(const BlockBackend& disc) {
  const std::uint64_t blocks = disc.size() / mmc::kBlockSize;
  if (blocks == 0) throw Error(fmt::format("'{}' is too small for a disc", disc.description()));
  return blocks;
}

}  // namespace

IdeCd::IdeCd()
    : mmc_([this](bool open) {
        report_event(system().control, "DEVICE_TRAY_MOVED",
                     {{"device", slot_.name()}, {"id", path()}, {"tray-open", open}});
      }) {}

void IdeCd::realize() {
  const unsigned place = 2 * ide_bus().number() + static_cast<unsigned>(unit());
  if (drive_) mmc_.set_first_medium(blocks_of(*drive_));
  slot_.set_up(*this, system().loop, fmt::format("ide{}-cd{}", ide_bus().number(), unit()));
  if (serial_.empty()) serial_ = fmt::format("MC{:05}", place + 1);
  // INQUIRY has the model in two fields: what comes before its first blank is the vendor.
  const std::size_t blank = model_.find(' ');
  mmc_.set_identity(
      {model_.substr(0, blank), blank == std::string::npos ? "" : model_.substr(blank + 1), version_, serial_});
}

void IdeCd::reset_settings(bool power_on) {
  state_ = State();
  // SRST is about the cable: locks and mode pages stay, and no attention is asked for.
  if (power_on) mmc_.reset();
}

void IdeCd::abandon() {
  const bool standby = state_.standby;
  state_ = State();
  state_.standby = standby;
}

void IdeCd::execute(Command command) {
  switch (command) {
    case Command::Packet:
      return take_packet();
    case Command::IdentifyPacketDevice:
      return identify();
    case Command::DeviceReset:
      return reset_device();
    case Command::SetFeatures:
      return set_features();
    case Command::IdentifyDevice:
    case Command::ReadSectors:
      return refuse_as_disk();
    case Command::StandbyImmediate:
    case Command::Sleep:
      state_.standby = true;
      return succeed();
    case Command::IdleImmediate:
      state_.standby = false;
      return succeed();
    case Command::CheckPowerMode:
      reg(kSectorCount).current = state_.standby ? 0x00 : 0xff;
      return succeed();
    default:
      return fail(kAbrt);
  }
}

/// 8.15.5 and 8.27.5: software that takes it for a disk learns what it is.
void IdeCd::refuse_as_disk() {
  put_signature();
  fail(kAbrt);
}

void IdeCd::identify() {
  PacketIdentity id;
  id.serial = serial_;
  id.version = version_;
  id.model = model_;
  id.transfer_mode = transfer_mode();
  id.dma = ide_bus().bus_master() != nullptr;
  id.unit = static_cast<unsigned>(unit());
  const IdentifyData data = identify_data(id);
  buffer().assign(data.begin(), data.end());
  state_.phase = Phase::Identify;
  begin_block(true, 0, data.size(), true);
}

void IdeCd::set_features() {
  switch (static_cast<Feature>(reg(kFeatures).current)) {
    case Feature::SetTransferMode:
      return set_transfer_mode(reg(kSectorCount).current);
    case Feature::KeepSettings:  // a soft reset changes none of them
    case Feature::RevertSettings:
      return succeed();
    default:
      return fail(kAbrt);
  }
}

// --- media ---

/// The operator's: a locked tray stays closed without force, and the guest is asked for it.
void IdeCd::press_button(bool force) {
  if (mmc_.tray_open() || !mmc_.locked()) return;
  mmc_.request_eject();
  if (force) return;
  // The words that clients of the monitor know.
  throw Error(fmt::format("Device '{}' is locked and force was not specified, wait for tray to open and try again",
                          slot_.name()));
}

void IdeCd::open_tray(bool force) {
  press_button(force);
  mmc_.open_tray();
  state_.disc_gone = true;
}

void IdeCd::close_tray() { mmc_.close_tray(); }

void IdeCd::remove_medium() {
  if (!mmc_.tray_open()) throw Error(fmt::format("Tray of device '{}' is not open", slot_.name()));
  slot_.remove();
  mmc_.set_medium(0);
}

void IdeCd::eject(bool force) {
  open_tray(force);
  remove_medium();
}

void IdeCd::change_medium(const Change& change) {
  if (change.read_only == false) throw Error("discs in this drive cannot be written to").hint("read-only-mode retain");
  press_button(change.force);
  try {
    slot_.insert(change, true, [](const BlockBackend& disc) { blocks_of(disc); });
  } catch (const Error&) {
    if (!drive_) mmc_.set_medium(0);  // nor could the old disc be put back
    throw;
  }
  state_.disc_gone = true;
  mmc_.open_tray();
  mmc_.set_medium(blocks_of(*drive_));
  mmc_.close_tray();
}

MACHINA_TYPE(IdeCd, IdeDevice, RemovableMedia);

}  // namespace machina
