#include <fcntl.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include "tests/unit/core/net/net_fixture.h"

namespace machina {
namespace {

using testing::HasSubstr;

struct NetTapTest : test::NetTest {};

TEST_F(NetTapTest, Refusals) {
  EXPECT_THROW(make("netdev-tap", {{"script", "/etc/ifup"}}), Error);
  EXPECT_THROW(make("netdev-tap", {{"vhost", "on"}}), Error);
  EXPECT_THAT(refusal(make("netdev-tap", {{"ifname", "a-name-that-is-too-long"}})), HasSubstr("too long"));
  EXPECT_THAT(refusal(make("netdev-tap", {{"ifname", "tap0"}, {"fd", "5"}})), HasSubstr("both"));
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

}  // namespace
}  // namespace machina
