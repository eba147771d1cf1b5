#include "core/display/remote_input.h"

#include <gtest/gtest.h>

#include "core/display/keysyms.h"
#include "core/event_loop.h"
#include "core/machine_lock.h"
#include "core/units.h"

namespace machina {
namespace {

TEST(Keysyms, CharactersAreKeysOfTheUs) {
  for (const auto& [keysym, key, shift] : {std::tuple{std::uint32_t{'a'}, QKeyCode::A, KeysymKey::Shift::Up},
                                           {'Z', QKeyCode::Z, KeysymKey::Shift::Down},
                                           {'7', QKeyCode::Digit7, KeysymKey::Shift::Up},
                                           {'&', QKeyCode::Digit7, KeysymKey::Shift::Down},
                                           {'~', QKeyCode::GraveAccent, KeysymKey::Shift::Down},
                                           {' ', QKeyCode::Spc, KeysymKey::Shift::Any},
                                           {0xff0d, QKeyCode::Ret, KeysymKey::Shift::Any},
                                           {0xffc9, QKeyCode::F12, KeysymKey::Shift::Any},
                                           {0xffff, QKeyCode::Delete, KeysymKey::Shift::Any},
                                           {0xfe20, QKeyCode::Tab, KeysymKey::Shift::Any}}) {
    const auto found = key_of_keysym(keysym);
    ASSERT_TRUE(found) << keysym;
    EXPECT_EQ(found->key, key) << keysym;
    EXPECT_EQ(found->shift, shift) << keysym;
  }
  for (const std::uint32_t keysym : {0U, 0x1fU, 0x7fU, 0xe4U, 0x20acU, 0xff00U, 0xfffeU, 0x10000U, 0xffffffffU})
    EXPECT_FALSE(key_of_keysym(keysym)) << keysym;
  for (std::uint32_t keysym = 0x20; keysym < 0x7f; ++keysym) EXPECT_TRUE(key_of_keysym(keysym)) << keysym;
}

class RemoteInputTest : public testing::Test, private InputSink {
 protected:
  RemoteInputTest() { loop.drive(realtime); }

  /// Each letter of `keys`: '+' or '-' and the character of the keysym.
  void press(std::initializer_list<std::pair<std::uint32_t, bool>> keys, RemoteInput::User user = 1) {
    const MachineLock::Guard guard(lock);
    for (const auto& [keysym, down] : keys) input.key(user, keysym, down);
  }
  bool events_are(const std::string& wanted) {
    return loop.run_until([&] { return events == wanted; }, 5 * kNsPerSecond);
  }
  void key(QKeyCode key, bool down) override {
    at.push_back(realtime.now_ns());
    events += std::string(events.empty() ? "" : " ") + (down ? "+" : "-") + std::string(key_name(key));
  }
  void mouse_move(int dx, int dy, int) override { moves.emplace_back(dx, dy); }
  void mouse_button(MouseButton button, bool down) override { buttons.emplace_back(button, down); }

  static constexpr std::uint32_t kShift = 0xffe1, kCtrl = 0xffe3, kCaps = 0xffe5;
  MachineLock lock;
  EventLoop loop{lock};
  Clock realtime{ClockKind::Realtime};
  bool listens = true;
  RemoteInput input{realtime, [this] { return static_cast<InputSink*>(this); }, [this] { return listens; }};
  std::string events;
  std::vector<std::int64_t> at;
  std::vector<std::pair<int, int>> moves;
  std::vector<std::pair<MouseButton, bool>> buttons;
};

TEST_F(RemoteInputTest, KeysGoOutOneAfterTheOther) {
  press({{'a', true}, {'a', false}, {'b', true}, {'b', false}});
  ASSERT_TRUE(events_are("+a -a +b -b")) << events;
  for (std::size_t i = 1; i < at.size(); ++i) EXPECT_GE(at[i] - at[i - 1], RemoteInput::kKeyNs);
}

TEST_F(RemoteInputTest, RepetitionIsTheKeyboardsBusiness) {
  press({{'a', true}, {'a', true}, {'a', true}, {'a', false}, {'a', false}});
  EXPECT_TRUE(events_are("+a -a")) << events;
}

TEST_F(RemoteInputTest, ShiftFollowsTheCharacter) {
  press({{'A', true}, {'A', false}});  // a program that sends no modifiers
  ASSERT_TRUE(events_are("+shift +a -shift -a")) << events;
  events.clear();
  press({{kShift, true}, {'A', true}, {'A', false}, {'/', true}, {'/', false}, {kShift, false}});  // '/' above 7
  ASSERT_TRUE(events_are("+shift +a -a -shift +slash +shift -slash -shift")) << events;
}

TEST_F(RemoteInputTest, CapsLockShiftsLettersAlone) {
  press(
      {{kCaps, true}, {kCaps, false}, {'A', true}, {'A', false}, {'1', true}, {'1', false}, {'a', true}, {'a', false}});
  ASSERT_TRUE(events_are("+caps_lock -caps_lock +a -a +1 -1 +shift +a -shift -a")) << events;
}

TEST_F(RemoteInputTest, CommandsAreKeysNotCharacters) {
  press({{kCtrl, true}, {'C', true}, {'C', false}, {kCtrl, false}});
  ASSERT_TRUE(events_are("+ctrl +c -c -ctrl")) << events;
}

TEST_F(RemoteInputTest, TwoUsersHoldAKeyUntilBothLetGo) {
  press({{'x', true}});
  press({{'x', true}}, 2);
  press({{'x', false}});
  ASSERT_TRUE(events_are("+x")) << events;
  {
    const MachineLock::Guard guard(lock);
    input.gone(2);
  }
  EXPECT_TRUE(events_are("+x -x")) << events;
}

// A keyboard that nobody reads would fill up, and lose that keys are let go.
TEST_F(RemoteInputTest, AMachineThatStandsHearsNothingAndKeepsNoKey) {
  press({{kCtrl, true}});
  ASSERT_TRUE(events_are("+ctrl")) << events;
  {
    const MachineLock::Guard guard(lock);
    input.pointer(1, 1, 10, 10);
    listens = false;
    input.pointer(1, 5, 20, 20);
    input.pointer(1, 0, 30, 30);
  }
  EXPECT_TRUE(moves.empty());
  EXPECT_EQ(buttons,
            (std::vector<std::pair<MouseButton, bool>>{{MouseButton::Left, true}, {MouseButton::Left, false}}));
  for (int i = 0; i < 20; ++i) press({{'a', true}, {'a', false}});
  press({{kCtrl, false}});
  EXPECT_FALSE(loop.run_until([&] { return events != "+ctrl"; }, 3 * RemoteInput::kLookNs)) << events;
  {
    const MachineLock::Guard guard(lock);
    listens = true;
    input.pointer(1, 0, 31, 32);
  }
  EXPECT_TRUE(events_are("+ctrl -ctrl")) << events;
  EXPECT_EQ(moves, (std::vector<std::pair<int, int>>{{1, 2}}));
}

TEST_F(RemoteInputTest, WhatWaitsIsBounded) {
  for (std::size_t i = 0; i < 3 * RemoteInput::kTypeAhead; ++i) press({{'a', true}, {'a', false}, {'B', true}});
  const MachineLock::Guard guard(lock);
  EXPECT_GE(input.waiting(), RemoteInput::kTypeAhead);
  EXPECT_LE(input.waiting(), RemoteInput::kTypeAhead + 8);
  input.gone(1);
  EXPECT_LE(input.waiting(), RemoteInput::kTypeAhead + 16) << "what is held is let go";
}

}  // namespace
}  // namespace machina
