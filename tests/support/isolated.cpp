#include "tests/support/isolated.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <exception>
#include <stdexcept>

namespace machina::test {

namespace {

void write_all(int fd, const std::string& text) {
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t n = ::write(fd, text.data() + done, text.size() - done);
    if (n <= 0) return;
    done += static_cast<std::size_t>(n);
  }
}

[[noreturn]] void child(int result_fd, int stderr_fd, const std::function<std::string()>& body) {
  ::dup2(stderr_fd, 2);
  try {
    const std::string result = body();
    write_all(result_fd, result);
    std::fflush(nullptr);
    ::_exit(0);
  } catch (const std::exception& e) {
    write_all(2, std::string("exception: ") + e.what() + "\n");
    ::_exit(1);
  }
}

}  // namespace

std::string IsolatedResult::failure() const {
  if (finished) return {};
  if (signal == SIGKILL) return "killed at its time limit; stderr:\n" + stderr_;
  if (signal) return fmt::format("ended by signal {}; stderr:\n{}", signal, stderr_);
  return "failed; stderr:\n" + stderr_;
}

IsolatedResult run_isolated(double seconds, const std::function<std::string()>& body) {
  int result_pipe[2], stderr_pipe[2];
  if (::pipe2(result_pipe, O_CLOEXEC) < 0 || ::pipe2(stderr_pipe, O_CLOEXEC) < 0)
    throw std::runtime_error("pipe2 failed");
  std::fflush(nullptr);
  const pid_t pid = ::fork();
  if (pid < 0) throw std::runtime_error("fork failed");
  if (pid == 0) child(result_pipe[1], stderr_pipe[1], body);
  ::close(result_pipe[1]);
  ::close(stderr_pipe[1]);

  IsolatedResult r;
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  pollfd fds[2] = {{result_pipe[0], POLLIN, 0}, {stderr_pipe[0], POLLIN, 0}};
  std::string* texts[2] = {&r.result, &r.stderr_};
  bool killed = false;
  while (fds[0].fd >= 0 || fds[1].fd >= 0) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now()).count();
    if (left <= 0 && !killed) {
      ::kill(pid, SIGKILL);
      killed = true;
    }
    ::poll(fds, 2, killed ? 1000 : static_cast<int>(left));
    for (unsigned i = 0; i < 2; ++i) {
      if (fds[i].fd < 0 || fds[i].revents == 0) continue;
      char buffer[4096];
      const ssize_t n = ::read(fds[i].fd, buffer, sizeof buffer);
      if (n > 0) {
        texts[i]->append(buffer, static_cast<std::size_t>(n));
      } else {
        fds[i].fd = -1;
      }
    }
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  ::close(result_pipe[0]);
  ::close(stderr_pipe[0]);
  r.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  r.finished = WIFEXITED(status) && WEXITSTATUS(status) == 0;
  return r;
}

}  // namespace machina::test
