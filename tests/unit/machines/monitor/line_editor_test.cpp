#include "machines/monitor/line_editor.h"

#include <gtest/gtest.h>

namespace machina {
namespace {

HumanCompletion completion(std::string_view line) {
  HumanCompletion c;
  c.from = line.rfind(' ') == std::string_view::npos ? 0 : line.rfind(' ') + 1;
  for (const char* name : {"info", "inject", "stop"})
    if (std::string_view(name).starts_with(line.substr(c.from))) c.candidates.emplace_back(name);
  return c;
}

class LineEditorTest : public testing::Test {
 protected:
  /// The lines that these bytes end.
  std::vector<std::string> type(std::string_view bytes) {
    std::vector<std::string> lines;
    for (const char c : bytes)
      if (auto line = editor.take(c)) lines.push_back(*line);
    return lines;
  }
  std::string line(std::string_view bytes) {
    const auto lines = type(std::string(bytes) + "\r");
    return lines.size() == 1 ? lines[0] : "(" + std::to_string(lines.size()) + " lines)";
  }
  LineEditor editor{"> ", completion};
};

TEST_F(LineEditorTest, EndsLinesHoweverTheyEnd) {
  EXPECT_EQ(type("a\nb\rc\r\nd\n\n"), (std::vector<std::string>{"a", "b", "c", "d", ""}));
}

TEST_F(LineEditorTest, EchoesPlainlyWhatIsTypedAtTheEnd) {
  editor.show();
  type("stop\n");
  EXPECT_EQ(editor.take_output(), "> stop\r\n") << "so that a log of a pipe can be read";
}

TEST_F(LineEditorTest, Edits) {
  EXPECT_EQ(line("abc\x02\x02X"), "aXbc");
  EXPECT_EQ(line("abc\033[D\033[DX\033[CY"), "aXbYc");
  EXPECT_EQ(line("abc\001X\005Y"), "XabcY");
  EXPECT_EQ(line("abc\033[HX\033[FY\033[1~Z\033[4~W"), "ZXabcYW");
  EXPECT_EQ(line("abc\x7f\b"), "a");
  EXPECT_EQ(line("abc\001\004\033[3~"), "c");
  EXPECT_EQ(line("abc def\x17"), "abc ");
  EXPECT_EQ(line("abc def\x15x"), "x");
  EXPECT_EQ(line("abc\x02\x0b"), "ab");
  EXPECT_EQ(line("abc\x03x"), "x");
  EXPECT_EQ(line("\x7f\x02\004\033[Dx\033[C\033[C"), "x") << "nothing to do is done";
}

TEST_F(LineEditorTest, TreatsACharacterAsOne) {
  EXPECT_EQ(line("a\xc3\xa4\xe2\x82\xac\x7f"), "a\xc3\xa4");
  EXPECT_EQ(line("\xc3\xa4\x02x"), "x\xc3\xa4");
}

TEST_F(LineEditorTest, RemembersLines) {
  type("one\rtwo\rtwo\r");
  EXPECT_EQ(editor.history(), (std::vector<std::string>{"one", "two"})) << "not twice in a row";
  EXPECT_EQ(line("\x10"), "two");
  EXPECT_EQ(line("new\033[A\033[A\033[B\033[B"), "new") << "what was begun comes back";
  EXPECT_EQ(line("\033OA\033OA\033OA"), "one") << "application mode";
  for (int i = 0; i < 1000; ++i) type("line " + std::to_string(i) + "\r");
  EXPECT_EQ(editor.history().size(), LineEditor::kMaxHistory);
}

TEST_F(LineEditorTest, Completes) {
  EXPECT_EQ(line("st\t"), "stop ");
  EXPECT_EQ(line("i\t"), "in") << "as far as they agree";
  editor.take_output();
  EXPECT_EQ(line("inj\tx"), "inject x");
  type("in\t");
  EXPECT_NE(editor.take_output().find("info\r\ninject\r\n> in"), std::string::npos) << "the choice is shown";
  EXPECT_EQ(line("\x15zz\t"), "zz");
}

TEST_F(LineEditorTest, BoundsWhatItKeeps) {
  EXPECT_EQ(line(std::string(1 << 20, 'x')).size(), LineEditor::kMaxLine);
  EXPECT_EQ(type("\033[" + std::string(1000, '1') + "\r").at(0).size(), 1000U - 17) << "a sequence without an end";
}

TEST_F(LineEditorTest, SurvivesAnyBytes) {
  std::uint32_t seed = 7;
  for (int i = 0; i < 200'000; ++i) {
    seed = seed * 1664525 + 1013904223;
    editor.take(static_cast<char>(seed >> 24));
    editor.take_output();
  }
  EXPECT_LE(editor.history().size(), LineEditor::kMaxHistory);
}

}  // namespace
}  // namespace machina
