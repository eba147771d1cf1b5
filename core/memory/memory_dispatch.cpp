#include <unistd.h>

#include <algorithm>
#include <bit>
#include <tuple>

#include "core/memory/address_space.h"
#include "core/memory/ram_access.h"
#include "core/memory/transaction_state.h"

namespace machina {
namespace {

constexpr std::uint64_t all_ones(Width width) { return ~std::uint64_t{0} >> (64 - 8 * width); }

bool holds(const FlatRange& range, std::uint64_t address, Width width) { return range.last - address >= width - 1; }

/// Only once the region is known to be alive: even the cast may look into it.
const IoRegion& registers_of(const FlatRange& range) { return static_cast<const IoRegion&>(*range.region); }

/// What the accelerator would have done, when it does not do it.
void signal(const IoEventFd& event) {
  const std::uint64_t one = 1;
  // A full counter (EAGAIN) is a notification that waits already.
  [[maybe_unused]] const ssize_t written = ::write(event.fd, &one, sizeof one);
}

class GateKeeper {
 public:
  explicit GateKeeper(std::shared_ptr<LocklessGate> gate) : gate_(std::move(gate)), entered_(gate_->enter()) {}
  ~GateKeeper() {
    if (entered_) gate_->leave();
  }
  GateKeeper(const GateKeeper&) = delete;
  GateKeeper& operator=(const GateKeeper&) = delete;
  bool entered() const { return entered_; }

 private:
  std::shared_ptr<LocklessGate> gate_;
  bool entered_;
};

}  // namespace

const FlatRange* MemoryDispatch::find(std::uint64_t address) {
  if (space_.generation() != generation_) {
    std::tie(view_, generation_) = space_.snapshot();
    last_ = nullptr;
  }
  if (last_ != nullptr && last_->contains(address)) return last_;
  const FlatRange* const found = view_->find(address);
  if (found != nullptr) last_ = found;
  return found;
}

/// The largest naturally aligned width that stays within `remaining` bytes and within what answers at `address`.
Width MemoryDispatch::piece_at(std::uint64_t address, std::uint64_t remaining) {
  const FlatRange* const range = find(address);
  if (range == nullptr) return 1;
  auto width = static_cast<Width>(std::bit_floor(std::min<std::uint64_t>(remaining, 8)));
  while (address % width != 0 || !holds(*range, address, width)) width /= 2;
  return width;
}

std::uint64_t MemoryDispatch::read(std::uint64_t address, Width width) { return read_checked(address, width).value(); }

void MemoryDispatch::write(std::uint64_t address, Width width, std::uint64_t value) {
  (void)write_checked(address, width, value);
}

IoResult MemoryDispatch::read_checked(std::uint64_t address, Width width) {
  const FlatRange* const range = find(address);
  if (range == nullptr) {
    // Not by way of the parts: each would look at the view of its own moment.
    if (view_->is_empty(address, width)) return {all_ones(width), IoStatus::NoResponse};
    return read_across(address, width);
  }
  if (!holds(*range, address, width)) return read_across(address, width);
  if (range->is_ram()) return load_ram(range->host + (address - range->first), width);
  return read_registers(*range, address, width);
}

IoResult MemoryDispatch::write_checked(std::uint64_t address, Width width, std::uint64_t value) {
  const FlatRange* const range = find(address);
  if (range == nullptr) {
    return view_->is_empty(address, width) ? IoResult(IoStatus::NoResponse) : write_across(address, width, value);
  }
  if (!holds(*range, address, width)) return write_across(address, width, value);
  if (!range->is_ram()) return write_registers(*range, address, width, value & all_ones(width));
  if (range->readonly) return IoStatus::NoResponse;
  std::uint8_t* const host = range->host + (address - range->first);
  store_ram(host, width, value);
  if (range->ram->writes_matter()) {
    range->ram->mark_dirty(static_cast<std::uint64_t>(host - range->ram->host()), width);
  }
  return io_ok();
}

IoResult MemoryDispatch::read_registers(const FlatRange& range, std::uint64_t address, Width width) {
  // Nothing of the region itself may be looked at before it is known to be alive.
  if (range.gate != nullptr) {
    const GateKeeper gate(range.gate);
    if (!gate.entered()) return {all_ones(width), IoStatus::NoResponse};
    return registers_of(range).read(range.offset + (address - range.first), width);
  }
  MachineLock& lock = space_.machine_lock();
  const bool held = lock.held();
  if (!held && LocklessGate::inside_any()) return {all_ones(width), IoStatus::NoResponse};
  const MachineLock::Guard guard(lock);
  // Between the look-up and the lock anything may have changed; now it cannot any more.
  if (!held && space_.generation() != generation_) return read_checked(address, width);
  if (TransactionState::of_this_thread().is_destroyed(range.region)) return {all_ones(width), IoStatus::NoResponse};
  return registers_of(range).read(range.offset + (address - range.first), width);
}

IoResult MemoryDispatch::write_registers(const FlatRange& range, std::uint64_t address, Width width,
                                         std::uint64_t value) {
  const bool notification = view_->find_eventfd(address, width, value) != nullptr;
  if (range.gate != nullptr && !notification) {
    const GateKeeper gate(range.gate);
    if (!gate.entered()) return IoStatus::NoResponse;
    return registers_of(range).write(range.offset + (address - range.first), width, value);
  }
  MachineLock& lock = space_.machine_lock();
  const bool held = lock.held();
  if (!held && LocklessGate::inside_any()) return IoStatus::NoResponse;
  const MachineLock::Guard guard(lock);
  if (!held && space_.generation() != generation_) return write_checked(address, width, value);
  if (TransactionState::of_this_thread().is_destroyed(range.region)) return IoStatus::NoResponse;
  if (notification) {
    signal(view_->find_eventfd(address, width, value)->event);
    return io_ok();
  }
  return registers_of(range).write(range.offset + (address - range.first), width, value);
}

// An access that leaves its range: each part goes where it belongs, lowest address first, and is answered on its own.
IoResult MemoryDispatch::read_across(std::uint64_t address, Width width) {
  std::uint64_t value = 0;
  IoStatus status = IoStatus::Ok;
  for (Width done = 0; done < width;) {
    const std::uint64_t at = address + done;
    if (at < address) {  // beyond the top of the space
      value |= all_ones(width) & ~std::uint64_t{0} << (8 * done);
      return {value, status == IoStatus::Ok ? IoStatus::NoResponse : status};
    }
    const Width piece = piece_at(at, width - done);
    const IoResult answer = read_checked(at, piece);
    value |= answer.value() << (8 * done);
    if (status == IoStatus::Ok) status = answer.status();
    done += piece;
  }
  return {value, status};
}

IoResult MemoryDispatch::write_across(std::uint64_t address, Width width, std::uint64_t value) {
  IoStatus status = IoStatus::Ok;
  for (Width done = 0; done < width;) {
    const std::uint64_t at = address + done;
    if (at < address) return status == IoStatus::Ok ? IoStatus::NoResponse : status;
    const Width piece = piece_at(at, width - done);
    const IoResult answer = write_checked(at, piece, value >> (8 * done));
    if (status == IoStatus::Ok) status = answer.status();
    done += piece;
  }
  return status;
}

}  // namespace machina
