#include "core/block/medium.h"

#include "core/block/raw_block_backend.h"

namespace machina {

MACHINA_INTERFACE(RemovableMedia);

namespace {
constexpr const char* kContainer = "blockdevs";
}

qom::Ref<BlockBackend> open_medium(EventLoop& loop, const std::string& filename, const std::string& format,
                                   bool read_only) {
  auto medium = qom::TypeRegistry::global().create_as<BlockBackend>(RawBlockBackend::kType);
  medium->set_event_loop(loop);
  medium->set("filename", filename);
  if (!format.empty()) medium->set("format", format);
  medium->set("readonly", read_only);
  qom::realize_tree(*medium);
  return medium;
}

void exchange_medium(qom::Object& drive, qom::Link<BlockBackend>& slot, const std::string& name,
                     qom::Ref<BlockBackend> next) {
  if (BlockBackend* old = slot.get()) {
    old->drain();
    qom::Object* parent = old->parent();
    const qom::Ref<BlockBackend> kept(old);
    slot.set(nullptr);
    if (parent) {
      parent->remove_child(*old);
    } else {
      qom::unrealize_tree(*old);
    }
  }
  if (!next) return;
  qom::Object& root = drive.root();
  qom::Object* container = root.child(kContainer);
  if (!container) container = &root.add_new_child<qom::Container>(kContainer);
  slot.set(next.get());
  container->add_child(name, std::move(next));
}

}  // namespace machina
