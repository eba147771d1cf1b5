#pragma once
/// Where what a user types and points at goes: a keyboard controller, a USB tablet.

#include "core/display/keycodes.h"
#include "qom/object.h"

namespace machina {

enum class MouseButton : std::uint8_t { Left, Right, Middle, Side, Extra };

/// Interface of an input device. Under the machine lock.
class InputSink {
 public:
  static constexpr const char* kType = "input-sink";
  virtual ~InputSink() = default;
  /// The keyboard repeats held keys by itself: a key that is down already is not pressed again.
  virtual void key(QKeyCode key, bool down) = 0;
  /// Right, down, and towards the user are positive, in mickeys and wheel notches.
  virtual void mouse_move(int dx, int dy, int wheel) = 0;
  virtual void mouse_button(MouseButton button, bool down) = 0;
};

}  // namespace machina
