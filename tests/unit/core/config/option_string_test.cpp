#include "core/config/option_string.h"

#include <gtest/gtest.h>

namespace machina {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

Pairs pairs(const ConfigTree& tree) {
  Pairs all;
  for (const auto& [key, value] : tree.root().children()) all.emplace_back(key, value.text());
  return all;
}

Pairs device(const char* text) { return pairs(parse_option("-device", text, "driver")); }

std::string underlined(const Origin& o) {
  return o.place.substr(static_cast<std::size_t>(o.column - 1), static_cast<std::size_t>(o.length));
}

TEST(OptionString, SplitsAtCommas) {
  EXPECT_EQ(device("isa-serial,irq=4,iobase=0x3f8"),
            (Pairs{{"driver", "isa-serial"}, {"irq", "4"}, {"iobase", "0x3f8"}}));
  EXPECT_EQ(device("driver=isa-serial,irq=4"), (Pairs{{"driver", "isa-serial"}, {"irq", "4"}}));
  EXPECT_EQ(device("isa-serial"), (Pairs{{"driver", "isa-serial"}}));
  EXPECT_EQ(device("isa-serial,"), (Pairs{{"driver", "isa-serial"}}));
  EXPECT_EQ(device(""), Pairs{});
}

TEST(OptionString, ADoubledCommaIsPartOfTheValue) {
  EXPECT_EQ(pairs(parse_option("-drive", "file=a,,b=c,,,format=raw")), (Pairs{{"file", "a,b=c,"}, {"format", "raw"}}));
  EXPECT_EQ(device("a,,b,x=1"), (Pairs{{"driver", "a,b"}, {"x", "1"}}));
}

TEST(OptionString, SomeKeysMayBeRepeated) {
  EXPECT_EQ(pairs(parse_option("-netdev", "user,hostfwd=a,x=1,hostfwd=b,x=2", "type", {"hostfwd"})),
            (Pairs{{"type", "user"}, {"hostfwd", "a;b"}, {"x", "2"}}));
}

TEST(OptionString, BareWordsAreSwitches) {
  EXPECT_EQ(device("d,share,noread"), (Pairs{{"driver", "d"}, {"share", "on"}, {"read", "off"}}));
  EXPECT_EQ(pairs(parse_option("-drive", "snapshot")), (Pairs{{"snapshot", "on"}}));
  EXPECT_EQ(device("d,help"), (Pairs{{"driver", "d"}, {"help", "on"}}));
  EXPECT_EQ(device("help"), (Pairs{{"help", "on"}}));
  EXPECT_EQ(device("?"), (Pairs{{"help", "on"}}));
  EXPECT_EQ(device("d,no=1"), (Pairs{{"driver", "d"}, {"no", "1"}}));
}

TEST(OptionString, TheLastOfAKeyWins) { EXPECT_EQ(device("d,a=1,a=2"), (Pairs{{"driver", "d"}, {"a", "2"}})); }

TEST(OptionString, AValueMayBeEmptyOrHoldAnEqualsSign) {
  EXPECT_EQ(device("d,a=,b=x=y"), (Pairs{{"driver", "d"}, {"a", ""}, {"b", "x=y"}}));
}

TEST(OptionString, OriginsPointIntoTheOptionAsTyped) {
  const ConfigTree tree = parse_option("-device", "isa-serial,irqq=4,chardev=a,,b", "driver");
  EXPECT_EQ(tree["irqq"].origin().place, "-device isa-serial,irqq=4,chardev=a,,b");
  EXPECT_EQ(underlined(tree["driver"].origin()), "isa-serial");
  EXPECT_EQ(underlined(tree["irqq"].key_origin()), "irqq");
  EXPECT_EQ(underlined(tree["irqq"].origin()), "4");
  EXPECT_EQ(underlined(tree["chardev"].origin()), "a,,b");
  EXPECT_EQ(underlined(tree.root().origin()), "isa-serial,irqq=4,chardev=a,,b");
}

TEST(OptionString, AFaultIsUnderlined) {
  const ConfigTree tree = parse_option("-device", "isa-serial,irqq=4", "driver");
  Error e("type 'isa-serial' has no property 'irqq'");
  e.at(tree["irqq"].key_origin()).hint("did you mean 'irq'?");
  EXPECT_STREQ(e.what(),
               "-device isa-serial,irqq=4: type 'isa-serial' has no property 'irqq'\n"
               "                   ^^^^ did you mean 'irq'?");
}

std::string refusal(const char* option, const char* text) {
  try {
    const std::string_view name = option;
    if (name == "-set") {
      parse_set_option(text);
    } else if (name == "-global") {
      parse_global_option(text);
    } else {
      parse_option(option, text, "driver");
    }
  } catch (const Error& e) {
    return e.what();
  }
  return {};
}

TEST(OptionString, RefusesAMissingName) {
  EXPECT_EQ(refusal("-device", "d,=4"),
            "-device d,=4: a name is missing before '='\n"
            "          ^");
  EXPECT_EQ(refusal("-device", ",x=1"), "-device ,x=1: nothing stands before the first comma\n        ^");
}

TEST(SetOption, NamesGroupIdAndProperty) {
  const SetOption set = parse_set_option("device.serial.irq=5");
  EXPECT_EQ(set.group, "device");
  EXPECT_EQ(set.id, "serial");
  EXPECT_EQ(set.key, "irq");
  EXPECT_EQ(set.value.text, "5");
  EXPECT_EQ(underlined(set.value.origin), "5");
  EXPECT_EQ(underlined(set.value.key_origin), "irq");
  EXPECT_EQ(underlined(set.id_origin), "serial");
  EXPECT_EQ(parse_set_option("drive.d0.file.filename=a.b=c").key, "file.filename");
  EXPECT_EQ(parse_set_option("drive.d0.file=").value.text, "");
}

TEST(SetOption, RefusesOtherForms) {
  for (const char* wrong : {"", "device", "device.x", "device.x.y", "device.x=1", ".x.y=1", "device..y=1", "a.b.=1"}) {
    EXPECT_NE(refusal("-set", wrong).find("not a setting"), std::string::npos) << wrong;
  }
}

TEST(GlobalOption, BothFormsMeanTheSame) {
  for (const char* text : {"isa-serial.irq=5", "driver=isa-serial,property=irq,value=5"}) {
    const GlobalOption global = parse_global_option(text);
    EXPECT_EQ(global.driver, "isa-serial");
    EXPECT_EQ(global.property, "irq");
    EXPECT_EQ(global.value.text, "5");
    EXPECT_EQ(underlined(global.value.origin), "5");
    EXPECT_EQ(underlined(global.value.key_origin), "irq");
    EXPECT_EQ(underlined(global.driver_origin), "isa-serial");
  }
}

TEST(GlobalOption, RefusesOtherForms) {
  for (const char* wrong :
       {"", "isa-serial", "isa-serial.irq", ".irq=1", "x.=1", "driver=x,value=1", "driver=x,property=y"})
    EXPECT_NE(refusal("-global", wrong).find("not a global property"), std::string::npos) << wrong;
  EXPECT_NE(refusal("-global", "driver=x,property=y,valeu=1,value=2").find("no such parameter: 'valeu'"),
            std::string::npos);
}

}  // namespace
}  // namespace machina
