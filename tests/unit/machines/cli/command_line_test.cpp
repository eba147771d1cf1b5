#include "machines/cli/command_line.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "machines/cli/settings.h"

namespace machina {
namespace {

std::string refusal(const std::vector<std::string>& arguments) {
  try {
    (void)CommandLine::parse(arguments);
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

std::string value(const CommandLine& cl, const char* group, const char* key, std::size_t n = 0) {
  const ConfigNode list = cl.groups[group];
  if (!list || list.size() <= n) return "(no such option)";
  const ConfigNode node = list.items()[n][key];
  return node ? node.text() : "(no such key)";
}

TEST(CommandLine, TakesOneDashOrTwo) {
  const CommandLine cl = CommandLine::parse({"--m", "64M", "-S", "--nographic"});
  EXPECT_EQ(value(cl, "memory", "size"), "64M");
  EXPECT_TRUE(cl.stopped);
  EXPECT_TRUE(cl.nographic);
  EXPECT_FALSE(cl.nodefaults);
}

TEST(CommandLine, LaterValuesOfOneOptionWin) {
  const CommandLine cl =
      CommandLine::parse({"-M", "isapc,a=1", "-M", "b=2", "-machine", "pc", "-smp", "4", "-smp", "maxcpus=8"});
  EXPECT_EQ(cl.groups["machine"].size(), 1u);
  EXPECT_EQ(value(cl, "machine", "type"), "pc");
  EXPECT_EQ(value(cl, "machine", "a"), "1");
  EXPECT_EQ(value(cl, "machine", "b"), "2");
  EXPECT_EQ(value(cl, "smp-opts", "cpus"), "4");
  EXPECT_EQ(value(cl, "smp-opts", "maxcpus"), "8");
}

TEST(CommandLine, DevicesAddUp) {
  const CommandLine cl = CommandLine::parse({"-device", "isa-serial,id=a", "-device", "VGA"});
  EXPECT_EQ(cl.groups["device"].size(), 2u);
  EXPECT_EQ(value(cl, "device", "driver", 1), "VGA");
}

TEST(CommandLine, DiskShortFormsAreDrives) {
  const CommandLine cl = CommandLine::parse({"-hdc", "c.img", "a.img"});
  EXPECT_EQ(value(cl, "drive", "file"), "c.img");
  EXPECT_EQ(value(cl, "drive", "index"), "2");
  EXPECT_EQ(value(cl, "drive", "file", 1), "a.img");
  EXPECT_EQ(value(cl, "drive", "index", 1), "0");
}

TEST(CommandLine, APlainDiskMayBeginWithADashBehindTwo) {
  const CommandLine cl = CommandLine::parse({"-S", "--", "-odd.img"});
  EXPECT_EQ(value(cl, "drive", "file"), "-odd.img");
}

TEST(CommandLine, TwoDashesThatAreAnArgumentEndNothing) {
  EXPECT_EQ(refusal({"-append", "--", "-foo"}), "no such option: -foo\n  did you mean '-boot'?");
  EXPECT_EQ(refusal({"-foo", "--", "a.img"}), "no such option: -foo\n  did you mean '-boot'?");
  EXPECT_EQ(CommandLine::parse({"-kernel", "k", "-append", "--", "--", "-odd.img"}).append->text, "--");
  EXPECT_EQ(value(CommandLine::parse({"-append=x", "--", "-odd.img"}), "drive", "file"), "-odd.img");
}

TEST(CommandLine, DiskShortFormsHaveAPlace) {
  const CommandLine cl = CommandLine::parse({"-hdc", "c.img"});
  EXPECT_EQ(cl.groups["drive"].items()[0].origin().place, "-hdc c.img");
}

TEST(CommandLine, EnableKvmIsAnAccelerator) {
  EXPECT_EQ(value(CommandLine::parse({"-enable-kvm"}), "accel", "accel"), "kvm");
  const CommandLine twice = CommandLine::parse({"-M", "pc,accel=kvm", "-enable-kvm"});
  EXPECT_EQ(twice.groups["accel"].size(), 1u) << "scripts give both";
}

TEST(CommandLine, TheAcceleratorMayBeAnOptionOfTheBoard) {
  const CommandLine cl = CommandLine::parse({"-M", "pc,accel=kvm:jit,timer-pin=0", "-M", "graphics=off"});
  EXPECT_EQ(value(cl, "accel", "accel"), "kvm:jit");
  EXPECT_EQ(value(cl, "machine", "type"), "pc");
  EXPECT_EQ(value(cl, "machine", "timer-pin"), "0");
  EXPECT_EQ(value(cl, "machine", "graphics"), "off");
  EXPECT_EQ(value(cl, "machine", "accel"), "(no such key)");
  EXPECT_EQ(value(CommandLine::parse({"-M", "accel=qtest"}), "machine", "type"), "(no such option)") << "the default";
  EXPECT_NE(refusal({"-M", "pc,accel=kvm", "-accel", "qtest"}), "");
}

TEST(CommandLine, RefusesWhatItDoesNotKnow) {
  EXPECT_EQ(refusal({"-drvie", "x"}), "no such option: -drvie\n  did you mean '-drive'?");
  EXPECT_EQ(refusal({"-zzzzzzzzz"}), "no such option: -zzzzzzzzz\n  machine-run -help lists all options");
  EXPECT_EQ(refusal({"-m"}), "option -m needs an argument\n  write -m [size=]SIZE");
  EXPECT_EQ(refusal({"-S=on"}), "option -S takes no argument");
  EXPECT_NE(refusal({"a.img", "b.img"}), "");
}

class ReadConfigMerging : public testing::Test {
 protected:
  ~ReadConfigMerging() override { std::filesystem::remove(path_); }
  CommandLine read(const std::string& text, std::vector<std::string> more = {}) {
    std::ofstream(path_) << text;
    more.insert(more.begin(), {"-readconfig", path_});
    return CommandLine::parse(more);
  }
  const std::string path_ =
      (std::filesystem::temp_directory_path() / ("readconfig-" + std::to_string(::getpid()) + ".cfg")).string();
};

TEST_F(ReadConfigMerging, HasTheGroupsOfTheCommandLine) {
  const CommandLine cl = read(R"([machine]
  type = "isapc"
[memory]
  size = "64M"
[smp-opts]
  cpus = "2"
[boot-opts]
  order = "c"
[rtc]
  base = "localtime"
[name]
  guest = "x"
[device "s"]
  driver = "isa-serial"
[global]
  driver = "isa-serial"
  property = "irq"
  value = "5"
)",
                              {"-m", "1G"});
  EXPECT_EQ(value(cl, "machine", "type"), "isapc");
  EXPECT_EQ(value(cl, "memory", "size"), "1G") << "the later one wins";
  EXPECT_EQ(value(cl, "smp-opts", "cpus"), "2");
  EXPECT_EQ(boot_of(cl).order, "c");
  EXPECT_EQ(value(cl, "device", "id"), "s");
  ASSERT_EQ(cl.globals.size(), 1u);
  EXPECT_EQ(cl.globals[0].driver, "isa-serial");
  EXPECT_EQ(cl.globals[0].value.text, "5");
}

TEST_F(ReadConfigMerging, SeveralSectionsOfOneOptionAreOne) {
  const CommandLine cl = read("[machine]\n type = \"pc\"\n[machine]\n x = \"1\"\n");
  EXPECT_EQ(cl.groups["machine"].size(), 1u);
  EXPECT_EQ(value(cl, "machine", "type"), "pc");
  EXPECT_EQ(value(cl, "machine", "x"), "1");
}

}  // namespace
}  // namespace machina
