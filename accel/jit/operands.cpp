#include "accel/jit/operands.h"

#include <mutex>

namespace machina::jit {

namespace {
std::recursive_mutex split;
}

SplitLock::SplitLock() { split.lock(); }
SplitLock::~SplitLock() { split.unlock(); }

}  // namespace machina::jit
