#include "tests/support/child_process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <stdexcept>
#include <utility>

extern char** environ;

namespace machina::test {

namespace {

/// What becomes of the child's three standard files.
class FileActions {
 public:
  FileActions() { ::posix_spawn_file_actions_init(&actions_); }
  ~FileActions() {
    ::posix_spawn_file_actions_destroy(&actions_);
    for (const int fd : theirs_) ::close(fd);
  }
  /// Returns this process's end of a pipe, or -1.
  int connect(int fd, ChildProcess::End end) {
    const bool input = fd == STDIN_FILENO;
    if (end == ChildProcess::End::Null)
      ::posix_spawn_file_actions_addopen(&actions_, fd, "/dev/null", input ? O_RDONLY : O_WRONLY, 0);
    if (end != ChildProcess::End::Pipe) return -1;
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
    if (!input) std::swap(ends[0], ends[1]);
    theirs_.push_back(ends[0]);
    ::posix_spawn_file_actions_adddup2(&actions_, ends[0], fd);
    return ends[1];
  }
  void enter(const std::string& folder) {
    if (!folder.empty()) ::posix_spawn_file_actions_addchdir_np(&actions_, folder.c_str());
  }
  const posix_spawn_file_actions_t* get() const { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_;
  std::vector<int> theirs_;
};

}  // namespace

ChildProcess::ChildProcess(std::vector<std::string> command, const Options& options) : own_group_(options.own_group) {
  FileActions actions;
  in_ = actions.connect(STDIN_FILENO, options.in);
  out_ = actions.connect(STDOUT_FILENO, options.out);
  err_ = actions.connect(STDERR_FILENO, options.err);
  actions.enter(options.folder);
  std::vector<char*> argv;
  for (std::string& word : command) argv.push_back(word.data());
  argv.push_back(nullptr);
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  if (own_group_) ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);  // a new one, with its own number
  const int error = ::posix_spawnp(&pid_, argv[0], actions.get(), &attributes, argv.data(), environ);
  ::posix_spawnattr_destroy(&attributes);
  if (error == 0) return;
  for (const int fd : {in_, out_, err_})
    if (fd >= 0) ::close(fd);
  throw std::runtime_error("cannot start " + command[0] + ": " + std::strerror(error));
}

ChildProcess::~ChildProcess() {
  for (const int fd : {in_, out_, err_})
    if (fd >= 0) ::close(fd);
  if (pid_ < 0) return;
  kill();
  wait();
}

void ChildProcess::kill() {
  if (pid_ > 0) ::kill(own_group_ ? -pid_ : pid_, SIGKILL);
}

int ChildProcess::wait() {
  int status = 0;
  ::waitpid(std::exchange(pid_, -1), &status, 0);
  return status;
}

std::optional<int> ChildProcess::wait_for(std::chrono::milliseconds limit) {
  constexpr useconds_t kPause = 20'000;
  const auto end = std::chrono::steady_clock::now() + limit;
  do {
    int status = 0;
    if (::waitpid(pid_, &status, WNOHANG) == pid_) {
      pid_ = -1;
      return status;
    }
    ::usleep(kPause);
  } while (std::chrono::steady_clock::now() < end);
  return std::nullopt;
}

}  // namespace machina::test
