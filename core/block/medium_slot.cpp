#include "core/block/medium_slot.h"

#include "core/log.h"
#include "qom/error.h"

namespace machina {

namespace {

constexpr const char* kFolder = "blockdevs";
constexpr const char* kImageType = "block-raw";

}  // namespace

void MediumSlot::set_up(qom::Object& device, EventLoop& loop, std::string name) {
  device_ = &device;
  loop_ = &loop;
  name_ = drive_ ? drive_->name() : std::move(name);
}

qom::Object& MediumSlot::folder() {
  qom::Object& root = device_->root();
  qom::Object* found = root.child(kFolder);
  return found ? *found : root.add_new_child<qom::Container>(kFolder);
}

void MediumSlot::remove() {
  if (!drive_) return;
  const qom::Ref<BlockBackend> old(drive_.get());
  // Completions still see their medium.
  old->drain();
  drive_.set(nullptr);
  last_ = old;
  if (old->parent()) old->parent()->remove_child(*old);
}

void MediumSlot::insert(const RemovableMedia::Change& change, bool read_only, const Check& check) {
  auto made = qom::TypeRegistry::global().create_as<BlockBackend>(kImageType);
  made->set_event_loop(*loop_);
  const qom::Ref<BlockBackend> before = drive_ ? qom::Ref<BlockBackend>(drive_.get()) : last_;
  if (before && before->is_a(kImageType))
    for (const char* same : {"cache", "discard", "locking", "snapshot"}) made->set(same, before->get(same));
  made->set("filename", change.filename);
  made->set("format", change.format);
  made->set("readonly", change.read_only.value_or(read_only));

  // The old one goes first: it may be the same file, whose lock is free only then.
  const bool full = drive_.get() != nullptr;
  qom::Object* const place = full && before->parent() ? before->parent() : &folder();
  remove();
  try {
    place->add_child(name_, made);
    qom::realize_tree(*made);
    check(*made);
    drive_.set(made.get());
  } catch (...) {
    if (made->parent()) place->remove_child(*made);
    if (full) {
      try {
        place->add_child(name_, before);
        qom::realize_tree(*before);
        drive_.set(before.get());
      } catch (const Error& e) {
        if (before->parent()) place->remove_child(*before);
        log::warning("the medium of '{}' could not be put back: {}", name_, e.message());
      }
    }
    throw;
  }
}

}  // namespace machina
