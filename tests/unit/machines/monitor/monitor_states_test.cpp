// Commands at times that do not suit them, and what is left behind when one fails half-way.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "core/fd_sets.h"
#include "tests/support/monitor_fixture.h"

namespace machina::test {
namespace {

namespace fs = std::filesystem;

class MonitorStatesTest : public MonitorTest {
 protected:
  MonitorStatesTest() : folder_(testing::TempDir() + "machina-states-" + std::to_string(::getpid())) {
    fs::remove_all(folder_);
    fs::create_directory(folder_);
    negotiate();
  }
  ~MonitorStatesTest() override { fs::remove_all(folder_); }
  std::string hmp(const std::string& line) {
    return run("human-monitor-command", to_json(ValueMap{{"command-line", line}})).to_string();
  }
  void add_ram() {
    const MachineLock::Guard guard(system().lock);
    RamConfig ram;
    ram.size = 1 << 20;
    machine_->set_ram(ram);
  }
  static std::string content(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path, std::ios::binary).rdbuf();
    return text.str();
  }
  std::string folder_;
};

TEST_F(MonitorStatesTest, AMachineStandsStillWhileItIsDumped) {
  add_ram();
  run("cont");
  run("dump-guest-memory", fmt::format(R"({{"paging": false, "protocol": "file:{}/core", "detach": true}})", folder_));
  EXPECT_EQ(refusal_of("cont", "{}"), "GenericError: There is a dump in process, please wait.");
  EXPECT_EQ(hmp("c"), "Error: There is a dump in process, please wait.\r\n");
  EXPECT_EQ(machine_->run_state(), RunState::Paused);
  settle(), settle();
  EXPECT_EQ(*member(run("query-dump"), "status"), Value("completed"));
  EXPECT_EQ(machine_->run_state(), RunState::Running);
  run("cont");
}

/// Looking at memory takes the CPUs out of guest mode for a moment. They stay out when the guest has written to its
/// reset port just then.
TEST_F(MonitorStatesTest, LookingDoesNotRunAGuestThatWaitsForItsReset) {
  add_ram();
  run("cont");
  const auto while_pending = [&](auto&& request) {
    EXPECT_FALSE(machine_->cpus().parked());
    {
      const MachineLock::Guard guard(system().lock);
      request();
    }
    EXPECT_EQ(hmp("xp /1xb 0"), "0000000000000000: 0x00\r\n");
    EXPECT_TRUE(machine_->cpus().parked()) << "until it is done";
    EXPECT_EQ(machine_->run_state(), RunState::Running);
    settle();
  };
  while_pending([&] { machine_->request_reset(ShutdownCause::GuestReset); });
  EXPECT_FALSE(machine_->cpus().parked()) << "the new machine runs";
  EXPECT_EQ(client_->events.back(), "RESET");
  while_pending([&] { machine_->request_stop(RunState::Paused); });
  EXPECT_TRUE(machine_->cpus().parked());
  run("cont");
  {
    const MachineLock::Guard guard(system().lock);
    machine_->request_reset(ShutdownCause::GuestReset);
  }
  run("stop"), run("cont");
  EXPECT_TRUE(machine_->cpus().parked()) << "nor does cont";
  settle();
  EXPECT_FALSE(machine_->cpus().parked());
}

TEST_F(MonitorStatesTest, IdsAreNamesThatPathsCanHold) {
  const std::string refused = "GenericError: Parameter 'id' expects an identifier";
  for (const char* id : {"", "a/b", "1st", "a b", "/machine", "\\u0000", "\\u00e4"}) {
    const auto with_id = [&](const char* rest) { return fmt::format(R"({{"id": "{}", {}}})", id, rest); };
    EXPECT_EQ(refusal_of("chardev-add", with_id(R"("backend": {"type": "null", "data": {}})")), refused) << id;
    EXPECT_EQ(refusal_of("object-add", with_id(R"("qom-type": "test-plain-object")")), refused) << id;
    EXPECT_EQ(refusal_of("netdev_add", with_id(R"("type": "user")")), refused) << id;
    EXPECT_EQ(refusal_of("device_add", with_id(R"("driver": "e1000")")), refused) << id;
  }
  EXPECT_EQ(hmp("chardev-add null,id=a/b"), "Error: Parameter 'id' expects an identifier\r\n");
  run("chardev-add", R"({"id": "aZ0-._", "backend": {"type": "null", "data": {}}})");
}

TEST_F(MonitorStatesTest, ABackendThatCannotComeBackIsGone) {
  const std::string before = to_json(run("query-chardev"));
  fs::create_directory(folder_ + "/gone");
  run("chardev-add",
      fmt::format(R"({{"id": "f", "backend": {{"type": "file", "data": {{"out": "{}/gone/f"}}}}}})", folder_));
  fs::remove_all(folder_ + "/gone");
  EXPECT_TRUE(refusal_of("chardev-change", R"({"id": "f", "backend": {"type": "file", "data": {"out": "/nowhere/x"}}})")
                  .starts_with("GenericError: cannot open '/nowhere/x'"))
      << "the fault of the new one";
  EXPECT_EQ(to_json(run("query-chardev")), before);
  ASSERT_FALSE(logged_.empty());
  EXPECT_NE(logged_.back().find("backend 'f' is lost"), std::string::npos) << logged_.back();
}

TEST_F(MonitorStatesTest, TheUpperHalfOfAddressesIsNegativeToSome) {
  const std::string file = folder_ + "/m";
  const std::string expected = "Invalid addr 0xffffffff80000000/size 16 specified";
  EXPECT_EQ(hmp(fmt::format("memsave 0xffffffff80000000 16 \"{}\"", file)), "Error: " + expected + "\r\n");
  for (const char* address : {"-2147483648", "18446744071562067968"})
    EXPECT_EQ(refusal_of("memsave", fmt::format(R"({{"val": {}, "size": 16, "filename": "{}"}})", address, file)),
              "GenericError: " + expected);
  EXPECT_EQ(refusal_of("memsave", fmt::format(R"({{"val": 0, "size": -1, "filename": "{}"}})", file)),
            "GenericError: Parameter 'size' expects a number of bytes");
}

TEST_F(MonitorStatesTest, WhatIsNoPlainFileIsNeitherWaitedForNorReplaced) {
  const std::string fifo = folder_ + "/fifo";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  const std::string nobody = fmt::format("GenericError: Could not open '{}': No such device or address", fifo);
  for (const char* format : {"ppm", "png"}) {
    const std::string arguments = fmt::format(R"({{"filename": "{}", "format": "{}"}})", fifo, format);
    EXPECT_EQ(refusal_of("screendump", arguments), nobody);
    const OwnedFd reader(::open(fifo.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    run("screendump", arguments);
    char head[4] = {};
    EXPECT_EQ(::read(reader.get(), head, 3), 3);
    EXPECT_STREQ(head, format[1] == 'p' ? "P6\n" : "\x89PN");
    EXPECT_TRUE(fs::is_fifo(fifo));
  }
}

TEST_F(MonitorStatesTest, FilesAreWrittenThroughDescriptorsToo) {
  add_ram();
  const std::string file = folder_ + "/core";
  client_->chardev->fds.push_back(::open(file.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  run("add-fd", R"({"fdset-id": 3})");
  run("dump-guest-memory", R"({"paging": false, "protocol": "file:/dev/fdset/3"})");
  EXPECT_EQ(content(file).substr(1, 3), "ELF");
  run("remove-fd", R"({"fdset-id": 3})");
}

/// A descriptor has one name, whatever command it is for, and goes with the command that has used it.
TEST_F(MonitorStatesTest, PeopleNameDescriptorsAsProgramsDo) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  const OwnedFd ours(ends[0]);
  client_->chardev->fds.push_back(ends[1]);
  run("getfd", R"({"fdname": "line"})");
  EXPECT_EQ(hmp("chardev-add socket,id=s,fd=lime"), "Error: File descriptor named 'lime' has not been found\r\n");
  EXPECT_EQ(hmp("chardev-add socket,id=s,fd=line"), "");
  EXPECT_EQ(refusal_of("closefd", R"({"fdname": "line"})"), "GenericError: File descriptor named 'line' not found");
  EXPECT_EQ(hmp("chardev-remove s"), "");
  char c = 0;
  EXPECT_EQ(::recv(ours.get(), &c, 1, MSG_DONTWAIT), 0) << "no copy of it is left open";
}

}  // namespace
}  // namespace machina::test
