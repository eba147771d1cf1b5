#include "core/fd_sets.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>

#include "core/error.h"

namespace machina {
namespace {

OwnedFd null_fd(int mode) { return OwnedFd(::open("/dev/null", mode | O_CLOEXEC)); }

TEST(FdSets, OpenTheMemberWithTheRightMode) {
  FdSets& sets = FdSets::global();
  const auto [id, read] = sets.add(null_fd(O_RDONLY), std::nullopt, "r");
  const auto [same, write] = sets.add(null_fd(O_WRONLY), id, "");
  EXPECT_EQ(id, same);
  const std::string path = "/dev/fdset/" + std::to_string(id);
  const OwnedFd a(open_path(path.c_str(), O_WRONLY | O_CLOEXEC));
  ASSERT_TRUE(a);
  EXPECT_EQ(::fcntl(a.get(), F_GETFL) & O_ACCMODE, O_WRONLY);
  EXPECT_TRUE(::fcntl(a.get(), F_GETFD) & FD_CLOEXEC);
  EXPECT_EQ(open_path(path.c_str(), O_RDWR), -1);
  EXPECT_EQ(errno, EACCES);

  EXPECT_TRUE(sets.remove(id, write));
  EXPECT_FALSE(sets.remove(id, write));
  EXPECT_EQ(::write(a.get(), "x", 1), 1) << "what was opened stays open";
  ASSERT_EQ(sets.list().size(), 1U);
  EXPECT_EQ(sets.list()[0].members.at(0).fd, read);
  EXPECT_EQ(sets.list()[0].members.at(0).opaque, "r");
  EXPECT_TRUE(sets.remove(id, std::nullopt));
  EXPECT_EQ(open_path(path.c_str(), O_RDONLY), -1);
  EXPECT_EQ(errno, ENOENT);
  EXPECT_TRUE(sets.list().empty());
}

TEST(FdSets, RefuseNonsense) {
  EXPECT_THROW(FdSets::global().add(null_fd(O_RDONLY), -1, ""), Error);
  for (const char* path : {"/dev/fdset/", "/dev/fdset/x", "/dev/fdset/1x", "/dev/fdset/99999999999999999999"})
    EXPECT_EQ(open_path(path, O_RDONLY), -1) << path;
  const OwnedFd plain(open_path("/dev/null", O_RDONLY | O_CLOEXEC));
  EXPECT_TRUE(plain);
}

}  // namespace
}  // namespace machina
