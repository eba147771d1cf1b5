#include "hw/input/ps2_scancodes.h"

#include <array>

namespace machina::ps2 {

namespace {

constexpr auto kTypematic = Set3Type::Typematic;
constexpr auto kMakeBreak = Set3Type::MakeBreak;
constexpr auto kMake = Set3Type::MakeOnly;
using K = QKeyCode;

struct Row {
  QKeyCode key;
  std::uint16_t set2;
  std::uint8_t set3;
  Set3Type type;
};
constexpr Row kRows[] = {
    {K::Esc, 0x76, 0x08, kMake},
    {K::F1, 0x05, 0x07, kMake},
    {K::F2, 0x06, 0x0f, kMake},
    {K::F3, 0x04, 0x17, kMake},
    {K::F4, 0x0c, 0x1f, kMake},
    {K::F5, 0x03, 0x27, kMake},
    {K::F6, 0x0b, 0x2f, kMake},
    {K::F7, 0x83, 0x37, kMake},
    {K::F8, 0x0a, 0x3f, kMake},
    {K::F9, 0x01, 0x47, kMake},
    {K::F10, 0x09, 0x4f, kMake},
    {K::F11, 0x78, 0x56, kMake},
    {K::F12, 0x07, 0x5e, kMake},
    {K::Print, 0, 0x57, kMake},
    {K::Sysrq, 0x84, 0x57, kMake},
    {K::ScrollLock, 0x7e, 0x5f, kMake},
    {K::Pause, 0, 0x62, kMake},
    {K::GraveAccent, 0x0e, 0x0e, kTypematic},
    {K::Digit1, 0x16, 0x16, kTypematic},
    {K::Digit2, 0x1e, 0x1e, kTypematic},
    {K::Digit3, 0x26, 0x26, kTypematic},
    {K::Digit4, 0x25, 0x25, kTypematic},
    {K::Digit5, 0x2e, 0x2e, kTypematic},
    {K::Digit6, 0x36, 0x36, kTypematic},
    {K::Digit7, 0x3d, 0x3d, kTypematic},
    {K::Digit8, 0x3e, 0x3e, kTypematic},
    {K::Digit9, 0x46, 0x46, kTypematic},
    {K::Digit0, 0x45, 0x45, kTypematic},
    {K::Minus, 0x4e, 0x4e, kTypematic},
    {K::Equal, 0x55, 0x55, kTypematic},
    {K::Backspace, 0x66, 0x66, kTypematic},
    {K::Tab, 0x0d, 0x0d, kTypematic},
    {K::Q, 0x15, 0x15, kTypematic},
    {K::W, 0x1d, 0x1d, kTypematic},
    {K::E, 0x24, 0x24, kTypematic},
    {K::R, 0x2d, 0x2d, kTypematic},
    {K::T, 0x2c, 0x2c, kTypematic},
    {K::Y, 0x35, 0x35, kTypematic},
    {K::U, 0x3c, 0x3c, kTypematic},
    {K::I, 0x43, 0x43, kTypematic},
    {K::O, 0x44, 0x44, kTypematic},
    {K::P, 0x4d, 0x4d, kTypematic},
    {K::BracketLeft, 0x54, 0x54, kTypematic},
    {K::BracketRight, 0x5b, 0x5b, kTypematic},
    {K::Ret, 0x5a, 0x5a, kTypematic},
    {K::CapsLock, 0x58, 0x14, kMakeBreak},
    {K::A, 0x1c, 0x1c, kTypematic},
    {K::S, 0x1b, 0x1b, kTypematic},
    {K::D, 0x23, 0x23, kTypematic},
    {K::F, 0x2b, 0x2b, kTypematic},
    {K::G, 0x34, 0x34, kTypematic},
    {K::H, 0x33, 0x33, kTypematic},
    {K::J, 0x3b, 0x3b, kTypematic},
    {K::K, 0x42, 0x42, kTypematic},
    {K::L, 0x4b, 0x4b, kTypematic},
    {K::Semicolon, 0x4c, 0x4c, kTypematic},
    {K::Apostrophe, 0x52, 0x52, kTypematic},
    {K::Backslash, 0x5d, 0x5c, kTypematic},
    {K::Shift, 0x12, 0x12, kMakeBreak},
    {K::Less, 0x61, 0x13, kTypematic},
    {K::Z, 0x1a, 0x1a, kTypematic},
    {K::X, 0x22, 0x22, kTypematic},
    {K::C, 0x21, 0x21, kTypematic},
    {K::V, 0x2a, 0x2a, kTypematic},
    {K::B, 0x32, 0x32, kTypematic},
    {K::N, 0x31, 0x31, kTypematic},
    {K::M, 0x3a, 0x3a, kTypematic},
    {K::Comma, 0x41, 0x41, kTypematic},
    {K::Dot, 0x49, 0x49, kTypematic},
    {K::Slash, 0x4a, 0x4a, kTypematic},
    {K::ShiftR, 0x59, 0x59, kMakeBreak},
    {K::Ctrl, 0x14, 0x11, kMakeBreak},
    {K::MetaL, 0xe01f, 0x8b, kMakeBreak},
    {K::Alt, 0x11, 0x19, kMakeBreak},
    {K::Spc, 0x29, 0x29, kTypematic},
    {K::AltR, 0xe011, 0x39, kMake},
    {K::MetaR, 0xe027, 0x8c, kMakeBreak},
    {K::Menu, 0xe02f, 0x8d, kMakeBreak},
    {K::Compose, 0xe02f, 0x8d, kMakeBreak},
    {K::CtrlR, 0xe014, 0x58, kMake},
    {K::Insert, 0xe070, 0x67, kMake},
    {K::Home, 0xe06c, 0x6e, kMake},
    {K::Pgup, 0xe07d, 0x6f, kMake},
    {K::Delete, 0xe071, 0x64, kTypematic},
    {K::End, 0xe069, 0x65, kMake},
    {K::Pgdn, 0xe07a, 0x6d, kMake},
    {K::Up, 0xe075, 0x63, kTypematic},
    {K::Left, 0xe06b, 0x61, kTypematic},
    {K::Down, 0xe072, 0x60, kTypematic},
    {K::Right, 0xe074, 0x6a, kTypematic},
    {K::NumLock, 0x77, 0x76, kMake},
    {K::KpDivide, 0xe04a, 0x77, kMake},
    {K::KpMultiply, 0x7c, 0x7e, kMake},
    {K::KpSubtract, 0x7b, 0x84, kMake},
    {K::KpAdd, 0x79, 0x7c, kTypematic},
    {K::KpEnter, 0xe05a, 0x79, kMake},
    {K::KpDecimal, 0x71, 0x71, kMake},
    {K::Kp0, 0x70, 0x70, kMake},
    {K::Kp1, 0x69, 0x69, kMake},
    {K::Kp2, 0x72, 0x72, kMake},
    {K::Kp3, 0x7a, 0x7a, kMake},
    {K::Kp4, 0x6b, 0x6b, kMake},
    {K::Kp5, 0x73, 0x73, kMake},
    {K::Kp6, 0x74, 0x74, kMake},
    {K::Kp7, 0x6c, 0x6c, kMake},
    {K::Kp8, 0x75, 0x75, kMake},
    {K::Kp9, 0x7d, 0x7d, kMake},
    {K::KpComma, 0x6d, 0, kMake},
    {K::KpEquals, 0x0f, 0, kMake},
    {K::Ro, 0x51, 0x51, kTypematic},
    {K::Yen, 0x6a, 0x5d, kTypematic},
    {K::Henkan, 0x64, 0x86, kMake},
    {K::Muhenkan, 0x67, 0x85, kMake},
    {K::Hiragana, 0x13, 0x87, kMake},
    {K::KatakanaHiragana, 0x13, 0x87, kMake},
    {K::Power, 0xe037, 0, kMake},
    {K::Sleep, 0xe03f, 0, kMake},
    {K::Wake, 0xe05e, 0, kMake},
    {K::AudioNext, 0xe04d, 0, kMake},
    {K::AudioPrev, 0xe015, 0, kMake},
    {K::AudioStop, 0xe03b, 0, kMake},
    {K::AudioPlay, 0xe034, 0, kMake},
    {K::AudioMute, 0xe023, 0, kMake},
    {K::VolumeUp, 0xe032, 0, kTypematic},
    {K::VolumeDown, 0xe021, 0, kTypematic},
    {K::MediaSelect, 0xe050, 0, kMake},
    {K::Mail, 0xe048, 0, kMake},
    {K::Calculator, 0xe02b, 0, kMake},
    {K::Computer, 0xe040, 0, kMake},
    {K::AcHome, 0xe03a, 0, kMake},
    {K::AcBack, 0xe038, 0, kMake},
    {K::AcForward, 0xe030, 0, kMake},
    {K::AcRefresh, 0xe020, 0, kMake},
    {K::AcBookmarks, 0xe018, 0, kMake},
};

}  // namespace

KeyCodes codes_of(QKeyCode key) {
  for (const Row& row : kRows)
    if (row.key == key) return {row.set2, row.set3, row.type};
  return {};
}

namespace {

std::vector<std::uint8_t> set2_bytes(QKeyCode key, bool down, Modifiers m) {
  if (key == QKeyCode::Print) {
    // With Alt it is the AT keyboard's SysRq; with Shift or Ctrl the faked shift around it is left out.
    if (m.alt) return down ? std::vector<std::uint8_t>{0x84} : std::vector<std::uint8_t>{0xf0, 0x84};
    if (m.shift || m.ctrl)
      return down ? std::vector<std::uint8_t>{0xe0, 0x7c} : std::vector<std::uint8_t>{0xe0, 0xf0, 0x7c};
    return down ? std::vector<std::uint8_t>{0xe0, 0x12, 0xe0, 0x7c}
                : std::vector<std::uint8_t>{0xe0, 0xf0, 0x7c, 0xe0, 0xf0, 0x12};
  }
  if (key == QKeyCode::Pause) {
    if (!down) return {};  // sent both when it went down
    if (m.ctrl) return {0xe0, 0x7e, 0xe0, 0xf0, 0x7e};
    return {0xe1, 0x14, 0x77, 0xe1, 0xf0, 0x14, 0xf0, 0x77};
  }
  const std::uint16_t code = codes_of(key).set2;
  std::vector<std::uint8_t> bytes;
  if (code >> 8) bytes.push_back(static_cast<std::uint8_t>(code >> 8));
  if (!down) bytes.push_back(0xf0);
  bytes.push_back(static_cast<std::uint8_t>(code));
  return bytes;
}

}  // namespace

std::vector<std::uint8_t> scan_bytes(QKeyCode key, bool down, unsigned set, Modifiers modifiers) {
  std::vector<std::uint8_t> bytes = set2_bytes(key, down, modifiers);
  if (set != 1) return bytes;
  std::vector<std::uint8_t> out;
  std::uint8_t release = 0;
  for (const std::uint8_t b : bytes) {
    if (b == 0xf0) {
      release = 0x80;
    } else {
      out.push_back(static_cast<std::uint8_t>(translate(b) | release));
      release = 0;
    }
  }
  return out;
}

std::vector<std::uint8_t> scan_bytes_set3(std::uint8_t code, bool down, Set3Type type) {
  if (down) return {code};
  if (type == Set3Type::MakeBreak || type == Set3Type::TypematicMakeBreak) return {0xf0, code};
  return {};
}

std::uint8_t translate(std::uint8_t set2) {
  // The ROM of the controller of the IBM PC/AT; from 85h on a byte stays what it is.
  static constexpr std::array<std::uint8_t, 0x85> kTable{
      0xff, 0x43, 0x41, 0x3f, 0x3d, 0x3b, 0x3c, 0x58, 0x64, 0x44, 0x42, 0x40, 0x3e, 0x0f, 0x29, 0x59,  // 00
      0x65, 0x38, 0x2a, 0x70, 0x1d, 0x10, 0x02, 0x5a, 0x66, 0x71, 0x2c, 0x1f, 0x1e, 0x11, 0x03, 0x5b,  // 10
      0x67, 0x2e, 0x2d, 0x20, 0x12, 0x05, 0x04, 0x5c, 0x68, 0x39, 0x2f, 0x21, 0x14, 0x13, 0x06, 0x5d,  // 20
      0x69, 0x31, 0x30, 0x23, 0x22, 0x15, 0x07, 0x5e, 0x6a, 0x72, 0x32, 0x24, 0x16, 0x08, 0x09, 0x5f,  // 30
      0x6b, 0x33, 0x25, 0x17, 0x18, 0x0b, 0x0a, 0x60, 0x6c, 0x34, 0x35, 0x26, 0x27, 0x19, 0x0c, 0x61,  // 40
      0x6d, 0x73, 0x28, 0x74, 0x1a, 0x0d, 0x62, 0x6e, 0x3a, 0x36, 0x1c, 0x1b, 0x75, 0x2b, 0x63, 0x76,  // 50
      0x55, 0x56, 0x77, 0x78, 0x79, 0x7a, 0x0e, 0x7b, 0x7c, 0x4f, 0x7d, 0x4b, 0x47, 0x7e, 0x7f, 0x6f,  // 60
      0x52, 0x53, 0x50, 0x4c, 0x4d, 0x48, 0x01, 0x45, 0x57, 0x4e, 0x51, 0x4a, 0x37, 0x49, 0x46, 0x54,  // 70
      0x80, 0x81, 0x82, 0x41, 0x54,                                                                    // 80
  };
  return set2 < kTable.size() ? kTable[set2] : set2;
}

}  // namespace machina::ps2
