#include "hw/ide/ide_device.h"

#include <cstring>

namespace machina {

using namespace ata;

void IdeDevice::class_init(DeviceClass& c) {
  c.description = "IDE drive";
  c.category = Category::Storage;
  c.bus_type = IdeBus::kType;
  qom::Property& unit = c.property("unit", &IdeDevice::unit_, -1).doc("0 or 1 on its channel; -1 for the free one");
  unit.min = -1;
  unit.umax = IdeBus::kUnits - 1;
}

std::uint8_t IdeDevice::read_register(unsigned n, bool previous) const {
  if (n == kError) return state_.error;
  return previous ? state_.file[n].previous : state_.file[n].current;
}

void IdeDevice::write_register(unsigned n, std::uint8_t value) {
  state_.file[n].previous = state_.file[n].current;
  state_.file[n].current = value;
}

void IdeDevice::start_command(std::uint8_t opcode) {
  state_.error = 0;
  state_.buffer.clear();
  state_.data_at = state_.data_end = 0;
  abandon();
  execute(static_cast<Command>(opcode));
}

void IdeDevice::reset_enter() {
  state_ = State();
  abandon();
  reset_settings(true);
  state_.resetting = true;
  settle();
}

void IdeDevice::enter_soft_reset() {
  state_.soft_reset = state_.resetting = true;
  state_.intrq = false;
  state_.data_at = state_.data_end = 0;
  state_.buffer.clear();
  abandon();
  go_busy();
}

void IdeDevice::leave_soft_reset() {
  if (!state_.soft_reset) return;
  state_.soft_reset = false;
  reset_settings(false);
  settle();
}

void IdeDevice::diagnose() {
  state_.data_at = state_.data_end = 0;
  state_.buffer.clear();
  abandon();
  state_.resetting = true;
  settle();
  if (unit_ == 0) raise_intrq();
}

void IdeDevice::settle() {
  if (state_.soft_reset || still_working()) return go_busy();
  state_.resetting = false;
  // 9.12, table 14: the signature of a drive without the PACKET feature set. The channel clears the device register.
  state_.error = kDiagnosticPassed;
  state_.file = {};
  reg(kSectorCount).current = 1;
  reg(kLbaLow).current = 1;
  go_ready();
}

void IdeDevice::work_done() {
  if (state_.resetting) settle();
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
