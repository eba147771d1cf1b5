#pragma once
/// Who is inside the handlers of a lockless region. A reader may hold a view older than the region's end; the gate,
/// which the view keeps alive, tells it that nobody is at home any more, and makes the region's end wait for those
/// inside.

#include <atomic>

namespace machina {

class LocklessGate {
 public:
  /// Any thread; may nest. False when the region is gone.
  bool enter();
  void leave();
  /// Nobody enters from now on; returns when all have left. Not from inside a handler of the region.
  void close();

  /// Is the calling thread inside any gate? It may hold a gate then that somebody with the machine lock waits for, so
  /// it must not wait for that lock.
  static bool inside_any();

 private:
  // Sequentially consistent on purpose: enter() counts and then looks, close() shuts and then counts.
  std::atomic<unsigned> users_{0};
  std::atomic<bool> closed_{false};
};

}  // namespace machina
