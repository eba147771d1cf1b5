#include <errno.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <sstream>

#include "core/log.h"
#include "core/trace/trace_output.h"
#include "machines/board/board_command.h"
#include "machines/cli/daemon.h"
#include "machines/cli/help_requests.h"
#include "machines/cli/launch.h"

namespace machina {

namespace {

/// What is opened gets the lowest number that is free. If that were one of the first three, messages would go where
/// something else stands by then: into a disk image.
void occupy_standard_descriptors() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    if (::fcntl(fd, F_GETFD) < 0 && errno == EBADF) (void)!::open("/dev/null", O_RDWR);
}

/// What was asked for goes to stdout, and only that. A reader that has seen enough (`| head`) is no failure.
int print_answer(const std::string& text) {
  if ((std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0) || errno == EPIPE)
    return 0;
  throw Error("cannot write to standard output").why(std::strerror(errno));
}

/// To stderr, of which nobody can be told that it is full or closed.
void complain(const std::string& text) { (void)std::fwrite(text.data(), 1, text.size(), stderr); }

int board_command(const std::vector<std::string>& arguments) {
  std::vector<std::string> directories, rest;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i] != "-L" && arguments[i] != "--L") {
      rest.push_back(arguments[i]);
    } else if (++i < arguments.size()) {
      directories.push_back(arguments[i]);
    } else {
      throw Error("option -L needs an argument").hint("write -L DIR");
    }
  }
  std::ostringstream out, err;
  const int status = run_board_command(rest, BoardCatalog::standard(directories), out, err);
  print_answer(out.str());
  complain(err.str());
  return status;
}

/// What was traced is there when the program has ended, also when it ends with an error. A reader that is stuck is not
/// waited for.
struct TraceEnd {
  TraceEnd() = default;
  ~TraceEnd() { trace::flush(1000); }
  TraceEnd(const TraceEnd&) = delete;
  TraceEnd& operator=(const TraceEnd&) = delete;
};

/// Messages that know a place start with it, since carets may stand below it; the others say who is speaking.
void print_error(const Error& e) {
  const bool placed = e.origin().known() || dynamic_cast<const FaultList*>(&e);
  complain(fmt::format("{}{}\n", placed ? "" : "machine-run: ", e.what()));
}

}  // namespace

int machine_run(const std::vector<std::string>& arguments) {
  occupy_standard_descriptors();
  ::signal(SIGPIPE, SIG_IGN);  // a peer that goes away is an error of that write, not the end of the machine
  try {
    if (!arguments.empty() && arguments[0] == "board") return board_command({arguments.begin() + 1, arguments.end()});
    CommandLine cl = CommandLine::parse(arguments);
    if (const std::optional<std::string> text = answer_help(cl)) return print_answer(*text);
    std::optional<Daemon> daemon;
    if (cl.daemonize) daemon.emplace();
    apply_logging(cl);
    const TraceEnd trace_end;
    Launch launch(std::move(cl));
    if (daemon) daemon->ready();
    return launch.run();
  } catch (const Error& e) {
    print_error(e);
  } catch (const std::exception& e) {
    complain(fmt::format("machine-run: {}\n", e.what()));
  }
  return 1;
}

}  // namespace machina
