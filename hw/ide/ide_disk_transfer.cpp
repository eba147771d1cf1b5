// Sectors of an ATA disk: addresses, and the three protocols PIO in, PIO out and DMA (ATA/ATAPI-6, 9.5 to 9.7).

#include <algorithm>

#include "core/trace/trace_event.h"
#include "hw/ide/bus_master.h"
#include "hw/ide/ide_disk.h"

namespace machina {

using namespace ata;
namespace {

const TraceEvent<unsigned, int, std::string_view, std::uint64_t, std::uint64_t> ide_transfer{
    "ide_transfer", "bus={} unit={} kind={} lba={} sectors={}"};

}  // namespace

void IdeDisk::submit_read(std::uint64_t sectors) {
  const auto request = make_request();
  request->data.resize(sectors * kSectorSize);
  state_.chunk = sectors;
  drive_->read(state_.lba * kSectorSize, {request->data},
               completion(request, [this](Request& r, int error) { read_done(r, error); }));
}

void IdeDisk::submit_write(std::vector<std::uint8_t> data) {
  const auto request = make_request();
  request->data = std::move(data);
  state_.chunk = request->data.size() / kSectorSize;
  drive_->write(state_.lba * kSectorSize, {request->data},
                completion(request, [this](Request& r, int error) { write_done(r, error); }));
}

bool IdeDisk::decode_address(bool ext) {
  const std::uint8_t device = ide_bus().device_register();
  const std::uint64_t low = reg(kLbaLow).current, mid = reg(kLbaMid).current, high = reg(kLbaHigh).current;
  state_.ext = ext;
  state_.chs = !ext && !(device & kDeviceLba);
  if (ext) {
    const std::uint64_t upper =
        std::uint64_t{reg(kLbaHigh).previous} << 16 | std::uint64_t{reg(kLbaMid).previous} << 8 | reg(kLbaLow).previous;
    state_.lba = upper << 24 | high << 16 | mid << 8 | low;
    state_.left = std::uint64_t{reg(kSectorCount).previous} << 8 | reg(kSectorCount).current;
    if (state_.left == 0) state_.left = 0x10000;
  } else {
    state_.left = reg(kSectorCount).current;
    if (state_.left == 0) state_.left = 0x100;
    state_.lba = std::uint64_t{device & unsigned{kDeviceHead}} << 24 | high << 16 | mid << 8 | low;
  }
  if (state_.chs) {
    const DiskGeometry& g = state_.current;
    const std::uint64_t cylinder = high << 8 | mid;
    const std::uint64_t head = device & kDeviceHead;
    if (low == 0 || low > g.sectors || head >= g.heads) {
      fail(kIdnf);
      return false;
    }
    state_.lba = (cylinder * g.heads + head) * g.sectors + low - 1;
  }
  if (state_.lba >= sectors_ || state_.left > sectors_ - state_.lba) {
    fail(kIdnf);
    return false;
  }
  return true;
}

/// Error outputs of the read and write commands: the address of the sector concerned, in the form of the command.
void IdeDisk::set_address(std::uint64_t lba) {
  const auto put = [this](unsigned n, std::uint64_t current, std::uint64_t previous) {
    reg(n).current = static_cast<std::uint8_t>(current);
    if (state_.ext) reg(n).previous = static_cast<std::uint8_t>(previous);
  };
  if (state_.chs) {
    const DiskGeometry& g = state_.current;
    const std::uint64_t track = lba / g.sectors;
    put(kLbaLow, lba % g.sectors + 1, 0);
    put(kLbaMid, track / g.heads, 0);
    put(kLbaHigh, track / g.heads >> 8, 0);
    ide_bus().set_head(static_cast<unsigned>(track % g.heads));
    return;
  }
  put(kLbaLow, lba, lba >> 24);
  put(kLbaMid, lba >> 8, lba >> 32);
  put(kLbaHigh, lba >> 16, lba >> 40);
  if (!state_.ext) ide_bus().set_head(static_cast<unsigned>(lba >> 24));
}

void IdeDisk::start_transfer(Transfer kind, bool ext, unsigned block) {
  // READ and WRITE MULTIPLE before SET MULTIPLE MODE, DMA without an engine, and writes to what cannot be written.
  const bool dma = kind == Transfer::DmaIn || kind == Transfer::DmaOut;
  const bool writes = kind == Transfer::PioOut || kind == Transfer::DmaOut;
  if (block == 0 || (dma && !ide_bus().bus_master()) || (writes && drive_->read_only())) return fail(kAbrt);
  if (!decode_address(ext)) return;
  constexpr const char* kKinds[] = {"none", "pio-in", "pio-out", "verify", "dma-in", "dma-out"};
  ide_transfer(ide_bus().number(), unit(), kKinds[static_cast<unsigned>(kind)], state_.lba, state_.left);
  state_.transfer = kind;
  state_.block = block;
  state_.chunk = 0;
  state_.standby = false;
  go_busy();
  if (kind == Transfer::PioOut) return begin_write_blocks(false);  // 9.6: no interrupt before the first block
  go_on();
}

/// The next piece of the command, once the one before has ended.
void IdeDisk::go_on() {
  switch (state_.transfer) {
    case Transfer::PioIn:
    case Transfer::Verify:
    case Transfer::DmaIn:
      return next_read();
    case Transfer::PioOut:
      return begin_write_blocks(true);
    case Transfer::DmaOut:
      return take_dma();
    case Transfer::None:
      return;
  }
}

void IdeDisk::next_read() {
  const bool dma = state_.transfer == Transfer::DmaIn;
  // The medium is read while the guest is still programming its bus master.
  submit_read(std::min(state_.left, dma ? kDmaChunk : kPioChunk));
}

void IdeDisk::read_done(Request& request, int error) {
  if (error) return transfer_failed(kUnc);
  if (state_.transfer == Transfer::Verify) {
    advance(state_.chunk);
    return state_.left ? go_on() : finish_transfer();
  }
  buffer() = std::move(request.data);
  if (state_.transfer == Transfer::DmaIn) return give_dma();
  begin_block(true, 0, std::min(state_.block, state_.chunk) * kSectorSize, true);
}

void IdeDisk::begin_write_blocks(bool interrupt) {
  state_.chunk = std::min(state_.left, kPioChunk);
  buffer().resize(state_.chunk * kSectorSize);
  begin_block(false, 0, std::min(state_.block, state_.chunk) * kSectorSize, interrupt);
}

void IdeDisk::block_done() {
  if (state_.identifying) {
    state_.identifying = false;
    return go_ready();
  }
  const std::uint64_t in_buffer = state_.chunk * kSectorSize;
  const std::size_t at = block_end();
  const bool more = at < in_buffer;
  const std::size_t next = std::min<std::size_t>(state_.block * kSectorSize, in_buffer - at);
  if (state_.transfer == Transfer::PioIn) {
    if (more) return begin_block(true, at, next, true);
    advance(state_.chunk);
    if (state_.left) return go_busy(), go_on();
    // 9.5: the end of the data is the end of the command, without another interrupt.
    set_address(state_.lba - 1);
    state_.transfer = Transfer::None;
    return go_ready();
  }
  if (more) return begin_block(false, at, next, true);
  go_busy();
  submit_write(std::move(buffer()));
}

void IdeDisk::write_done(Request&, int error) {
  if (error) return transfer_failed(kAbrt);
  advance(state_.chunk);
  if (state_.left) return go_on();
  if (state_.write_cache) return finish_transfer();
  // Without a write cache the command ends when the data is on the medium.
  set_address(state_.lba - 1);
  state_.transfer = Transfer::None;
  const auto request = make_request();
  drive_->flush(completion(request, [this](Request& r, int error) { flushed(r, error); }));
}

void IdeDisk::advance(std::uint64_t sectors) {
  state_.lba += sectors;
  state_.left -= sectors;
  state_.chunk = 0;
}

void IdeDisk::finish_transfer() {
  set_address(state_.lba - 1);
  state_.transfer = Transfer::None;
  succeed();
}

void IdeDisk::transfer_failed(std::uint8_t error) {
  set_address(state_.lba);
  state_.transfer = Transfer::None;
  fail(error);
}

void IdeDisk::bus_master_started() {
  if (request_pending() || state_.stopped) return;  // the medium is still at work, or the command is lost
  if (state_.transfer == Transfer::DmaIn && state_.chunk) give_dma();
  if (state_.transfer == Transfer::DmaOut) take_dma();
}

/// Data of the medium to memory; waits for the guest to start the engine.
void IdeDisk::give_dma() {
  BusMaster& engine = *ide_bus().bus_master();
  if (!engine.running()) return;
  switch (engine.to_memory(buffer())) {
    case BusMaster::Result::Done:
      advance(state_.chunk);
      return state_.left ? go_on() : finish_transfer();
    case BusMaster::Result::TableEnd:
      state_.stopped = true;
      return;
    case BusMaster::Result::Error:
      return dma_failed();
  }
}

void IdeDisk::take_dma() {
  BusMaster& engine = *ide_bus().bus_master();
  if (!engine.running()) return;
  std::vector<std::uint8_t> data(std::min(state_.left, kDmaChunk) * kSectorSize);
  switch (engine.from_memory(data)) {
    case BusMaster::Result::Done:
      return submit_write(std::move(data));
    case BusMaster::Result::TableEnd:
      state_.stopped = true;
      return;
    case BusMaster::Result::Error:
      return dma_failed();
  }
}

/// Hardware leaves the drive waiting until software's patience ends; here the command ends at once, as the error bit of
/// the channel says already that it is lost.
void IdeDisk::dma_failed() { transfer_failed(kAbrt); }

}  // namespace machina
