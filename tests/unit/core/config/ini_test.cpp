#include "core/config/ini.h"

#include <gtest/gtest.h>

#include "core/config/option_groups.h"

namespace machina {
namespace {

std::string refusal(const std::string& text) {
  try {
    parse_ini(text, "vm.cfg");
  } catch (const Error& e) {
    return e.what();
  }
  return {};
}

TEST(Ini, ReadsSectionsIntoGroups) {
  const ConfigTree groups = parse_ini(
      "# a machine\n"
      "[machine]\n"
      "  type = \"pc\"\n"
      "\n"
      "[device \"net0\"]\n"
      "  driver = \"e1000\"  # a card\n"
      "  mac=\"52:54:00:12:34:56\"\n"
      "[device \"com2\"]\n"
      "  driver = \"isa-serial\"\n",
      "vm.cfg");
  ASSERT_EQ(groups["machine"].size(), 1u);
  EXPECT_EQ(groups["machine"].items()[0]["type"].text(), "pc");
  ASSERT_EQ(groups["device"].size(), 2u);
  const ConfigNode net = find_option(groups, "device", "net0");
  ASSERT_TRUE(net);
  EXPECT_EQ(net["driver"].text(), "e1000");
  EXPECT_EQ(net["driver"].origin().brief(), "vm.cfg:6:12");
  EXPECT_EQ(net["driver"].key_origin().brief(), "vm.cfg:6:3");
  EXPECT_EQ(net["mac"].text(), "52:54:00:12:34:56");
  EXPECT_EQ(net["id"].origin().brief(), "vm.cfg:5:9");
  EXPECT_FALSE(find_option(groups, "device", "net1"));
  EXPECT_FALSE(find_option(groups, "drive", "net0"));
}

TEST(Ini, AnEmptyFileIsFine) { EXPECT_EQ(parse_ini("", "vm.cfg").root().size(), 0u); }

TEST(Ini, HasAnEnd) {
  std::string text;
  for (int i = 0; i < 5000; ++i) text += "[chardev \"c" + std::to_string(i) + "\"]\n";
  EXPECT_EQ(refusal(text).find("vm.cfg:4001:1: too many sections in one file"), 0u) << refusal(text);
}

TEST(Ini, FaultsArePointedAt) {
  EXPECT_EQ(refusal("[device \"a\"]\n  driver = e1000\n"),
            "vm.cfg:2:3: not a setting\n"
            "    2 |   driver = e1000\n"
            "      |   ^^^^^^^^^^^^^^ write key = \"value\"");
  EXPECT_NE(refusal("x = \"1\"\n").find("a value outside of any section"), std::string::npos);
  for (const char* wrong : {"[", "[]", "[device", "[device \"a]", "[device \"a\"", "[device \"\"]", "[device a]"})
    EXPECT_NE(refusal(wrong).find("not the head of a section"), std::string::npos) << wrong;
  EXPECT_NE(refusal("[m] x").find("the line should end here"), std::string::npos);
  EXPECT_NE(refusal("[m]\n a = \"x\" y\n").find("the line should end here"), std::string::npos);
  EXPECT_NE(refusal("[m]\n a = \"x\n").find("the closing quote is missing"), std::string::npos);
  for (const char* wrong : {"[m]\n= \"x\"\n", "[m]\na\n", "[m]\na =\n"})
    EXPECT_NE(refusal(wrong).find("not a setting"), std::string::npos) << wrong;
}

TEST(Ini, AnIdStandsOnceInAGroup) {
  EXPECT_EQ(refusal("[device \"a\"]\n[drive \"a\"]\n[device \"a\"]\n"),
            "vm.cfg:3:9: two of group 'device' have the id 'a'\n"
            "    3 | [device \"a\"]\n"
            "      |         ^^^ the first is vm.cfg:1:9");
}

TEST(OptionGroups, SetChangesAnOptionThatExists) {
  ConfigTree groups = parse_ini("[device \"a\"]\n driver = \"x\"\n[device \"b\"]\n driver = \"y\"\n", "vm.cfg");
  EXPECT_TRUE(apply_set(groups, parse_set_option("device.b.driver=z")));
  EXPECT_TRUE(apply_set(groups, parse_set_option("device.b.irq=3")));
  EXPECT_FALSE(apply_set(groups, parse_set_option("device.c.irq=3")));
  EXPECT_EQ(find_option(groups, "device", "a")["driver"].text(), "x");
  EXPECT_EQ(find_option(groups, "device", "b")["driver"].text(), "z");
  EXPECT_EQ(find_option(groups, "device", "b")["driver"].origin().place, "-set device.b.driver=z");
  EXPECT_EQ(find_option(groups, "device", "b")["irq"].text(), "3");
}

TEST(OptionGroups, OptionsOfTheCommandLineAndOfFilesShareTheirIds) {
  ConfigTree groups = parse_ini("[device \"a\"]\n", "vm.cfg");
  add_option(groups, "device", parse_option("-device", "isa-serial", "driver").root());
  add_option(groups, "device", parse_option("-device", "isa-serial", "driver").root());
  EXPECT_EQ(groups["device"].size(), 3u) << "options without an id are not compared";
  EXPECT_THROW(add_option(groups, "device", parse_option("-device", "VGA,id=a", "driver").root()), Error);
}

}  // namespace
}  // namespace machina
