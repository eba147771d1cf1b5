#include "core/config/yaml.h"

#include <gtest/gtest.h>

#include <filesystem>

namespace machina {
namespace {

/// What the user sees when `text` is refused; empty when it is not.
std::string refusal(const std::string& text) {
  try {
    parse_yaml(text, "t.yaml");
  } catch (const Error& e) {
    return e.what();
  }
  return {};
}

/// The text that an origin underlines.
std::string underlined(const Origin& o) {
  return o.line_text.substr(static_cast<std::size_t>(o.column - 1), static_cast<std::size_t>(o.length));
}

TEST(Yaml, ReadsMapsListsAndScalars) {
  const ConfigTree tree = parse_yaml("board: pc\nalias: [a, b]\nram: {default: 64M, max: ~}\n", "t.yaml");
  EXPECT_EQ(tree["board"].text(), "pc");
  ASSERT_EQ(tree["alias"].size(), 2u);
  EXPECT_EQ(tree["alias"].items()[1].text(), "b");
  EXPECT_TRUE(tree["ram"]["max"].is(ConfigKind::Null));
  EXPECT_EQ(tree.root().keys(), (std::vector<std::string>{"board", "alias", "ram"}));
}

TEST(Yaml, KnowsLineAndColumnOfEveryKeyAndValue) {
  const ConfigTree tree = parse_yaml(
      "devices:\n"
      "  pit: {type: i8254, irq: \"pic.0\"}\n"
      "  rtc:\n"
      "    type: mc146818rtc   # a comment\n",
      "t.yaml");
  const ConfigNode pit = tree["devices"]["pit"];
  EXPECT_EQ(pit.key_origin().brief(), "t.yaml:2:3");
  EXPECT_EQ(pit.origin().brief(), "t.yaml:2:8");
  EXPECT_EQ(pit["type"].origin().brief(), "t.yaml:2:15");
  EXPECT_EQ(underlined(pit["type"].origin()), "i8254");
  EXPECT_EQ(underlined(pit["type"].key_origin()), "type");
  EXPECT_EQ(underlined(pit["irq"].origin()), "\"pic.0\"");
  EXPECT_EQ(tree["devices"]["rtc"]["type"].origin().brief(), "t.yaml:4:11");
  EXPECT_EQ(underlined(tree["devices"]["rtc"]["type"].origin()), "mc146818rtc");
}

TEST(Yaml, QuotedWordsAreTextAndPlainNullIsNothing) {
  const ConfigTree tree = parse_yaml("a: null\nb: 'null'\nc: ''\nd:\n", "t.yaml");
  EXPECT_TRUE(tree["a"].is(ConfigKind::Null));
  EXPECT_TRUE(tree["b"].is(ConfigKind::Scalar));
  EXPECT_TRUE(tree["c"].is(ConfigKind::Scalar));
  EXPECT_TRUE(tree["d"].is(ConfigKind::Null));
}

TEST(Yaml, AnchorsAreCopied) {
  const ConfigTree tree = parse_yaml("a: &x {type: VGA}\nb: *x\nc: &n 5\nd: *n\n", "t.yaml");
  EXPECT_EQ(tree["b"]["type"].text(), "VGA");
  EXPECT_EQ(tree["b"]["type"].origin().brief(), "t.yaml:1:14");
  EXPECT_EQ(tree["b"].key_origin().brief(), "t.yaml:2:1");
  EXPECT_EQ(tree["d"].text(), "5");
  EXPECT_EQ(underlined(tree["c"].origin()), "5") << "the anchor is not part of the value";
}

TEST(Yaml, LineEndsOfOtherSystemsDoNotShow) {
  const ConfigTree tree = parse_yaml(
      "\xEF\xBB\xBF"
      "a: 1\r\nb: 2\r\n",
      "t.yaml");
  EXPECT_EQ(tree["b"].text(), "2");
  EXPECT_EQ(tree["b"].origin().line_text, "b: 2");
}

TEST(Yaml, RefusesAKeyThatStandsTwice) {
  EXPECT_EQ(refusal("devices:\n  pit: {type: a}\n  rtc: {type: b}\n  pit: {type: c}\n"),
            "t.yaml:4:3: 'pit' stands twice in one map\n"
            "    4 |   pit: {type: c}\n"
            "      |   ^^^ the first is in line 2");
}

// Each value keeps its line, so a file that is one long line would take its size times the number of its values.
TEST(Yaml, LongLinesAreNotShown) {
  const std::string text = refusal("a: [" + std::string(2000, ' ') + "b, c]\nd: 1\na: 2\n");
  EXPECT_EQ(text.find("t.yaml:3:1: 'a' stands twice"), 0u) << text;
  const ConfigTree tree = parse_yaml("a: [" + std::string(2000, ' ') + "b, c]\n", "t.yaml");
  EXPECT_EQ(tree["a"].items()[1].origin().line_text, "");
  EXPECT_EQ(tree["a"].items()[1].origin().column, 2008);
  EXPECT_EQ(refusal("a: [" + std::string(2000, ' ') + "b: {}: c]\n").find('|'), std::string::npos);
}

TEST(Yaml, ExplainsTabs) {
  const std::string text = refusal("a:\n\tb: 1\n");
  EXPECT_NE(text.find("t.yaml:2:"), std::string::npos) << text;
  EXPECT_NE(text.find("YAML does not allow tabs"), std::string::npos) << text;
}

TEST(Yaml, SyntaxErrorsHaveAPlaceAndACaret) {
  for (const char* wrong : {"a: [1, 2\n", "a: {b: 1\n", "a: 'x\n", "a: b: c\n", "a:\n  - x\n b: 1\n", "a: *nowhere\n",
                            "- a\nb: c\n", "a: \"\\q\"\n", "%YAML nonsense\n---\na: 1\n"}) {
    const std::string text = refusal(wrong);
    EXPECT_EQ(text.find("t.yaml:"), 0u) << wrong << " -> " << text;
    EXPECT_NE(text.find('^'), std::string::npos) << wrong << " -> " << text;
  }
}

TEST(Yaml, RefusesWhatABoardHasNoUseFor) {
  EXPECT_NE(refusal("a: 1\n---\nb: 2\n").find("a second document in one file"), std::string::npos);
  EXPECT_NE(refusal("a: !!str 1\n").find("YAML tags have no meaning here"), std::string::npos);
  EXPECT_NE(refusal("? {a: 1}\n: x\n").find("a key must be a word"), std::string::npos);
  EXPECT_NE(refusal("a: &x [*x]\n").find("an alias inside of what it stands for"), std::string::npos);
  EXPECT_EQ(refusal(""), "t.yaml:1:1: the file is empty");
  EXPECT_NE(refusal("# only a comment\n").find("the file is empty"), std::string::npos);
}

TEST(Yaml, AliasesThatMultiplyAreStoppedBeforeTheyFillMemory) {
  std::string text = "l0: &l0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    text += "l" + std::to_string(i) + ": &l" + std::to_string(i) + " [";
    for (int k = 0; k < 10; ++k) text += std::string(k ? ", " : "") + "*l" + std::to_string(i - 1);
    text += "]\n";
  }
  EXPECT_NE(refusal(text).find("too many values in one file"), std::string::npos);
}

TEST(Yaml, DeepNestingEndsInAnErrorNotInACrash) {
  EXPECT_NE(refusal("a: " + std::string(100'000, '[')), "");
  EXPECT_NE(refusal("a: " + std::string(100'000, '{')), "");
}

TEST(Yaml, FilesThatCannotBeReadAreNamed) {
  const auto message = [](const std::string& path) {
    try {
      load_yaml(path);
    } catch (const Error& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  EXPECT_EQ(message("/nonexistent/x.yaml"), "cannot read file '/nonexistent/x.yaml': No such file or directory");
  EXPECT_EQ(message("/"), "cannot read file '/': it is a directory");
  EXPECT_EQ(message("/dev/zero"), "cannot read file '/dev/zero': it is longer than 1 MiB");
}

}  // namespace
}  // namespace machina
