#include "hw/ide/ide_device.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "core/trace/trace_event.h"
#include "hw/ide/ata_identify.h"

namespace machina {

using namespace ata;
namespace {

const TraceEvent<unsigned, int, unsigned> ide_fail{"ide_fail", "bus={} unit={} error={:#04x}"};
const TraceEvent<unsigned, int, bool> ide_reset{"ide_reset", "bus={} unit={} soft={:d}"};

}  // namespace

void IdeDevice::class_init(DeviceClass& c) {
  c.description = "IDE drive";
  c.category = Category::Storage;
  c.bus_type = IdeBus::kType;
  qom::Property& unit = c.property("unit", &IdeDevice::unit_, -1).doc("0 or 1 on its channel; -1 for the free one");
  unit.min = -1;
  unit.umax = IdeBus::kUnits - 1;
}

qom::Property& IdeDevice::limit(qom::Property& p, std::size_t characters) {
  return p.checked([characters](const qom::Value& v) {
    if (v.to_string().size() > characters)
      throw Error(fmt::format("'{}' is too long", v.to_string())).why(fmt::format("ATA has {} characters", characters));
  });
}

std::uint8_t IdeDevice::read_register(unsigned n, bool previous) const {
  if (n == kError) return state_.error;
  return previous ? state_.file[n].previous : state_.file[n].current;
}

void IdeDevice::write_register(unsigned n, std::uint8_t value) {
  state_.file[n].previous = state_.file[n].current;
  state_.file[n].current = value;
}

void IdeDevice::unrealize() {
  // The backend still has it, and keeps it alive; nobody is told when it ends.
  if (request_) request_->drive = nullptr;
  request_.reset();
}

std::shared_ptr<IdeDevice::Request> IdeDevice::make_request() {
  request_ = std::make_shared<Request>();
  request_->drive = this;
  return request_;
}

BlockBackend::Completion IdeDevice::completion(const std::shared_ptr<Request>& request,
                                               std::function<void(Request&, int)> done) {
  return [request, done = std::move(done)](int error) {
    IdeDevice* drive = request->drive;
    if (!drive) return;
    drive->request_.reset();
    if (!request->cancelled) return done(*request, error);
    // What was abandoned has ended: reset may be over.
    if (drive->state_.resetting) drive->settle();
  };
}

/// What was going on is over.
void IdeDevice::stop_work() {
  state_.buffer.clear();
  state_.data_at = state_.data_end = 0;
  if (request_) request_->cancelled = true;
  abandon();
}

void IdeDevice::start_command(std::uint8_t opcode) {
  state_.error = 0;
  stop_work();
  execute(static_cast<Command>(opcode));
}

void IdeDevice::reset_enter() {
  ide_reset(ide_bus().number(), unit_, false);
  stop_work();
  state_ = State();
  state_.transfer_mode = ide_bus().bus_master() ? 0x20 | kMaxMwdma : 0;
  reset_settings(true);
  state_.resetting = true;
  settle();
}

void IdeDevice::enter_soft_reset() {
  ide_reset(ide_bus().number(), unit_, true);
  state_.soft_reset = state_.resetting = true;
  state_.intrq = false;
  stop_work();
  go_busy();
}

void IdeDevice::leave_soft_reset() {
  if (!state_.soft_reset) return;
  state_.soft_reset = false;
  reset_settings(false);
  settle();
}

void IdeDevice::diagnose() {
  stop_work();
  state_.resetting = true;
  settle();
  if (unit_ == 0) raise_intrq();
}

void IdeDevice::reset_device() {
  state_.resetting = true;
  settle();
}

void IdeDevice::settle() {
  if (state_.soft_reset || request_) return go_busy();
  state_.resetting = false;
  state_.error = kDiagnosticPassed;
  put_signature();
  // 9.1 to 9.3: a drive that takes packets is not "ready" before its first command.
  if (takes_packets()) {
    state_.status = 0;
  } else {
    go_ready();
  }
}

/// 9.12, table 14. The channel clears the device register where that is part of it.
void IdeDevice::put_signature() {
  state_.file = {};
  reg(kSectorCount).current = 1;
  reg(kLbaLow).current = 1;
  if (!takes_packets()) return;
  reg(kLbaMid).current = 0x14;
  reg(kLbaHigh).current = 0xeb;
}

void IdeDevice::set_transfer_mode(std::uint8_t mode) {
  // 8.46.11, table 45: the kind in bits 7:3, its number in bits 2:0.
  const unsigned number = mode & 0x07;
  const bool dma = ide_bus().bus_master() != nullptr;
  bool legal = false;
  switch (mode >> 3) {
    case 0x00:  // PIO default, with or without IORDY
      legal = number <= 1;
      break;
    case 0x01:  // PIO with flow control
      legal = number <= 4;
      break;
    case 0x04:
      legal = dma && number <= kMaxMwdma;
      break;
    case 0x08:
      legal = dma && number <= kMaxUdma;
      break;
    default:
      break;
  }
  if (!legal) return fail(kAbrt);
  if (mode >> 3 >= 4) state_.transfer_mode = mode;  // a PIO mode leaves the DMA mode as it is
  succeed();
}

void IdeDevice::raise_intrq() {
  state_.intrq = true;
  ide_bus().update_intrq();
}

void IdeDevice::succeed() {
  go_ready();
  raise_intrq();
}

void IdeDevice::fail(std::uint8_t error) {
  ide_fail(ide_bus().number(), unit_, error);
  state_.error = error;
  state_.status = kDrdy | kDsc | kErr;
  raise_intrq();
}

void IdeDevice::begin_block(bool to_host, std::size_t at, std::size_t bytes, bool interrupt) {
  state_.to_host = to_host;
  state_.data_at = at;
  state_.data_end = at + bytes;
  state_.status = kDrdy | kDsc | kDrq;
  if (interrupt) raise_intrq();
}

std::uint32_t IdeDevice::read_data(Width width) {
  if (!state_.to_host) return 0;
  std::uint32_t value = 0;
  const std::size_t n = std::min<std::size_t>(width, state_.data_end - state_.data_at);
  std::memcpy(&value, state_.buffer.data() + state_.data_at, n);  // little endian, as the bus is
  state_.data_at += n;
  if (state_.data_at == state_.data_end) block_done();
  return value;
}

void IdeDevice::write_data(Width width, std::uint32_t value) {
  if (state_.to_host) return;
  const std::size_t n = std::min<std::size_t>(width, state_.data_end - state_.data_at);
  std::memcpy(state_.buffer.data() + state_.data_at, &value, n);
  state_.data_at += n;
  if (state_.data_at == state_.data_end) block_done();
}

MACHINA_ABSTRACT_TYPE(IdeDevice, Device);

}  // namespace machina
