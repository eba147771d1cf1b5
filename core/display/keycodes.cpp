#include "core/display/keycodes.h"

#include <algorithm>

namespace machina {

namespace {

struct Named {
  QKeyCode key;
  std::string_view name;
};
// In the order of the enumerators.
constexpr Named kNames[] = {
    {QKeyCode::Esc, "esc"},
    {QKeyCode::F1, "f1"},
    {QKeyCode::F2, "f2"},
    {QKeyCode::F3, "f3"},
    {QKeyCode::F4, "f4"},
    {QKeyCode::F5, "f5"},
    {QKeyCode::F6, "f6"},
    {QKeyCode::F7, "f7"},
    {QKeyCode::F8, "f8"},
    {QKeyCode::F9, "f9"},
    {QKeyCode::F10, "f10"},
    {QKeyCode::F11, "f11"},
    {QKeyCode::F12, "f12"},
    {QKeyCode::Print, "print"},
    {QKeyCode::Sysrq, "sysrq"},
    {QKeyCode::ScrollLock, "scroll_lock"},
    {QKeyCode::Pause, "pause"},
    {QKeyCode::GraveAccent, "grave_accent"},
    {QKeyCode::Digit1, "1"},
    {QKeyCode::Digit2, "2"},
    {QKeyCode::Digit3, "3"},
    {QKeyCode::Digit4, "4"},
    {QKeyCode::Digit5, "5"},
    {QKeyCode::Digit6, "6"},
    {QKeyCode::Digit7, "7"},
    {QKeyCode::Digit8, "8"},
    {QKeyCode::Digit9, "9"},
    {QKeyCode::Digit0, "0"},
    {QKeyCode::Minus, "minus"},
    {QKeyCode::Equal, "equal"},
    {QKeyCode::Backspace, "backspace"},
    {QKeyCode::Tab, "tab"},
    {QKeyCode::Q, "q"},
    {QKeyCode::W, "w"},
    {QKeyCode::E, "e"},
    {QKeyCode::R, "r"},
    {QKeyCode::T, "t"},
    {QKeyCode::Y, "y"},
    {QKeyCode::U, "u"},
    {QKeyCode::I, "i"},
    {QKeyCode::O, "o"},
    {QKeyCode::P, "p"},
    {QKeyCode::BracketLeft, "bracket_left"},
    {QKeyCode::BracketRight, "bracket_right"},
    {QKeyCode::Ret, "ret"},
    {QKeyCode::CapsLock, "caps_lock"},
    {QKeyCode::A, "a"},
    {QKeyCode::S, "s"},
    {QKeyCode::D, "d"},
    {QKeyCode::F, "f"},
    {QKeyCode::G, "g"},
    {QKeyCode::H, "h"},
    {QKeyCode::J, "j"},
    {QKeyCode::K, "k"},
    {QKeyCode::L, "l"},
    {QKeyCode::Semicolon, "semicolon"},
    {QKeyCode::Apostrophe, "apostrophe"},
    {QKeyCode::Backslash, "backslash"},
    {QKeyCode::Shift, "shift"},
    {QKeyCode::Less, "less"},
    {QKeyCode::Z, "z"},
    {QKeyCode::X, "x"},
    {QKeyCode::C, "c"},
    {QKeyCode::V, "v"},
    {QKeyCode::B, "b"},
    {QKeyCode::N, "n"},
    {QKeyCode::M, "m"},
    {QKeyCode::Comma, "comma"},
    {QKeyCode::Dot, "dot"},
    {QKeyCode::Slash, "slash"},
    {QKeyCode::ShiftR, "shift_r"},
    {QKeyCode::Ctrl, "ctrl"},
    {QKeyCode::MetaL, "meta_l"},
    {QKeyCode::Alt, "alt"},
    {QKeyCode::Spc, "spc"},
    {QKeyCode::AltR, "alt_r"},
    {QKeyCode::MetaR, "meta_r"},
    {QKeyCode::Menu, "menu"},
    {QKeyCode::Compose, "compose"},
    {QKeyCode::CtrlR, "ctrl_r"},
    {QKeyCode::Insert, "insert"},
    {QKeyCode::Home, "home"},
    {QKeyCode::Pgup, "pgup"},
    {QKeyCode::Delete, "delete"},
    {QKeyCode::End, "end"},
    {QKeyCode::Pgdn, "pgdn"},
    {QKeyCode::Up, "up"},
    {QKeyCode::Left, "left"},
    {QKeyCode::Down, "down"},
    {QKeyCode::Right, "right"},
    {QKeyCode::NumLock, "num_lock"},
    {QKeyCode::KpDivide, "kp_divide"},
    {QKeyCode::KpMultiply, "kp_multiply"},
    {QKeyCode::KpSubtract, "kp_subtract"},
    {QKeyCode::KpAdd, "kp_add"},
    {QKeyCode::KpEnter, "kp_enter"},
    {QKeyCode::KpDecimal, "kp_decimal"},
    {QKeyCode::Kp0, "kp_0"},
    {QKeyCode::Kp1, "kp_1"},
    {QKeyCode::Kp2, "kp_2"},
    {QKeyCode::Kp3, "kp_3"},
    {QKeyCode::Kp4, "kp_4"},
    {QKeyCode::Kp5, "kp_5"},
    {QKeyCode::Kp6, "kp_6"},
    {QKeyCode::Kp7, "kp_7"},
    {QKeyCode::Kp8, "kp_8"},
    {QKeyCode::Kp9, "kp_9"},
    {QKeyCode::KpComma, "kp_comma"},
    {QKeyCode::KpEquals, "kp_equals"},
    {QKeyCode::Ro, "ro"},
    {QKeyCode::Yen, "yen"},
    {QKeyCode::Henkan, "henkan"},
    {QKeyCode::Muhenkan, "muhenkan"},
    {QKeyCode::Hiragana, "hiragana"},
    {QKeyCode::KatakanaHiragana, "katakanahiragana"},
    {QKeyCode::Power, "power"},
    {QKeyCode::Sleep, "sleep"},
    {QKeyCode::Wake, "wake"},
    {QKeyCode::AudioNext, "audionext"},
    {QKeyCode::AudioPrev, "audioprev"},
    {QKeyCode::AudioStop, "audiostop"},
    {QKeyCode::AudioPlay, "audioplay"},
    {QKeyCode::AudioMute, "audiomute"},
    {QKeyCode::VolumeUp, "volumeup"},
    {QKeyCode::VolumeDown, "volumedown"},
    {QKeyCode::MediaSelect, "mediaselect"},
    {QKeyCode::Mail, "mail"},
    {QKeyCode::Calculator, "calculator"},
    {QKeyCode::Computer, "computer"},
    {QKeyCode::AcHome, "ac_home"},
    {QKeyCode::AcBack, "ac_back"},
    {QKeyCode::AcForward, "ac_forward"},
    {QKeyCode::AcRefresh, "ac_refresh"},
    {QKeyCode::AcBookmarks, "ac_bookmarks"},
};

constexpr bool in_order() {
  std::size_t n = 0;
  for (const Named& named : kNames)
    if (static_cast<std::size_t>(named.key) != n++) return false;
  return true;
}
static_assert(in_order(), "names are looked up by the number of their key");

}  // namespace

const std::vector<std::string_view>& key_names() {
  static const std::vector<std::string_view> names = [] {
    std::vector<std::string_view> all;
    for (const Named& named : kNames) all.push_back(named.name);
    return all;
  }();
  return names;
}

std::string_view key_name(QKeyCode key) { return key_names()[static_cast<std::size_t>(key)]; }

std::optional<QKeyCode> key_by_name(std::string_view name) {
  const auto& names = key_names();
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) return std::nullopt;
  return static_cast<QKeyCode>(found - names.begin());
}

