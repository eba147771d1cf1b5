#pragma once
/// Configuration space as a guest reaches it: mechanism #1, through ports CF8h and CFCh.

#include "tests/support/test_machine.h"

namespace machina::test {

class PciConfig {
 public:
  PciConfig(TestMachine& machine, unsigned slot, unsigned function, unsigned bus = 0)
      : machine_(machine), address_(0x80000000U | bus << 16 | slot << 11 | function << 8) {}

  std::uint8_t b(unsigned reg) { return machine_.inb(select(reg)); }
  std::uint16_t w(unsigned reg) { return machine_.inw(select(reg)); }
  std::uint32_t l(unsigned reg) { return machine_.inl(select(reg)); }
  void b(unsigned reg, unsigned v) { machine_.outb(select(reg), static_cast<std::uint8_t>(v)); }
  void w(unsigned reg, unsigned v) { machine_.outw(select(reg), static_cast<std::uint16_t>(v)); }
  void l(unsigned reg, std::uint32_t v) { machine_.outl(select(reg), v); }

 private:
  std::uint16_t select(unsigned reg) {
    machine_.outl(0xcf8, address_ | (reg & 0xfc));
    return static_cast<std::uint16_t>(0xcfc + (reg & 3));
  }

  TestMachine& machine_;
  std::uint32_t address_;
};

}  // namespace machina::test
