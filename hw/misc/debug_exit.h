#pragma once
/// ISA debug exit: a guest ends the process by writing a value v to the port; the exit status is (v << 1) | 1, so that
/// a guest can never pretend that the process ended by itself with 0. Test guests (kvm-unit-tests, kernel self tests)
/// know it at ports 0xf4 and 0x501. Reads return 0.

#include <optional>

#include "hw/isa/isa_bus.h"

namespace machina {

class DebugExit final : public IsaDevice {
 public:
  static constexpr const char* kType = "isa-debug-exit";
  static void class_init(DeviceClass& c);

 private:
  void realize() override;

  IoResult read(Offset offset, Width width);
  IoResult write(Offset offset, Width width, std::uint64_t value);

  // configuration
  std::uint16_t iobase_ = 0;
  std::uint16_t iosize_ = 0;
  // regions
  std::optional<IoRegion> port_;
};

}  // namespace machina
