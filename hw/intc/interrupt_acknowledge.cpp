#include "hw/intc/interrupt_acknowledge.h"

#include "qom/object.h"

namespace machina {

MACHINA_INTERFACE(InterruptAcknowledge);

}  // namespace machina
