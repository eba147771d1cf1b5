#include "core/display/keycodes.h"

#include <gtest/gtest.h>

#include <set>

namespace machina {
namespace {

TEST(KeyCodes, NamesAreUniqueAndFound) {
  std::set<std::string_view> seen;
  for (const std::string_view name : key_names()) {
    EXPECT_TRUE(seen.insert(name).second) << name;
    ASSERT_TRUE(key_by_name(name)) << name;
    EXPECT_EQ(key_name(*key_by_name(name)), name);
  }
  EXPECT_EQ(key_by_name("kp_enter"), QKeyCode::KpEnter);
  EXPECT_FALSE(key_by_name("enter"));
}

TEST(KeyCodes, EveryPrintableCharacterCanBeTyped) {
  for (char c = ' '; c < 0x7f; ++c) {
    const auto keys = keys_for_ascii(c);
    ASSERT_FALSE(keys.empty()) << c;
    EXPECT_EQ(keys.size() == 2, keys.front() == QKeyCode::Shift) << c;
  }
  EXPECT_EQ(keys_for_ascii('a'), std::vector{QKeyCode::A});
  EXPECT_EQ(keys_for_ascii('A'), (std::vector{QKeyCode::Shift, QKeyCode::A}));
  EXPECT_EQ(keys_for_ascii('"'), (std::vector{QKeyCode::Shift, QKeyCode::Apostrophe}));
}

TEST(KeyCodes, ControlCharacters) {
  EXPECT_EQ(keys_for_ascii('\r'), std::vector{QKeyCode::Ret});
  EXPECT_EQ(keys_for_ascii('\t'), std::vector{QKeyCode::Tab});
  EXPECT_EQ(keys_for_ascii('\x7f'), std::vector{QKeyCode::Backspace});
  EXPECT_EQ(keys_for_ascii('\x1b'), std::vector{QKeyCode::Esc});
  EXPECT_EQ(keys_for_ascii('\x03'), (std::vector{QKeyCode::Ctrl, QKeyCode::C}));
  EXPECT_EQ(keys_for_ascii('\x1c'), (std::vector{QKeyCode::Ctrl, QKeyCode::Backslash}));
  EXPECT_TRUE(keys_for_ascii('\x80').empty());
}

}  // namespace
}  // namespace machina
