#pragma once
/// The lifecycle trace: each class_init, instance_init, property set, realize, reset and vCPU step as it happens, as an
/// indented call tree. Off by default; then a step costs one relaxed load.
///
/// Any thread may report; the depth is each thread's own.

#include <atomic>
#include <functional>
#include <string>
#include <string_view>

namespace machina::qom {

class LifecycleTrace {
 public:
  using Sink = std::function<void(std::string_view line)>;  ///< called under a lock, one line without its newline

  /// An empty sink switches the trace off. Main thread.
  static void set_sink(Sink sink);
  static bool enabled() { return enabled_.load(std::memory_order_relaxed); }
  static void line(std::string_view text);

  /// One step with what happens inside it below it.
  class Scope {
   public:
    /// `text` is only called when the trace is on.
    template <class MakeText>
    explicit Scope(const MakeText& text) : active_(enabled()) {
      if (active_) enter(text());
    }
    ~Scope() {
      if (active_) leave();
    }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    static void enter(const std::string& text);
    static void leave();
    bool active_;
  };

 private:
  static std::atomic<bool> enabled_;
};

}  // namespace machina::qom
