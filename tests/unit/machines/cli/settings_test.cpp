#include "machines/cli/settings.h"

#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <sstream>

#include "core/thread_name.h"

namespace machina {
namespace {

TEST(BootSettings, AreReadFromBoot) {
  const BootOptions none = boot_of(CommandLine::parse({}));
  EXPECT_EQ(none.order, "");
  EXPECT_FALSE(none.menu);
  EXPECT_FALSE(none.strict);
  const BootOptions boot = boot_of(CommandLine::parse({"-boot", "dc,menu=on,strict=on,splash-time=500"}));
  EXPECT_EQ(boot.order, "dc");
  EXPECT_TRUE(boot.menu);
  EXPECT_TRUE(boot.strict);
  EXPECT_EQ(boot.splash_time_ms, 500);
}

TEST(BootSettings, RefuseLettersThatAreNone) {
  EXPECT_THROW(boot_of(CommandLine::parse({"-boot", "cx"})), Error);
  EXPECT_THROW(boot_of(CommandLine::parse({"-boot", "cc"})), Error);
  EXPECT_THROW(boot_of(CommandLine::parse({"-boot", "splash-time=65536"})), Error);
}

TEST(Identity, NamesMachineAndProcess) {
  char before[16] = {}, after[16] = {};
  prctl(PR_GET_NAME, before);
  const auto root = qom::create<qom::Container>();
  auto& machine = root->add_new_child<Machine>("machine");
  apply_identity(CommandLine::parse({"-name", "web,process=mcn-web,debug-threads=on", "-uuid",
                                     "550e8400-e29b-41d4-a716-446655440000"}),
                 machine);
  prctl(PR_GET_NAME, after);
  prctl(PR_SET_NAME, before);
  EXPECT_EQ(machine.name, "web");
  EXPECT_EQ(machine.uuid, "550e8400-e29b-41d4-a716-446655440000");
  EXPECT_STREQ(after, "mcn-web");
  apply_identity(CommandLine::parse({"-uuid", "550E8400-E29B-41D4-A716-446655440000"}), machine);
  EXPECT_EQ(machine.uuid, "550e8400-e29b-41d4-a716-446655440000") << "in its canonical form";
}

TEST(Identity, LeavesThreadsWithoutNamesWhenAsked) {
  const auto root = qom::create<qom::Container>();
  auto& machine = root->add_new_child<Machine>("machine");
  const auto named = [] {
    std::promise<void> end;
    std::thread thread([done = end.get_future()] { done.wait(); });
    name_thread(thread, "CPU 0/TEST");
    char name[16] = {};
    pthread_getname_np(thread.native_handle(), name, sizeof name);
    end.set_value();
    thread.join();
    return std::string(name);
  };
  apply_identity(CommandLine::parse({"-name", "web,debug-threads=off"}), machine);
  EXPECT_NE(named(), "CPU 0/TEST");
  apply_identity(CommandLine::parse({"-name", "web,debug-threads=on"}), machine);
  EXPECT_EQ(named(), "CPU 0/TEST");
  EXPECT_THROW(apply_identity(CommandLine::parse({"-name", "web,debug-threads=some"}), machine), Error);
}

TEST(RtcSettings, BecomeDefaultsOfTheClock) {
  CommandLine cl = CommandLine::parse({"-rtc", "base=localtime,clock=vm,driftfix=slew"});
  apply_rtc(cl);
  ASSERT_EQ(cl.globals.size(), 3u);
  EXPECT_EQ(cl.globals[0].driver, "mc146818rtc");
  EXPECT_EQ(cl.globals[0].property, "base");
  EXPECT_EQ(cl.globals[2].property, "lost_tick_policy");
  EXPECT_EQ(cl.globals[2].value.text, "slew");
}

TEST(Display, IsNoneWhereNoTerminalIs) {
  // The standard input of tests is none.
  if (isatty(0) && isatty(1)) GTEST_SKIP() << "started from a terminal";
  EXPECT_EQ(display_of(CommandLine::parse({}), false), DisplayKind::None);
  EXPECT_EQ(display_of(CommandLine::parse({"-display", "text"}), false), DisplayKind::Text);
  EXPECT_EQ(display_of(CommandLine::parse({"-display", "none"}), true), DisplayKind::None);
  EXPECT_THROW(display_of(CommandLine::parse({"-display", "text"}), true), Error);
  EXPECT_THROW(display_of(CommandLine::parse({"-display", "text", "-nographic"}), false), Error);
}

TEST(PidFileOption, HoldsTheIdAsLongAsItLives) {
  const std::string path =
      (std::filesystem::temp_directory_path() / ("pidfile-" + std::to_string(::getpid()))).string();
  {
    const PidFile file(config_scalar(path, {}));
    std::ifstream in(path);
    int pid = 0;
    in >> pid;
    EXPECT_EQ(pid, ::getpid());
  }
  EXPECT_FALSE(std::filesystem::exists(path));
  {
    std::ofstream(path) << "a longer text of a machine that was killed\n";
    const PidFile file(config_scalar(path, {}));
    std::ostringstream content;
    content << std::ifstream(path).rdbuf();
    EXPECT_EQ(content.str(), std::to_string(::getpid()) + "\n");
    EXPECT_THROW(PidFile(config_scalar(path, {})), Error) << "one machine at a time";
    EXPECT_TRUE(std::filesystem::exists(path));
  }
  EXPECT_FALSE(std::filesystem::exists(path));
  { const PidFile device(config_scalar("/dev/null", {})); }
  EXPECT_TRUE(std::filesystem::exists("/dev/null"));
  EXPECT_THROW(PidFile(config_scalar("/nosuch/folder/pid", {})), Error);
}

/// As -daemonize does once the machine is there.
TEST(PidFileOption, GoesFromWhereItWasMade) {
  const std::filesystem::path before = std::filesystem::current_path(), folder = std::filesystem::temp_directory_path();
  const std::string name = "pidfile-relative-" + std::to_string(::getpid());
  std::filesystem::current_path(folder);
  {
    const PidFile file(config_scalar(name, {}));
    EXPECT_TRUE(std::filesystem::exists(folder / name));
    std::filesystem::current_path("/");
  }
  EXPECT_FALSE(std::filesystem::exists(folder / name));
  std::filesystem::current_path(before);
}

}  // namespace
}  // namespace machina
