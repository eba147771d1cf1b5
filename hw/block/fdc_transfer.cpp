/// Commands of the 82078 with data (section 6.1): sectors, one by one, between the disk and the host.
///
/// A step is a timer or an answer of the disk; the host's bytes move in between. A reading command goes access, sector,
/// disk, host, sector, …; a writing one access, sector, host, disk, sector, …

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "hw/block/fdc.h"

namespace machina {

using namespace fdc;

namespace {

constexpr std::uint8_t kSizeCode = 2;           // N: 128 << 2 bytes
constexpr std::size_t kFormatIdSize = 4;        // C, H, R, N
constexpr std::uint8_t kScanMatchesAll = 0xff;  // 6.1.12: of either side

}  // namespace

// --- commands ---

void Fdc::read_data() { start_transfer(Kind::Read); }
void Fdc::read_deleted_data() {
  state_.transfer.deleted = true;
  start_transfer(Kind::Read);
}
void Fdc::read_track() { start_transfer(Kind::ReadTrack); }
void Fdc::write_data() { start_transfer(Kind::Write); }
void Fdc::write_deleted_data() {
  state_.transfer.deleted = true;
  start_transfer(Kind::Write);
}
void Fdc::verify() { start_transfer(Kind::Verify); }
void Fdc::scan() { start_transfer(Kind::Scan); }
void Fdc::read_id() { start_transfer(Kind::ReadId); }
void Fdc::format_track() { start_transfer(Kind::Format); }

void Fdc::start_transfer(Kind kind) {
  const auto& f = state_.fifo;
  Transfer& t = state_.transfer;
  t.kind = kind;
  t.unit = f[1] & kSelectDrive;
  t.head = f[1] & kSelectHead ? 1 : 0;
  std::int64_t delay = kAccessTime;
  t.last_head = t.head;
  if (kind == Kind::Format) {
    t.n = f[2];
    t.left = state_.last_count = f[3];
  } else if (kind != Kind::ReadId) {
    t.c = f[2], t.h = f[3], t.r = f[4], t.n = f[5], t.dtl = f[8];
    t.eot = state_.last_count = f[6];
    t.multi_track = kind != Kind::ReadTrack && f[0] & kMultiTrack;
    if (kind == Kind::ReadTrack) t.r = 1, t.left = t.eot;
    if (kind == Kind::Verify && f[1] & kVerifyCount) t.left = t.dtl;
    if (state_.configure & kImpliedSeek) {
      // 6.1: as a SEEK before it, without its interrupt.
      t.implied_seek = true;
      delay += kSeekTime + std::abs(t.c - state_.cylinder[t.unit]) * kStepTime;
    }
  }
  after(delay, &Fdc::access);
}

void Fdc::access() {
  Transfer& t = state_.transfer;
  FloppyDrive* drive = selected();
  if (t.implied_seek) {
    if (drive) drive->step(t.c - state_.cylinder[t.unit]);
    state_.cylinder[t.unit] = t.c;
  }
  const bool turns = drive && state_.dor & kDorMotor << t.unit && drive->format();
  const bool writes = t.kind == Kind::Write || t.kind == Kind::Format;
  if (turns && writes && drive->write_protected()) return end_transfer(kSt0Abnormal, kSt1NotWritable);
  const bool readable = turns && state_.fifo[0] & kMfm && drive->rate_kbps() == kRateKbps[state_.dsr & kRate] &&
                        t.head < drive->format()->heads && drive->track();
  if (!readable && turns && t.kind == Kind::Format) return end_transfer(kSt0Abnormal | kSt0EquipmentCheck);
  if (!readable) return end_transfer(kSt0Abnormal, kSt1MissingAddressMark, 0, kNoIdTime);
  switch (t.kind) {
    case Kind::ReadId: {
      const unsigned passing = static_cast<unsigned>(clock_->now_ns() / kSectorTime) % drive->format()->sectors;
      t.c = static_cast<std::uint8_t>(*drive->track());
      t.h = static_cast<std::uint8_t>(t.head);
      t.r = static_cast<std::uint8_t>(passing + 1);
      t.n = kSizeCode;
      return end_transfer(0);
    }
    case Kind::Format:
      if (t.left == 0) return end_transfer(0);
      return offer(Flow::FromHost, kFormatIdSize);
    default:
      return next_sector();
  }
}

// --- sectors ---

bool Fdc::find_sector() {
  Transfer& t = state_.transfer;
  const FloppyDrive& drive = *selected();
  const unsigned track = drive.track().value_or(0);
  const bool on_track = t.r >= 1 && t.r <= drive.format()->sectors;
  const bool same = t.c == track && t.h == t.head && t.n == kSizeCode;
  if (t.kind == Kind::ReadTrack) {
    // Sectors are read whatever their IDs are; that they are others is told at the end.
    if (!same) t.st1 |= kSt1NoData;
    if (!on_track) {
      end_transfer(kSt0Abnormal, kSt1MissingAddressMark, 0, kNoIdTime);
      return false;
    }
  } else if (!on_track || !same) {
    end_transfer(kSt0Abnormal, kSt1NoData, t.c == track ? 0 : kSt2WrongCylinder, kNoIdTime);
    return false;
  }
  t.sector = drive.sector_number(track, t.head, t.r);
  return true;
}

void Fdc::next_sector() {
  Transfer& t = state_.transfer;
  FloppyDrive* drive = selected();
  // The disk may have been taken out meanwhile, or the head moved.
  if (!drive || !drive->format() || !drive->track() || t.head >= drive->format()->heads)
    return end_transfer(kSt0Abnormal, kSt1MissingAddressMark, 0, kNoIdTime);
  if (!find_sector()) return;
  t.last_head = t.head;
  if (t.kind == Kind::Write) return offer(Flow::FromHost, FloppyDrive::kSectorSize);

  // 6.1.1, SK: a sector with the other kind of address mark is passed over, or is the last one.
  t.other_mark = t.kind != Kind::ReadTrack && drive->deleted(t.sector) != t.deleted;
  if (t.other_mark) t.st2 |= kSt2ControlMark;
  if (t.other_mark && state_.fifo[0] & kSkip) return sector_done();
  if (!drive->has_data(t.sector)) {
    t.buffer.assign(FloppyDrive::kSectorSize, 0);
    return sector_found();
  }
  if (request_) return after(kSectorTime, &Fdc::next_sector);  // what was abandoned is still under way
  request_ = make_request(std::vector<std::uint8_t>(FloppyDrive::kSectorSize));
  drive->medium()->read(std::uint64_t{t.sector} * FloppyDrive::kSectorSize, {std::span(request_->data)},
                        completion(request_, &Fdc::read_done));
}

void Fdc::read_done(Request& request, int error) {
  if (error != 0) return end_transfer(kSt0Abnormal, kSt1DataError, kSt2DataErrorInData);
  state_.transfer.buffer = std::move(request.data);
  sector_found();
}

void Fdc::sector_found() {
  Transfer& t = state_.transfer;
  if (t.kind == Kind::Verify) return sector_done();
  if (t.kind == Kind::Scan) {
    t.host = std::move(t.buffer);  // what is offered next is the host's to fill
    return offer(Flow::FromHost, FloppyDrive::kSectorSize);
  }
  offer(Flow::ToHost, FloppyDrive::kSectorSize);
}

void Fdc::write_sector() {
  Transfer& t = state_.transfer;
  FloppyDrive* drive = selected();
  if (!drive || !drive->format()) return end_transfer(kSt0Abnormal, kSt1MissingAddressMark, 0, kNoIdTime);
  if (!drive->has_data(t.sector)) return end_transfer(kSt0Abnormal | kSt0EquipmentCheck);
  if (request_) return after(kSectorTime, &Fdc::write_sector);
  request_ = make_request(t.buffer);
  drive->medium()->write(std::uint64_t{t.sector} * FloppyDrive::kSectorSize,
                         {std::span<const std::uint8_t>(request_->data)}, completion(request_, &Fdc::write_done));
}

void Fdc::write_done(Request&, int error) {
  Transfer& t = state_.transfer;
  FloppyDrive* drive = selected();
  if (error != 0) return end_transfer(kSt0Abnormal | kSt0EquipmentCheck);
  if (drive && drive->format()) drive->set_deleted(t.sector, t.deleted);
  if (t.kind != Kind::Format) return sector_done();
  if (--t.left == 0 || t.terminal) return end_transfer(0);
  offer(Flow::FromHost, kFormatIdSize);
}

void Fdc::format_id() {
  Transfer& t = state_.transfer;
  const FloppyDrive* drive = selected();
  const std::array<std::uint8_t, kFormatIdSize> id{t.buffer[0], t.buffer[1], t.buffer[2], t.buffer[3]};
  const bool holds = drive && drive->format() && drive->track() && t.head < drive->format()->heads &&
                     id[0] == *drive->track() && id[1] == t.head && id[2] >= 1 && id[2] <= drive->format()->sectors &&
                     id[3] == kSizeCode && t.n == kSizeCode;
  if (!holds) return end_transfer(kSt0Abnormal | kSt0EquipmentCheck);
  t.sector = drive->sector_number(id[0], id[1], id[2]);
  t.buffer.assign(FloppyDrive::kSectorSize, state_.fifo[5]);
  write_sector();
}

// --- between buffer and host ---

std::size_t Fdc::fifo_chunk() const {
  if (state_.configure & kFifoOff) return 1;
  return 16U - (state_.configure & kFifoThreshold);
}

void Fdc::offer(Flow flow, std::size_t bytes) {
  Transfer& t = state_.transfer;
  t.flow = flow;
  if (flow == Flow::FromHost) t.buffer.assign(bytes, 0);
  t.at = 0;
  t.end = bytes;
  t.ready = true;
  non_dma() ? refill() : update_pins();
}

/// The CPU has taken or given a byte.
void Fdc::data_moved() {
  Transfer& t = state_.transfer;
  if (t.at < t.end && --t.chunk > 0) return;
  t.ready = false;
  set_transfer_interrupt(false);
  after(kFifoTime, t.at < t.end ? &Fdc::refill : &Fdc::moved_all);
}

void Fdc::refill() {
  Transfer& t = state_.transfer;
  t.ready = true;
  t.chunk = fifo_chunk();
  set_transfer_interrupt(true);
}

std::size_t Fdc::dma_to_memory(std::span<std::uint8_t> data, bool terminal) {
  Transfer& t = state_.transfer;
  if (!t.ready || t.flow != Flow::ToHost) return 0;
  const std::size_t n = std::min(data.size(), t.end - t.at);
  std::copy_n(t.buffer.begin() + static_cast<std::ptrdiff_t>(t.at), n, data.begin());
  dma_went(n, terminal && n == data.size());
  return n;
}

std::size_t Fdc::dma_from_memory(std::span<const std::uint8_t> data, bool terminal) {
  Transfer& t = state_.transfer;
  if (!t.ready || t.flow != Flow::FromHost) return 0;
  const std::size_t n = std::min(data.size(), t.end - t.at);
  std::copy_n(data.begin(), n, t.buffer.begin() + static_cast<std::ptrdiff_t>(t.at));
  dma_went(n, terminal && n == data.size());
  return n;
}

std::size_t Fdc::dma_verify(std::size_t length, bool terminal) {
  Transfer& t = state_.transfer;
  if (!t.ready) return 0;
  const std::size_t n = std::min(length, t.end - t.at);
  dma_went(n, terminal && n == length);
  return n;
}

void Fdc::dma_went(std::size_t bytes, bool terminal) {
  Transfer& t = state_.transfer;
  t.at += bytes;
  if (terminal) t.terminal = true;
  if (t.at < t.end && !terminal) return;
  t.ready = false;
  update_pins();
  // Not from within the controller's cycles: what follows takes the time of a sector.
  after(kSectorTime, &Fdc::moved_all);
}

void Fdc::moved_all() {
  Transfer& t = state_.transfer;
  const bool whole = t.at == t.end;
  t.flow = Flow::None;
  switch (t.kind) {
    case Kind::Write:
      // 6.1.3: when the host ends in the midst of a sector, zeros follow, which are there already.
      return write_sector();
    case Kind::Format:
      return whole ? format_id() : end_transfer(0);
    case Kind::Scan:
      return scan_compare();
    default:
      return sector_done();
  }
}

void Fdc::scan_compare() {
  Transfer& t = state_.transfer;
  // 6.1.12: the disk's bytes, most significant first, against the host's; only those that the host has given.
  int order = 0;
  for (std::size_t i = 0; i < t.at && order == 0; ++i) {
    if (t.host[i] == kScanMatchesAll || t.buffer[i] == kScanMatchesAll) continue;
    order = int{t.host[i]} - int{t.buffer[i]};
  }
  const auto code = static_cast<Command>(state_.fifo[0] & 0x1f);
  const bool met =
      order == 0 || (code == Command::ScanLowOrEqual && order < 0) || (code == Command::ScanHighOrEqual && order > 0);
  t.st2 &= static_cast<std::uint8_t>(~(kSt2ScanEqual | kSt2ScanNotSatisfied));
  if (order == 0) t.st2 |= kSt2ScanEqual;
  if (!met) t.st2 |= kSt2ScanNotSatisfied;
  if (met) return end_transfer(0);
  sector_done();
}

// --- from sector to sector ---

void Fdc::sector_done() {
  Transfer& t = state_.transfer;
  const bool skipped = t.other_mark && state_.fifo[0] & kSkip;
  // One with the other mark that was not passed over ends the command, and its ID is told.
  if (t.other_mark && !skipped) return end_transfer(0);
  const bool counted = t.kind == Kind::ReadTrack || (t.kind == Kind::Verify && state_.fifo[1] & kVerifyCount);
  const bool all = counted && !skipped && --t.left == 0;
  // 6.1.12, STP: a scan that goes by twos may end one before EOT.
  const bool by_twos = t.kind == Kind::Scan && t.dtl == 2;
  const bool end_of_track = t.r == t.eot || (by_twos && t.r + 1 == t.eot);
  const bool last = end_of_track && !(t.multi_track && t.head == 0);
  if (by_twos && !end_of_track) ++t.r;
  if (by_twos && end_of_track) t.r = t.eot;
  advance_id();
  if (t.terminal || all) return end_transfer(0);
  if (last) {
    // 6.1.1: nobody has said TC, and there is nothing beyond. VERIFY and the scans need no TC.
    if (t.kind == Kind::Verify || t.kind == Kind::Scan) return end_transfer(0);
    return end_transfer(kSt0Abnormal, kSt1EndOfCylinder);
  }
  after(kSectorTime, &Fdc::next_sector);
}

/// To the ID of the next sector, also past the last one: what the result phase tells (table 6-5).
void Fdc::advance_id() {
  Transfer& t = state_.transfer;
  if (t.r != t.eot) {
    ++t.r;
    return;
  }
  t.r = 1;
  if (t.multi_track) t.h ^= 1;
  if (t.multi_track && t.head == 0) {
    t.head = 1;
  } else {
    ++t.c;
  }
}

void Fdc::end_transfer(unsigned st0, unsigned st1, unsigned st2, std::int64_t delay) {
  Transfer& t = state_.transfer;
  t.st0 = static_cast<std::uint8_t>(st0);
  t.st1 = static_cast<std::uint8_t>(t.st1 | st1);
  t.st2 = static_cast<std::uint8_t>(t.st2 | st2);
  t.ready = false;
  t.flow = Flow::None;
  update_pins();
  after(std::max(delay, kFifoTime), &Fdc::transfer_ended);
}

void Fdc::transfer_ended() {
  const Transfer t = std::exchange(state_.transfer, Transfer());
  const unsigned st0 = t.st0 | (t.implied_seek ? kSt0SeekEnd : 0U) | t.last_head << 2 | t.unit;
  result({st0, t.st1, t.st2, t.c, t.h, t.r, t.n});
  set_transfer_interrupt(true);
}

// --- requests ---

std::shared_ptr<Fdc::Request> Fdc::make_request(std::vector<std::uint8_t> data) {
  auto request = std::make_shared<Request>();
  request->fdc = this;
  request->data = std::move(data);
  return request;
}

BlockBackend::Completion Fdc::completion(const std::shared_ptr<Request>& request, Done done) {
  return [request, done](int error) {
    Fdc* const fdc = request->fdc;
    if (!fdc) return;
    fdc->request_.reset();
    if (!request->cancelled) (fdc->*done)(*request, error);
  };
}

}  // namespace machina
