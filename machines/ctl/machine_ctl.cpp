#include "machines/ctl/machine_ctl.h"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <optional>
#include <utility>

#include "core/units.h"
#include "machines/cli/option_table.h"
#include "machines/cli/run_directory.h"
#include "machines/ctl/console.h"
#include "machines/ctl/qmp_client.h"
#include "machines/monitor/json_value.h"
#include "qom/property.h"

namespace machina {
namespace {

using qom::Value;
using qom::ValueList;
using qom::ValueMap;

constexpr unsigned kStackWords = 16;  // that debug shows

struct Request {
  std::string directory = default_run_directory();
  bool all = false;
  std::optional<unsigned> wait;  ///< seconds
  std::vector<std::string> words;
};

void say(std::string_view text) { (void)std::fwrite(text.data(), 1, text.size(), stdout); }

void complain(const std::string& text) {
  std::fflush(stdout);
  (void)std::fwrite(text.data(), 1, text.size(), stderr);
}

RunningMachine find(const Request& r, const std::string& name) {
  const std::vector<RunningMachine> machines = running_machines(r.directory);
  std::vector<std::string> names;
  for (const RunningMachine& m : machines) {
    if (m.name == name) return m;
    names.push_back(m.name);
  }
  const std::string near = did_you_mean(name, names);
  throw Error(fmt::format("no machine is called '{}'", name))
      .hint(!near.empty()   ? near
            : names.empty() ? "none runs that has a -name"
                            : "machine-ctl list shows them");
}

/// The machines that the words behind the verb name.
std::vector<RunningMachine> chosen(const Request& r) {
  if (r.all) return running_machines(r.directory);
  if (r.words.size() < 2) throw Error(fmt::format("'{}' needs the name of a machine", r.words[0])).hint("or --all");
  std::vector<RunningMachine> machines;
  for (std::size_t i = 1; i < r.words.size(); ++i) machines.push_back(find(r, r.words[i]));
  return machines;
}

RunningMachine the_one(const Request& r, std::size_t most_words) {
  if (r.words.size() < 2) throw Error(fmt::format("'{}' needs the name of a machine", r.words[0]));
  if (r.words.size() > most_words) throw Error(fmt::format("'{}' is too much", r.words[most_words]));
  return find(r, r.words[1]);
}

/// One machine that does not answer does not keep the others from what is to be done with them.
template <class Work>
void each(const Request& r, Work&& work) {
  const std::vector<RunningMachine> machines = chosen(r);
  std::size_t failed = 0;
  for (const RunningMachine& m : machines) {
    try {
      work(m);
    } catch (const Error& e) {
      if (machines.size() == 1) throw;
      complain(fmt::format("machine-ctl: {}: {}\n", m.name, e.what()));
      ++failed;
    }
  }
  if (failed > 0) throw Error(fmt::format("{} of {} machines did not do it", failed, machines.size()));
}

std::string status_of(QmpClient& machine) { return member(machine.command("query-status"), "status")->to_string(); }

// --- verbs ----------------------------------------------------------------------------------------------------------

void list(const Request& r) {
  if (r.words.size() > 1) throw Error(fmt::format("'{}' is too much", r.words[1]));
  std::string text = fmt::format("{:>8}  {:<20}  {}\n", "PID", "NAME", "STATE");
  for (const RunningMachine& m : running_machines(r.directory)) {
    try {
      QmpClient machine(m.socket, 1'000);
      text += fmt::format("{:>8}  {:<20}  {}\n", machine.pid(), m.name, status_of(machine));
    } catch (const Error&) {
      text += fmt::format("{:>8}  {:<20}  {}\n", "?", m.name, "does not answer");
    }
  }
  say(text);
}

void stat(const Request& r) {
  each(r, [](const RunningMachine& m) {
    QmpClient machine(m.socket);
    const Value cpus = machine.command("query-cpus-fast"), disks = machine.command("query-blockstats");
    const bool kvm = *member(machine.command("query-kvm"), "enabled") == Value(true);
    const Value memory = *member(machine.command("query-memory-size-summary"), "base-memory");
    std::string text = fmt::format("{} (pid {})\n", m.name, machine.pid());
    text += fmt::format("  state:       {}\n", status_of(machine));
    text += fmt::format("  uuid:        {}\n", member(machine.command("query-uuid"), "UUID")->to_string());
    text += fmt::format(
        "  accelerator: {}\n",
        kvm ? "kvm"
            : machine.command("qom-get", ValueMap{{"path", "/machine/accel"}, {"property", "type"}}).to_string());
    text += fmt::format("  memory:      {}\n", qom::format_size(qom::parse_uint(memory.to_string())));
    text += fmt::format("  cpus:        {}\n", std::get<ValueList>(cpus.get()).size());
    for (const Value& disk : std::get<ValueList>(disks.get())) {
      const Value& s = *member(disk, "stats");
      text += fmt::format("  disk {}: {} bytes read in {} requests, {} written in {}\n",
                          member(disk, "device")->to_string(), member(s, "rd_bytes")->to_string(),
                          member(s, "rd_operations")->to_string(), member(s, "wr_bytes")->to_string(),
                          member(s, "wr_operations")->to_string());
    }
    say(text);
  });
}

void pause(const Request& r) {
  each(r, [](const RunningMachine& m) { QmpClient(m.socket).command("stop"); });
}

void resume(const Request& r) {
  each(r, [](const RunningMachine& m) { QmpClient(m.socket).command("cont"); });
}

/// With --wait the guest is asked first, by its power button, and has so long to obey.
void stop(const Request& r) {
  constexpr int kGoneMs = 10'000;
  each(r, [&](const RunningMachine& m) {
    QmpClient machine(m.socket);
    // It may end by itself before it is told to, or before it has answered.
    const auto tell = [&](const char* command) {
      try {
        machine.command(command);
      } catch (const Error&) {
        if (!machine.ended()) throw;
      }
    };
    if (r.wait) {
      tell("system_powerdown");
      if (machine.wait_for_end(static_cast<int>(std::min(*r.wait, 86'400U)) * 1'000)) return;
    }
    tell("quit");
    if (!machine.wait_for_end(kGoneMs)) throw Error(fmt::format("machine '{}' does not end", m.name));
  });
}

/// Whoever wants to end this program waits while it lives.
class Undisturbed {
 public:
  Undisturbed() {
    sigset_t signals;
    ::sigemptyset(&signals);
    for (const int s : {SIGINT, SIGTERM, SIGHUP}) ::sigaddset(&signals, s);
    ::sigprocmask(SIG_BLOCK, &signals, &before_);
  }
  ~Undisturbed() { ::sigprocmask(SIG_SETMASK, &before_, nullptr); }
  Undisturbed(const Undisturbed&) = delete;
  Undisturbed& operator=(const Undisturbed&) = delete;

 private:
  sigset_t before_{};
};

/// A machine that runs is stopped while this lives, so that all its CPUs are of the same moment. It goes on whatever
/// happens, Ctrl-C included.
class Standstill {
 public:
  explicit Standstill(QmpClient& machine) : machine_(machine) {
    ran_ = status_of(machine) == "running";
    if (ran_) machine.command("stop");
  }
  /// Throws Error.
  void end() {
    if (std::exchange(ran_, false)) machine_.command("cont");
  }
  ~Standstill() {
    try {
      end();
    } catch (const Error& e) {
      complain(fmt::format("machine-ctl: {}\n", e.what()));
    }
  }
  Standstill(const Standstill&) = delete;
  Standstill& operator=(const Standstill&) = delete;

 private:
  const Undisturbed undisturbed_;
  QmpClient& machine_;
  bool ran_ = false;
};

/// Registers of every CPU, the instructions that come next, and the top of the stack.
void debug(const Request& r) {
  each(r, [](const RunningMachine& m) {
    QmpClient machine(m.socket);
    std::string text = fmt::format("{} (pid {})\n", m.name, machine.pid());
    Standstill still(machine);
    const Value cpus = machine.command("query-cpus-fast");
    for (const Value& cpu : std::get<ValueList>(cpus.get())) {
      const auto index = std::get<std::int64_t>(member(cpu, "cpu-index")->get());
      text += machine.human("info registers", index);
      text += "Code:\n" + machine.human("x /4i $pc", index);
      text += "Stack:\n" + machine.human(fmt::format("x /{}gx $sp", kStackWords), index);
    }
    still.end();
    say(text);
  });
}

/// Lines of standard input to the machine, messages of the machine to standard output, until the machine hangs up:
/// which it does when it has answered the last line.
void pass_on(QmpClient& machine) {
  pollfd ends[2] = {{STDIN_FILENO, POLLIN, 0}, {machine.fd(), POLLIN, 0}};
  for (;;) {
    Value message;
    while (machine.receive(message, 0)) say(to_json(message) + "\n");
    std::fflush(stdout);
    if (::poll(ends, 2, -1) < 0 || !ends[0].revents) continue;
    char buffer[4096];
    const ssize_t n = ::read(STDIN_FILENO, buffer, sizeof buffer);
    if (n > 0) {
      machine.send({buffer, static_cast<std::size_t>(n)});
      continue;
    }
    machine.finish();
    ends[0].fd = -1;
  }
}

void converse(QmpClient& machine) {
  try {
    pass_on(machine);
  } catch (const Error&) {
    if (!machine.ended()) throw;
  }
}

void qmp(const Request& r) {
  QmpClient machine(the_one(r, 4).socket);
  if (r.words.size() == 2) return converse(machine);
  const Value arguments = r.words.size() == 4 ? parse_json(r.words[3]) : Value(ValueMap{});
  say(to_pretty_json(machine.command(r.words[2], arguments)) + "\n");
}

void hmp(const Request& r) {
  if (r.words.size() < 3) throw Error("'hmp' needs the name of a machine and a command").hint("hmp NAME info status");
  QmpClient machine(find(r, r.words[1]).socket);
  std::string line = r.words[2];
  for (std::size_t i = 3; i < r.words.size(); ++i) line += " " + r.words[i];
  say(machine.human(line));
}

void console(const Request& r) {
  const RunningMachine m = the_one(r, 3);
  std::string path;
  {
    QmpClient machine(m.socket);
    path = find_console(machine, r.words.size() == 3 ? r.words[2] : "");
  }
  run_console(path);
}

struct Verb {
  const char* name;
  const char* arguments;
  const char* help;
  void (*run)(const Request&);
};

constexpr Verb kVerbs[] = {
    {"list", "", "machines of this user that run and have a -name", list},
    {"stat", "NAME… | --all", "what a machine is and what it has done", stat},
    {"pause", "NAME… | --all", "no CPU runs", pause},
    {"resume", "NAME… | --all", "they go on", resume},
    {"stop", "[--wait SECONDS] NAME… | --all", "ends it; --wait: presses its power button first", stop},
    {"debug", "NAME… | --all", "registers, code and stack of every CPU", debug},
    {"qmp", "NAME [COMMAND [JSON]]", "one command of QMP; without one, passes messages on", qmp},
    {"hmp", "NAME COMMAND…", "one command of the human monitor", hmp},
    {"console", "NAME [LABEL]", "its serial line, in this terminal", console},
};

std::string help() {
  std::string text = "usage: machine-ctl [--dir DIR] VERB [NAME…]\n\nVerbs:\n";
  for (const Verb& v : kVerbs) text += help_row(fmt::format("{} {}", v.name, v.arguments), v.help);
  text += fmt::format("\n--dir DIR is where the machines' sockets are: -run-dir of machine-run (default: {})\n",
                      default_run_directory());
  return text;
}

Request read(const std::vector<std::string>& arguments) {
  Request r;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& a = arguments[i];
    const auto value = [&]() -> const std::string& {
      if (++i == arguments.size()) throw Error(fmt::format("option {} needs an argument", a));
      return arguments[i];
    };
    if (a == "--dir" || a == "-d") {
      r.directory = value();
    } else if (a == "--all" || a == "-a") {
      r.all = true;
    } else if (a == "--wait" || a == "-w") {
      r.wait = static_cast<unsigned>(std::min<std::uint64_t>(qom::parse_uint(value()), UINT32_MAX));
    } else if (a.size() > 1 && a[0] == '-' && r.words.size() < 2) {
      throw Error(fmt::format("no such option: {}", a)).hint("machine-ctl --help lists all");
    } else {
      r.words.push_back(a);
    }
  }
  return r;
}

}  // namespace

int machine_ctl(const std::vector<std::string>& arguments) {
  const auto asks = [](const std::string& a) { return a == "-h" || a == "--help" || a == "help"; };
  if (arguments.empty() || asks(arguments[0])) {
    say(help());
    return arguments.empty() ? 1 : 0;
  }
  try {
    const Request request = read(arguments);
    if (request.words.empty()) throw Error("what shall be done?").hint("machine-ctl --help lists the verbs");
    std::vector<std::string> names;
    for (const Verb& v : kVerbs) {
      if (request.words[0] == v.name) {
        v.run(request);
        return 0;
      }
      names.emplace_back(v.name);
    }
    const std::string near = did_you_mean(request.words[0], names);
    throw Error(fmt::format("no such verb: '{}'", request.words[0]))
        .hint(near.empty() ? "machine-ctl --help lists them" : near);
  } catch (const std::exception& e) {
    complain(fmt::format("machine-ctl: {}\n", e.what()));
  }
  return 1;
}

}  // namespace machina
