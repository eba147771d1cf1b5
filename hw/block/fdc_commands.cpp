/// Commands of the 82078 without data: settings, statuses, and the movement of heads.

#include <algorithm>
#include <cstdlib>

#include "hw/block/fdc.h"

namespace machina {

using namespace fdc;

// --- settings (section 6.2, control commands) ---

void Fdc::specify() {
  state_.specify = {state_.fifo[1], state_.fifo[2]};
  to_command_phase();
}

void Fdc::configure() {
  state_.configure = state_.fifo[2];
  state_.precompensation_track = state_.fifo[3];
  to_command_phase();
}

void Fdc::perpendicular_mode() {
  const std::uint8_t value = state_.fifo[1];
  // The drives' bits are left alone unless OW says otherwise.
  const std::uint8_t drives = value & kPerpendicularOverwrite ? value : state_.perpendicular;
  state_.perpendicular = static_cast<std::uint8_t>((drives & kPerpendicularDrives) | (value & kPerpendicularGapWgate));
  to_command_phase();
}

void Fdc::lock() {
  state_.locked = (state_.fifo[0] & kLockOn) != 0;
  result({state_.locked ? 0x10U : 0U});
}

void Fdc::powerdown_mode() {
  state_.powerdown = state_.fifo[1];
  result({state_.powerdown});
}

void Fdc::option() {
  state_.option = state_.fifo[1];
  to_command_phase();
}

void Fdc::drive_specification() {
  const std::uint8_t last = state_.fifo[state_.end - 1];
  for (std::size_t i = 1; i + 1 < state_.end; ++i) {
    const std::uint8_t value = state_.fifo[i];
    state_.specification[value >> 5 & 3] = value & 0x1f;
  }
  const auto& s = state_.specification;
  if (last & kDriveSpecNoResult) return to_command_phase();
  result({s[0], s[1], s[2], s[3]});
}

// --- what the chip is and knows ---

void Fdc::version() { result({kVersionEnhanced}); }
void Fdc::part_id() { result({kPartId}); }

std::uint8_t Fdc::lock_byte() const {
  return static_cast<std::uint8_t>((state_.locked ? kLockOn : 0) | state_.perpendicular);
}

void Fdc::dump_registers() {
  const auto& pcn = state_.cylinder;
  result({pcn[0], pcn[1], pcn[2], pcn[3], state_.specify[0], state_.specify[1], state_.last_count, lock_byte(),
          state_.configure, state_.precompensation_track});
}

void Fdc::save() {
  const auto& pcn = state_.cylinder;
  result({0, state_.option, pcn[0], pcn[1], pcn[2], pcn[3], state_.specify[0], state_.specify[1], state_.last_count,
          lock_byte(), state_.configure, state_.precompensation_track, state_.powerdown, 0, 0, 0});
}

void Fdc::restore() {
  const auto& f = state_.fifo;  // the first parameter is at 1
  state_.option = f[2];
  std::copy_n(f.begin() + 3, kDrives, state_.cylinder.begin());
  state_.specify = {f[7], f[8]};
  state_.last_count = f[9];
  state_.locked = (f[10] & kLockOn) != 0;
  state_.perpendicular = f[10] & (kPerpendicularDrives | kPerpendicularGapWgate);
  state_.configure = f[11];
  state_.precompensation_track = f[12];
  state_.powerdown = f[13];
  to_command_phase();
}

void Fdc::sense_drive_status() {
  const unsigned unit = state_.fifo[1] & kSelectDrive;
  const FloppyDrive* drive = drives_.drive(unit);
  unsigned st3 = kSt3Ones | (state_.fifo[1] & (kSelectHead | kSelectDrive));
  if (drive && drive->write_protected()) st3 |= kSt3WriteProtected;
  if (drive && drive->at_track_0()) st3 |= kSt3Track0;
  result({st3});
}

void Fdc::sense_interrupt_status() {
  const auto seek = std::find_if(state_.seeks.begin(), state_.seeks.end(), [](const Seek& s) { return s.status; });
  if (seek == state_.seeks.end()) return result({kSt0Invalid});
  const unsigned st0 = *seek->status;
  const auto unit = static_cast<std::size_t>(seek - state_.seeks.begin());
  seek->status.reset();
  result({st0, state_.cylinder[unit]});
  // The end of a seek keeps the interrupt up until it has been told; the statuses after a reset share one.
  set_attention(std::any_of(state_.seeks.begin(), state_.seeks.end(),
                            [](const Seek& s) { return s.status && (*s.status & kSt0Polled) != kSt0Polled; }));
}

// --- heads ---

void Fdc::recalibrate() {
  const unsigned unit = state_.fifo[1] & kSelectDrive;
  constexpr int kMostPulses = 79;  // 6.2.2: then it gives up
  const FloppyDrive* drive = drives_.drive(unit);
  const int way = drive ? static_cast<int>(drive->cylinder()) : kMostPulses;
  start_seek(unit, Movement::Recalibrate, -std::min(way, kMostPulses), 0);
}

void Fdc::seek() {
  const unsigned unit = state_.fifo[1] & kSelectDrive;
  start_seek(unit, Movement::Absolute, state_.fifo[2] - state_.cylinder[unit], state_.fifo[2]);
}

void Fdc::relative_seek() {
  const unsigned unit = state_.fifo[1] & kSelectDrive;
  const int steps = state_.fifo[0] & kRelativeSeekIn ? state_.fifo[2] : -state_.fifo[2];
  start_seek(unit, Movement::Relative, steps, static_cast<std::uint8_t>(state_.cylinder[unit] + steps));
}

void Fdc::start_seek(unsigned unit, Movement movement, int steps, std::uint8_t cylinder) {
  const std::int64_t time = kSeekTime + std::abs(steps) * kStepTime;
  state_.seeks[unit] = {true, clock_->now_ns() + time, movement, steps, cylinder, {}};
  arm_seek_timer();
  // Other drives' commands may follow while the head moves.
  to_command_phase();
}

void Fdc::arm_seek_timer() {
  std::int64_t next = Clock::kNever;
  for (const Seek& s : state_.seeks)
    if (s.moving) next = std::min(next, s.done);
  next == Clock::kNever ? seek_timer_->cancel() : seek_timer_->arm(next);
}

void Fdc::seek_timer_expired() {
  for (unsigned n = 0; n < kDrives; ++n) {
    Seek& s = state_.seeks[n];
    if (!s.moving || s.done > clock_->now_ns()) continue;
    s.moving = false;
    unsigned st0 = kSt0SeekEnd | n;
    state_.cylinder[n] = s.cylinder;
    FloppyDrive* drive = drives_.drive(n);
    const bool past_0 = drive && -s.steps > static_cast<int>(drive->cylinder());
    if (drive) drive->step(s.steps);
    // Only these two look at the signal of track 0: one wants to see it, the other does not.
    if (s.movement == Movement::Recalibrate && !(drive && drive->at_track_0()))
      st0 |= kSt0Abnormal | kSt0EquipmentCheck;
    if (s.movement == Movement::Relative && past_0) {
      st0 |= kSt0Abnormal | kSt0EquipmentCheck;
      state_.cylinder[n] = 0;
    }
    s.status = static_cast<std::uint8_t>(st0);
    set_attention(true);
  }
  arm_seek_timer();
}

}  // namespace machina
