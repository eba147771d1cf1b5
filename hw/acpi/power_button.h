#pragma once
/// What a user's request to power down goes to: the front panel's button, if the machine has one.

namespace machina {

class PowerButton {
 public:
  static constexpr const char* kType = "power-button";
  virtual ~PowerButton() = default;
  /// A short press. What it means is the guest's: usually a clean shutdown; it wakes a machine that sleeps.
  virtual void press_power_button() = 0;
};

}  // namespace machina
