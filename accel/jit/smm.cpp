#include "accel/jit/smm.h"

namespace machina::jit {

void enter_smm(Cpu&) {}

}  // namespace machina::jit
