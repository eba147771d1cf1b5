#include <fcntl.h>
#include <gmock/gmock.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "core/chardev/fd_stream.h"
#include "core/log.h"
#include "tests/unit/core/net/net_fixture.h"

namespace machina {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

struct NetTapTest : test::NetTest {};

TEST_F(NetTapTest, Refusals) {
  EXPECT_THROW(make("netdev-tap", {{"vhost", "on"}}), Error);
  EXPECT_THAT(refusal(make("netdev-tap", {{"ifname", "a-name-that-is-too-long"}})), HasSubstr("too long"));
  EXPECT_THAT(refusal(make("netdev-tap", {{"ifname", "tap0"}, {"fd", "5"}})), HasSubstr("both"));
  EXPECT_THAT(refusal(make("netdev-tap", {{"fd", "0"}, {"script", "/etc/ifup"}})), HasSubstr("both fd and a script"));
  EXPECT_THAT(refusal(make("netdev-tap", {{"fd", "0"}})), HasSubstr("not that of a TAP interface"));
}

TEST_F(NetTapTest, FramesReachTheInterface) {
  NetBackend& tap = make("netdev-tap", {});
  if (const std::string why = refusal(tap); !why.empty()) GTEST_SKIP() << why;
  EXPECT_THAT(tap.description(), HasSubstr("tap,ifname=tap"));
  tap.attach(&card);
  send(tap, test::make_frame("ff:ff:ff:ff:ff:ff", 60));  // the interface is down: it is lost, and nothing breaks
  loop.poll();
}

TEST_F(NetTapTest, ScriptsAreRunWithItsName) {
  if (const std::string why = refusal(make("netdev-tap", {})); !why.empty()) GTEST_SKIP() << why;
  char folder[] = "/tmp/machina-tap-XXXXXX";
  ASSERT_NE(mkdtemp(folder), nullptr);
  const fs::path dir = folder;
  const auto script = [&](const char* name, const char* text) {
    const fs::path path = dir / name;
    std::ofstream(path) << "#!/bin/sh\n" << text;
    fs::permissions(path, fs::perms::owner_all);
    return path.string();
  };
  const std::string note = script("note", "echo $# $1 >> \"${0}d\"\nread line || echo no input >> \"${0}d\"\n");
  const std::string fails = script("fails", "exit 3\n"), dies = script("dies", "kill -9 $$\n");
  const auto noted = [&] {
    std::ifstream in(note + "d");
    return std::string(std::istreambuf_iterator<char>(in), {});
  };

  NetBackend& tap = start("netdev-tap", {{"script", note}, {"downscript", note}}, card);
  const std::string name = tap.get("interface").to_string(), once = "1 " + name + "\nno input\n";
  EXPECT_EQ(noted(), once);
  tap.attach(nullptr);
  qom::unrealize_tree(tap);
  EXPECT_EQ(noted(), once + once);

  // Where it cannot be set up the other script has nothing to take down.
  EXPECT_THAT(refusal(make("netdev-tap", {{"script", fails}, {"downscript", note}})),
              HasSubstr("it ended with status 3"));
  EXPECT_THAT(refusal(make("netdev-tap", {{"script", dies}})), HasSubstr("it was killed by signal 9"));
  EXPECT_THAT(refusal(make("netdev-tap", {{"script", "/nonexistent"}})), HasSubstr("No such file"));
  EXPECT_EQ(noted(), once + once);
  fs::remove_all(dir);
}

/// Takes an interface of the host away: rtnetlink(7).
bool remove_interface(const std::string& name) {
  struct {
    nlmsghdr header;
    ifinfomsg interface;
  } request{};
  request.header.nlmsg_len = NLMSG_LENGTH(sizeof request.interface);
  request.header.nlmsg_type = RTM_DELLINK;
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
  request.interface.ifi_index = static_cast<int>(if_nametoindex(name.c_str()));
  const OwnedFd netlink(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  struct {
    nlmsghdr header;
    nlmsgerr error;
    char rest[256];
  } answer{};
  return netlink && send(netlink.get(), &request, request.header.nlmsg_len, 0) > 0 &&
         recv(netlink.get(), &answer, sizeof answer, 0) > 0 && answer.error.error == 0;
}

TEST_F(NetTapTest, AnInterfaceThatGoesTakesTheLinkAlong) {
  NetBackend& tap = make("netdev-tap", {});
  if (const std::string why = refusal(tap); !why.empty()) GTEST_SKIP() << why;
  tap.attach(&card);
  std::string lines;
  log::set_sink([&](log::Level, bool, std::string_view line) { lines += line; });
  const std::string name = tap.get("interface").to_string();
  if (!remove_interface(name)) {
    log::set_sink({});
    GTEST_SKIP() << "the host does not let go of " << name;
  }
  EXPECT_TRUE(until([&] { return !tap.link_up(); }));
  log::set_sink({});
  EXPECT_THAT(lines, HasSubstr(name + " is gone"));
  EXPECT_EQ(card.links, (std::vector<bool>{false}));
  send(tap, test::make_frame("ff:ff:ff:ff:ff:ff", 60));
  loop.poll();
}

}  // namespace
}  // namespace machina
