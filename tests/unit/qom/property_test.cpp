#include "qom/property.h"

#include <gtest/gtest.h>

namespace machina::qom {
namespace {

template <class F>
std::string error_of(F&& f) {
  try {
    f();
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

TEST(Numbers, AreReadInEveryBase) {
  EXPECT_EQ(parse_uint("0"), 0U);
  EXPECT_EQ(parse_uint("0x1F"), 31U);
  EXPECT_EQ(parse_uint("0b101"), 5U);
  EXPECT_EQ(parse_uint("010"), 10U) << "a leading zero is not octal: nobody means that";
  EXPECT_EQ(parse_uint("18446744073709551615"), ~std::uint64_t{0});
  EXPECT_EQ(parse_int("-9223372036854775808"), std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(parse_int("-0x10"), -16);
}

TEST(Numbers, RefuseWhatIsNoNumber) {
  for (const char* text : {"", "-", "0x", "0xg", "1 ", " 1", "1.5", "abc", "--1", "1,2", "18446744073709551616"})
    EXPECT_NE(error_of([&] { parse_uint(text); }), "no error") << "'" << text << "'";
  EXPECT_NE(error_of([] { parse_uint("-1"); }), "no error");
  EXPECT_NE(error_of([] { parse_int("9223372036854775808"); }), "no error");
}

TEST(Sizes, TakeSuffixesAndFractions) {
  EXPECT_EQ(parse_size("4096"), 4096U);
  EXPECT_EQ(parse_size("640K"), 640U << 10);
  EXPECT_EQ(parse_size("64m"), 64U << 20);
  EXPECT_EQ(parse_size("1.5G"), 3ULL << 29);
  EXPECT_EQ(parse_size("1T"), 1ULL << 40);
  EXPECT_EQ(parse_size("15E"), 15ULL << 60);
}

TEST(Sizes, HexadecimalDigitsAreNotSuffixes) {
  EXPECT_EQ(parse_size("0x1b"), 0x1bU);
  EXPECT_EQ(parse_size("0x1e"), 0x1eU);
  EXPECT_EQ(parse_size("0x10k"), 16U << 10);
}

TEST(Sizes, RefuseNonsense) {
  for (const char* text : {"", "M", "-1M", "12Q", "1.2.3G", "1.5.G", "17179869184G", "nan", "0x", "1GG"})
    EXPECT_NE(error_of([&] { parse_size(text); }), "no error") << "'" << text << "'";
}

TEST(Sizes, AreWrittenShort) {
  EXPECT_EQ(format_size(0), "0");
  EXPECT_EQ(format_size(100), "100");
  EXPECT_EQ(format_size(64 << 20), "64M");
  EXPECT_EQ(format_size((1ULL << 40) + 1024), "1073741825K");
}

TEST(Switches, TakeTheUsualWords) {
  for (const char* text : {"on", "yes", "true", "y"}) EXPECT_TRUE(parse_bool(text));
  for (const char* text : {"off", "no", "false", "n"}) EXPECT_FALSE(parse_bool(text));
  EXPECT_NE(error_of([] { parse_bool("maybe"); }), "no error");
}

TEST(Property, ConvertsWithinItsRange) {
  Property p;
  p.name = "iobase";
  PropertyTraits<std::uint16_t>::describe(p);
  EXPECT_EQ(p.type, "uint16");
  EXPECT_EQ(p.parse("0x3f8"), Value(0x3f8U));
  EXPECT_EQ(p.convert(Value(65535)), Value(65535U));
  EXPECT_NE(error_of([&] { p.parse("65536"); }).find("0 to 65535"), std::string::npos);
  EXPECT_NE(error_of([&] { p.convert(Value(-1)); }), "no error");
  EXPECT_NE(error_of([&] { p.convert(Value("x")); }), "no error");
}

TEST(Property, ChecksSignedRange) {
  Property p;
  p.name = "offset";
  PropertyTraits<std::int8_t>::describe(p);
  EXPECT_EQ(p.parse("-128"), Value(-128));
  EXPECT_NE(error_of([&] { p.parse("-129"); }), "no error");
  EXPECT_NE(error_of([&] { p.parse("128"); }), "no error");
}

enum class Colour { Red, Green };

}  // namespace

template <>
struct EnumNames<Colour> {
  static constexpr const char* name = "Colour";
  static constexpr std::pair<Colour, const char*> values[] = {{Colour::Red, "red"}, {Colour::Green, "green"}};
};

namespace {

TEST(Property, EnumNamesTheNearest) {
  Property p;
  p.name = "colour";
  PropertyTraits<Colour>::describe(p);
  EXPECT_EQ(p.parse("green"), Value("green"));
  const std::string text = error_of([&] { p.parse("gren"); });
  EXPECT_NE(text.find("did you mean 'green'?"), std::string::npos) << text;
}

TEST(Property, ListsAreSplitAtColons) {
  Property p;
  p.name = "dirs";
  PropertyTraits<std::vector<std::string>>::describe(p);
  EXPECT_EQ(p.parse("a:b"), Value(ValueList{"a", "b"}));
  EXPECT_EQ(p.parse(""), Value(ValueList{}));
}

TEST(NearestName, IsNearOrNone) {
  EXPECT_EQ(nearest_name("i8245", {"i8254", "i8259", "apic"}), "i8254");
  EXPECT_EQ(nearest_name("zzzz", {"i8254", "apic"}), "");
  EXPECT_EQ(nearest_name("", {"a"}), "");
}

TEST(Error, ShowsTheLineWithACaret) {
  Error e("no such type: 'i8245'");
  Origin o{"configs/teaching.yaml", 11, 18, 5, "  pit:    {type: i8245, irq: pic.0}"};
  e.at(o).hint("did you mean 'i8254'?");
  EXPECT_STREQ(e.what(),
               "configs/teaching.yaml:11:18: no such type: 'i8245'\n"
               "   11 |   pit:    {type: i8245, irq: pic.0}\n"
               "      |                  ^^^^^ did you mean 'i8254'?");
}

TEST(Error, KeepsTheInnermostPlace) {
  Error e("x");
  e.at({"inner", 0, 0, 0, ""}).at({"outer", 0, 0, 0, ""}).object("/a").object("/b");
  EXPECT_EQ(e.origin().place, "inner");
  EXPECT_EQ(e.object_path(), "/a");
}

}  // namespace
}  // namespace machina::qom
