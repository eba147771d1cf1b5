#include "qom/user_creatable.h"

#include "qom/type.h"

namespace machina::qom {

MACHINA_INTERFACE(UserCreatable);

}  // namespace machina::qom
