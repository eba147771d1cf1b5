#include "core/block/removable_media.h"

#include "qom/object.h"

namespace machina {

MACHINA_INTERFACE(RemovableMedia);

}  // namespace machina
