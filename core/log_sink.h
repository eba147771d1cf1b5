#pragma once
/// Where lines of the log end up: a descriptor whose reader may be slow, stuck or gone. A vCPU writes to it, so the
/// machine must not wait there for ever.

#include <spdlog/sinks/base_sink.h>

#include <chrono>
#include <cstdint>
#include <mutex>
#include <string_view>

namespace machina::log {

/// A pipe, terminal or socket that takes nothing for longer than `patience` loses lines from then on, without any more
/// waiting, until it takes something again; the line that comes next says how many were lost. Regular files always
/// take something. A reader that is gone, or a file system that is full, loses lines silently.
class DescriptorSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  /// Closes `fd` at the end when it `owns` it.
  DescriptorSink(int fd, bool owns, std::chrono::milliseconds patience = std::chrono::seconds(1))
      : fd_(fd), owns_(owns), patience_(patience) {}
  ~DescriptorSink() override;
  DescriptorSink(const DescriptorSink&) = delete;
  DescriptorSink& operator=(const DescriptorSink&) = delete;

 private:
  void sink_it_(const spdlog::details::log_msg& message) override;
  void flush_() override {}
  /// The number of bytes that were taken.
  std::size_t put(std::string_view text);
  bool takes_more();

  int fd_;
  bool owns_;
  std::chrono::milliseconds patience_;
  bool stuck_ = false;  ///< it took nothing last time
  bool torn_ = false;   ///< what it took last was the start of a line
  std::uint64_t lost_ = 0;
};

}  // namespace machina::log
