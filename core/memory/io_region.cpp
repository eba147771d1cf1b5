#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "core/error.h"
#include "core/memory/memory_region.h"
#include "core/trace/trace_event.h"

namespace machina {
namespace {

// What devices without events of their own see.
const TraceEvent<std::uint64_t, std::uint64_t, unsigned, std::string_view> memory_region_ops_read{
    "memory_region_ops_read", "addr={:#x} value={:#x} size={} name={}"};
const TraceEvent<std::uint64_t, std::uint64_t, unsigned, std::string_view> memory_region_ops_write{
    "memory_region_ops_write", "addr={:#x} value={:#x} size={} name={}"};

constexpr std::uint64_t all_ones(Width width) { return ~std::uint64_t{0} >> (64 - 8 * width); }

/// `value` into its place among the bytes of a wider access.
constexpr std::uint64_t at_byte(std::uint64_t value, Offset byte) { return value << (8 * byte); }

}  // namespace

/// Marks the region busy while a handler runs. Lockless regions may be entered by several threads at once and look
/// after themselves.
class IoRegion::Busy {
 public:
  explicit Busy(const IoRegion& region) : region_(region), entered_(region.lockless() || !region.busy_) {
    if (entered_ && !region_.lockless()) region_.busy_ = true;
  }
  ~Busy() {
    if (entered_ && !region_.lockless()) region_.busy_ = false;
  }
  Busy(const Busy&) = delete;
  Busy& operator=(const Busy&) = delete;
  bool entered() const { return entered_; }

 private:
  const IoRegion& region_;
  bool entered_;
};

IoRegion::IoRegion(std::string name, std::uint64_t size, Widths widths, Read read, Write write)
    : MemoryRegion(Kind::Io, std::move(name), size), widths_(widths), read_(std::move(read)), write_(std::move(write)) {
  if (!std::has_single_bit(widths.min) || !std::has_single_bit(widths.max) || widths.min > widths.max ||
      widths.max > 8) {
    throw Error(fmt::format("region '{}' accepts widths of {} to {} bytes", this->name(), widths.min, widths.max))
        .why("widths are 1, 2, 4 or 8 bytes, the least one first");
  }
}

IoRegion::~IoRegion() {
  detach();
  if (gate_ != nullptr) gate_->close();
}

void IoRegion::set_lockless(bool on) {
  if (on == lockless()) return;
  gate_ = on ? std::make_shared<LocklessGate>() : nullptr;
  if (enabled()) changed();
}

void IoRegion::add_eventfd(const IoEventFd& event) {
  if (!fits(event.offset, std::max(event.width, 1U))) {
    throw Error(
        fmt::format("region '{}' has no {} bytes at {:#x} for a notification", name(), event.width, event.offset));
  }
  if (std::find(eventfds_.begin(), eventfds_.end(), event) != eventfds_.end()) {
    throw Error(fmt::format("region '{}' has that notification at {:#x} already", name(), event.offset));
  }
  eventfds_.push_back(event);
  if (enabled()) changed();
}

void IoRegion::remove_eventfd(const IoEventFd& event) {
  if (std::erase(eventfds_, event) > 0 && enabled()) changed();
}

bool IoRegion::fits(Offset offset, Width width) const {
  return size() == kWholeSpace ? width - 1 <= ~offset : offset < size() && width <= size() - offset;
}

bool IoRegion::direct(Offset offset, Width width) const {
  return width >= widths_.min && width <= widths_.max && (widths_.unaligned || offset % width == 0);
}

IoResult IoRegion::read_part(Offset offset, Width width) const {
  const IoResult answer = read_ ? read_(offset, width) : IoResult(IoStatus::NoResponse);
  const std::uint64_t value = (answer.ok() ? answer.value() : ~std::uint64_t{0}) & all_ones(width);
  memory_region_ops_read(offset, value, width, name());
  return {value, answer.status()};
}

IoResult IoRegion::write_part(Offset offset, Width width, std::uint64_t value) const {
  memory_region_ops_write(offset, value & all_ones(width), width, name());
  return write_ ? write_(offset, width, value & all_ones(width)) : IoResult(IoStatus::NoResponse);
}

IoResult IoRegion::read(Offset offset, Width width) const {
  if (!fits(offset, width)) return {all_ones(width), IoStatus::NoResponse};
  const Busy busy(*this);
  if (!busy.entered()) return {all_ones(width), IoStatus::NoResponse};
  if (direct(offset, width)) return read_part(offset, width);

  std::uint64_t value = 0;
  IoStatus status = IoStatus::Ok;
  for (Width done = 0; done < width;) {
    const Offset at = offset + done;
    Width take = std::bit_floor(std::min(width - done, widths_.max));
    while (!widths_.unaligned && at % take != 0) take /= 2;
    std::uint64_t part = 0;
    if (take >= widths_.min) {
      const IoResult answer = read_part(at, take);
      part = answer.value();
      if (status == IoStatus::Ok) status = answer.status();
    } else {
      // Widened: the aligned register around it is read, and the bytes asked for are cut out.
      const Offset base = at & ~Offset{widths_.min - 1};
      const auto skip = static_cast<Width>(at - base);
      take = std::min(width - done, widths_.min - skip);
      const IoResult answer =
          fits(base, widths_.min) ? read_part(base, widths_.min) : IoResult(all_ones(widths_.min), IoStatus::BadSize);
      part = (answer.value() >> (8 * skip)) & all_ones(take);
      if (status == IoStatus::Ok) status = answer.status();
    }
    value |= at_byte(part, done);
    done += take;
  }
  return {value, status};
}

IoResult IoRegion::write(Offset offset, Width width, std::uint64_t value) const {
  if (!fits(offset, width)) return IoStatus::NoResponse;
  const Busy busy(*this);
  if (!busy.entered()) return IoStatus::NoResponse;
  if (direct(offset, width)) return write_part(offset, width, value);

  IoStatus status = IoStatus::Ok;
  for (Width done = 0; done < width;) {
    const Offset at = offset + done;
    Width take = std::bit_floor(std::min(width - done, widths_.max));
    while (!widths_.unaligned && at % take != 0) take /= 2;
    const IoResult answer =
        take >= widths_.min ? write_part(at, take, value >> (8 * done)) : IoResult(IoStatus::BadSize);
    if (status == IoStatus::Ok) status = answer.status();
    done += take;
  }
  return status;
}

}  // namespace machina
