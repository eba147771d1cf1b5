#include "accel/jit/world.h"

namespace machina::jit {

void World::enter() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return stopping_ == 0; });
  ++inside_;
}

void World::leave() {
  const std::lock_guard lock(mutex_);
  --inside_;
  if (inside_ == 0 && stopping_ != 0) changed_.notify_all();
}

void World::stop(const std::function<void()>& kick, const std::function<void()>& work) {
  std::unique_lock lock(mutex_);
  ++stopping_;
  kick();
  changed_.wait(lock, [this] { return inside_ == 0; });
  work();  // the mutex is held: who else stops the world waits
  --stopping_;
  if (stopping_ == 0) changed_.notify_all();
}

}  // namespace machina::jit
