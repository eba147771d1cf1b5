#include "tests/support/monitor_fixture.h"

namespace machina {
using test::FrontPanel;
using test::PlainObject;
MACHINA_TYPE(FrontPanel, qom::Object, PowerButton, InputSink, DisplaySource);
MACHINA_TYPE(PlainObject, qom::Object, qom::UserCreatable);
}  // namespace machina
