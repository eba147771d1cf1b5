#include "machines/monitor/monitor_session.h"

#include <utility>

namespace machina {

X86Cpu* MonitorSession::cpu() {
  for (X86Cpu* c : machine().cpus().cpus())
    if (c->index() == cpu_) return c;
  return nullptr;
}

void MonitorTasks::add(Clock& clock, std::int64_t virtual_ns, std::function<void()> work) {
  const auto task = tasks_.insert(tasks_.end(), Task{nullptr, std::move(work)});
  task->timer = std::make_unique<Timer>(clock, "monitor.task", [this, task] {
    const std::function<void()> now = std::move(task->work);
    tasks_.erase(task);
    now();
  });
  task->timer->arm(clock.now_ns() + virtual_ns);
}

void MonitorTasks::finish() {
  while (!tasks_.empty()) {
    const std::function<void()> now = std::move(tasks_.front().work);
    tasks_.pop_front();
    now();
  }
}

CpusAside::CpusAside(Machine& machine) : machine_(machine), ran_(!machine.cpus().parked()) {
  if (ran_) machine_.cpus().park_all();
}

CpusAside::~CpusAside() {
  // Somebody else may have stopped the machine while this waited for the CPUs.
  if (ran_ && machine_.run_state() == RunState::Running) machine_.cpus().unpark_all();
}

}  // namespace machina
