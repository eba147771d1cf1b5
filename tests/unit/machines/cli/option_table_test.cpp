#include "machines/cli/option_table.h"

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>

#include "accel/kvm/kvm_capabilities.h"
#include "machines/cli/command_line.h"
#include "machines/cli/help_requests.h"
#include "tests/support/test_paths.h"

namespace machina {
namespace {

std::string help_for(const std::vector<std::string>& arguments) {
  return answer_help(CommandLine::parse(arguments)).value_or("(no answer)");
}

TEST(OptionTable, NamesAreUniqueAndTaken) {
  std::set<std::string> names;
  for (const OptionSpec& spec : option_table()) {
    EXPECT_TRUE(names.insert(spec.name).second) << spec.name;
    if (spec.argument) continue;
    EXPECT_NO_THROW(CommandLine::parse({std::string("-") + spec.name})) << spec.name;
  }
}

TEST(OptionTable, HelpHasEachOption) {
  const std::string text = help_for({"-help"});
  EXPECT_TRUE(text.starts_with("usage: machine-run [OPTION…] [DISK]\n")) << text;
  for (const OptionSpec& spec : option_table()) {
    EXPECT_NE(text.find(std::string("\n  -") + spec.name), std::string::npos) << spec.name;
    EXPECT_NE(text.find(spec.help), std::string::npos) << spec.name;
  }
  EXPECT_NE(text.find("\n  -hda FILE                 raw disk image as first IDE disk\n"), std::string::npos) << text;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 120u) << line;
}

TEST(OptionTable, ThePageHasEachOption) {
  std::ifstream page(test::source_dir() / "docs/command-line.md");
  std::set<std::string> documented;
  for (std::string line; std::getline(page, line);) {
    if (!line.starts_with("| `-")) continue;
    const std::size_t end = line.find_first_of(" `", 4);
    documented.insert(line.substr(4, end - 4));
  }
  for (const OptionSpec& spec : option_table())
    EXPECT_EQ(documented.erase(spec.name), 1u) << "docs/command-line.md has no row for -" << spec.name;
  EXPECT_TRUE(documented.empty()) << "docs/command-line.md has -" << *documented.begin() << ", which is no option";
}

TEST(HelpRequests, AreAnsweredFromTheRegistry) {
  EXPECT_NE(help_for({"-M", "help"}).find("\n  pc "), std::string::npos);
  EXPECT_NE(help_for({"-M", "pc,help"}).find("timer-pin=<int>"), std::string::npos);
  EXPECT_NE(help_for({"-device", "help"}).find("isa-serial"), std::string::npos);
  try {
    help_for({"-device", "isa-seriall,help"});
    ADD_FAILURE() << "there is no such type";
  } catch (const Error& e) {
    EXPECT_STREQ(
        e.what(),
        "-device isa-seriall,help: no such type: 'isa-seriall'\n        ^^^^^^^^^^^ did you mean 'isa-serial'?");
  }
  EXPECT_NE(help_for({"-device", "mc146818rtc,help"}).find("base=<str>"), std::string::npos);
  EXPECT_NE(help_for({"-accel", "help"}).find("kvm"), std::string::npos);
  EXPECT_NE(help_for({"-accel", "kvm,help"}).find("kernel-irqchip="), std::string::npos);
  EXPECT_NE(help_for({"-cpu", "help"}).find("qemu64"), std::string::npos);
  EXPECT_NE(help_for({"-chardev", "help"}).find("socket"), std::string::npos);
  EXPECT_NE(help_for({"-display", "help"}).find("text"), std::string::npos);
  EXPECT_NE(help_for({"-d", "help"}).find("guest_errors"), std::string::npos);
  EXPECT_NE(help_for({"-trace", "help"}).find("lifecycle"), std::string::npos);
  EXPECT_TRUE(help_for({"-version"}).starts_with("machine-run (Machina) "));
  EXPECT_EQ(help_for({"-m", "1G"}), "(no answer)");
}

// Properties everywhere; each capability with its value and what it permits where there is a /dev/kvm.
TEST(HelpRequests, AccelKvmShowsPropertiesAndCapabilities) {
  const std::string text = help_for({"-accel", "kvm,help"});
  for (const char* property : {"kernel-irqchip=<OnOffSplit>", "verify-state=<bool>"})
    EXPECT_NE(text.find(std::string("\n  ") + property), std::string::npos) << text;
  EXPECT_NE(text.find("(default: on)"), std::string::npos) << text;
  const std::size_t table = text.find("\nWhat this host's KVM can do");
  ASSERT_NE(table, std::string::npos) << text;
  if (text.find("is not known:", table) != std::string::npos) GTEST_SKIP() << text.substr(table + 1);

  std::istringstream lines(text.substr(text.find('\n', table + 1) + 1));
  const std::regex row("  (KVM_CAP_[A-Z0-9_]+) +(yes|no|0x[0-9a-f]+) +(required|optional) +([^ ].*)");
  std::map<std::string, std::string> values;
  for (std::string line; std::getline(lines, line);) {
    std::smatch m;
    ASSERT_TRUE(std::regex_match(line, m, row)) << line;
    values[m[1]] = m[2];
    EXPECT_FALSE(m[3] == "required" && m[2] == "no") << line;
  }
  EXPECT_EQ(values.size(), kvm::capability_table().size());
  EXPECT_EQ(values["KVM_CAP_USER_MEMORY"], "yes");
  EXPECT_TRUE(values["KVM_CAP_NR_MEMSLOTS"].starts_with("0x")) << values["KVM_CAP_NR_MEMSLOTS"];
}

TEST(HelpRequests, OfWhatIsNotThereAreErrors) {
  EXPECT_THROW(help_for({"-device", "nosuch,help"}), Error);
  EXPECT_THROW(help_for({"-accel", "nosuch,help"}), Error);
  EXPECT_THROW(help_for({"-M", "nosuch,help"}), Error);
}

}  // namespace
}  // namespace machina
