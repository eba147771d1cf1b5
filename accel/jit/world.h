#pragma once
/// Which CPUs of a machine are inside of blocks, and how all of them are got out.

#include <condition_variable>
#include <functional>
#include <mutex>

namespace machina::jit {

class World {
 public:
  /// By a CPU's thread around run_blocks(), however that ends. Its making waits while the world is stopped.
  class Visit {
   public:
    explicit Visit(World& world) : world_(world) { world.enter(); }
    ~Visit() { world_.leave(); }
    Visit(const Visit&) = delete;
    Visit& operator=(const Visit&) = delete;

   private:
    World& world_;
  };

  /// Carries out `work` while nobody is inside. `kick`, which must not wait, makes those inside leave. Not from inside;
  /// when two ask at once, one after the other.
  void stop(const std::function<void()>& kick, const std::function<void()>& work);

 private:
  void enter();
  void leave();

  std::mutex mutex_;
  std::condition_variable changed_;
  unsigned inside_ = 0;
  unsigned stopping_ = 0;
};

}  // namespace machina::jit
