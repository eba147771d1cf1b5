#include "qom/error.h"

#include <gtest/gtest.h>

namespace machina {
namespace {

TEST(ErrorText, SaysWhatWhereWhyAndWhatToDo) {
  EXPECT_STREQ(Error("no disk").object("/machine/hd0").why("it is gone").hint("bring it back").what(),
               "/machine/hd0: no disk: it is gone\n  bring it back");
}

TEST(ErrorText, TheInnermostPlaceWins) {
  Error e("wrong");
  e.at({"inner", 0, 0, 0, {}}).at({"outer", 0, 0, 0, {}}).why("a").why("b");
  EXPECT_STREQ(e.what(), "inner: wrong: a");
}

// A caret stands below what it means on a terminal, where a tab is wide and a character of UTF-8 is one column.
TEST(ErrorText, CaretsStandBelowTheirColumn) {
  EXPECT_STREQ(Error("wrong").at({"f.yaml", 2, 5, 3, "\tab xyz"}).what(),
               "f.yaml:2:5: wrong\n    2 | \tab xyz\n      | \t   ^^^");
  EXPECT_STREQ(Error("wrong").at({"f.yaml", 1, 5, 4, "é: öä"}).what(),
               "f.yaml:1:5: wrong\n    1 | é: öä\n      |    ^^");
  EXPECT_STREQ(Error("wrong").at({"-name é,x=1", 0, 10, 1, {}}).hint("y").what(), "-name é,x=1: wrong\n        ^ y");
}

TEST(ErrorText, OneCaretAtLeast) {
  EXPECT_STREQ(Error("ends").at({"f.yaml", 1, 3, 1, "ab"}).what(), "f.yaml:1:3: ends\n    1 | ab\n      |   ^");
}

TEST(NearestName, IsNearEnoughToBeMeant) {
  const std::vector<std::string> names{"isa-serial", "VGA", "i8254"};
  EXPECT_EQ(nearest_name("isa-seriall", names), "isa-serial");
  EXPECT_EQ(nearest_name("vga", names), "VGA");
  EXPECT_EQ(nearest_name("i8245", names), "i8254") << "neighbours that changed places";
  EXPECT_EQ(nearest_name("e1000", names), "");
  EXPECT_EQ(did_you_mean("e1000", names), "");
}

}  // namespace
}  // namespace machina
