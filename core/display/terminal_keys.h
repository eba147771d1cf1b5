#pragma once
/// What a terminal sends when its user types, as keys of a PC keyboard.
///
/// A terminal reports characters, not keys: ASCII, UTF-8, and escape sequences (ECMA-48; xterm's for function and
/// cursor keys, with its modifier parameters). Alt comes as an escape before the character. Characters that a US
/// keyboard does not type are dropped.

#include <string>
#include <string_view>
#include <vector>

#include "core/display/keycodes.h"

namespace machina {

/// Keys that are held together: modifiers first.
using KeyChord = std::vector<QKeyCode>;

class TerminalKeys {
 public:
  /// The chords that these bytes complete.
  std::vector<KeyChord> feed(std::string_view bytes);
  /// Nothing followed for a while: an escape at the end was the key Esc.
  std::vector<KeyChord> flush();
  bool pending() const { return !sequence_.empty(); }

 private:
  enum class Match { No, Partial, Complete };
  Match match(KeyChord& chord) const;

  std::string sequence_;  // from an escape on
};

}  // namespace machina
