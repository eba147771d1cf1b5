#pragma once
/// The trace events of a test, as lines without their time and thread.

#include <initializer_list>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/trace/trace_control.h"

namespace machina::test {

class TraceCapture {
 public:
  explicit TraceCapture(std::initializer_list<const char*> patterns)
      : viewer_(trace::add_viewer([this](std::string_view line) {
                  const std::lock_guard guard(lock_);
                  const std::size_t thread = line.find(' ') + 1;
                  lines_.emplace_back(line.substr(line.find(' ', thread) + 1));
                }).value()) {
    for (const char* pattern : patterns)
      if (trace::enable(pattern, true, viewer_) == 0) throw std::invalid_argument(pattern);
  }
  ~TraceCapture() { trace::remove_viewer(viewer_); }
  TraceCapture(const TraceCapture&) = delete;
  TraceCapture& operator=(const TraceCapture&) = delete;

  /// Those since the last call.
  std::vector<std::string> take() {
    const std::lock_guard guard(lock_);
    return std::exchange(lines_, {});
  }

 private:
  std::mutex lock_;
  std::vector<std::string> lines_;
  trace::SinkId viewer_;
};

}  // namespace machina::test
