// MODE SENSE and MODE SELECT: MMC-3, 6.10, 6.11 and 6.3; SFF-8020i, 10.8.6.

#include <algorithm>

#include "hw/block/mmc_drive.h"
#include "hw/block/mmc_fields.h"

namespace machina {

using namespace mmc;

namespace {

enum Control : unsigned { kCurrent = 0, kChangeable = 1, kDefault = 2, kSaved = 3 };

constexpr std::size_t kHeaderSize = 8, kErrorRecoverySize = 12, kDeviceParametersSize = 8, kCapabilitiesSize = 26;
constexpr ModePage kPages[] = {ModePage::ErrorRecovery, ModePage::CdDeviceParameters, ModePage::Capabilities};

// What software may set: the recovery flags TB, RC, PER, DTE, DCR; the number of retries; the inactivity timer.
constexpr std::uint8_t kRecoveryMask = 0x37, kTimerMask = 0x0f;

constexpr std::uint16_t kSpeed = 8467;       // KB a second: 48 times that of audio, of which nothing depends
constexpr std::uint16_t kBufferSize = 2048;  // KB
constexpr std::uint8_t kReadsCdR = 0x01, kReadsCdRw = 0x02, kReadsMethod2 = 0x04, kReadsDvdRom = 0x08;
constexpr std::uint8_t kCanLock = 0x01, kLocked = 0x02, kCanEject = 0x08, kTray = 1 << 5;

}  // namespace

/// SFF-8020i, table 61: what is in the drive.
std::uint8_t MmcDrive::medium_type() const {
  constexpr std::uint8_t kDataDisc = 0x01, kNoDisc = 0x70, kDoorOpen = 0x71;
  return tray_open_ ? kDoorOpen : ready() ? kDataDisc : kNoDisc;
}

MmcDrive::Reply MmcDrive::mode_page(ModePage page, unsigned control) const {
  const bool mask = control == kChangeable;
  const State& values = control == kDefault ? State() : state_;
  Reply p;
  switch (page) {
    case ModePage::ErrorRecovery:
      append(p, {static_cast<unsigned>(page), kErrorRecoverySize - 2, mask ? kRecoveryMask : values.error_recovery,
                 mask ? 0xffU : values.read_retries});
      p.resize(kErrorRecoverySize);
      break;
    case ModePage::CdDeviceParameters: {
      append(p,
             {static_cast<unsigned>(page), kDeviceParametersSize - 2, 0, mask ? kTimerMask : values.inactivity_timer});
      constexpr std::uint16_t kSecondsPerMinute = 60, kFramesPerSecond = 75;
      append_be(p, mask ? 0 : kSecondsPerMinute, 2);
      append_be(p, mask ? 0 : kFramesPerSecond, 2);
      break;
    }
    case ModePage::Capabilities:
      append(p, {static_cast<unsigned>(page), kCapabilitiesSize - 2});
      if (!mask) {
        append(p, {kReadsCdR | kReadsCdRw | kReadsMethod2 | kReadsDvdRom, 0, 0, 0,
                   kCanLock | (locked() ? kLocked : 0U) | kCanEject | kTray, 0});
        append_be(p, kSpeed, 2);
        append_be(p, 0, 2);  // no volume levels
        append_be(p, kBufferSize, 2);
        append_be(p, kSpeed, 2);
      }
      p.resize(kCapabilitiesSize);
      break;
    case ModePage::All:
      break;
  }
  return p;
}

MmcDrive::Outcome MmcDrive::mode_sense(Cdb cdb) {
  const unsigned control = cdb[2] >> 6;
  const auto wanted = static_cast<ModePage>(cdb[2] & 0x3f);
  if (control == kSaved) return fail(SenseKey::IllegalRequest, kSavingNotSupported);
  Reply r;
  append(r, {0, 0, medium_type(), 0, 0, 0, 0, 0});
  for (const ModePage page : kPages) {
    if (wanted != ModePage::All && wanted != page) continue;
    const Reply p = mode_page(page, control);
    r.insert(r.end(), p.begin(), p.end());
  }
  if (r.size() == kHeaderSize) return invalid_field();
  set_length(r, 0, 2);
  return reply(std::move(r), load_be(cdb, 7, 2));
}

MmcDrive::Outcome MmcDrive::mode_select(Cdb cdb) {
  constexpr unsigned kPageFormat = 0x10, kSavePages = 0x01;
  if (!(cdb[1] & kPageFormat) || cdb[1] & kSavePages) return invalid_field();
  Outcome o;
  o.length = load_be(cdb, 7, 2);
  if (o.length != 0) o.kind = Outcome::Kind::Parameters;
  return o;
}

MmcDrive::Outcome MmcDrive::take_parameters(std::span<const std::uint8_t> list) {
  const auto too_short = [this] { return fail(SenseKey::IllegalRequest, kParameterListLengthError); };
  const auto wrong = [this] { return fail(SenseKey::IllegalRequest, kInvalidFieldInParameterList); };
  if (list.size() < kHeaderSize) return too_short();
  if (load_be(list, 6, 2) != 0) return wrong();  // no block descriptors in CD drives
  State next = state_;
  for (auto rest = list.subspan(kHeaderSize); !rest.empty();) {
    if (rest.size() < 2 || rest.size() < rest[1] + 2U) return too_short();
    const auto page = std::find(std::begin(kPages), std::end(kPages), static_cast<ModePage>(rest[0] & 0x3f));
    if (page == std::end(kPages)) return wrong();
    const Reply current = mode_page(*page, kCurrent), mask = mode_page(*page, kChangeable);
    if (rest[1] != current[1]) return wrong();
    for (std::size_t i = 2; i < current.size(); ++i)
      if ((rest[i] ^ current[i]) & ~mask[i]) return wrong();
    if (*page == ModePage::ErrorRecovery) next.error_recovery = rest[2], next.read_retries = rest[3];
    if (*page == ModePage::CdDeviceParameters) next.inactivity_timer = rest[3];
    rest = rest.subspan(current.size());
  }
  state_ = next;
  return good();
}

}  // namespace machina
