#pragma once
/// Who hears the end of level-triggered interrupts.

#include <cstdint>

namespace machina {

class EoiListener {
 public:
  virtual ~EoiListener() = default;
  /// A local APIC has ended the service of a level-triggered interrupt. Machine lock held.
  virtual void eoi(std::uint8_t vector) = 0;
};

}  // namespace machina
