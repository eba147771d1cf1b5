#include "core/trace/trace_registry.h"

#include <fmt/format.h>
#include <fnmatch.h>

#include <algorithm>

#include "core/error.h"

namespace machina {
namespace {

constexpr unsigned kVcpusApart = 64;

std::uint32_t bit_of(trace::SinkId sink) { return sink == trace::kEverySink ? ~0U : 1U << sink; }

bool matches(const std::string& pattern, const TracePoint& event) {
  return fnmatch(pattern.c_str(), std::string(event.name()).c_str(), 0) == 0;
}

std::string arguments_of(const TracePoint& event) {
  const std::string_view format = event.format();
  std::string text;
  const char* const* type = event.types();
  for (std::size_t at = format.find('{'); at != std::string_view::npos; at = format.find('{', at + 1)) {
    std::size_t from = at - 1;  // of the '='
    while (from > 0 && trace::detail::is_word(format[from - 1])) --from;
    text += fmt::format("{}{}=<{}>", text.empty() ? "" : " ", format.substr(from, at - 1 - from), *type++);
  }
  return text;
}

}  // namespace

TraceRegistry& TraceRegistry::global() {
  static auto* const registry = new TraceRegistry();
  return *registry;
}

void TraceRegistry::add(TracePoint& event) {
  const std::lock_guard guard(lock_);
  event.vcpus_.store(~std::uint64_t{0}, std::memory_order_relaxed);
  event.next_ = first_;
  if (first_) first_->previous_ = &event;
  first_ = &event;
  for (const Rule& rule : rules_)
    if (matches(rule.pattern, event)) apply(event, rule.on, rule.sinks);
}

void TraceRegistry::remove(TracePoint& event) {
  const std::lock_guard guard(lock_);
  event.sinks_.store(0, std::memory_order_relaxed);
  (event.previous_ ? event.previous_->next_ : first_) = event.next_;
  if (event.next_) event.next_->previous_ = event.previous_;
}

void TraceRegistry::apply(TracePoint& event, bool on, std::uint32_t sinks) {
  event.vcpus_.store(~std::uint64_t{0}, std::memory_order_relaxed);
  if (on) {
    event.sinks_.fetch_or(sinks, std::memory_order_relaxed);
  } else {
    event.sinks_.fetch_and(~sinks, std::memory_order_relaxed);
  }
}

std::size_t TraceRegistry::enable(std::string_view pattern, bool on, trace::SinkId sink) {
  const std::lock_guard guard(lock_);
  const std::uint32_t sinks = bit_of(sink);
  const std::string text(pattern);
  // The last rule counts, so an older one of the same pattern for the same readers has nothing more to say.
  std::erase_if(rules_, [&](const Rule& r) { return r.pattern == text && (r.sinks & ~sinks) == 0; });
  if (text == "*" && !on) std::erase_if(rules_, [&](const Rule& r) { return (r.sinks & ~sinks) == 0; });
  rules_.push_back({text, on, sinks});
  std::size_t count = 0;
  for (TracePoint* e = first_; e; e = e->next_) {
    if (!matches(text, *e)) continue;
    apply(*e, on, sinks);
    ++count;
  }
  return count;
}

std::size_t TraceRegistry::enable_of_vcpu(std::string_view pattern, bool on, unsigned vcpu, trace::SinkId sink) {
  if (vcpu >= kVcpusApart)
    throw Error(fmt::format("events of vCPU {} cannot be told from those of others", vcpu))
        .hint("the first 64 can; or take all of them");
  const std::lock_guard guard(lock_);
  const std::string text(pattern);
  const std::uint64_t bit = std::uint64_t{1} << vcpu;
  const std::uint32_t sinks = bit_of(sink);
  std::size_t count = 0;
  for (TracePoint* e = first_; e; e = e->next_) {
    if (e->scope() != TraceScope::Vcpu || !matches(text, *e)) continue;
    ++count;
    // Of an event that is off, none of its vCPUs is on.
    const std::uint64_t before = e->on() ? vcpus_of(*e) : 0;
    const std::uint64_t after = on ? before | bit : before & ~bit;
    if (after == 0) {
      apply(*e, false, ~0U);
      continue;
    }
    if (on) e->sinks_.fetch_or(sinks, std::memory_order_relaxed);
    e->vcpus_.store(after, std::memory_order_relaxed);
  }
  return count;
}

std::vector<trace::EventInfo> TraceRegistry::list(std::string_view pattern) {
  const std::lock_guard guard(lock_);
  const std::string text(pattern);
  std::vector<trace::EventInfo> events;
  for (const TracePoint* e = first_; e; e = e->next_)
    if (matches(text, *e))
      events.push_back({std::string(e->name()), arguments_of(*e), e->scope(), e->on(), vcpus_of(*e)});
  std::sort(events.begin(), events.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return events;
}

std::vector<std::string> TraceRegistry::names() {
  const std::lock_guard guard(lock_);
  std::vector<std::string> names;
  for (const TracePoint* e = first_; e; e = e->next_) names.emplace_back(e->name());
  return names;
}

void TraceRegistry::forget_sink(trace::SinkId sink) {
  const std::lock_guard guard(lock_);
  const std::uint32_t bit = bit_of(sink);
  for (TracePoint* e = first_; e; e = e->next_) e->sinks_.fetch_and(~bit, std::memory_order_relaxed);
  for (Rule& r : rules_) r.sinks &= ~bit;
  std::erase_if(rules_, [](const Rule& r) { return r.sinks == 0; });
}

void TraceRegistry::reset() {
  const std::lock_guard guard(lock_);
  for (TracePoint* e = first_; e; e = e->next_) apply(*e, false, ~0U);
  rules_.clear();
}

TracePoint::TracePoint(std::string_view name, fmt::string_view format, const char* const* types, TraceScope scope)
    : name_(name), format_(format), types_(types), scope_(scope) {
  TraceRegistry::global().add(*this);
}

TracePoint::~TracePoint() { TraceRegistry::global().remove(*this); }

}  // namespace machina
