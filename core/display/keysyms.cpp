#include "core/display/keysyms.h"

#include <algorithm>
#include <iterator>

namespace machina {
namespace {

struct Row {
  std::uint32_t keysym;
  QKeyCode key;
};

// In ascending order of keysyms.
constexpr Row kRows[] = {
    {0xfe03, QKeyCode::AltR},  // ISO_Level3_Shift
    {0xfe20, QKeyCode::Tab},   // ISO_Left_Tab: Shift and Tab
    {0xff08, QKeyCode::Backspace},  {0xff09, QKeyCode::Tab},
    {0xff0a, QKeyCode::Ret},  // Linefeed
    {0xff0d, QKeyCode::Ret},        {0xff13, QKeyCode::Pause},
    {0xff14, QKeyCode::ScrollLock}, {0xff15, QKeyCode::Sysrq},
    {0xff1b, QKeyCode::Esc},        {0xff20, QKeyCode::Compose},  // Multi_key
    {0xff22, QKeyCode::Muhenkan},   {0xff23, QKeyCode::Henkan},
    {0xff25, QKeyCode::Hiragana},   {0xff27, QKeyCode::KatakanaHiragana},
    {0xff50, QKeyCode::Home},       {0xff51, QKeyCode::Left},
    {0xff52, QKeyCode::Up},         {0xff53, QKeyCode::Right},
    {0xff54, QKeyCode::Down},       {0xff55, QKeyCode::Pgup},
    {0xff56, QKeyCode::Pgdn},       {0xff57, QKeyCode::End},
    {0xff61, QKeyCode::Print},      {0xff63, QKeyCode::Insert},
    {0xff67, QKeyCode::Menu},       {0xff6b, QKeyCode::Pause},  // Break
    {0xff7e, QKeyCode::AltR},                                   // Mode_switch
    {0xff7f, QKeyCode::NumLock},    {0xff80, QKeyCode::Spc},    // KP_Space
    {0xff89, QKeyCode::Tab},                                    // KP_Tab
    {0xff8d, QKeyCode::KpEnter},    {0xff95, QKeyCode::Kp7},    // KP_Home and so on: Num Lock is off
    {0xff96, QKeyCode::Kp4},        {0xff97, QKeyCode::Kp8},
    {0xff98, QKeyCode::Kp6},        {0xff99, QKeyCode::Kp2},
    {0xff9a, QKeyCode::Kp9},        {0xff9b, QKeyCode::Kp3},
    {0xff9c, QKeyCode::Kp1},        {0xff9d, QKeyCode::Kp5},
    {0xff9e, QKeyCode::Kp0},        {0xff9f, QKeyCode::KpDecimal},
    {0xffaa, QKeyCode::KpMultiply}, {0xffab, QKeyCode::KpAdd},
    {0xffac, QKeyCode::KpComma},    {0xffad, QKeyCode::KpSubtract},
    {0xffae, QKeyCode::KpDecimal},  {0xffaf, QKeyCode::KpDivide},
    {0xffb0, QKeyCode::Kp0},        {0xffb1, QKeyCode::Kp1},
    {0xffb2, QKeyCode::Kp2},        {0xffb3, QKeyCode::Kp3},
    {0xffb4, QKeyCode::Kp4},        {0xffb5, QKeyCode::Kp5},
    {0xffb6, QKeyCode::Kp6},        {0xffb7, QKeyCode::Kp7},
    {0xffb8, QKeyCode::Kp8},        {0xffb9, QKeyCode::Kp9},
    {0xffbd, QKeyCode::KpEquals},   {0xffbe, QKeyCode::F1},
    {0xffbf, QKeyCode::F2},         {0xffc0, QKeyCode::F3},
    {0xffc1, QKeyCode::F4},         {0xffc2, QKeyCode::F5},
    {0xffc3, QKeyCode::F6},         {0xffc4, QKeyCode::F7},
    {0xffc5, QKeyCode::F8},         {0xffc6, QKeyCode::F9},
    {0xffc7, QKeyCode::F10},        {0xffc8, QKeyCode::F11},
    {0xffc9, QKeyCode::F12},        {0xffe1, QKeyCode::Shift},
    {0xffe2, QKeyCode::ShiftR},     {0xffe3, QKeyCode::Ctrl},
    {0xffe4, QKeyCode::CtrlR},      {0xffe5, QKeyCode::CapsLock},
    {0xffe7, QKeyCode::MetaL},      {0xffe8, QKeyCode::MetaR},
    {0xffe9, QKeyCode::Alt},        {0xffea, QKeyCode::AltR},
    {0xffeb, QKeyCode::MetaL},  // Super_L
    {0xffec, QKeyCode::MetaR},  // Super_R
    {0xffff, QKeyCode::Delete},
};

constexpr bool ascending() {
  for (std::size_t i = 1; i < std::size(kRows); ++i)
    if (kRows[i - 1].keysym >= kRows[i].keysym) return false;
  return true;
}
static_assert(ascending(), "rows are found by halving");

}  // namespace

std::optional<KeysymKey> key_of_keysym(std::uint32_t keysym) {
  if (keysym >= 0x20 && keysym < 0x7f) {
    const auto c = static_cast<char>(keysym);
    const std::vector<QKeyCode> keys = keys_for_ascii(c);
    if (keys.empty()) return std::nullopt;
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (c == ' ') return KeysymKey{QKeyCode::Spc, KeysymKey::Shift::Any, false};
    return KeysymKey{keys.back(), keys.size() > 1 ? KeysymKey::Shift::Down : KeysymKey::Shift::Up, letter};
  }
  const Row* const row = std::lower_bound(std::begin(kRows), std::end(kRows), keysym,
                                          [](const Row& r, std::uint32_t wanted) { return r.keysym < wanted; });
  if (row == std::end(kRows) || row->keysym != keysym) return std::nullopt;
  return KeysymKey{row->key, KeysymKey::Shift::Any, false};
}

}  // namespace machina
