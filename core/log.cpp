#include "core/log.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

#include "core/log_sink.h"
#include "core/trace/trace_control.h"
#include "core/units.h"
#include "qom/error.h"

namespace machina::log {
namespace {

struct Item {
  const char* name;
  Category bit;
  const char* help;
};
constexpr Item kItems[] = {
    {"guest_errors", Category::GuestErrors, "what the guest does against its hardware's datasheet"},
    {"unimp", Category::Unimp, "what the guest uses and Machina does not model"},
    {"int", Category::Int, "each interrupt and exception, as it is delivered to a vCPU; of KVM those that it is given"},
    {"exit", Category::Exit, "each exit of a vCPU from guest mode: ports, registers in memory, halts, …"},
    {"mmu", Category::Mmu, "page faults, control registers of paging, changes of the memory map; of KVM only these"},
    {"cpu_reset", Category::CpuReset, "why a CPU ended in a triple fault: the whole report of each"},
    {"in_asm", Category::InAsm, "guest code, a block as it is decoded; of the software CPU only"},
};
constexpr std::string_view kTracePrefix = "trace:";

constexpr unsigned kLinesPerPeriod = 10;
constexpr std::int64_t kPeriod = kNsPerSecond;
constexpr std::size_t kMaxKeys = 1000;  // of warn_once

std::shared_ptr<spdlog::logger> make_logger(const char* name, spdlog::sink_ptr sink) {
  auto logger = std::make_shared<spdlog::logger>(name, std::move(sink));
  logger->set_level(spdlog::level::trace);
  return logger;
}

// Of the messages and of the log one each: neither waits for the other's mutex.
spdlog::sink_ptr stderr_sink() { return std::make_shared<DescriptorSink>(STDERR_FILENO, false); }

std::shared_ptr<spdlog::logger> make_messages() {
  auto logger = make_logger("messages", stderr_sink());
  logger->set_pattern("machine-run: %v");
  return logger;
}

std::shared_ptr<spdlog::logger> make_log(spdlog::sink_ptr sink) {
  auto logger = make_logger("log", std::move(sink));
  logger->set_pattern("%v");
  return logger;
}

// The process has one standard error, so it has one log.
struct State {
  std::mutex lock;  // guards all below; spdlog's sinks have locks of their own
  std::shared_ptr<spdlog::logger> messages = make_messages();
  std::shared_ptr<spdlog::logger> log = make_log(stderr_sink());
  std::function<void(Level, bool, std::string_view)> sink;
  std::map<std::tuple<std::string_view, std::uint_least32_t, std::uint_least32_t>, RateLimit> limits;
  std::set<std::string, std::less<>> warned;
};

State& state() {
  static State* const s = new State();  // never destroyed: threads and destructors may log until the very end
  return *s;
}

void emit(Level level, bool logged, const std::string& line) {
  std::shared_ptr<spdlog::logger> logger;
  {
    State& s = state();
    const std::lock_guard guard(s.lock);
    if (s.sink) {
      s.sink(level, logged, line);
      return;
    }
    logger = logged ? s.log : s.messages;
  }
  // As an argument, since the line is no format string.
  logger->log(spdlog::level::info, "{}", line);
}

std::int64_t monotonic_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace

namespace detail {

std::atomic<std::uint32_t> enabled{0};

void message(Level level, fmt::string_view format, fmt::format_args args) {
  const char* prefix = "";
  switch (level) {
    case Level::Info:
      break;
    case Level::Warning:
      prefix = "warning: ";
      break;
    case Level::Error:
      prefix = "error: ";
      break;
  }
  emit(level, false, prefix + fmt::vformat(format, args));
}

void category(fmt::string_view format, fmt::format_args args) { emit(Level::Info, true, fmt::vformat(format, args)); }

void limited(std::string_view device, const char* kind, const std::source_location& where, fmt::string_view format,
             fmt::format_args args) {
  RateLimit::Verdict verdict{};
  {
    State& s = state();
    const std::lock_guard guard(s.lock);
    // Places in the code are few, so this map is as well.
    const auto key = std::tuple(std::string_view(where.file_name()), where.line(), where.column());
    verdict = s.limits.try_emplace(key, kLinesPerPeriod, kPeriod).first->second.admit(monotonic_ns());
  }
  if (verdict.left_out > 0)
    emit(Level::Warning, true, fmt::format("{}: {}: suppressed {} more", device, kind, verdict.left_out));
  if (verdict.pass) emit(Level::Warning, true, fmt::format("{}: {}: {}", device, kind, fmt::vformat(format, args)));
}

}  // namespace detail

namespace {

struct Asked {
  std::uint32_t bits = 0;
  std::vector<std::string_view> patterns;
};

/// Throws Error with the nearest name.
Asked parse(std::string_view items) {
  Asked asked;
  while (!items.empty()) {
    const auto comma = items.find(',');
    const std::string_view item = items.substr(0, comma);
    items = comma == std::string_view::npos ? std::string_view() : items.substr(comma + 1);
    if (item.starts_with(kTracePrefix)) {
      if (item.size() == kTracePrefix.size())
        throw Error("log item 'trace:' has no pattern").hint("write e.g. -d trace:ide_*");
      asked.patterns.push_back(item.substr(kTracePrefix.size()));
      continue;
    }
    const auto* found =
        std::find_if(std::begin(kItems), std::end(kItems), [&](const Item& i) { return i.name == item; });
    if (found == std::end(kItems)) {
      std::vector<std::string> names{"trace:"};
      for (const Item& i : kItems) names.emplace_back(i.name);
      const std::string near = did_you_mean(item, names);
      throw Error(fmt::format("no such log item: '{}'", item)).hint(near.empty() ? "see -d help" : near);
    }
    asked.bits |= static_cast<std::uint32_t>(found->bit);
  }
  return asked;
}

}  // namespace

void enable(std::string_view items) {
  const Asked asked = parse(items);
  for (const std::string_view pattern : asked.patterns) trace::enable_item(pattern);
  detail::enabled.fetch_or(asked.bits, std::memory_order_relaxed);
}

void enable_only(std::string_view items) {
  const Asked asked = parse(items);
  for (const std::string_view pattern : asked.patterns) trace::enable_item(pattern);
  detail::enabled.store(asked.bits, std::memory_order_relaxed);
}

std::string help() {
  std::string text = "Log items (comma separated):\n";
  for (const Item& i : kItems) text += fmt::format("{:<15} {}\n", i.name, i.help);
  text += fmt::format("{:<15} {}\n", "trace:PATTERN", "trace events whose name matches, e.g. trace:ide_*");
  return text;
}

void set_file(const std::string& path) {
  // Not waiting for somebody to open the other end of a FIFO; whoever writes to one polls it first.
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0644);
  if (fd < 0) {
    const bool fifo = errno == ENXIO;
    Error error(fmt::format("cannot write log file '{}'", path));
    throw fifo ? error.why("nobody reads from it").hint("start its reader first") : error.why(std::strerror(errno));
  }
  std::shared_ptr<spdlog::logger> log = make_log(std::make_shared<DescriptorSink>(fd, true));
  State& s = state();
  const std::lock_guard guard(s.lock);
  s.log = std::move(log);
}

void set_sink(std::function<void(Level, bool, std::string_view)> sink) {
  State& s = state();
  const std::lock_guard guard(s.lock);
  s.sink = std::move(sink);
}

void reset() {
  State& s = state();
  const std::lock_guard guard(s.lock);
  detail::enabled.store(0, std::memory_order_relaxed);
  s.log = make_log(stderr_sink());
  s.limits.clear();
  s.warned.clear();
}

void write_lines(std::string_view lines) {
  while (!lines.empty()) {
    const std::size_t end = std::min(lines.find('\n'), lines.size());
    emit(Level::Info, true, std::string(lines.substr(0, end)));
    lines.remove_prefix(std::min(end + 1, lines.size()));
  }
}

void warn_once(std::string_view key, std::string_view text) {
  {
    State& s = state();
    const std::lock_guard guard(s.lock);
    if (s.warned.size() >= kMaxKeys || s.warned.contains(key)) return;
    s.warned.emplace(key);
  }
  warning("{}", text);
}

RateLimit::Verdict RateLimit::admit(std::int64_t now_ns) {
  std::uint64_t report = 0;
  if (!any_ || now_ns - started_ >= period_ns_) {
    report = std::exchange(left_out_, 0);
    any_ = true;
    started_ = now_ns;
    passed_ = 0;
  }
  if (passed_ < events_) {
    ++passed_;
    return {true, report};
  }
  ++left_out_;
  return {false, report};
}

}  // namespace machina::log
