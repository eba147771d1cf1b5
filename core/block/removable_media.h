#pragma once
/// A drive whose medium can be taken out and replaced while the machine runs: what a CD-ROM or floppy drive tells and
/// offers to the monitor.

#include <optional>
#include <string>

namespace machina {

/// Interface of a device. Main thread, machine lock held.
class RemovableMedia {
 public:
  static constexpr const char* kType = "removable-media";
  virtual ~RemovableMedia() = default;

  /// What people call the drive, whether a medium is in it or not: "ide1-cd0", "floppy0".
  virtual std::string drive_name() const = 0;
  virtual bool has_medium() const = 0;
  virtual bool tray_open() const = 0;
  /// The guest forbids the button.
  virtual bool tray_locked() const = 0;

  /// Opens the tray and takes the medium out. Throws Error when it is locked and `force` is not set; the guest is then
  /// asked for it, if the drive can.
  virtual void eject(bool force) = 0;
  /// Opens the tray, as far as eject() would, with the medium in it; closes it; takes the medium out of the open tray.
  /// Throws Error, always for drives without a tray that moves.
  virtual void open_tray(bool force);
  virtual void close_tray();
  virtual void remove_medium();
  struct Change {
    std::string filename;
    std::string format = "raw";
    bool force = false;
    std::optional<bool> read_only;  ///< nothing: as it was
  };
  /// Ejects what is in it, puts the image in and closes the tray. Throws Error, and then the old medium is back, where
  /// it had to go first.
  virtual void change_medium(const Change& change) = 0;
};

}  // namespace machina
