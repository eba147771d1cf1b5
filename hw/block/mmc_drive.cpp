#include "hw/block/mmc_drive.h"

#include <algorithm>
#include <utility>

#include "hw/block/cd_sector.h"
#include "hw/block/mmc_fields.h"

namespace machina {

using namespace mmc;
using Kind = MmcDrive::Outcome::Kind;

unsigned MmcDrive::Fields::size() const {
  return (sync ? kSyncSize : 0) + (header ? kHeaderSize : 0) + (user_data ? kCdUserData : 0) +
         (edc_ecc ? kEdcEccSize : 0);
}

void MmcDrive::Fields::append(std::uint64_t lba, std::span<const std::uint8_t> data,
                              std::vector<std::uint8_t>& out) const {
  const auto raw = mode1_sector(lba, data);
  const auto part = [&](bool wanted, std::size_t at, std::size_t bytes) {
    if (wanted) out.insert(out.end(), raw.data() + at, raw.data() + at + bytes);
  };
  part(sync, 0, kSyncSize);
  part(header, kSyncSize, kHeaderSize);
  part(user_data, kSyncSize + kHeaderSize, kCdUserData);
  part(edc_ecc, kSyncSize + kHeaderSize + kCdUserData, kEdcEccSize);
}

struct MmcDrive::Command {
  Opcode opcode;
  Outcome (MmcDrive::*run)(Cdb);
  bool moves_data;
  bool needs_medium;
  bool reports_no_attention;  ///< it is carried out while a UNIT ATTENTION waits: MMC-3, 6.1, and SPC-2, 5.2.5
};

const MmcDrive::Command* MmcDrive::find(std::uint8_t opcode) {
  using D = MmcDrive;
  static constexpr bool kData = true, kMedium = true, kAlways = true;
  static constexpr Command kCommands[] = {
      {Opcode::TestUnitReady, &D::test_unit_ready, !kData, kMedium, !kAlways},
      {Opcode::RequestSense, &D::request_sense, kData, !kMedium, kAlways},
      {Opcode::Inquiry, &D::inquiry, kData, !kMedium, kAlways},
      {Opcode::StartStopUnit, &D::start_stop_unit, !kData, !kMedium, !kAlways},
      {Opcode::PreventAllowMediumRemoval, &D::prevent_allow, !kData, !kMedium, !kAlways},
      {Opcode::ReadCapacity, &D::read_capacity, kData, kMedium, !kAlways},
      {Opcode::Read10, &D::read10, kData, kMedium, !kAlways},
      {Opcode::Seek10, &D::seek, !kData, kMedium, !kAlways},
      {Opcode::ReadSubChannel, &D::read_sub_channel, kData, kMedium, !kAlways},
      {Opcode::ReadTocPmaAtip, &D::read_toc, kData, kMedium, !kAlways},
      {Opcode::GetConfiguration, &D::get_configuration, kData, !kMedium, kAlways},
      {Opcode::GetEventStatusNotification, &D::event_status, kData, !kMedium, kAlways},
      {Opcode::ReadDiscInformation, &D::read_disc_information, kData, kMedium, !kAlways},
      {Opcode::ModeSelect10, &D::mode_select, kData, !kMedium, !kAlways},
      {Opcode::ModeSense10, &D::mode_sense, kData, !kMedium, !kAlways},
      {Opcode::Read12, &D::read12, kData, kMedium, !kAlways},
      {Opcode::ReadDvdStructure, &D::read_dvd_structure, kData, kMedium, !kAlways},
      {Opcode::ReadCdMsf, &D::read_cd_msf, kData, kMedium, !kAlways},
      {Opcode::SetCdSpeed, &D::set_speed, !kData, !kMedium, !kAlways},
      {Opcode::MechanismStatus, &D::mechanism_status, kData, !kMedium, !kAlways},
      {Opcode::ReadCd, &D::read_cd, kData, kMedium, !kAlways},
  };
  const auto* found = std::find_if(std::begin(kCommands), std::end(kCommands),
                                   [&](const Command& c) { return static_cast<std::uint8_t>(c.opcode) == opcode; });
  return found == std::end(kCommands) ? nullptr : found;
}

bool MmcDrive::moves_data(std::uint8_t opcode) {
  const Command* command = find(opcode);
  return command && command->moves_data;
}

MmcDrive::Outcome MmcDrive::execute(Cdb cdb) {
  const Command* command = find(cdb[0]);
  // SPC-2, 5.8.3: sense data is kept for the command that follows, and only if that asks for it.
  if (cdb[0] != static_cast<std::uint8_t>(Opcode::RequestSense)) {
    state_.sense = {};
    state_.sense_block.reset();
  }
  if (!command || !command->reports_no_attention) {
    if (const auto attention = take_attention()) return fail(SenseKey::UnitAttention, *attention);
  }
  if (!command) return fail(SenseKey::IllegalRequest, kInvalidOpcode);
  if (command->needs_medium && !ready()) return not_ready();
  return (this->*command->run)(cdb);
}

MmcDrive::Outcome MmcDrive::reply(Reply bytes, std::size_t allocation) {
  Outcome o;
  o.kind = Kind::Reply;
  bytes.resize(std::min(bytes.size(), allocation));
  o.reply = std::move(bytes);
  return o;
}

MmcDrive::Outcome MmcDrive::fail(SenseKey key, Asc asc) {
  state_.sense = {key, asc};
  state_.sense_block.reset();
  Outcome o;
  o.kind = Kind::Failed;
  return o;
}

MmcDrive::Outcome MmcDrive::not_ready() {
  return fail(SenseKey::NotReady, tray_open_ ? kNoMediumTrayOpen : kNoMediumTrayClosed);
}

MmcDrive::Outcome MmcDrive::read_failed(std::uint64_t lba) {
  if (!ready()) return not_ready();
  if (std::exchange(state_.medium_attention, false)) return fail(SenseKey::UnitAttention, kMediumMayHaveChanged);
  Outcome o = fail(SenseKey::MediumError, kUnrecoveredReadError);
  state_.sense_block = static_cast<std::uint32_t>(lba);
  return o;
}

std::optional<Asc> MmcDrive::take_attention() {
  if (std::exchange(state_.reset_attention, false)) return kPowerOnOrReset;
  if (std::exchange(state_.medium_attention, false)) return kMediumMayHaveChanged;
  return std::nullopt;
}

void MmcDrive::reset() { state_ = State(); }

// --- medium and tray ---

void MmcDrive::medium_arrived(bool attention) {
  state_.medium_attention = attention;
  state_.event = MediaEvent::NewMedia;
  state_.position = 0;
}

void MmcDrive::set_medium(std::uint64_t blocks) {
  const bool was_ready = ready();
  blocks_ = std::min<std::uint64_t>(blocks, std::uint64_t{1} << 32);  // what 32 bits can address
  if (ready()) return medium_arrived(true);
  other_medium_ = true;
  if (was_ready) state_.event = MediaEvent::MediaRemoval;
}

void MmcDrive::open_tray() {
  if (tray_open_) return;
  if (ready()) state_.event = MediaEvent::MediaRemoval;
  tray_open_ = true;
  other_medium_ = std::exchange(state_.medium_attention, false);  // that medium is gone
  if (tray_moved_) tray_moved_(true);
}

/// A medium that nobody has touched, and that the host itself loads, has not changed: it is an event, but no UNIT
/// ATTENTION. A real drive cannot know and asks for attention; Linux, which loads what it finds in an open tray, then
/// refuses its own next read.
void MmcDrive::load(bool by_host) {
  if (!tray_open_) return;
  tray_open_ = false;
  if (ready()) medium_arrived(!by_host || other_medium_);
  if (tray_moved_) tray_moved_(false);
}

// --- commands ---

MmcDrive::Outcome MmcDrive::test_unit_ready(Cdb) { return good(); }

MmcDrive::Outcome MmcDrive::request_sense(Cdb cdb) {
  if (state_.sense.key == SenseKey::NoSense) {
    if (const auto attention = take_attention()) state_.sense = {SenseKey::UnitAttention, *attention};
  }
  Reply r;
  append(r, {state_.sense_block ? 0xf0U : 0x70U, 0, static_cast<unsigned>(state_.sense.key)});
  append_be(r, state_.sense_block.value_or(0), 4);
  append(r, {kSenseSize - 8, 0, 0, 0, 0, state_.sense.asc.code, state_.sense.asc.qualifier, 0, 0, 0, 0});
  state_.sense = {};
  state_.sense_block.reset();
  return reply(std::move(r), cdb[4]);
}

MmcDrive::Outcome MmcDrive::inquiry(Cdb cdb) {
  constexpr unsigned kCdDevice = 5, kVitalProductData = 1;
  const std::size_t allocation = load_be(cdb, 3, 2);
  Reply r;
  if (!(cdb[1] & kVitalProductData)) {
    if (cdb[2] != 0) return invalid_field();
    // SFF-8020i, 10.8.4: removable, no version of SCSI, response of ATAPI's form.
    append(r, {kCdDevice, 0x80, 0x00, 0x21, 31, 0, 0, 0});
    append_text(r, identity_.vendor, 8);
    append_text(r, identity_.product, 16);
    append_text(r, identity_.revision, 4);
    return reply(std::move(r), allocation);
  }
  // SPC-2, 8.4.
  constexpr unsigned kSupportedPages = 0x00, kSerialNumber = 0x80, kIdentification = 0x83;
  append(r, {kCdDevice, cdb[2], 0, 0});
  switch (cdb[2]) {
    case kSupportedPages:
      append(r, {kSupportedPages, kSerialNumber, kIdentification});
      break;
    case kSerialNumber:
      append_text(r, identity_.serial, identity_.serial.size());
      break;
    case kIdentification:
      // One designator: ASCII, vendor and a number of its own (T10).
      append(r, {0x02, 0x01, 0, static_cast<unsigned>(8 + identity_.serial.size())});
      append_text(r, identity_.vendor, 8);
      append_text(r, identity_.serial, identity_.serial.size());
      break;
    default:
      return invalid_field();
  }
  set_length(r, 2, 2);
  return reply(std::move(r), allocation);
}

MmcDrive::Outcome MmcDrive::start_stop_unit(Cdb cdb) {
  constexpr unsigned kStart = 0x01, kLoadEject = 0x02, kPowerConditions = 0xf0;
  if (cdb[4] & kPowerConditions) return good();  // with these the other bits mean nothing
  const bool start = cdb[4] & kStart;
  if (cdb[4] & kLoadEject) {
    if (start) {
      load(true);
    } else {
      if (!tray_open_ && locked()) return fail(SenseKey::IllegalRequest, kMediumRemovalPrevented);
      open_tray();
    }
    return good();
  }
  return start && !ready() ? not_ready() : good();
}

MmcDrive::Outcome MmcDrive::prevent_allow(Cdb cdb) {
  constexpr unsigned kPrevent = 0x01, kPersistent = 0x02;
  const bool prevent = cdb[4] & kPrevent;
  (cdb[4] & kPersistent ? state_.persistently_prevented : state_.prevented) = prevent;
  return good();
}

MmcDrive::Outcome MmcDrive::mechanism_status(Cdb cdb) {
  constexpr unsigned kDoorOpen = 0x10;
  Reply r;
  append(r, {0, tray_open_ ? kDoorOpen : 0});
  append_be(r, ready() ? state_.position : 0, 3);
  append(r, {0, 0, 0});  // no slots: this is no changer
  return reply(std::move(r), load_be(cdb, 8, 2));
}

MmcDrive::Outcome MmcDrive::event_status(Cdb cdb) {
  constexpr unsigned kPolled = 0x01, kNoEventAvailable = 0x80, kMedia = 1U << kEventClassMedia;
  constexpr unsigned kDoorOpen = 0x01, kMediaPresent = 0x02;
  if (!(cdb[1] & kPolled)) return invalid_field();  // asynchronous: not without overlapped commands
  const std::size_t allocation = load_be(cdb, 7, 2);
  Reply r;
  if (!(cdb[4] & kMedia)) {
    append(r, {0, 0, kNoEventAvailable, kMedia});
  } else {
    append(r, {0, 0, kEventClassMedia, kMedia, static_cast<unsigned>(state_.event),
               (tray_open_ ? kDoorOpen : 0) | (ready() ? kMediaPresent : 0), 0, 0});
    // 6.7.2: an event is over once it has been told; who only has room for the header has not been told.
    if (allocation > 4) state_.event = MediaEvent::NoChange;
  }
  set_length(r, 0, 2);
  return reply(std::move(r), allocation);
}

MmcDrive::Outcome MmcDrive::set_speed(Cdb) { return good(); }

MmcDrive::Outcome MmcDrive::read_capacity(Cdb) {
  Reply r;
  append_be(r, blocks_ - 1, 4);
  append_be(r, kBlockSize, 4);
  return reply(std::move(r), 8);
}

MmcDrive::Outcome MmcDrive::read(std::uint64_t lba, std::uint64_t blocks, const Fields& fields) {
  if (lba >= blocks_ || blocks > blocks_ - lba) return fail(SenseKey::IllegalRequest, kLbaOutOfRange);
  if (blocks == 0 || fields.size() == 0) return good();
  Outcome o;
  o.kind = Kind::Read;
  o.lba = lba;
  o.blocks = blocks;
  o.fields = fields;
  return o;
}

MmcDrive::Outcome MmcDrive::read10(Cdb cdb) { return read(load_be(cdb, 2, 4), load_be(cdb, 7, 2), Fields()); }
MmcDrive::Outcome MmcDrive::read12(Cdb cdb) { return read(load_be(cdb, 2, 4), load_be(cdb, 6, 4), Fields()); }

MmcDrive::Outcome MmcDrive::seek(Cdb cdb) {
  const std::uint64_t lba = load_be(cdb, 2, 4);
  if (lba >= blocks_) return fail(SenseKey::IllegalRequest, kLbaOutOfRange);
  state_.position = lba;
  return good();
}

MmcDrive::Outcome MmcDrive::read_cd(Cdb cdb) { return read_fields(cdb, load_be(cdb, 2, 4), load_be(cdb, 6, 3)); }

MmcDrive::Outcome MmcDrive::read_cd_msf(Cdb cdb) {
  constexpr unsigned kSeconds = 60, kFrames = 75;
  const Msf first{cdb[3], cdb[4], cdb[5]}, end{cdb[6], cdb[7], cdb[8]};
  if (first.second >= kSeconds || first.frame >= kFrames || end.second >= kSeconds || end.frame >= kFrames)
    return invalid_field();
  const std::int64_t from = lba_of(first), to = lba_of(end);
  if (to < from) return invalid_field();
  if (from < 0) return fail(SenseKey::IllegalRequest, kLbaOutOfRange);
  return read_fields(cdb, static_cast<std::uint64_t>(from), static_cast<std::uint64_t>(to - from));
}

/// READ CD and READ CD MSF, 6.15 and 6.16: byte 1 says which kind of sector is expected, byte 9 what of it is wanted.
MmcDrive::Outcome MmcDrive::read_fields(Cdb cdb, std::uint64_t lba, std::uint64_t blocks) {
  constexpr unsigned kAnyType = 0, kMode1 = 2, kErrorFlags = 0x06, kSubChannels = 0x07;
  const unsigned type = cdb[1] >> 2 & 7;
  if (type != kAnyType && type != kMode1) return fail(SenseKey::IllegalRequest, kIllegalModeForTrack);
  // Pointers to errors and sub-channels are not among the drive's capabilities (mode page 2Ah).
  if (cdb[9] & kErrorFlags || cdb[10] & kSubChannels) return invalid_field();
  const unsigned headers = cdb[9] >> 5 & 3;  // bit 0: header; bit 1: sub-header, which mode 1 has none of
  const Fields fields{(cdb[9] & 0x80) != 0, (headers & 1) != 0, (cdb[9] & 0x10) != 0, (cdb[9] & 0x08) != 0};
  // Table 88: what is read lies together on the medium.
  const bool wanted[] = {fields.sync, fields.header, fields.user_data, fields.edc_ecc};
  unsigned runs = 0;
  for (unsigned i = 0; i < std::size(wanted); ++i) runs += wanted[i] && (i == 0 || !wanted[i - 1]);
  if (runs > 1) return invalid_field();
  if (is_dvd() && fields.size() != 0 && !fields.plain()) return fail(SenseKey::IllegalRequest, kIllegalModeForTrack);
  return read(lba, blocks, fields);
}

}  // namespace machina
