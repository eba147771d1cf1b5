#include <fcntl.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>

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

}  // namespace
}  // namespace machina
