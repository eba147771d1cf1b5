// How a report becomes a line, and who gets it.

#include <fmt/format.h>
#include <pthread.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <iterator>
#include <mutex>

#include "core/clock.h"
#include "core/trace/trace_output.h"
#include "core/trace/trace_registry.h"
#include "core/units.h"

namespace machina {
namespace {

constexpr unsigned kViewers = 32;  // bits of TracePoint::sinks_, the first of which is the output's

// The process has one trace, as it has one log.
struct Delivery {
  std::mutex lock;
  const Clock* clock = nullptr;
  std::array<std::function<void(std::string_view)>, kViewers> viewers;
};

Delivery& delivery() {
  static auto* const d = new Delivery();  // never destroyed: threads may report until the very end
  return *d;
}

const std::chrono::steady_clock::time_point program_start = std::chrono::steady_clock::now();

std::int64_t now_ns(const Clock* clock) {
  return clock ? clock->now_ns()
               : std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() - program_start)
                     .count();
}

struct Thread {
  std::array<char, 16> label{};  // as long as Linux's names of threads
  int vcpu = -1;
  bool quiet = false;
};
thread_local Thread thread;

void set_label(std::string_view text) {
  const std::size_t length = std::min(text.size(), thread.label.size() - 1);
  text.copy(thread.label.data(), length);
  thread.label[length] = '\0';
}

const char* this_thread() {
  if (thread.label[0] == '\0') {
    std::array<char, 16> name{};
    if (::gettid() == ::getpid()) {
      set_label("main");
    } else if (pthread_getname_np(pthread_self(), name.data(), name.size()) == 0 && name[0] != '\0') {
      for (char& c : name)
        if (c == ' ' || c == '\n') c = '-';
      set_label(name.data());
    } else {
      set_label("thread");
    }
  }
  return thread.label.data();
}

}  // namespace

void TracePoint::report(fmt::format_args args) const {
  if (thread.quiet) return;
  const std::uint64_t vcpus = vcpus_.load(std::memory_order_relaxed);
  if (scope_ == TraceScope::Vcpu && ~vcpus != 0 && thread.vcpu >= 0 &&
      (thread.vcpu >= 64 || (vcpus >> thread.vcpu & 1) == 0))
    return;
  fmt::memory_buffer text;
  fmt::format_to(std::back_inserter(text), " {} {}", this_thread(), name_);
  if (format_.size() > 0) text.push_back(' ');
  fmt::vformat_to(std::back_inserter(text), format_, args);
  // A name of the guest's making stays on its line.
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 0x20) c = '?';

  Delivery& d = delivery();
  const std::lock_guard guard(d.lock);
  const std::int64_t now = now_ns(d.clock);
  const std::string line =
      fmt::format("{}.{:09}{}", now / kNsPerSecond, now % kNsPerSecond, std::string_view(text.data(), text.size()));
  const std::uint32_t sinks = sinks_.load(std::memory_order_relaxed);
  if ((sinks & 1) != 0) trace::detail::output_line(line);
  for (unsigned i = 1; i < kViewers; ++i)
    if ((sinks >> i & 1) != 0 && d.viewers[i]) d.viewers[i](line);
}

namespace trace {

void this_thread_runs_vcpu(unsigned index) {
  thread.vcpu = static_cast<int>(index);
  set_label(fmt::format("cpu{}", index));
}

Quiet::Quiet() : before_(thread.quiet) { thread.quiet = true; }
Quiet::~Quiet() { thread.quiet = before_; }

std::optional<SinkId> add_viewer(std::function<void(std::string_view)> line) {
  Delivery& d = delivery();
  const std::lock_guard guard(d.lock);
  for (unsigned i = 1; i < kViewers; ++i) {
    if (d.viewers[i]) continue;
    d.viewers[i] = std::move(line);
    return i;
  }
  return std::nullopt;
}

void remove_viewer(SinkId viewer) {
  TraceRegistry::global().forget_sink(viewer);
  Delivery& d = delivery();
  const std::lock_guard guard(d.lock);
  d.viewers.at(viewer) = nullptr;
}

void set_clock(const Clock* clock) {
  Delivery& d = delivery();
  const std::lock_guard guard(d.lock);
  d.clock = clock;
}

void forget_clock(const Clock* clock) {
  Delivery& d = delivery();
  const std::lock_guard guard(d.lock);
  if (d.clock == clock) d.clock = nullptr;
}

}  // namespace trace
}  // namespace machina
