#include "hw/ide/ide_disk.h"

#include <fmt/format.h>

#include <algorithm>

#include "hw/ide/bus_master.h"

namespace machina {

using namespace ata;

namespace {

// 8.15: what a disk of more than 16514064 sectors says of itself.
constexpr std::uint32_t kMaxCylinders = 16383;
constexpr std::uint32_t kMaxHeads = 16;
constexpr std::uint32_t kMaxSectors = 63;

}  // namespace

void IdeDisk::class_init(DeviceClass& c) {
  c.description = "IDE hard disk";
  c.link("drive", &IdeDisk::drive_).doc("the block backend behind it").must_be_set();
  limit(c.property("serial", &IdeDisk::serial_, "").doc("serial number; made from its place when empty"), 20);
  limit(c.property("model", &IdeDisk::model_, "MACHINA HARDDISK").doc("model number"), 40);
  limit(c.property("ver", &IdeDisk::version_, "1.0").doc("firmware revision"), 8);
  c.property("logical_block_size", &IdeDisk::logical_block_size_, kSectorSize)
      .doc("bytes in a sector; IDE disks have 512")
      .range(kSectorSize, kSectorSize);
  c.property("cyls", &IdeDisk::cyls_, 0U).doc("cylinders; 0 chooses a geometry").range(0, 65535);
  c.property("heads", &IdeDisk::heads_, 0U).doc("heads").range(0, kMaxHeads);
  c.property("secs", &IdeDisk::secs_, 0U).doc("sectors in a track").range(0, 255);
}

void IdeDisk::choose_geometry() {
  if (!cyls_ && !heads_ && !secs_) {
    native_.heads = kMaxHeads;
    native_.sectors = kMaxSectors;
    const std::uint64_t cylinders = sectors_ / (kMaxHeads * kMaxSectors);
    native_.cylinders = static_cast<std::uint32_t>(std::clamp<std::uint64_t>(cylinders, 1, kMaxCylinders));
    return;
  }
  if (!cyls_ || !heads_ || !secs_) throw Error("a geometry is cyls, heads and secs together");
  native_ = {cyls_, heads_, secs_};
  if (native_.total() > sectors_) {
    throw Error(fmt::format("{} cylinders, {} heads, {} sectors are more than the disk has", cyls_, heads_, secs_))
        .why(fmt::format("{} has {} sectors", drive_->description(), sectors_));
  }
}

void IdeDisk::realize() {
  sectors_ = std::min(drive_->size() / kSectorSize, (std::uint64_t{1} << 48) - 1);
  if (sectors_ == 0) throw Error(fmt::format("'{}' is too small for a disk", drive_->description()));
  choose_geometry();
  if (serial_.empty()) serial_ = fmt::format("MC{:05}", 2 * ide_bus().number() + static_cast<unsigned>(unit()) + 1);
  reset_settings(true);
}

void IdeDisk::reset_settings(bool power_on) {
  const State before = state_;
  state_ = State();
  state_.current = native_;
  if (power_on) return;
  // 9.2: a soft reset leaves the transfer mode; the rest reverts unless told otherwise (8.46, 66h).
  if (before.keep_settings) {
    state_.current = before.current;
    state_.multiple = before.multiple;
    state_.write_cache = before.write_cache;
    state_.look_ahead = before.look_ahead;
    state_.keep_settings = true;
  }
}

void IdeDisk::abandon() {
  state_.transfer = Transfer::None;
  state_.identifying = state_.stopped = false;
}

void IdeDisk::execute(Command command) {
  switch (command) {
    case Command::ReadSectors:
    case Command::ReadSectorsNoRetry:
      return start_transfer(Transfer::PioIn, false, 1);
    case Command::ReadSectorsExt:
      return start_transfer(Transfer::PioIn, true, 1);
    case Command::ReadMultiple:
    case Command::ReadMultipleExt:
      return start_transfer(Transfer::PioIn, command == Command::ReadMultipleExt, state_.multiple);
    case Command::WriteSectors:
    case Command::WriteSectorsNoRetry:
      return start_transfer(Transfer::PioOut, false, 1);
    case Command::WriteSectorsExt:
      return start_transfer(Transfer::PioOut, true, 1);
    case Command::WriteMultiple:
    case Command::WriteMultipleExt:
      return start_transfer(Transfer::PioOut, command == Command::WriteMultipleExt, state_.multiple);
    case Command::ReadVerify:
    case Command::ReadVerifyNoRetry:
    case Command::ReadVerifyExt:
      return start_transfer(Transfer::Verify, command == Command::ReadVerifyExt, 1);
    case Command::ReadDma:
    case Command::ReadDmaNoRetry:
    case Command::ReadDmaExt:
      return start_transfer(Transfer::DmaIn, command == Command::ReadDmaExt, 1);
    case Command::WriteDma:
    case Command::WriteDmaNoRetry:
    case Command::WriteDmaExt:
      return start_transfer(Transfer::DmaOut, command == Command::WriteDmaExt, 1);
    case Command::Seek:
      return decode_address(false) ? succeed() : void();
    case Command::Recalibrate:
      return succeed();
    case Command::InitializeDeviceParameters:
      return initialize_parameters();
    case Command::SetMultipleMode:
      return set_multiple();
    case Command::SetFeatures:
      return set_features();
    case Command::IdentifyDevice:
      return identify();
    case Command::FlushCache:
    case Command::FlushCacheExt:
      return flush(false);
    case Command::StandbyImmediate:
    case Command::StandbyImmediateOld:
    case Command::Standby:
    case Command::StandbyOld:
    case Command::Sleep:
    case Command::SleepOld:
      return flush(true);
    case Command::Idle:
    case Command::IdleOld:
    case Command::IdleImmediate:
    case Command::IdleImmediateOld:
      state_.standby = false;
      return succeed();
    case Command::CheckPowerMode:
    case Command::CheckPowerModeOld:
      return check_power_mode();
    case Command::Nop:          // 8.24: always ends so
    case Command::DeviceReset:  // 8.9: for devices with PACKET only
    default:
      return fail(kAbrt);
  }
}

void IdeDisk::identify() {
  DiskIdentity id;
  id.serial = serial_;
  id.version = version_;
  id.model = model_;
  id.native = native_;
  id.current = state_.current;
  id.sectors = sectors_;
  id.multiple = state_.multiple;
  id.max_multiple = kMaxMultiple;
  id.transfer_mode = transfer_mode();
  id.dma = ide_bus().bus_master() != nullptr;
  id.write_cache = state_.write_cache;
  id.look_ahead = state_.look_ahead;
  id.unit = static_cast<unsigned>(unit());
  const IdentifyData data = identify_data(id);
  buffer().assign(data.begin(), data.end());
  state_.identifying = true;
  begin_block(true, 0, data.size(), true);
}

void IdeDisk::set_multiple() {
  const unsigned n = reg(kSectorCount).current;
  // 8.47: 0 turns it off; counts that are no power of two are refused.
  if (n > kMaxMultiple || (n & (n - 1))) return fail(kAbrt);
  state_.multiple = n;
  succeed();
}

void IdeDisk::initialize_parameters() {
  const std::uint32_t sectors = reg(kSectorCount).current;
  const std::uint32_t heads = (ide_bus().device_register() & kDeviceHead) + 1U;
  if (sectors == 0) return fail(kAbrt);
  const std::uint64_t cylinders = sectors_ / (heads * sectors);
  state_.current = {static_cast<std::uint32_t>(std::min<std::uint64_t>(cylinders, 65535)), heads, sectors};
  succeed();
}

void IdeDisk::set_features() {
  switch (static_cast<Feature>(reg(kFeatures).current)) {
    case Feature::EnableWriteCache:
      state_.write_cache = true;
      return succeed();
    case Feature::DisableWriteCache:
      state_.write_cache = false;
      return flush(false);  // what is in the cache goes to the medium
    case Feature::EnableLookAhead:
    case Feature::DisableLookAhead:
      state_.look_ahead = reg(kFeatures).current == static_cast<std::uint8_t>(Feature::EnableLookAhead);
      return succeed();
    case Feature::KeepSettings:
    case Feature::RevertSettings:
      state_.keep_settings = reg(kFeatures).current == static_cast<std::uint8_t>(Feature::KeepSettings);
      return succeed();
    case Feature::SetTransferMode:
      return set_transfer_mode(reg(kSectorCount).current);
    default:
      return fail(kAbrt);
  }
}

void IdeDisk::check_power_mode() {
  write_register(kSectorCount, state_.standby ? 0x00 : 0xff);
  succeed();
}

void IdeDisk::flush(bool then_standby) {
  state_.standby = then_standby;
  go_busy();
  const auto request = make_request();
  drive_->flush(completion(request, [this](Request& r, int error) { flushed(r, error); }));
}

void IdeDisk::flushed(Request&, int error) {
  if (error) return fail(kAbrt);
  succeed();
}

MACHINA_TYPE(IdeDisk, IdeDevice);

}  // namespace machina
