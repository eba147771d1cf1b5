#pragma once
/// Message-signaled interrupts: PCI Local Bus Specification 3.0, 6.8.1. A capability that a function has as a member.

#include <cstdint>

namespace machina {

class PciDevice;

/// A memory write that means an interrupt.
struct MsiMessage {
  std::uint64_t address = 0;
  std::uint32_t data = 0;
  friend bool operator==(const MsiMessage&, const MsiMessage&) = default;
};

class MsiCapability {
 public:
  explicit MsiCapability(PciDevice& function) : function_(function) {}
  MsiCapability(const MsiCapability&) = delete;
  MsiCapability& operator=(const MsiCapability&) = delete;

  /// Adds the capability, in the function's realize(). `vectors`: 1, 2, 4, 8, 16 or 32.
  void add(unsigned vectors, bool address64 = true, bool maskable = true);
  /// Offset in configuration space; 0 before add().
  unsigned offset() const { return offset_; }

  bool enabled() const;
  /// Vectors that software granted, at most those asked for.
  unsigned granted() const;
  bool masked(unsigned vector) const;
  MsiMessage message(unsigned vector) const;

  /// Interrupt `vector`: the message is written through the function's bus-master space, or kept pending while its mask
  /// bit is set. Nothing happens while MSI is disabled. A vector beyond those granted is folded into them.
  void notify(unsigned vector);

 private:
  friend class PciDevice;
  /// Sends what is pending and no longer masked; after a configuration write.
  void apply();
  unsigned data_offset() const { return offset_ + (address64_ ? 12U : 8U); }
  unsigned mask_offset() const { return data_offset() + 4; }
  unsigned pending_offset() const { return mask_offset() + 4; }

  PciDevice& function_;
  unsigned offset_ = 0;
  unsigned vectors_ = 0;
  bool address64_ = false;
  bool maskable_ = false;
};

}  // namespace machina
