#pragma once
/// All events there are and what is wanted of them. For core/trace alone; others see trace_control.h.

#include <mutex>
#include <string>
#include <vector>

#include "core/trace/trace_control.h"

namespace machina {

class TraceRegistry {
 public:
  /// Never destroyed: events of the program go away after everything else.
  static TraceRegistry& global();

  void add(TracePoint& event);
  void remove(TracePoint& event);

  std::size_t enable(std::string_view pattern, bool on, trace::SinkId sink);
  std::size_t enable_of_vcpu(std::string_view pattern, bool on, unsigned vcpu, trace::SinkId sink);
  std::vector<trace::EventInfo> list(std::string_view pattern);
  std::vector<std::string> names();
  void forget_sink(trace::SinkId sink);
  void reset();

  static std::uint32_t sinks_of(const TracePoint& event) { return event.sinks_.load(std::memory_order_relaxed); }
  static std::uint64_t vcpus_of(const TracePoint& event) { return event.vcpus_.load(std::memory_order_relaxed); }

 private:
  struct Rule {
    std::string pattern;
    bool on;
    std::uint32_t sinks;
  };
  static void apply(TracePoint& event, bool on, std::uint32_t sinks);

  std::mutex lock_;  // guards all below; a leaf
  TracePoint* first_ = nullptr;
  std::vector<Rule> rules_;
};

}  // namespace machina
