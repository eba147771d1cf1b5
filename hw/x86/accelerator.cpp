#include "hw/x86/accelerator.h"

#include "qom/error.h"

namespace machina {

void Accelerator::class_init(qom::ObjectClass& c) { c.description = "Accelerator"; }

void Vcpu::set_debug(const DebugRequest& request) {
  if (!request.empty()) throw Error("this accelerator cannot stop a CPU for a debugger").hint("take -accel jit");
}

MACHINA_ABSTRACT_TYPE(Accelerator, qom::Object);

}  // namespace machina
