#pragma once
/// Runs the body of a test in a process of its own that is killed (SIGKILL) at a time limit: a vCPU thread that does
/// not come back, or a crash, ends one test and not the test program.

#include <functional>
#include <string>

namespace machina::test {

struct IsolatedResult {
  std::string result;     ///< what the body returned
  std::string stderr_;    ///< what it and its threads wrote to stderr
  bool finished = false;  ///< the body returned
  int signal = 0;         ///< that ended the process: 9 at the time limit
  std::string failure() const;
};

/// Exceptions of the body end up in stderr_ and leave `finished` false. The body must not use assertions of GoogleTest:
/// they would fail in the other process.
IsolatedResult run_isolated(double seconds, const std::function<std::string()>& body);

}  // namespace machina::test
