#pragma once
/// What the tests of whole machines share: the program as a process, and a folder for its files.

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <regex>

#include "hw/x86/accelerator.h"
#include "tests/support/child_process.h"

namespace machina::test {

/// A program with a pipe to its standard input and one from its standard output.
class Process {
  using Clock = std::chrono::steady_clock;

 public:
  explicit Process(std::vector<std::string> command)
      : child_(std::move(command), {.in = ChildProcess::End::Pipe, .out = ChildProcess::End::Pipe}) {}

  void type(const std::string& text) {
    ASSERT_EQ(write(child_.in(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }

  /// Reads until the output since the last call, without escape sequences, holds `text`; that output is then done with.
  testing::AssertionResult wait_for(const std::string& text, std::chrono::seconds limit) {
    const auto end = Clock::now() + limit;
    for (;;) {
      // The firmware shows the screen on the serial line, with cursor movements between the characters.
      static const std::regex escapes("\x1b\\[[0-9;?]*[A-Za-z]|\x1b[^\\[]");
      const std::string plain = std::regex_replace(pending_, escapes, "");
      if (plain.find(text) != std::string::npos) {
        pending_.clear();
        return testing::AssertionSuccess();
      }
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now()).count();
      pollfd fd{child_.out(), POLLIN, 0};
      char some[4096];
      const ssize_t n =
          left > 0 && poll(&fd, 1, static_cast<int>(left)) > 0 ? read(child_.out(), some, sizeof some) : 0;
      if (n <= 0) {
        return testing::AssertionFailure()
               << (left > 0 ? "the output ended" : "time is up") << " before '" << text << "'; there was:\n"
               << plain;
      }
      pending_.append(some, static_cast<std::size_t>(n));
    }
  }

  /// The exit status, or -1 when it does not end in time or by a signal.
  int wait_for_end(std::chrono::seconds limit) {
    const std::optional<int> status = child_.wait_for(limit);
    return status && WIFEXITED(*status) ? WEXITSTATUS(*status) : -1;
  }

 private:
  ChildProcess child_;
  std::string pending_;
};

/// A test of a whole machine, once under each accelerator that runs code. The parameter is its name, for -accel.
class Boot : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    const std::string type = GetParam() + "-accel";
    if (!qom::TypeRegistry::global().find(type))
      GTEST_SKIP() << "this program has no accelerator '" << GetParam() << "'";
    probe_ = qom::TypeRegistry::global().create_as<Accelerator>(type)->probe();
    if (!probe_.usable) GTEST_SKIP() << GetParam() << " cannot be used here: " << probe_.reason;
  }
  Accelerator::Probe probe_;
};
#define INSTANTIATE_FOR_ACCELERATORS(suite) \
  INSTANTIATE_TEST_SUITE_P(Accel, suite, testing::Values("kvm", "jit"), [](const auto& tested) { return tested.param; })

class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "boot-XXXXXX").string();
    if (!mkdtemp(name.data())) std::abort();
    path_ = name;
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string operator/(const char* name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

inline std::string contents(const std::string& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace machina::test
