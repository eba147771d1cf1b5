#include "core/memory/lockless_gate.h"

namespace machina {
namespace {
thread_local unsigned gates_entered = 0;
}

bool LocklessGate::enter() {
  users_.fetch_add(1);
  ++gates_entered;
  if (!closed_.load()) return true;
  leave();
  return false;
}

void LocklessGate::leave() {
  --gates_entered;
  if (users_.fetch_sub(1) == 1 && closed_.load()) users_.notify_all();
}

void LocklessGate::close() {
  closed_.store(true);
  for (unsigned inside = users_.load(); inside != 0; inside = users_.load()) users_.wait(inside);
}

bool LocklessGate::inside_any() { return gates_entered > 0; }

}  // namespace machina
