#include "core/block/block_backend.h"

namespace machina {

MACHINA_ABSTRACT_TYPE(BlockBackend, qom::Object);

void BlockBackend::class_init(qom::ObjectClass& c) { c.description = "the disk behind a drive"; }

}  // namespace machina
