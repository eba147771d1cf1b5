#include "machines/monitor/monitor_trace.h"

#include <fmt/format.h>

#include <mutex>
#include <optional>
#include <utility>

#include "core/error.h"
#include "core/event_loop.h"

namespace machina {

// Shared with the reports, and with the work that the loop has been given.
struct MonitorTrace::Waiting {
  EventLoop* loop;
  MonitorTrace* owner;  // null once it is gone; main thread

  std::mutex lock;  // guards all below
  std::string lines;
  std::uint64_t dropped = 0;
  bool posted = false;
};

MonitorTrace::MonitorTrace(EventLoop& loop, Show show) : waiting_(std::make_shared<Waiting>()), show_(std::move(show)) {
  waiting_->loop = &loop;
  waiting_->owner = this;
  const std::optional<trace::SinkId> sink = trace::add_viewer([waiting = waiting_](std::string_view line) {
    const std::lock_guard guard(waiting->lock);
    if (waiting->lines.size() + line.size() >= kLimit) {
      ++waiting->dropped;
      return;
    }
    waiting->lines.append(line).push_back('\n');
    if (std::exchange(waiting->posted, true)) return;
    waiting->loop->post([waiting] {
      if (waiting->owner) waiting->owner->retry();
    });
  });
  if (!sink) throw Error("too many monitors show trace events");
  sink_ = *sink;
}

MonitorTrace::~MonitorTrace() {
  trace::remove_viewer(sink_);
  waiting_->owner = nullptr;
}

void MonitorTrace::retry() {
  // Showing may end the connection, and this with it.
  const std::shared_ptr<Waiting> waiting = waiting_;
  const Show show = show_;
  std::string lines;
  std::uint64_t dropped = 0;
  {
    const std::lock_guard guard(waiting->lock);
    lines = std::exchange(waiting->lines, {});
    dropped = std::exchange(waiting->dropped, 0);
  }
  bool shown = true;
  if (!lines.empty()) {
    // What the monitor's own output causes is not shown: it would cause more.
    const trace::Quiet quiet;
    std::string text = lines;
    if (dropped > 0) text += fmt::format("({} trace events were dropped here)\n", dropped);
    shown = show(text);
  }
  const std::lock_guard guard(waiting->lock);
  waiting->posted = !shown;  // then it is up to the monitor
  if (shown) return;
  waiting->lines.insert(0, lines);
  waiting->dropped += dropped;
}

}  // namespace machina
