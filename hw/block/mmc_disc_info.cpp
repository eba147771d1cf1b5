// What a disc says of itself, and the drive of what it can do with it: MMC-3, 6.5, 6.19, 6.22, 6.25 and 6.26.

#include <algorithm>

#include "hw/block/cd_sector.h"
#include "hw/block/mmc_drive.h"
#include "hw/block/mmc_fields.h"

namespace machina {

using namespace mmc;

namespace {

constexpr std::uint64_t kLongestCd = 80 * 60 * 75;  // blocks of a CD of 80 minutes
constexpr std::uint32_t kDvdDataStart = 0x030000;   // physical number of a DVD's block 0 (ECMA-267, 16.5)

/// From the start of the track, where the first two seconds of the disc do not count.
void append_relative(std::vector<std::uint8_t>& out, std::uint64_t blocks, bool msf) {
  if (!msf) return append_be(out, blocks, 4);
  const std::uint64_t seconds = blocks / 75;
  append_be(out, std::min<std::uint64_t>(seconds / 60, 0xff) << 16 | seconds % 60 << 8 | blocks % 75, 4);
}

}  // namespace

bool MmcDrive::is_dvd() const { return blocks_ > kLongestCd; }

void MmcDrive::append_address(Reply& out, std::uint64_t lba, bool msf) const {
  if (!msf) return append_be(out, lba, 4);
  const Msf at = msf_of(lba);
  append(out, {0, at.minute, at.second, at.frame});
}

void MmcDrive::append_toc_entry(Reply& out, std::uint8_t track, std::uint64_t lba, bool msf) const {
  append(out, {0, kAdrControlData, track, 0});
  append_address(out, lba, msf);
}

/// 6.25.3.3: the entries of the lead-in: the first and last tracks, where the lead-out starts, and each track.
/// Addresses are minutes, seconds and frames, whatever the packet says.
void MmcDrive::append_full_toc(Reply& out) const {
  constexpr unsigned kSession = 1, kFirstTrack = 1, kLastTrack = 1, kCdRomDisc = 0x00;
  const auto entry = [&](unsigned point, unsigned minute, unsigned second, unsigned frame) {
    append(out, {kSession, kAdrControlData, 0, point, 0, 0, 0, 0, minute, second, frame});
  };
  const Msf start = msf_of(0), end = msf_of(blocks_);
  entry(0xa0, kFirstTrack, kCdRomDisc, 0);
  entry(0xa1, kLastTrack, 0, 0);
  entry(0xa2, end.minute, end.second, end.frame);
  entry(1, start.minute, start.second, start.frame);
}

MmcDrive::Outcome MmcDrive::read_toc(Cdb cdb) {
  constexpr unsigned kTime = 0x02, kToc = 0, kSessions = 1, kFullToc = 2;
  const bool msf = cdb[1] & kTime;
  // SFF-8020i has the format in the last byte.
  const unsigned format = cdb[2] & 0x0f ? cdb[2] & 0x0fU : cdb[9] >> 6;
  const std::uint8_t from = cdb[6];
  Reply r;
  append(r, {0, 0, 1, 1});  // length; first and last track, or session
  switch (format) {
    case kToc:
      if (from > 1 && from != kLeadOutTrack) return invalid_field();
      if (from <= 1) append_toc_entry(r, 1, 0, msf);
      append_toc_entry(r, kLeadOutTrack, blocks_, msf);
      break;
    case kSessions:
      append_toc_entry(r, 1, 0, msf);  // the first track of the last session
      break;
    case kFullToc:
      if (from <= 1) append_full_toc(r);
      break;
    default:
      return invalid_field();
  }
  set_length(r, 0, 2);
  return reply(std::move(r), load_be(cdb, 7, 2));
}

/// 6.26: nothing is played, so there is no audio status; the position is where the head was left.
MmcDrive::Outcome MmcDrive::read_sub_channel(Cdb cdb) {
  constexpr unsigned kTime = 0x02, kQ = 0x40, kNoAudioStatus = 0x15;
  constexpr unsigned kPosition = 1, kCatalogNumber = 2, kRecordingCode = 3;
  const bool msf = cdb[1] & kTime;
  Reply r;
  append(r, {0, kNoAudioStatus, 0, 0});
  if (cdb[2] & kQ) {
    append(r, {cdb[3]});
    switch (cdb[3]) {
      case kPosition:
        append(r, {kAdrControlData, 1, 1});
        append_address(r, state_.position, msf);
        append_relative(r, state_.position, msf);
        break;
      case kCatalogNumber:
        r.resize(r.size() + 19);  // not valid: the disc has none
        break;
      case kRecordingCode:
        if (cdb[6] != 1) return invalid_field();
        append(r, {kAdrControlData, 1});
        r.resize(r.size() + 17);
        break;
      default:
        return invalid_field();
    }
  }
  set_length(r, 2, 2);
  return reply(std::move(r), load_be(cdb, 7, 2));
}

MmcDrive::Outcome MmcDrive::read_disc_information(Cdb cdb) {
  constexpr unsigned kComplete = 0x0e;         // a finalized disc whose last session is complete
  constexpr unsigned kUnrestrictedUse = 0x20;  // URU
  Reply r;
  append(r, {0, 0, kComplete, 1, 1, 1, 1, kUnrestrictedUse});
  r.resize(34);
  set_length(r, 0, 2);
  return reply(std::move(r), load_be(cdb, 7, 2));
}

MmcDrive::Outcome MmcDrive::read_dvd_structure(Cdb cdb) {
  constexpr unsigned kPhysical = 0x00, kCopyright = 0x01, kManufacturing = 0x04, kList = 0xff;
  constexpr std::size_t kHeader = 4, kPhysicalSize = kHeader + 2048, kCopyrightSize = kHeader + 4;
  constexpr std::size_t kManufacturingSize = kHeader + 2048;
  const unsigned layer = cdb[6], format = cdb[7];
  if (!is_dvd()) return fail(SenseKey::IllegalRequest, kIncompatibleFormat);
  Reply r;
  append(r, {0, 0, 0, 0});
  switch (format) {
    case kPhysical:
      if (layer != 0) return invalid_field();
      // DVD-ROM version 1, 120 mm, no statement of its rate, one layer that is read-only, usual densities.
      append(r, {0x01, 0x0f, 0x01, 0x00});
      append_be(r, kDvdDataStart, 4);
      append_be(r, kDvdDataStart + blocks_ - 1, 4);
      append_be(r, 0, 4);  // where layer 0 ends, if there were another
      r.resize(kPhysicalSize);
      break;
    case kCopyright:
      r.resize(kCopyrightSize);  // neither protection nor regions
      break;
    case kManufacturing:
      r.resize(kManufacturingSize);
      break;
    case kList: {
      constexpr unsigned kReadable = 0x40;
      const auto entry = [&](unsigned which, std::size_t size) {
        append(r, {which, kReadable});
        append_be(r, size, 2);
      };
      entry(kPhysical, kPhysicalSize);
      entry(kCopyright, kCopyrightSize);
      entry(kManufacturing, kManufacturingSize);
      break;
    }
    default:
      return invalid_field();
  }
  set_length(r, 0, 2);
  return reply(std::move(r), load_be(cdb, 8, 2));
}

MmcDrive::Outcome MmcDrive::get_configuration(Cdb cdb) {
  constexpr unsigned kAll = 0, kOne = 2;  // 1: those that are current
  constexpr unsigned kPersistentBit = 0x02, kCurrentBit = 0x01, kAtapi = 2;
  const unsigned request = cdb[1] & 3, start = load_be(cdb, 2, 2);
  if (request > kOne) return invalid_field();
  const bool cd = ready() && !is_dvd(), dvd = ready() && is_dvd();
  Reply r;
  append_be(r, 0, 4);
  append_be(r, 0, 2);
  append_be(r, cd ? kProfileCdRom : dvd ? kProfileDvdRom : 0U, 2);
  const auto feature = [&](Feature code, bool persistent, bool current, const Reply& data) {
    const auto number = static_cast<unsigned>(code);
    const bool wanted = request == kOne ? number == start : number >= start && (request == kAll || current);
    if (!wanted) return;
    append_be(r, number, 2);
    append(r, {(persistent ? kPersistentBit : 0) | (current ? kCurrentBit : 0), static_cast<unsigned>(data.size())});
    r.insert(r.end(), data.begin(), data.end());
  };
  Reply profiles;
  append_be(profiles, kProfileDvdRom, 2);
  append(profiles, {dvd, 0});
  append_be(profiles, kProfileCdRom, 2);
  append(profiles, {cd, 0});
  feature(Feature::ProfileList, true, true, profiles);
  feature(Feature::Core, true, true, {0, 0, 0, kAtapi});
  feature(Feature::Morphing, true, true, {0, 0, 0, 0});
  feature(Feature::RemovableMedium, true, true, {0x29, 0, 0, 0});  // a tray, ejected by command, that can be locked
  Reply readable;
  append_be(readable, kBlockSize, 4);
  append_be(readable, dvd ? 16 : 1, 2);  // blocks that an error correction code covers
  append(readable, {1, 0});              // mode page 01h is there
  feature(Feature::RandomReadable, false, cd || dvd, readable);
  feature(Feature::CdRead, false, cd, {0, 0, 0, 0});
  feature(Feature::DvdRead, false, dvd, {});
  Reply length;
  append_be(length, r.size() - 4, 4);
  std::copy(length.begin(), length.end(), r.begin());
  return reply(std::move(r), load_be(cdb, 7, 2));
}

}  // namespace machina
