// What comes of options by group: from -readconfig, and changed by -set.

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "machines/cli/command_line.h"

namespace machina {
namespace {

class ReadConfig : public testing::Test {
 protected:
  ReadConfig() : file_("/tmp/machina-config-" + std::to_string(::getpid()) + ".cfg") {}
  ~ReadConfig() override { std::filesystem::remove(file_); }

  CommandLine parse(const std::string& config, std::vector<std::string> more = {}) {
    std::ofstream(file_) << config;
    std::vector<std::string> arguments{"-readconfig", file_};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return CommandLine::parse(arguments);
  }
  std::string refusal(const std::string& config, std::vector<std::string> more = {}) {
    try {
      parse(config, std::move(more));
    } catch (const Error& e) {
      return e.message() + " | " + e.advice() + " | " + std::to_string(e.origin().line);
    }
    return {};
  }

  std::string file_;
};

TEST_F(ReadConfig, GlobalSectionsAreGlobals) {
  const CommandLine cl = parse("[global]\n driver = \"isa-serial\"\n property = \"wakeup\"\n value = \"on\"\n");
  ASSERT_EQ(cl.globals.size(), 1u);
  EXPECT_EQ(cl.globals[0].driver, "isa-serial");
  EXPECT_EQ(cl.globals[0].property, "wakeup");
  EXPECT_EQ(cl.globals[0].value.text, "on");
  EXPECT_EQ(cl.globals[0].value.origin.line, 4);
  EXPECT_EQ(refusal("[global]\n driver = \"isa-serial\"\n"),
            "not a global property | write driver, property and value | 1");
}

TEST_F(ReadConfig, UnknownGroupsAreRefused) {
  EXPECT_EQ(refusal("[machine]\n type = \"pc\"\n[devise \"a\"]\n driver = \"x\"\n"),
            "no such group of options: 'devise' | did you mean 'device'? | 3");
}

TEST_F(ReadConfig, SetReachesOptionsOfEveryGroup) {
  const char* drive = "[drive \"d0\"]\n file = \"a.img\"\n format = \"raw\"\n";
  const CommandLine cl = parse(drive, {"-set", "drive.d0.file=b.img"});
  EXPECT_EQ(find_option(cl.groups, "drive", "d0")["file"].text(), "b.img");
  EXPECT_EQ(refusal(drive, {"-set", "drive.d1.file=b.img"}), "no drive has the id 'd1' | did you mean 'd0'? | 0");
}

}  // namespace
}  // namespace machina
