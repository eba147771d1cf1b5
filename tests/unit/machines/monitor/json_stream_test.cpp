#include "machines/monitor/json_stream.h"

#include <gtest/gtest.h>

#include <random>

#include "machines/monitor/json_value.h"
#include "qom/error.h"

namespace machina {
namespace {

/// What the stream makes of `input`, sent in pieces of `piece` bytes: texts, and errors behind a '!'.
std::vector<std::string> items(std::string_view input, std::size_t piece) {
  JsonStream stream;
  std::vector<std::string> found;
  while (!input.empty()) {
    std::string_view part = input.substr(0, piece);
    input.remove_prefix(part.size());
    while (auto item = stream.next(part)) found.push_back(item->error.empty() ? item->text : "!" + item->error);
  }
  return found;
}

using List = std::vector<std::string>;

TEST(JsonStream, FindsMessagesHoweverTheyAreCut) {
  const std::string input =
      "{\"execute\": \"a\"}{\"b\":[1,{}]} \r\n\n[1]\n{\"s\": \"}\\\"]{\\\\\"}\n{\n  \"pretty\": {\n  }\n}";
  const List expected = {"{\"execute\": \"a\"}", "{\"b\":[1,{}]}", "[1]", "{\"s\": \"}\\\"]{\\\\\"}",
                         "{\n  \"pretty\": {\n  }\n}"};
  for (std::size_t piece = 1; piece <= input.size(); ++piece) EXPECT_EQ(items(input, piece), expected) << piece;
}

TEST(JsonStream, OneMistakeIsOneErrorAndTheNextMessageIsFound) {
  const std::pair<std::string, List> cases[] = {
      {"nonsense {} 1\n{}", {"!JSON parse error, expecting an object", "{}"}},
      {"}\n{}", {"!JSON parse error, expecting an object", "{}"}},
      {"{\"a\": ]}\n{}", {"!JSON parse error, stray ']'", "{}"}},
      {"{\"execute\": \"stop}\n{}", {"!JSON parse error, a string has no end", "{}"}},
      {"{\"a\": [\xff{}", {"!JSON parse error, message ended by 0xff", "{}"}},
      {"\xff\xff{}", {"{}"}},
      {"garbage without an end\xff{}", {"!JSON parse error, expecting an object", "{}"}},
      {"{\"a\" \"b\"} {}", {"{\"a\" \"b\"}", "{}"}},
  };
  for (const auto& [input, expected] : cases) {
    EXPECT_EQ(items(input, 1), expected) << input;
    EXPECT_EQ(items(input, input.size()), expected) << input;
  }
}

TEST(JsonStream, DepthIsLimited) {
  const std::string right = std::string(kMaxJsonDepth, '[') + std::string(kMaxJsonDepth, ']');
  const std::string wrong = "{\"x\":" + std::string(5000, '[') + "\"]]\\\"]\"" + std::string(5000, ']') + "}";
  EXPECT_EQ(items(right + wrong + "{}", 7), (List{right, "!JSON nesting too deep", "{}"}));
}

TEST(JsonStream, SizeIsLimitedAndNothingOfItIsKept) {
  JsonStream stream;
  const std::string piece(1 << 16, 'x');
  std::string_view begin = "{\"x\": \"";
  EXPECT_FALSE(stream.next(begin));
  unsigned errors = 0;
  std::size_t most = 0;
  for (int i = 0; i < 200; ++i) {
    std::string_view part = piece;
    while (auto item = stream.next(part)) {
      EXPECT_EQ(item->error, "JSON message too large");
      ++errors;
    }
    most = std::max(most, stream.pending());
  }
  EXPECT_EQ(errors, 1U);
  EXPECT_LE(most, JsonStream::kMaxMessage);
  EXPECT_EQ(stream.pending(), 0U);
  std::string_view end = "\"}{}";
  const auto item = stream.next(end);
  ASSERT_TRUE(item);
  EXPECT_EQ(item->text, "{}");
}

// Whatever comes, it is taken, and a good message on a line of its own is found afterwards.
TEST(JsonStream, SurvivesAnything) {
  std::mt19937 random(5);  // NOLINT: the same in each run
  const std::string_view alphabet =
      "{}[]\"\\,: \n\xff"
      "abc\0";
  for (int round = 0; round < 20'000; ++round) {
    std::string junk;
    for (std::size_t n = random() % 40; n > 0; --n) junk += alphabet[random() % alphabet.size()];
    const List found = items(junk + "\xff\n{\"good\": 1}", 1 + random() % 50);
    ASSERT_FALSE(found.empty());
    EXPECT_EQ(found.back(), "{\"good\": 1}") << junk;
    for (const std::string& text : found) {
      try {
        (void)parse_json(text);
      } catch (const Error&) {
        continue;  // a mistake, found where it belongs
      }
    }
  }
}

}  // namespace
}  // namespace machina
