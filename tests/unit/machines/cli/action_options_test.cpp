#include "machines/cli/action_options.h"

#include <gtest/gtest.h>

namespace machina {
namespace {

qom::Ref<Machine> with(const std::vector<std::string>& arguments) {
  auto machine = qom::create<Machine>();
  apply_actions(CommandLine::parse(arguments), *machine);
  return machine;
}

TEST(ActionOptions, DefaultsAreThoseOfAPc) {
  const auto m = with({});
  EXPECT_FALSE(m->no_reboot);
  EXPECT_FALSE(m->no_shutdown);
  EXPECT_EQ(m->actions.panic, PanicAction::Shutdown);
  EXPECT_EQ(m->actions.watchdog, WatchdogAction::Reset);
}

TEST(ActionOptions, EachActionHasItsKey) {
  const auto m = with(
      {"-action", "reboot=shutdown,shutdown=pause", "-action", "panic=exit-failure", "-watchdog-action", "inject-nmi"});
  EXPECT_TRUE(m->no_reboot);
  EXPECT_TRUE(m->no_shutdown);
  EXPECT_EQ(m->actions.panic, PanicAction::ExitFailure);
  EXPECT_EQ(m->actions.watchdog, WatchdogAction::InjectNmi);
  EXPECT_TRUE(with({"-no-reboot"})->no_reboot);
  EXPECT_FALSE(with({"-no-shutdown", "-action", "shutdown=poweroff"})->no_shutdown);
  EXPECT_EQ(with({"-watchdog-action", "pause", "-action", "watchdog=none"})->actions.watchdog, WatchdogAction::None)
      << "the later one";
}

TEST(ActionOptions, AWatchdogIsADevice) {
  const CommandLine cl = CommandLine::parse({"-watchdog", "ib700", "-no-hpet"});
  ASSERT_EQ(cl.groups["device"].size(), 1U);
  EXPECT_EQ(cl.groups["device"].items().front()["driver"].text(), "ib700");
  EXPECT_EQ(cl.groups["machine"].items().front()["hpet"].text(), "off");
}

TEST(ActionOptions, MistakesAreTold) {
  for (const std::vector<std::string>& wrong : std::vector<std::vector<std::string>>{{"-action", "panic=maybe"},
                                                                                     {"-action", "panik=none"},
                                                                                     {"-watchdog-action", "bark"},
                                                                                     {"-watchdog", "ib7000"}})
    EXPECT_THROW(with(wrong), Error) << wrong[1];
}

}  // namespace
}  // namespace machina
