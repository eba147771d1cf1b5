#include "core/net/inet.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include "qom/error.h"

namespace machina {
namespace {

TEST(Inet, Nets) {
  EXPECT_EQ(Ipv4Net::parse("10.0.2.0/24").to_string(), "10.0.2.0/24");
  EXPECT_EQ(Ipv4Net::parse("10.0.2.77/255.255.255.0").to_string(), "10.0.2.0/24");
  EXPECT_EQ(Ipv4Net::parse("10.1.2.3").to_string(), "10.0.0.0/8");
  EXPECT_EQ(Ipv4Net::parse("172.16.1.1").to_string(), "172.16.0.0/16");
  EXPECT_EQ(Ipv4Net::parse("192.168.76.0").to_string(), "192.168.76.0/24");
  const Ipv4Net net = Ipv4Net::parse("10.0.2.0/24");
  EXPECT_EQ(ipv4_text(net.host(15)), "10.0.2.15");
  EXPECT_TRUE(net.holds(parse_ipv4("10.0.2.255")));
  EXPECT_FALSE(net.holds(parse_ipv4("10.0.3.0")));
  for (const char* text : {"", "10.0.2", "10.0.2.0/", "10.0.2.0/33", "10.0.2.0/2", "10.0.2.0/29",
                           "10.0.2.0/255.0.255.0", "10.0.2.0/24x", "host/24"})
    EXPECT_THROW(Ipv4Net::parse(text), Error) << text;
}

TEST(Inet, AddressesWithPorts) {
  EXPECT_EQ(inet_text(parse_inet("127.0.0.1:80")), "127.0.0.1:80");
  EXPECT_EQ(inet_text(parse_inet(":80")), "0.0.0.0:80");
  for (const char* text : {"", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:x"})
    EXPECT_THROW(parse_inet(text), Error) << text;
}

}  // namespace
}  // namespace machina
