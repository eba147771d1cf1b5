#pragma once
/// A PCI function for test guests: an interrupt pin and messages that the guest drives itself.
///
///   port iobase      write: bit 0 is the level of INTA#. Read: the same.
///   port iobase + 1  write: sends message 0
///
/// Its one capability, at 40h, is MSI with one vector, a 64-bit address and a mask.

#include "hw/pci/msi.h"
#include "hw/pci/pci_device.h"

namespace machina::test {

class IntxFunction final : public PciDevice {
 public:
  static constexpr const char* kType = "test-intx-function";
  static void class_init(PciDeviceClass& c);

 private:
  void realize() override;
  IoResult write(Offset offset, Width, std::uint64_t value);

  std::uint16_t iobase_ = 0;
  MsiCapability msi_{*this};
  IoRegion ports_{"intx-function", 2, Widths::only(1), [this](Offset, Width) -> IoResult { return intx() ? 1U : 0U; },
                  [this](Offset o, Width w, std::uint64_t v) { return write(o, w, v); }};
};

}  // namespace machina::test