namespace {

struct Typed {
  char plain, shifted;
  QKeyCode key;
};

// The keys of a US keyboard that type something; letters apart.
constexpr Typed kTyped[] = {
    {'1', '!', QKeyCode::Digit1},      {'2', '@', QKeyCode::Digit2},       {'3', '#', QKeyCode::Digit3},
    {'4', '$', QKeyCode::Digit4},      {'5', '%', QKeyCode::Digit5},       {'6', '^', QKeyCode::Digit6},
    {'7', '&', QKeyCode::Digit7},      {'8', '*', QKeyCode::Digit8},       {'9', '(', QKeyCode::Digit9},
    {'0', ')', QKeyCode::Digit0},      {'-', '_', QKeyCode::Minus},        {'=', '+', QKeyCode::Equal},
    {'[', '{', QKeyCode::BracketLeft}, {']', '}', QKeyCode::BracketRight}, {';', ':', QKeyCode::Semicolon},
    {'\'', '"', QKeyCode::Apostrophe}, {'`', '~', QKeyCode::GraveAccent},  {'\\', '|', QKeyCode::Backslash},
    {',', '<', QKeyCode::Comma},       {'.', '>', QKeyCode::Dot},          {'/', '?', QKeyCode::Slash},
    {' ', ' ', QKeyCode::Spc},         {'\t', '\t', QKeyCode::Tab},        {'\r', '\r', QKeyCode::Ret},
    {'\n', '\n', QKeyCode::Ret},       {'\b', '\b', QKeyCode::Backspace},  {'\x7f', '\x7f', QKeyCode::Backspace},
    {'\x1b', '\x1b', QKeyCode::Esc},
};

QKeyCode letter_key(char lower) {
  const char name[] = {lower};
  return *key_by_name({name, 1});
}

}  // namespace

std::vector<QKeyCode> keys_for_ascii(char c) {
  if (c >= 'a' && c <= 'z') return {letter_key(c)};
  if (c >= 'A' && c <= 'Z') return {QKeyCode::Shift, letter_key(static_cast<char>(c - 'A' + 'a'))};
  for (const Typed& t : kTyped) {
    if (t.plain == c) return {t.key};
    if (t.shifted == c) return {QKeyCode::Shift, t.key};
  }
  if (c >= 1 && c <= 26) return {QKeyCode::Ctrl, letter_key(static_cast<char>(c - 1 + 'a'))};
  if (c == 0x1c) return {QKeyCode::Ctrl, QKeyCode::Backslash};
  if (c == 0x1d) return {QKeyCode::Ctrl, QKeyCode::BracketRight};
  if (c == 0x1e) return {QKeyCode::Ctrl, QKeyCode::Digit6};
  if (c == 0x1f) return {QKeyCode::Ctrl, QKeyCode::Minus};
  if (c == 0) return {QKeyCode::Ctrl, QKeyCode::Digit2};
  return {};
}

}  // namespace machina
