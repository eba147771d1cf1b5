// Mistakes of users against the real machine-run. For each case of cases.yaml:
//  - the exit status is 1, within the time limit, and not the end by a signal
//  - stdout stays empty and stderr is the expected text, to the letter: one message that names the place
//  - the folder is as it was: no pid file (each case asks for one), no socket, and each disk image byte for byte
//
// With MACHINA_WRITE_EXPECTED=1 in the environment the file is written anew with what is said now: read the difference.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <sstream>

#include "core/config/yaml.h"
#include "qom/property.h"
#include "tests/support/child_process.h"
#include "tests/support/test_paths.h"

namespace machina {
namespace {

namespace fs = std::filesystem;

constexpr int kTimeLimitMs = 40'000;

fs::path table_file() { return test::source_dir() / "tests/bad-input/cases.yaml"; }

const ConfigTree& table() {
  static const ConfigTree tree = load_yaml(table_file().string());
  return tree;
}

void replace_all(std::string& text, const std::string& what, const std::string& by) {
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size()))
    text.replace(at, what.size(), by);
}

/// Name, kind, size and content of everything in a folder.
std::map<std::string, std::string> picture(const fs::path& folder) {
  std::map<std::string, std::string> all;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    std::string& what = all[fs::relative(entry.path(), folder)];
    const auto mode = entry.status().permissions();
    what = std::to_string(static_cast<int>(entry.status().type())) + " " + std::to_string(static_cast<unsigned>(mode));
    if (!entry.is_regular_file()) continue;
    fs::permissions(entry.path(), mode | fs::perms::owner_read);
    std::ifstream in(entry.path(), std::ios::binary);
    what += std::string(std::istreambuf_iterator<char>(in), {});
    fs::permissions(entry.path(), mode);
  }
  return all;
}

struct Outcome {
  int status = 0;  // as waitpid() has it
  bool timed_out = false;
  std::string out, err;
};

/// Runs a program in `folder` without standard input; killed at the time limit.
Outcome run(const std::vector<std::string>& command, const fs::path& folder) {
  using End = test::ChildProcess::End;
  test::ChildProcess child(command, {.out = End::Pipe, .err = End::Pipe, .folder = folder.string(), .own_group = true});
  Outcome result;
  pollfd fds[] = {{child.out(), POLLIN, 0}, {child.err(), POLLIN, 0}};
  std::string* const text[] = {&result.out, &result.err};
  for (int open_ends = 2; open_ends > 0;) {
    if (poll(fds, 2, kTimeLimitMs) == 0) {
      result.timed_out = true;
      child.kill();
      break;
    }
    for (int i = 0; i < 2; ++i) {
      if (fds[i].fd < 0 || !fds[i].revents) continue;
      char some[4096];
      const ssize_t n = read(fds[i].fd, some, sizeof some);
      if (n > 0) {
        text[i]->append(some, static_cast<std::size_t>(n));
        continue;
      }
      fds[i].fd = -1;
      --open_ends;
    }
  }
  result.status = child.wait();
  return result;
}

/// What the commands `unshare` and `setpriv` make of a host on which this process is root.
std::vector<std::string> in_host(const std::string& host, const std::vector<std::string>& command) {
  if (host.empty() || (host == "no-privileges" && geteuid() != 0)) return command;
  // Root without capabilities is refused what a mode forbids.
  const std::string drop = "exec setpriv --bounding-set=-all --inh-caps=-all \"$@\"";
  std::string script;
  if (host == "no-privileges") {
    script = drop;
  } else if (host == "no-kvm") {
    script = "mount -t tmpfs none /dev && exec \"$@\"";
  } else if (host == "kvm-forbidden") {
    script = "mount -t tmpfs none /dev && mknod -m 0 /dev/kvm c 10 232 && " + drop;
  } else {
    throw Error("no such host: " + host);
  }
  std::vector<std::string> words = {"unshare", "-m", "sh", "-c", script, "sh"};
  words.insert(words.end(), command.begin(), command.end());
  return words;
}

/// Why a case cannot run here; empty when it can.
std::string obstacle(const ConfigNode& one) {
  const std::string host = one["host"] ? one["host"].text() : "";
  if (host == "no-kvm" || host == "kvm-forbidden") {
    const Outcome probe = run(in_host(host, {"true"}), "/");
    if (probe.status != 0) return "cannot make a host without /dev/kvm here (needs root): " + probe.err;
  }
  if (one["needs"] && access("/dev/kvm", R_OK | W_OK) != 0) return "no usable /dev/kvm";
  return {};
}

