#pragma once
/// Who gives a command to the monitor: a client of QMP, or a person at the human monitor.

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>

#include "core/chardev/fd_stream.h"
#include "machines/machine.h"

namespace machina {

class MonitorTrace;

/// Descriptors that clients have sent (SCM_RIGHTS) and named: getfd. Each monitor has its own.
using NamedFds = std::map<std::string, OwnedFd, std::less<>>;

class MonitorSession {
 public:
  virtual ~MonitorSession() = default;
  virtual Machine& machine() = 0;
  qom::Object& root() { return machine().root(); }

  /// QMP: the client has said qmp_capabilities. A person need not.
  virtual bool negotiated() const { return true; }
  virtual void negotiate() {}
  /// A task of the monitor's own that goes on after the command, in the guest's time; done at once if the client
  /// leaves.
  virtual void later(std::int64_t virtual_ns, std::function<void()> work) = 0;
  /// The descriptor that came with the command; empty when none did.
  virtual OwnedFd take_fd() { return OwnedFd(); }
  /// What shows trace events to whoever sits there; null where nobody could tell them from answers. Throws Error.
  virtual MonitorTrace* trace() { return nullptr; }
  NamedFds& named_fds() { return named_fds_; }
  /// The number of the descriptor that getfd gave this name, or that `text` is. Throws QmpError.
  std::int64_t descriptor(const std::string& text) const;

  /// The CPU that commands about a CPU mean: `cpu N`. Null when there is none (any more).
  X86Cpu* cpu();
  unsigned cpu_index() const { return cpu_; }
  void set_cpu_index(unsigned index) { cpu_ = index; }

 private:
  NamedFds named_fds_;
  unsigned cpu_ = 0;
};

/// Tasks of one monitor that go on after the command.
class MonitorTasks {
 public:
  /// At most so many wait: of a client that asks for more the oldest is done at once.
  static constexpr std::size_t kMost = 1024;

  /// `work` runs after so much of the guest's time.
  void add(Clock& clock, std::int64_t virtual_ns, std::function<void()> work);
  /// All that are left run now: their client is gone.
  void finish();

 private:
  void finish_first();

  struct Task {
    std::unique_ptr<Timer> timer;
    std::function<void()> work;
  };
  std::list<Task> tasks_;
};

/// All vCPUs out of guest mode while it lives, for looking at their registers; they go on afterwards if they ran.
/// No event is sent: the machine's state does not change. Machine lock held; it is let go while waiting.
class CpusAside {
 public:
  explicit CpusAside(Machine& machine);
  ~CpusAside();
  CpusAside(const CpusAside&) = delete;
  CpusAside& operator=(const CpusAside&) = delete;

 private:
  Machine& machine_;
  bool ran_;
};

}  // namespace machina
