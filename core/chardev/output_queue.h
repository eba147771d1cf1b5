#pragma once
/// What a front end has to say and its backend does not take yet. The queue itself has no limit: who fills it looks at
/// size() and stops answering, or drops, before it grows.
///
/// Main thread or under the machine lock.

#include <cstddef>
#include <string>
#include <string_view>

namespace machina {

class CharBackend;

class OutputQueue {
 public:
  /// Where to; null stops. Forgets what waits.
  void attach(CharBackend* backend);
  /// Writes as much as the backend takes, after what waits, and keeps the rest.
  void push(std::string_view text);
  /// To be called from CharFrontend::writable().
  void flush();
  void clear();
  /// Waits (at most `timeout_ms`) until the host has all of it; at exit.
  void drain(int timeout_ms);
  /// Bytes that wait.
  std::size_t size() const { return pending_.size() - sent_; }

 private:
  CharBackend* backend_ = nullptr;
  std::string pending_;
  std::size_t sent_ = 0;  // of pending_
  unsigned cleared_ = 0;  // how often
  bool flushing_ = false;
};

}  // namespace machina