class Case {
 public:
  explicit Case(ConfigNode one) : one_(one) {
    std::string name = (fs::temp_directory_path() / "bad-input-XXXXXX").string();
    if (!mkdtemp(name.data())) throw Error("no temporary folder").why(std::strerror(errno));
    folder_ = name;
    if (const ConfigNode files = one["files"])
      for (const auto& [file, node] : files.children()) std::ofstream(folder_ / file) << node.text();
    if (const ConfigNode images = one["images"]) {
      for (const auto& [file, node] : images.children()) {
        std::string content(qom::parse_size(node.text()), '\0');
        for (std::size_t i = 0; i < content.size(); i += 97) content[i] = static_cast<char>(i / 97);
        std::ofstream(folder_ / file, std::ios::binary) << content;
      }
    }
    if (const ConfigNode folders = one["folders"])
      for (const ConfigNode& node : folders.items()) fs::create_directory(folder_ / node.text());
    if (const ConfigNode forbidden = one["forbidden"])
      for (const ConfigNode& node : forbidden.items()) fs::permissions(folder_ / node.text(), fs::perms::none);
    if (one["locked"]) lock(folder_ / one["locked"].text());
    if (one["listen-unix"]) listen_unix(folder_ / one["listen-unix"].text());
    if (one["listen-tcp"]) listen_tcp();
  }
  ~Case() {
    for (const int fd : fds_) close(fd);
    fs::remove_all(folder_);
  }

  const fs::path& folder() const { return folder_; }

  Outcome run_it() const {
    std::vector<std::string> command = {(test::binary_dir() / "machine-run").string()};
    bool asks_for_pidfile = false;
    for (const ConfigNode& argument : one_["args"].items()) {
      command.push_back(argument.text());
      replace_all(command.back(), "${port}", std::to_string(port_));
      asks_for_pidfile = asks_for_pidfile || argument.text() == "-pidfile";
    }
    if (!asks_for_pidfile && command[1] != "board" && command.back()[0] != '-')
      command.insert(command.end(), {"-pidfile", "pid"});
    return run(in_host(one_["host"] ? one_["host"].text() : "", command), folder_);
  }

  /// What was said, without what differs between two runs.
  std::string tidy(std::string text) const {
    replace_all(text, test::source_dir().string() + "/", "");
    // Where the other party stands in a board that we ship is not what a case is about.
    text = std::regex_replace(text, std::regex("of (configs/[a-z]+\\.yaml):[0-9]+:[0-9]+"), "of $1");
    if (port_) replace_all(text, std::to_string(port_), "${port}");
    return text;
  }

 private:
  void lock(const fs::path& image) {
    // The byte that says "I write", at QEMU's place.
    const int fd = open(image.c_str(), O_RDWR | O_CLOEXEC);
    struct flock lock {};
    lock.l_type = F_RDLCK;
    lock.l_start = 101;
    lock.l_len = 1;
    if (fd < 0 || fcntl(fd, F_OFD_SETLK, &lock) != 0) throw Error("cannot lock").why(std::strerror(errno));
    fds_.push_back(fd);
  }
  void listen_unix(const fs::path& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    listen_on(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), reinterpret_cast<sockaddr*>(&address), sizeof address);
  }
  void listen_tcp() {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    listen_on(fd, reinterpret_cast<sockaddr*>(&address), sizeof address);
    socklen_t size = sizeof address;
    getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
  }
  void listen_on(int fd, const sockaddr* address, socklen_t size) {
    if (fd < 0 || bind(fd, address, size) || listen(fd, 1)) throw Error("cannot listen").why(std::strerror(errno));
    fds_.push_back(fd);
  }

  ConfigNode one_;
  fs::path folder_;
  std::vector<int> fds_;
  unsigned port_ = 0;
};

class BadInput : public testing::TestWithParam<std::string> {};

TEST_P(BadInput, IsRefused) {
  ConfigNode one;
  for (const ConfigNode& item : table()["cases"].items())
    if (item["name"].text() == GetParam()) one = item;
  if (const std::string why = obstacle(one); !why.empty()) GTEST_SKIP() << why;
  const Case trial(one);
  const auto before = picture(trial.folder());
  const Outcome result = trial.run_it();
  ASSERT_FALSE(result.timed_out) << "it runs on; so far it said:\n" << result.err << result.out;
  ASSERT_TRUE(WIFEXITED(result.status)) << "ended by signal " << WTERMSIG(result.status) << "\n" << result.err;
  EXPECT_EQ(WEXITSTATUS(result.status), 1);
  EXPECT_EQ(result.out, "");
  EXPECT_EQ(trial.tidy(result.err), one["says"].text()) << one.origin().brief();
  EXPECT_EQ(picture(trial.folder()), before) << "something was left behind, or changed";
  for (const char* word : {"terminate called", "ssert", "Sanitizer", "runtime error", "what()", "std::"})
    EXPECT_EQ(result.err.find(word), std::string::npos) << word;
}

