#include "core/display/input_sink.h"

namespace machina {

MACHINA_INTERFACE(InputSink);

}  // namespace machina
