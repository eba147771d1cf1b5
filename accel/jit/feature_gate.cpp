#include "accel/jit/feature_gate.h"

namespace machina::jit {

bool available(const ZydisDecodedInstruction&, const FeatureSet&) { return true; }

}  // namespace machina::jit
