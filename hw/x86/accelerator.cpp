#include "hw/x86/accelerator.h"

namespace machina {

void Accelerator::class_init(qom::ObjectClass& c) { c.description = "Accelerator"; }

MACHINA_ABSTRACT_TYPE(Accelerator, qom::Object);

}  // namespace machina
