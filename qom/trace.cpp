#include "qom/trace.h"

#include <mutex>

namespace machina::qom {

std::atomic<bool> LifecycleTrace::enabled_{false};

namespace {
std::mutex sink_lock;       // guards `sink`; leaf lock, nothing is taken under it
LifecycleTrace::Sink sink;  // where the lines go
thread_local unsigned depth = 0;
}  // namespace

void LifecycleTrace::set_sink(Sink new_sink) {
  const std::lock_guard guard(sink_lock);
  sink = std::move(new_sink);
  enabled_.store(static_cast<bool>(sink), std::memory_order_relaxed);
}

void LifecycleTrace::line(std::string_view text) {
  if (!enabled()) return;
  const std::lock_guard guard(sink_lock);
  if (sink) sink(std::string(2 * depth, ' ').append(text));
}

void LifecycleTrace::Scope::enter(const std::string& text) {
  line(text);
  ++depth;
}

void LifecycleTrace::Scope::leave() { --depth; }

}  // namespace machina::qom
