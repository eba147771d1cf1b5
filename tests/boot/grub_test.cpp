// The whole of it: Debian's SeaBIOS comes up on the PC of configs/pc.yaml, finds four processors and the disk, and
// boots GRUB from it to its prompt, which answers what is typed on the serial line.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <regex>

#include "tests/support/test_paths.h"

namespace machina {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

/// A program with a pipe to its standard input and one from its standard output.
class Process {
 public:
  explicit Process(std::vector<std::string> command) {
    int in[2], out[2];
    if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC)) std::abort();
    std::vector<char*> argv;
    for (std::string& word : command) argv.push_back(word.data());
    argv.push_back(nullptr);
    pid_ = fork();
    if (pid_ == 0) {
      dup2(in[0], 0);
      dup2(out[1], 1);
      execv(argv[0], argv.data());
      _exit(127);
    }
    close(in[0]);
    close(out[1]);
    in_ = in[1], out_ = out[0];
  }
  ~Process() {
    close(in_);
    close(out_);
    if (pid_ < 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }

  void type(const std::string& text) {
    ASSERT_EQ(write(in_, text.data(), text.size()), static_cast<ssize_t>(text.size()));
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
      pollfd fd{out_, POLLIN, 0};
      char some[4096];
      const ssize_t n = left > 0 && poll(&fd, 1, static_cast<int>(left)) > 0 ? read(out_, some, sizeof some) : 0;
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
    for (const auto end = Clock::now() + limit; Clock::now() < end; usleep(20'000)) {
      int status = 0;
      if (waitpid(pid_, &status, WNOHANG) != pid_) continue;
      pid_ = -1;
      return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    }
    return -1;
  }

 private:
  pid_t pid_ = -1;
  int in_ = -1, out_ = -1;
  std::string pending_;
};

class Folder {
 public:
  Folder() {
    std::string name = (fs::temp_directory_path() / "boot-XXXXXX").string();
    if (!mkdtemp(name.data())) std::abort();
    path_ = name;
  }
  ~Folder() { fs::remove_all(path_); }
  std::string operator/(const char* name) const { return (path_ / name).string(); }

 private:
  fs::path path_;
};

TEST(Boot, FourProcessorsToTheBootLoadersPrompt) {
  if (access("/dev/kvm", R_OK | W_OK) != 0) GTEST_SKIP() << "no usable /dev/kvm";
  const Folder folder;
  const std::string disk = folder / "grub.img", messages = folder / "firmware.log";
  const std::string make = (test::source_dir() / "tests/guest/disk/make-grub-disk").string() + " " + disk;
  ASSERT_EQ(std::system((make + " > /dev/null").c_str()), 0) << make;

  Process machine({(test::binary_dir() / "machine-run").string(), "-M", "pc", "-cpu", "host", "-smp", "4", "-m", "2G",
                   "-drive", "file=" + disk + ",format=raw", "-nographic", "-debugcon", "file:" + messages});
  // Where KVM emulates kernel mode, GRUB takes most of a minute to unpack itself.
  ASSERT_TRUE(machine.wait_for("grub>", std::chrono::seconds(150)));

  std::ifstream log(messages);
  const std::string said((std::istreambuf_iterator<char>(log)), {});
  EXPECT_NE(said.find("Found 4 cpu(s) max supported 4 cpu(s)"), std::string::npos) << said;
  EXPECT_NE(said.find("Booting from Hard Disk"), std::string::npos) << said;

  machine.type("ls\r");
  EXPECT_TRUE(machine.wait_for("(hd0)", std::chrono::seconds(30)));
  machine.type("\x01x");  // Ctrl-a x
  EXPECT_EQ(machine.wait_for_end(std::chrono::seconds(10)), 0);
}

}  // namespace
}  // namespace machina
