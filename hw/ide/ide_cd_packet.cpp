// The PACKET command: the packet, data by PIO in blocks of the host's size or by DMA, and the end
// (ATA/ATAPI-6, 8.23, 9.8 and 9.9).

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "core/trace/trace_event.h"
#include "hw/ide/bus_master.h"
#include "hw/ide/ide_cd.h"

namespace machina {

using namespace ata;
namespace {

const TraceEvent<unsigned, int, std::string_view> ide_atapi_cmd_packet{"ide_atapi_cmd_packet",
                                                                       "bus={} unit={} packet={}"};
const TraceEvent<unsigned, int, unsigned, unsigned> ide_atapi_cmd_error{"ide_atapi_cmd_error",
                                                                        "bus={} unit={} sense={} asc={:#04x}"};

}  // namespace

using Outcome = MmcDrive::Outcome;

void IdeCd::take_packet() {
  const std::uint8_t features = reg(kFeatures).current;
  state_.dma = features & kPacketDma;
  if (features & kPacketOverlap || (state_.dma && !ide_bus().bus_master())) return fail(kAbrt);
  // 8.23.5: FFFFh is FFFEh, as blocks are of whole words.
  state_.limit = std::min(reg(kByteCountLow).current | reg(kByteCountHigh).current << 8, 0xfffe);
  state_.standby = false;
  state_.phase = Phase::Packet;
  buffer().resize(mmc::kCdbSize);
  set_reason(kReasonCommand);
  begin_block(false, 0, mmc::kCdbSize, false);
}

void IdeCd::block_done() {
  switch (state_.phase) {
    case Phase::Identify:
      state_.phase = Phase::Idle;
      return go_ready();
    case Phase::Packet:
      return run_packet();
    case Phase::PioIn:
      state_.left -= block_end() - state_.at;
      state_.at = block_end();
      return next_pio_in();
    case Phase::PioOut:
      state_.at = block_end();
      return next_pio_out();
    case Phase::Idle:
    case Phase::DmaIn:
    case Phase::DmaOut:
      return;
  }
}

void IdeCd::run_packet() {
  std::array<std::uint8_t, mmc::kCdbSize> cdb{};
  std::copy_n(buffer().begin(), cdb.size(), cdb.begin());
  ide_atapi_cmd_packet(ide_bus().number(), unit(), [&cdb] { return fmt::format("{:02x}", fmt::join(cdb, "")); });
  buffer().clear();
  go_busy();
  // Word 125 of IDENTIFY PACKET DEVICE: no data in blocks of nothing. Before the command has done anything.
  if (!state_.dma && state_.limit == 0 && MmcDrive::moves_data(cdb[0])) return refuse_byte_count();
  finish(mmc_.execute(cdb));
}

void IdeCd::finish(Outcome o) {
  switch (o.kind) {
    case Outcome::Kind::Good:
      return complete();
    case Outcome::Kind::Failed:
      return check_condition();
    case Outcome::Kind::Reply:
      if (o.reply.empty()) return complete();
      buffer() = std::move(o.reply);
      return begin_data(state_.dma ? Phase::DmaIn : Phase::PioIn, buffer().size());
    case Outcome::Kind::Read:
      state_.lba = o.lba;
      state_.blocks_left = o.blocks;
      state_.fields = o.fields;
      return begin_data(state_.dma ? Phase::DmaIn : Phase::PioIn, o.blocks * o.fields.size());
    case Outcome::Kind::Parameters:
      buffer().resize(o.length);
      return begin_data(state_.dma ? Phase::DmaOut : Phase::PioOut, o.length);
  }
}

void IdeCd::complete() {
  state_.phase = Phase::Idle;
  set_reason(kReasonCommand | kReasonToHost);
  succeed();
}

void IdeCd::check_condition() {
  const auto key = mmc_.sense().key;
  ide_atapi_cmd_error(ide_bus().number(), unit(), static_cast<unsigned>(key), mmc_.sense().asc.code);
  const bool aborted = key == mmc::SenseKey::IllegalRequest || key == mmc::SenseKey::AbortedCommand;
  state_.phase = Phase::Idle;
  set_reason(kReasonCommand | kReasonToHost);
  fail(static_cast<std::uint8_t>(static_cast<unsigned>(key) << kSenseKeyShift | (aborted ? kAbrt : 0)));
}

void IdeCd::refuse_byte_count() {
  state_.phase = Phase::Idle;
  set_reason(kReasonCommand | kReasonToHost);
  fail(kAbrt);
}

/// 8.23.5: at most the host's limit, and whole words unless it is all that is left.
std::size_t IdeCd::block_size(std::size_t left) const {
  return left <= state_.limit ? left : state_.limit & ~std::size_t{1};
}

void IdeCd::begin_data(Phase phase, std::size_t bytes) {
  state_.phase = phase;
  state_.left = bytes;
  state_.at = 0;
  switch (phase) {
    case Phase::PioIn:
      return block_size(bytes) ? next_pio_in() : refuse_byte_count();
    case Phase::PioOut:
      return block_size(bytes) ? next_pio_out() : refuse_byte_count();
    case Phase::DmaIn:
      return give_dma();
    case Phase::DmaOut:
      return take_dma();
    case Phase::Idle:
    case Phase::Identify:
    case Phase::Packet:
      return;
  }
}

void IdeCd::show_block(bool to_host, std::size_t at, std::size_t bytes) {
  set_reason(to_host ? kReasonToHost : 0);
  reg(kByteCountLow).current = static_cast<std::uint8_t>(bytes);
  reg(kByteCountHigh).current = static_cast<std::uint8_t>(bytes >> 8);
  begin_block(to_host, at, bytes, true);
}

void IdeCd::next_pio_in() {
  if (state_.left == 0) return complete();
  const std::size_t bytes = block_size(state_.left);
  const std::size_t there = buffer().size() - state_.at;
  if (there >= bytes) return show_block(true, state_.at, bytes);
  go_busy();
  buffer().erase(buffer().begin(), buffer().begin() + static_cast<std::ptrdiff_t>(state_.at));
  state_.at = 0;
  const std::size_t needed = (bytes - there + state_.fields.size() - 1) / state_.fields.size();
  read_blocks(std::max<std::uint64_t>(needed, kPioChunk));
}

void IdeCd::next_pio_out() {
  state_.left = buffer().size() - state_.at;
  if (state_.left) return show_block(false, state_.at, block_size(state_.left));
  go_busy();
  finish(mmc_.take_parameters(std::exchange(buffer(), {})));
}

/// Adds so many blocks, or what is left of the command, to the buffer.
void IdeCd::read_blocks(std::uint64_t count) {
  count = state_.one_by_one ? 1 : std::min(count, state_.blocks_left);
  // Somebody may have taken the disc out since the command began.
  if (!drive_ || state_.disc_gone || mmc_.tray_open()) {
    mmc_.read_failed(state_.lba);
    return check_condition();
  }
  const auto request = make_request();
  request->data.resize(count * mmc::kBlockSize);
  drive_->read(state_.lba * mmc::kBlockSize, {request->data},
               completion(request, [this](Request& r, int error) { blocks_read(r, error); }));
}

void IdeCd::blocks_read(Request& request, int error) {
  const std::uint64_t count = request.data.size() / mmc::kBlockSize;
  if (error && count > 1) {
    state_.one_by_one = true;
    return read_blocks(1);
  }
  if (error) {
    mmc_.read_failed(state_.lba);
    return check_condition();
  }
  if (state_.fields.plain() && buffer().empty()) {
    buffer() = std::move(request.data);
  } else if (state_.fields.plain()) {
    buffer().insert(buffer().end(), request.data.begin(), request.data.end());
  } else {
    const std::span<const std::uint8_t> data(request.data);
    for (std::uint64_t i = 0; i < count; ++i)
      state_.fields.append(state_.lba + i, data.subspan(i * mmc::kBlockSize, mmc::kBlockSize), buffer());
  }
  state_.lba += count;
  state_.blocks_left -= count;
  mmc_.at_block(state_.lba);
  if (state_.phase == Phase::DmaIn) return give_dma();
  next_pio_in();
}

void IdeCd::bus_master_started() {
  if (request_pending() || state_.stopped) return;  // the medium is still at work, or the command is lost
  if (state_.phase == Phase::DmaIn) give_dma();
  if (state_.phase == Phase::DmaOut) take_dma();
}

/// The buffer to memory, when the guest has started the engine; then more of the medium.
void IdeCd::give_dma() {
  if (buffer().empty()) return state_.left ? read_blocks(kDmaChunk) : complete();
  BusMaster& engine = *ide_bus().bus_master();
  if (!engine.running()) return;
  state_.left -= buffer().size();
  if (buffer().size() % 2) buffer().push_back(0);  // the cable moves words
  switch (engine.to_memory(buffer())) {
    case BusMaster::Result::Done:
      buffer().clear();
      return state_.left ? read_blocks(kDmaChunk) : complete();
    case BusMaster::Result::TableEnd:
      state_.stopped = true;
      return;
    case BusMaster::Result::Error:
      return dma_failed();
  }
}

void IdeCd::take_dma() {
  BusMaster& engine = *ide_bus().bus_master();
  if (!engine.running()) return;
  std::vector<std::uint8_t> data(state_.left + state_.left % 2);
  switch (engine.from_memory(data)) {
    case BusMaster::Result::Done:
      data.resize(state_.left);
      buffer().clear();
      return finish(mmc_.take_parameters(data));
    case BusMaster::Result::TableEnd:
      state_.stopped = true;
      return;
    case BusMaster::Result::Error:
      return dma_failed();
  }
}

/// Hardware leaves the drive waiting until software's patience ends; here the command ends at once, as the error bit of
/// the channel says already that it is lost.
void IdeCd::dma_failed() {
  mmc_.fail(mmc::SenseKey::AbortedCommand, mmc::kDataPhaseError);
  check_condition();
}

}  // namespace machina
