#include "core/trace/trace_control.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "core/error.h"
#include "core/log.h"
#include "core/trace/trace_registry.h"

namespace machina::trace {
namespace {

std::string_view trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

}  // namespace

std::size_t enable(std::string_view pattern, bool on, SinkId sink) {
  return TraceRegistry::global().enable(pattern, on, sink);
}

std::size_t enable_of_vcpu(std::string_view pattern, bool on, unsigned vcpu, SinkId sink) {
  return TraceRegistry::global().enable_of_vcpu(pattern, on, vcpu, sink);
}

void enable_item(std::string_view item, SinkId sink) {
  const bool on = !item.starts_with('-');
  const std::string_view pattern = on ? item : item.substr(1);
  if (pattern.empty()) throw Error("no pattern of trace events").hint("write e.g. pci_*; -trace help lists the events");
  if (enable(pattern, on, sink) > 0) return;
  const std::string near = nearest(pattern);
  log::warning("no trace event matches '{}'{}", pattern, near.empty() ? "" : ": " + near);
}

void enable_from_file(const std::string& path) {
  std::ifstream in(path);
  if (!in) throw Error(fmt::format("cannot read the list of trace events '{}'", path)).why(std::strerror(errno));
  for (std::string line; std::getline(in, line);) {
    const std::string_view item = trim(line);
    if (!item.empty() && item[0] != '#') enable_item(item);
  }
  // A folder opens, and fails here.
  if (in.bad()) throw Error(fmt::format("cannot read the list of trace events '{}'", path)).why(std::strerror(errno));
}

std::string nearest(std::string_view pattern) {
  std::vector<std::string> candidates = TraceRegistry::global().names();
  if (pattern.find_first_of("*?") != std::string_view::npos) {
    // Somebody who wants a family means one of those that there are.
    std::vector<std::string> families;
    for (const std::string& name : candidates) families.push_back(name.substr(0, name.find('_')) + "_*");
    std::string near = did_you_mean(pattern, families);
    if (!near.empty()) return near;
  }
  return did_you_mean(pattern, candidates);
}

std::vector<EventInfo> list(std::string_view pattern) { return TraceRegistry::global().list(pattern); }

std::string help() {
  std::string text;
  for (const EventInfo& e : list())
    text += fmt::format("{}{}{}\n", e.name, e.arguments.empty() ? "" : " ", e.arguments);
  return text;
}

void reset() { TraceRegistry::global().reset(); }

}  // namespace machina::trace
