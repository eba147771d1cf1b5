#pragma once
/// A program that a test or a bench starts, with pipes to and from it.

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace machina::test {

class ChildProcess {
 public:
  enum class End { Inherited, Null, Pipe };
  struct Options {
    End in = End::Null, out = End::Inherited, err = End::Inherited;
    std::string folder{};    ///< where it runs; empty: here
    bool own_group = false;  ///< it and what it starts are killed as one
  };

  /// `command`: the program, looked for in PATH, and its arguments. Throws std::runtime_error when it cannot be
  /// started.
  ChildProcess(std::vector<std::string> command, const Options& options);
  /// Closes the pipes; a program that still runs is killed.
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  /// Ends of the pipes; -1 where there is none.
  int in() const { return in_; }
  int out() const { return out_; }
  int err() const { return err_; }
  pid_t pid() const { return pid_; }

  void kill();
  /// Until it is gone; its status, as waitpid() has it. Once.
  int wait();
  /// The same, but nothing when it is still there at the end of that time.
  std::optional<int> wait_for(std::chrono::milliseconds limit);

 private:
  pid_t pid_ = -1;  // -1: gone
  int in_ = -1, out_ = -1, err_ = -1;
  bool own_group_;
};

}  // namespace machina::test
