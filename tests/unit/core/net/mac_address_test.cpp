#include "core/net/mac_address.h"

#include <gtest/gtest.h>

namespace machina {
namespace {

TEST(MacAddress, ReadsAndWrites) {
  const MacAddress mac = MacAddress::parse("52:54:00:Ab:cD:0f");
  EXPECT_EQ(mac.to_string(), "52:54:00:ab:cd:0f");
  EXPECT_EQ(MacAddress::parse("52-54-00-ab-cd-0f"), mac);
  EXPECT_FALSE(mac.group());
  EXPECT_FALSE(mac.zero());
  EXPECT_TRUE(MacAddress::parse("ff:ff:ff:ff:ff:ff").group());
}

TEST(MacAddress, RefusesWhatIsNone) {
  for (const char* text : {"", "52:54:00:12:34", "52:54:00:12:34:5", "52:54:00:12:34:567", "52.54.00.12.34.56",
                           "52:54:00:12:34:5g", "52:54:00:12:34:-1", " 2:54:00:12:34:56", "525400123456"})
    EXPECT_THROW(MacAddress::parse(text), Error) << text;
  EXPECT_THROW(MacAddress::parse_station("01:00:5e:00:00:01"), Error);
  EXPECT_THROW(MacAddress::parse_station("00:00:00:00:00:00"), Error);
}

}  // namespace
}  // namespace machina
