#include "core/display/display.h"

namespace machina {

MACHINA_INTERFACE(DisplaySource);

}  // namespace machina
