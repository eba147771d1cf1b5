#pragma once
/// What a drive with removable media does with the disk behind its "drive" link: closing it, and opening another image
/// in its place. Drives implement RemovableMedia (core/block/removable_media.h) with one of these.
///
/// Main thread, machine lock held.

#include <functional>
#include <string>

#include "core/block/block_backend.h"
#include "core/block/removable_media.h"

namespace machina {

class MediumSlot {
 public:
  /// `drive` is the field of the device's link property.
  explicit MediumSlot(qom::Link<BlockBackend>& drive) : drive_(drive) {}

  /// From the device's realize(). Images that are put in later are objects under /blockdevs of the tree of `device`;
  /// they are called as the first one was, or `name` when the drive starts empty.
  void set_up(qom::Object& device, EventLoop& loop, std::string name);

  /// What people call the drive, with a medium in it or without.
  const std::string& name() const { return name_; }
  /// Null when the drive is empty.
  BlockBackend* medium() const { return drive_.get(); }

  /// Waits for requests that are under way, with their completions, and closes the image. Nothing when it is empty.
  void remove();

  /// What the drive thinks of a medium that has been opened: throws Error when it cannot take it.
  using Check = std::function<void(const BlockBackend& medium)>;
  /// Puts an image into the empty or full slot. Cache mode and the like are those of the image before. `read_only`
  /// decides where `change` does not. Throws Error, and then the old medium is in again.
  void insert(const RemovableMedia::Change& change, bool read_only, const Check& check);

 private:
  qom::Object& folder();

  qom::Link<BlockBackend>& drive_;
  qom::Object* device_ = nullptr;
  EventLoop* loop_ = nullptr;
  std::string name_;
  qom::Ref<BlockBackend> last_;  // for its settings
};

}  // namespace machina
