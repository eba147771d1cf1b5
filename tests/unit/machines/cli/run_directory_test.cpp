#include "machines/cli/run_directory.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>

#include "core/chardev/fd_stream.h"

namespace machina {
namespace {

namespace fs = std::filesystem;

class RunDirectoryTest : public testing::Test {
 protected:
  RunDirectoryTest() : directory_(testing::TempDir() + "machina-run-" + std::to_string(::getpid())) {
    fs::remove_all(directory_);
  }
  ~RunDirectoryTest() override { fs::remove_all(directory_); }
  OwnedFd listen_at(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    OwnedFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(fd.get(), 1), 0);
    return fd;
  }
  std::string socket_of(const std::string& name, const std::string& directory = "") {
    return control_socket_of(CommandLine::parse({"-run-dir", directory.empty() ? directory_ : directory}), name);
  }
  std::string directory_;
};

TEST_F(RunDirectoryTest, IsTheOwnersAlone) {
  prepare_run_directory(directory_);
  struct stat st {};
  ASSERT_EQ(::stat(directory_.c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777, 0700U);
  prepare_run_directory(directory_);  // again
  ::chmod(directory_.c_str(), 0755);
  EXPECT_THROW(prepare_run_directory(directory_), Error) << "others could put sockets there";
  EXPECT_THROW(prepare_run_directory("/dev/null"), Error);
  EXPECT_THROW(prepare_run_directory("/nowhere/at/all"), Error);
}

TEST_F(RunDirectoryTest, NamesBecomeFiles) {
  EXPECT_EQ(socket_of("vm"), directory_ + "/vm.sock");
  EXPECT_EQ(socket_of("a/../b c"), directory_ + "/a_.._b c.sock");
  EXPECT_EQ(socket_of("..hidden"), directory_ + "/_.hidden.sock");
  EXPECT_EQ(socket_of("vm", "none"), "");
  EXPECT_THROW(socket_of(std::string(200, 'x')), Error);
  EXPECT_THROW(socket_of("vm", "/nowhere/at/all"), Error);
}

TEST_F(RunDirectoryTest, TellsTheLivingFromTheDead) {
  prepare_run_directory(directory_);
  const OwnedFd alive = listen_at(directory_ + "/alive.sock");
  (void)listen_at(directory_ + "/dead.sock");  // closed at once: the file stays
  const auto machines = running_machines(directory_);
  ASSERT_EQ(machines.size(), 1U);
  EXPECT_EQ(machines[0].name, "alive");
  EXPECT_FALSE(fs::exists(directory_ + "/dead.sock"));
  EXPECT_EQ(socket_of("alive"), directory_ + "/alive-" + std::to_string(::getpid()) + ".sock");
  EXPECT_TRUE(running_machines("/nowhere").empty());
}

}  // namespace
}  // namespace machina
