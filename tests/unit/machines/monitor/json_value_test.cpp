#include "machines/monitor/json_value.h"

#include <gtest/gtest.h>

#include <limits>

#include "qom/error.h"

namespace machina {
namespace {

using qom::Value;
using qom::ValueList;
using qom::ValueMap;

TEST(JsonValue, RoundTrips) {
  for (const char* text : {"null", "true", "false", "0", "-1", "9223372036854775807", "-9223372036854775808",
                           "18446744073709551615", "1.5", "\"\"", "\"a\\\"b\\\\c\\n\\u0000\"", "[]", "{}",
                           "[1, [2, {\"a\": null}], \"x\"]", "{\"z\": 1, \"a\": {\"k\": []}}"})
    EXPECT_EQ(to_json(parse_json(text)), text);
}

TEST(JsonValue, MembersKeepTheirOrder) {
  EXPECT_EQ(to_json(ValueMap{{"zebra", 1}, {"ant", ValueList{true, "x"}}}), "{\"zebra\": 1, \"ant\": [true, \"x\"]}");
}

TEST(JsonValue, OutputIsAsciiWhateverTheBytesAre) {
  EXPECT_EQ(to_json("h\xc3\xa9"), "\"h\\u00e9\"");
  EXPECT_EQ(to_json("\xff\x80"), "\"\\ufffd\\ufffd\"");
  EXPECT_EQ(to_json(std::numeric_limits<double>::infinity()), "null");
}

TEST(JsonValue, NumbersFindTheirType) {
  EXPECT_TRUE(parse_json("5").get_if<std::int64_t>());
  EXPECT_TRUE(parse_json("18446744073709551615").get_if<std::uint64_t>());
  EXPECT_TRUE(parse_json("18446744073709551616").get_if<double>());
  EXPECT_TRUE(parse_json("1e3").get_if<double>());
}

TEST(JsonValue, MistakesAreErrors) {
  for (const char* bad : {"", "{", "{\"a\"}", "{'a': 1}", "[1,]", "{\"a\": 1, \"a\": 2}", "01", "nul", "[1] 2",
                          "\"\n\"", "{\"a\": undefined}", "\"\xff\"", "1e999"})
    EXPECT_THROW((void)parse_json(bad), Error) << bad;
  EXPECT_THROW((void)parse_json(std::string(kMaxJsonDepth + 1, '[') + std::string(kMaxJsonDepth + 1, ']')), Error);
}

TEST(JsonValue, MembersAreFound) {
  const Value object = parse_json("{\"a\": null, \"b\": 2}");
  ASSERT_TRUE(member(object, "a"));
  EXPECT_TRUE(member(object, "a")->empty());
  EXPECT_EQ(*member(object, "b"), Value(2));
  EXPECT_FALSE(member(object, "c"));
  EXPECT_FALSE(member(Value(3), "a"));
}

}  // namespace
}  // namespace machina
