#pragma once
/// A floppy disk drive and the bus that it is on: the cable of a controller. What the drive knows is where its head is,
/// which disk is in it, and that the disk was changed; the controller (hw/block/fdc.h) does the rest.
///
/// The line "disk changed" is active from the moment a disk is taken out until the head makes a step with one in again,
/// and at power-on. The cable has no reset line, so a reset of the machine changes nothing here.
///
/// Disks have sectors of 512 bytes, numbered from 1, with the cylinder and head in their IDs that they lie on; an image
/// cannot hold any others. Which sectors have a deleted data mark is remembered while the disk is in the drive. Sectors
/// that a short image lacks are blank and cannot be written.

#include <array>
#include <optional>
#include <vector>

#include "core/block/medium_slot.h"
#include "hw/base/bus.h"
#include "hw/block/floppy_format.h"

namespace machina {

class FloppyDrive;

/// At most two drives, told apart by the twist of the cable.
class FloppyBus final : public Bus {
 public:
  static constexpr const char* kType = "floppy-bus";
  static void class_init(qom::ObjectClass& c);
  static constexpr unsigned kUnits = 2;

  /// Null where there is none, also for drive numbers that the cable has no place for.
  FloppyDrive* drive(unsigned unit) const { return unit < kUnits ? drives_[unit] : nullptr; }

  void plug(Device& device) override;
  void unplug(Device& device) override;

 private:
  std::array<FloppyDrive*, kUnits> drives_{};
};

/// QEMU's names of drive types, and one for drives that disks of 360 KB belong into.
enum class FloppyDriveChoice { Auto, K360, M1_2, M1_44, M2_88 };

class FloppyDrive final : public Device, public RemovableMedia {
 public:
  static constexpr const char* kType = "floppy";
  static void class_init(DeviceClass& c);

  FloppyType type() const { return type_; }
  int unit() const { return unit_; }

  // --- the head ---
  unsigned cylinder() const { return cylinder_; }
  bool at_track_0() const { return cylinder_ == 0; }
  /// Positive: towards the spindle. The head stops at both ends.
  void step(int tracks);

  // --- the disk ---
  BlockBackend* medium() const { return slot_.medium(); }
  /// Null without a disk.
  const FloppyFormat* format() const { return slot_.medium() ? format_ : nullptr; }
  unsigned rate_kbps() const;  ///< 0 without a disk
  bool write_protected() const { return slot_.medium() && slot_.medium()->read_only(); }
  bool changed() const { return changed_; }
  /// The cylinder that the IDs under the head tell; nothing where no track has been written.
  std::optional<unsigned> track() const;
  /// Number of a sector, from 0; `r` is one that the disk has.
  std::uint32_t sector_number(unsigned track, unsigned head, unsigned r) const;
  bool has_data(std::uint32_t sector) const { return (std::uint64_t{sector} + 1) * kSectorSize <= medium()->size(); }
  bool deleted(std::uint32_t sector) const { return deleted_.at(sector); }
  void set_deleted(std::uint32_t sector, bool on) { deleted_.at(sector) = on; }
  static constexpr unsigned kSectorSize = 512;

  // --- RemovableMedia ---
  std::string drive_name() const override { return slot_.name(); }
  bool has_medium() const override { return slot_.medium() != nullptr; }
  bool tray_open() const override { return false; }
  bool tray_locked() const override { return false; }
  void eject(bool force) override;
  void change_medium(const Change& change) override;

 private:
  friend class FloppyBus;
  void realize() override;
  void unrealize() override;
  /// Throws Error when the drive cannot read such a disk.
  const FloppyFormat& format_for(const BlockBackend& medium) const;
  void take_in();

  // configuration
  int unit_ = -1;
  FloppyDriveChoice choice_ = FloppyDriveChoice::Auto;
  FloppyType type_ = FloppyType::None;
  // dependencies
  qom::Link<BlockBackend> drive_;
  // sub-parts
  MediumSlot slot_{drive_};

  // state
  unsigned cylinder_ = 0;
  bool changed_ = true;
  const FloppyFormat* format_ = nullptr;
  std::vector<bool> deleted_;  // by sector number
};

}  // namespace machina

template <>
struct machina::qom::EnumNames<machina::FloppyDriveChoice> {
  static constexpr const char* name = "FloppyDriveType";
  static constexpr std::pair<FloppyDriveChoice, const char*> values[] = {{FloppyDriveChoice::Auto, "auto"},
                                                                         {FloppyDriveChoice::K360, "360"},
                                                                         {FloppyDriveChoice::M1_2, "120"},
                                                                         {FloppyDriveChoice::M1_44, "144"},
                                                                         {FloppyDriveChoice::M2_88, "288"}};
};