std::vector<std::string> case_names() {
  std::vector<std::string> names;
  for (const ConfigNode& item : table()["cases"].items()) names.push_back(item["name"].text());
  return names;
}

INSTANTIATE_TEST_SUITE_P(Cases, BadInput, testing::ValuesIn(case_names()), [](const auto& info) {
  std::string name = info.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

void write_table() {
  const std::string old = read_text_file(table_file().string(), "table");
  std::istringstream lines(old);
  std::ofstream file(table_file());
  std::string name;
  bool skipping = false;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("  - name: ")) name = line.substr(10);
    if (skipping && line.starts_with("      ")) continue;
    skipping = false;
    file << line << '\n';
    if (line != "    says: |") continue;
    ConfigNode one;
    for (const ConfigNode& item : table()["cases"].items())
      if (item["name"].text() == name) one = item;
    if (!obstacle(one).empty()) continue;  // stays as it is
    const Case trial(one);
    std::istringstream said(trial.tidy(trial.run_it().err));
    for (std::string text; std::getline(said, text);) file << "      " << text << '\n';
    skipping = true;
  }
}

TEST(BadInputTable, HoldsManyDifferentCases) {
  if (std::getenv("MACHINA_WRITE_EXPECTED")) write_table();
  std::vector<std::string> names = case_names();
  EXPECT_GE(names.size(), 60u);
  std::sort(names.begin(), names.end());
  EXPECT_EQ(std::adjacent_find(names.begin(), names.end()), names.end()) << "two cases have one name";
}

/// The place comes first, or the program's name when there is no place; what follows a message is indented.
TEST(BadInputTable, EachMessageIsOne) {
  for (const ConfigNode& item : table()["cases"].items()) {
    std::istringstream lines(item["says"].text());
    int messages = 0;
    for (std::string line; std::getline(lines, line);) messages += !line.empty() && line[0] != ' ' ? 1 : 0;
    EXPECT_EQ(messages, item["messages"] ? std::stoi(item["messages"].text()) : 1) << item["name"].text();
  }
}

// --- what is no mistake of the user's, at the same border ---

Outcome shell(const std::string& script) {
  const std::string program = (test::binary_dir() / "machine-run").string();
  return run({"bash", "-c", "set -o pipefail; m=" + program + "; " + script}, fs::temp_directory_path());
}

TEST(Output, AReaderThatHasSeenEnoughIsNoFailure) {
  const Outcome result = shell("$m -device help | head -n 1");
  EXPECT_EQ(result.status, 0);
  EXPECT_EQ(result.err, "");
  EXPECT_EQ(std::count(result.out.begin(), result.out.end(), '\n'), 1);
}

TEST(Output, AFullDeviceIsAFailure) {
  const Outcome result = shell("$m -device help > /dev/full");
  EXPECT_EQ(WEXITSTATUS(result.status), 1);
  EXPECT_EQ(result.err, "machine-run: cannot write to standard output: No space left on device\n");
}

TEST(Output, MessagesThatNobodyCanReadChangeNothing) {
  for (const std::string place : {"2>/dev/full", "2>&-", "2> >(:)"})
    for (const std::string arguments : {"-foo", "-M pcc", "board check nosuch",
                                        "-trace lifecycle -M none -accel qtest -qmp unix:/nosuch/q,server=on"}) {
      const Outcome result = shell("$m " + arguments + " " + place);
      EXPECT_EQ(WEXITSTATUS(result.status), 1) << arguments << " " << place << "\n" << result.err;
    }
}

TEST(Process, EndsWellByASignalAndTakesItsFilesAlong) {
  for (const char* signal : {"TERM", "INT", "HUP"}) {
    const Outcome result = shell(
        "d=$(mktemp -d); cd $d; $m -qtest unix:s,server=on,wait=off -pidfile pid & p=$!;"
        "for i in $(seq 100); do [ -s pid ] && break; sleep 0.1; done; cat pid; kill -" +
        std::string(signal) + " $p; wait $p; echo $?; ls -A $d; rm -rf $d");
    EXPECT_FALSE(result.timed_out);
    std::istringstream words(result.out);
    int pid = 0, status = -1;
    std::string left;
    words >> pid >> status >> left;
    EXPECT_GT(pid, 0) << signal << result.err;
    EXPECT_EQ(status, 0) << signal << result.err;
    EXPECT_EQ(left, "") << signal;
  }
}

}  // namespace
}  // namespace machina
