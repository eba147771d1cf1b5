#include "core/block/removable_media.h"

#include "qom/type.h"

namespace machina {

MACHINA_INTERFACE(RemovableMedia);

namespace {

[[noreturn]] void refuse(const RemovableMedia& drive) {
  throw Error("Device '" + drive.drive_name() + "' does not have a tray");
}

}  // namespace

void RemovableMedia::open_tray(bool) { refuse(*this); }
void RemovableMedia::close_tray() { refuse(*this); }
void RemovableMedia::remove_medium() { refuse(*this); }

}  // namespace machina
