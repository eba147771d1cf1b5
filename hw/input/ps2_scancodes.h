#pragma once
/// Scan codes of the PS/2 keyboard in its three sets, and the translation that the keyboard controller does.
///
/// Source: IBM PS/2 Hardware Interface Technical Reference, "Keyboard": scan code sets 1 to 3 of the 101/102-key
/// keyboard; the keys that came later (multimedia, power, Japanese) as Microsoft's "Keyboard Scan Code Specification",
/// rev. 1.3a, has them.

#include <cstdint>
#include <vector>

#include "core/display/keycodes.h"

namespace machina::ps2 {

/// What a key sends in set 3, as F7h to FDh set it up.
enum class Set3Type : std::uint8_t { Typematic, MakeBreak, MakeOnly, TypematicMakeBreak };

struct KeyCodes {
  std::uint16_t set2 = 0;               ///< E0xx: behind the prefix E0; 0: the key has a sequence of its own, or none
  std::uint8_t set3 = 0;                ///< 0: no such key in set 3
  Set3Type type = Set3Type::Typematic;  ///< default in set 3
};
KeyCodes codes_of(QKeyCode key);

/// Held modifiers: Print and Pause send something else with them.
struct Modifiers {
  bool shift = false, ctrl = false, alt = false;
};

/// The bytes of a key going down or up, in set 1 or 2.
std::vector<std::uint8_t> scan_bytes(QKeyCode key, bool down, unsigned set, Modifiers modifiers);
/// In set 3; empty when the key's type says that it sends nothing.
std::vector<std::uint8_t> scan_bytes_set3(std::uint8_t code, bool down, Set3Type type);

/// What the controller makes of a byte of the keyboard when translation is on. The prefix F0h is not for this table: it
/// becomes bit 7 of the next byte.
std::uint8_t translate(std::uint8_t set2);

}  // namespace machina::ps2
