#include "machines/monitor/monitor_session.h"

#include <fmt/format.h>

#include <charconv>
#include <utility>

#include "machines/monitor/qmp_error.h"

namespace machina {

X86Cpu* MonitorSession::cpu() {
  for (X86Cpu* c : machine().cpus().cpus())
    if (c->index() == cpu_) return c;
  return nullptr;
}

std::int64_t MonitorSession::descriptor(const std::string& text) const {
  if (const auto named = named_fds_.find(text); named != named_fds_.end()) return named->second.get();
  std::int64_t fd = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), fd);
  if (error != std::errc() || end != text.data() + text.size() || fd < 0)
    throw QmpError{QmpErrorClass::GenericError, fmt::format("File descriptor named '{}' has not been found", text)};
  return fd;
}

void MonitorTasks::add(Clock& clock, std::int64_t virtual_ns, std::function<void()> work) {
  if (tasks_.size() >= kMost) finish_first();
  const auto task = tasks_.insert(tasks_.end(), Task{nullptr, std::move(work)});
  task->timer = std::make_unique<Timer>(clock, "monitor.task", [this, task] {
    const std::function<void()> now = std::move(task->work);
    tasks_.erase(task);
    now();
  });
  task->timer->arm(clock.now_ns() + virtual_ns);
}

void MonitorTasks::finish_first() {
  const std::function<void()> now = std::move(tasks_.front().work);
  tasks_.pop_front();
  now();
}

void MonitorTasks::finish() {
  while (!tasks_.empty()) finish_first();
}

CpusAside::CpusAside(Machine& machine) : machine_(machine), ran_(!machine.cpus().parked()) {
  if (ran_) machine_.cpus().park_all();
}

CpusAside::~CpusAside() {
  // Somebody else may have stopped the machine while this waited for the CPUs, or the guest may have reset it or
  // switched it off: then it executes nothing before that is done.
  if (ran_ && machine_.run_state() == RunState::Running && !machine_.has_requests()) machine_.cpus().unpark_all();
}

}  // namespace machina
