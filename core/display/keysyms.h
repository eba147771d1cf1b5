#pragma once
/// X11 keysyms, which RFB clients send for keys, as keys of a US keyboard.
///
/// Source: X11's keysymdef.h, by way of RFC 6143, section 7.5.4. A keysym is a character more than a key: what a client
/// with another layout sends is typed on the keys that make that character in the US.

#include <cstdint>
#include <optional>

#include "core/display/keycodes.h"

namespace machina {

struct KeysymKey {
  /// What Shift has to be for the key to give that character.
  enum class Shift : std::uint8_t { Any, Up, Down };
  QKeyCode key = QKeyCode::Esc;
  Shift shift = Shift::Any;
  bool letter = false;  ///< Caps Lock inverts Shift
};

/// Nothing for keysyms that a US keyboard has no key for.
std::optional<KeysymKey> key_of_keysym(std::uint32_t keysym);

}  // namespace machina
