#pragma once
/// A block backend: the disk behind a drive. Requests are asynchronous; a thread of the backend's pool does the host
/// I/O, and the completion is called on the main thread with the machine lock held, so the machine never waits for a
/// disk.
///
/// What flush() has acknowledged is on stable storage of the host.

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "qom/object.h"

namespace machina {

class EventLoop;

class BlockBackend : public qom::Object {
 public:
  static constexpr const char* kType = "block-backend";
  static void class_init(qom::ObjectClass& c);

  /// `error` is 0 or a positive errno.
  using Completion = std::function<void(int error)>;

  virtual std::uint64_t size() const = 0;  ///< bytes
  virtual bool read_only() const = 0;
  virtual std::string description() const = 0;
  /// How the host's caches are used, in the terms of QEMU's monitor.
  struct Caching {
    bool writeback = true;  ///< a write completes before it is stable
    bool direct = false;    ///< past the host's page cache
    bool no_flush = false;  ///< flushes are ignored
  };
  virtual Caching caching() const { return {}; }

  /// Byte offsets of any alignment. A request beyond the end completes with EINVAL, a write to a read-only backend with
  /// EROFS. The memory must stay valid until completion. Requests may complete in any order; those that overlap are the
  /// guest's race.
  virtual void read(std::uint64_t offset, std::vector<std::span<std::uint8_t>> to, Completion done) = 0;
  virtual void write(std::uint64_t offset, std::vector<std::span<const std::uint8_t>> from, Completion done) = 0;
  virtual void flush(Completion done) = 0;
  virtual void discard(std::uint64_t offset, std::uint64_t length, Completion done) = 0;

  /// Requests that have not completed.
  virtual unsigned in_flight() const = 0;
  /// Waits until nothing is in flight, running completions meanwhile. Machine lock held. Before reset, pause and exit.
  virtual void drain() = 0;

  /// Requests that have completed since the backend was made.
  struct Counter {
    std::uint64_t bytes = 0;       ///< of those that succeeded
    std::uint64_t operations = 0;  ///< that succeeded
    std::uint64_t failed = 0;
    std::int64_t time_ns = 0;  ///< from request to completion, all together
  };
  struct Statistics {
    Counter read, write, flush, discard;
    std::uint64_t highest_write = 0;  ///< bytes; the end of the write that reached furthest
  };
  const Statistics& statistics() const { return statistics_; }

  void set_event_loop(EventLoop& loop) { loop_ = &loop; }

 protected:
  EventLoop& loop() const { return *loop_; }
  /// For backends: `done`, after the request has been counted. `write_end` is the end of a write.
  Completion counted(Counter Statistics::*counter, std::uint64_t bytes, Completion done, std::uint64_t write_end = 0);

 private:
  EventLoop* loop_ = nullptr;
  Statistics statistics_;
};

}  // namespace machina
