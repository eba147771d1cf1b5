#pragma once
/// Trace events for the person at a monitor: what reports come, from any thread, is kept until the main thread shows
/// it.
///
/// Made, used and destroyed on the main thread under the machine lock.

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "core/trace/trace_control.h"

namespace machina {

class EventLoop;

class MonitorTrace {
 public:
  /// Bytes that wait to be shown; what comes then is dropped, and a line says how many that were.
  static constexpr std::size_t kLimit = 256 * 1024;
  /// Shows whole lines; false: not now. `retry()` asks again.
  using Show = std::function<bool(std::string_view lines)>;

  /// Throws Error when too many monitors watch already.
  MonitorTrace(EventLoop& loop, Show show);
  ~MonitorTrace();
  MonitorTrace(const MonitorTrace&) = delete;
  MonitorTrace& operator=(const MonitorTrace&) = delete;

  trace::SinkId sink() const { return sink_; }
  void retry();

 private:
  struct Waiting;
  std::shared_ptr<Waiting> waiting_;
  Show show_;
  trace::SinkId sink_;
};

}  // namespace machina
