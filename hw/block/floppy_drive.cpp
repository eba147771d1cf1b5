#include "hw/block/floppy_drive.h"

#include <fmt/format.h>

#include <algorithm>

namespace machina {

namespace {

FloppyType type_of(FloppyDriveChoice choice) {
  switch (choice) {
    case FloppyDriveChoice::K360:
      return FloppyType::K360;
    case FloppyDriveChoice::M1_2:
      return FloppyType::M1_2;
    case FloppyDriveChoice::M2_88:
      return FloppyType::M2_88;
    default:
      return FloppyType::M1_44;  // what an empty drive is, too: every firmware and driver knows it
  }
}

const FloppyFormat& any_format_of(const BlockBackend& medium) {
  if (const FloppyFormat* format = floppy_format_of(medium.size())) return *format;
  throw Error(fmt::format("'{}' is too large for a floppy disk", medium.description()))
      .why(fmt::format("it has {} bytes, and the largest disk has 2880 KiB", medium.size()))
      .hint("use -drive if=ide, or make an image of 1440 KiB");
}

}  // namespace

// --- bus ---

void FloppyBus::class_init(qom::ObjectClass& c) { c.description = "Cable of floppy drives"; }

void FloppyBus::plug(Device& device) {
  auto& drive = static_cast<FloppyDrive&>(device);
  if (drive.unit_ < 0) drive.unit_ = drives_[0] ? 1 : 0;
  const auto n = static_cast<unsigned>(drive.unit_);
  if (const FloppyDrive* other = drives_[n]) {
    throw Error(fmt::format("unit {} of '{}' is taken", n, name()))
        .why(fmt::format("'{}' ({}) is there", other->path(), other->type_name()))
        .hint(drives_[1 - n] ? "a cable has two drives" : "choose the other unit");
  }
  Bus::plug(device);
  drives_[n] = &drive;
}

void FloppyBus::unplug(Device& device) {
  for (FloppyDrive*& drive : drives_)
    if (drive == &device) drive = nullptr;
  Bus::unplug(device);
}

// --- drive ---

void FloppyDrive::class_init(DeviceClass& c) {
  c.description = "Floppy disk drive";
  c.category = Category::Storage;
  c.bus_type = FloppyBus::kType;
  qom::Property& unit = c.property("unit", &FloppyDrive::unit_, -1);
  unit.doc("0 for drive A, 1 for drive B; -1 for the free one");
  unit.min = -1;
  unit.umax = FloppyBus::kUnits - 1;
  c.property("drive-type", &FloppyDrive::choice_, FloppyDriveChoice::Auto)
      .doc("360, 120 (1.2M), 144 or 288; auto: that of the disk in it, 144 when it is empty");
  c.link("drive", &FloppyDrive::drive_).doc("the disk that is in it; none: it is empty");
}

void FloppyDrive::realize() {
  slot_.set_up(*this, system().loop, fmt::format("floppy{}", unit_));
  type_ = type_of(choice_);
  if (slot_.medium()) {
    if (choice_ == FloppyDriveChoice::Auto) type_ = floppy_drive_for(any_format_of(*slot_.medium()));
    (void)format_for(*slot_.medium());
    take_in();
  }
}

void FloppyDrive::unrealize() {
  if (slot_.medium()) slot_.medium()->drain();
}

const FloppyFormat& FloppyDrive::format_for(const BlockBackend& medium) const {
  const FloppyFormat& format = any_format_of(medium);
  if (!floppy_rate(type_, format)) {
    throw Error(fmt::format("a disk of {} KiB does not fit into a {} drive", format.kib, floppy_type_name(type_)))
        .hint("drive-type says what the drive is: 360, 120, 144 or 288");
  }
  return format;
}

void FloppyDrive::take_in() {
  format_ = &format_for(*slot_.medium());
  deleted_.assign(format_->total_sectors(), false);
}

unsigned FloppyDrive::rate_kbps() const { return format() ? floppy_rate(type_, *format_).value_or(0) : 0; }

void FloppyDrive::step(int tracks) {
  const int last = static_cast<int>(floppy_cylinders(type_)) - 1;
  const int target = std::clamp(static_cast<int>(cylinder_) + tracks, 0, last);
  cylinder_ = static_cast<unsigned>(target);
  // The pulse counts, not whether the head can follow it.
  if (tracks != 0 && slot_.medium()) changed_ = false;
}

std::optional<unsigned> FloppyDrive::track() const {
  if (!format()) return std::nullopt;
  // Half way between two tracks the head still reads the one that it has left.
  const unsigned track = floppy_double_steps(type_, *format_) ? cylinder_ / 2 : cylinder_;
  return track < format_->cylinders ? std::optional(track) : std::nullopt;
}

std::uint32_t FloppyDrive::sector_number(unsigned track, unsigned head, unsigned r) const {
  return (std::uint32_t{track} * format_->heads + head) * format_->sectors + r - 1;
}

void FloppyDrive::eject(bool) {
  if (!slot_.medium()) return;
  slot_.remove();
  changed_ = true;
}

void FloppyDrive::change_medium(const Change& change) {
  // Even where it fails: the disk has been out.
  changed_ = true;
  const bool read_only = slot_.medium() && slot_.medium()->read_only();
  slot_.insert(change, read_only, [this](const BlockBackend& medium) { (void)format_for(medium); });
  take_in();
}

MACHINA_TYPE(FloppyBus, Bus);
MACHINA_TYPE(FloppyDrive, Device, RemovableMedia);

}  // namespace machina
