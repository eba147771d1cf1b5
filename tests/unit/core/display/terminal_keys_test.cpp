#include "core/display/terminal_keys.h"

#include <gtest/gtest.h>

namespace machina {
namespace {

using K = QKeyCode;
using Chords = std::vector<KeyChord>;

TEST(TerminalKeys, PlainCharacters) {
  TerminalKeys t;
  EXPECT_EQ(t.feed("aB\r\x7f\x03"), (Chords{{K::A}, {K::Shift, K::B}, {K::Ret}, {K::Backspace}, {K::Ctrl, K::C}}));
  EXPECT_EQ(t.feed("\xc3\xa4"), Chords{});  // no US key types it
  EXPECT_FALSE(t.pending());
}

TEST(TerminalKeys, CursorAndFunctionKeys) {
  const std::pair<const char*, KeyChord> keys[] = {{"\x1b[A", {K::Up}},
                                                   {"\x1bOA", {K::Up}},
                                                   {"\x1b[D", {K::Left}},
                                                   {"\x1b[H", {K::Home}},
                                                   {"\x1bOF", {K::End}},
                                                   {"\x1b[2~", {K::Insert}},
                                                   {"\x1b[3~", {K::Delete}},
                                                   {"\x1b[5~", {K::Pgup}},
                                                   {"\x1b[6~", {K::Pgdn}},
                                                   {"\x1bOP", {K::F1}},
                                                   {"\x1b[11~", {K::F1}},
                                                   {"\x1b[[A", {K::F1}},
                                                   {"\x1b[[E", {K::F5}},
                                                   {"\x1b[15~", {K::F5}},
                                                   {"\x1b[21~", {K::F10}},
                                                   {"\x1b[24~", {K::F12}},
                                                   {"\x1b[Z", {K::Shift, K::Tab}},
                                                   {"\x1b[1;5C", {K::Ctrl, K::Right}},
                                                   {"\x1b[1;2P", {K::Shift, K::F1}},
                                                   {"\x1b[3;3~", {K::Alt, K::Delete}},
                                                   {"\x1b[1;8A", {K::Ctrl, K::Alt, K::Shift, K::Up}}};
  for (const auto& [bytes, chord] : keys) {
    TerminalKeys t;
    EXPECT_EQ(t.feed(bytes), Chords{chord}) << bytes + 1;
    EXPECT_FALSE(t.pending());
  }
}

TEST(TerminalKeys, SequencesMayComeInPieces) {
  TerminalKeys t;
  EXPECT_EQ(t.feed("\x1b"), Chords{});
  EXPECT_TRUE(t.pending());
  EXPECT_EQ(t.feed("[1"), Chords{});
  EXPECT_EQ(t.feed("5~x"), (Chords{{K::F5}, {K::X}}));
}

TEST(TerminalKeys, ALoneEscapeIsAKey) {
  TerminalKeys t;
  EXPECT_EQ(t.feed("\x1b"), Chords{});
  EXPECT_EQ(t.flush(), Chords{{K::Esc}});
  EXPECT_EQ(t.flush(), Chords{});
  EXPECT_EQ(t.feed("\x1b\x1b"), Chords{{K::Esc}});
  EXPECT_EQ(t.flush(), Chords{{K::Esc}});
}

TEST(TerminalKeys, EscapeBeforeACharacterIsAlt) {
  TerminalKeys t;
  EXPECT_EQ(t.feed("\x1bx"), (Chords{{K::Alt, K::X}}));
  EXPECT_EQ(t.feed("\x1bX"), (Chords{{K::Alt, K::Shift, K::X}}));
  EXPECT_EQ(t.feed("\x1b["), Chords{});
  EXPECT_EQ(t.flush(), (Chords{{K::Alt, K::BracketLeft}}));
}

TEST(TerminalKeys, UnknownSequencesAreDropped) {
  TerminalKeys t;
  EXPECT_EQ(t.feed("\x1b[99~\x1b[?1;2cy"), Chords{{K::Y}});
  EXPECT_EQ(t.feed("\x1b[" + std::string(100, '1')), Chords(70, {K::Digit1}));  // given up after 32 bytes
  EXPECT_EQ(t.feed("\x1b[<0;1;1M"), Chords{{K::KpEnter}}) << "mouse reports are not asked for";
}

}  // namespace
}  // namespace machina
