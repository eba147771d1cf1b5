#include "core/block/removable_media.h"

#include "qom/type.h"

namespace machina {

MACHINA_INTERFACE(RemovableMedia);

}  // namespace machina
