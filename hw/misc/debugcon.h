#pragma once
/// ISA debug console: each byte written to the port goes to a character backend; reads return `readback`.
///
/// Source: the "port E9 hack" of Bochs, whose guests probe for it by reading 0xe9 back. SeaBIOS writes to port 0x402.
/// Not modelled: nothing. What the backend does not take at once is dropped: a debug port has no way to say wait.

#include "core/chardev/char_backend.h"
#include "hw/isa/isa_bus.h"

namespace machina {

class DebugCon final : public IsaDevice, private CharFrontend {
 public:
  static constexpr const char* kType = "isa-debugcon";
  static void class_init(DeviceClass& c);

 private:
  void realize() override;
  void unrealize() override;

  IoResult read(Offset offset, Width width);
  IoResult write(Offset offset, Width width, std::uint64_t value);

  // A debug console has no input.
  std::size_t can_receive() override { return 0; }
  void receive(std::span<const std::byte>) override {}

  // configuration
  std::uint16_t iobase_ = 0;
  std::uint8_t readback_ = 0;
  // dependencies
  qom::Link<CharBackend> chardev_;
  // regions
  IoRegion port_{"isa-debugcon", 1, Widths::only(1), this, &DebugCon::read, &DebugCon::write};
};

}  // namespace machina
