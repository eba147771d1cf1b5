#pragma once
/// An IDE channel as a guest drives it: through its ports.

#include <vector>

#include "hw/ide/ata_regs.h"
#include "tests/support/test_machine.h"

namespace machina::test {

class IdePorts {
 public:
  IdePorts(TestMachine& machine, std::uint16_t command_block, std::uint16_t control_block)
      : machine_(machine), base_(command_block), control_(control_block) {}

  std::uint8_t in(unsigned reg) { return machine_.inb(static_cast<std::uint16_t>(base_ + reg)); }
  void out(unsigned reg, unsigned v) {
    machine_.outb(static_cast<std::uint16_t>(base_ + reg), static_cast<std::uint8_t>(v));
  }
  std::uint8_t status() { return in(ata::kStatus); }
  std::uint8_t alt_status() { return machine_.inb(control_); }
  std::uint8_t error() { return in(ata::kError); }
  void control(unsigned v) { machine_.outb(control_, static_cast<std::uint8_t>(v)); }
  std::uint16_t data() { return machine_.inw(base_); }
  void data(std::uint16_t v) { machine_.outw(base_, v); }

  void select(unsigned unit) { out(ata::kDevice, 0xe0 | unit << 4); }
  void command(ata::Command c) { out(ata::kCommand, static_cast<unsigned>(c)); }
  /// A 28-bit command.
  void lba28(ata::Command c, std::uint32_t lba, unsigned count, unsigned unit = 0) {
    out(ata::kDevice, 0xe0 | unit << 4 | (lba >> 24 & 0xf));
    out(ata::kSectorCount, count);
    out(ata::kLbaLow, lba);
    out(ata::kLbaMid, lba >> 8);
    out(ata::kLbaHigh, lba >> 16);
    command(c);
  }
  /// A 48-bit command: each register twice, the high half first.
  void lba48(ata::Command c, std::uint64_t lba, unsigned count, unsigned unit = 0) {
    out(ata::kDevice, 0x40 | unit << 4);
    out(ata::kSectorCount, count >> 8);
    out(ata::kSectorCount, count);
    for (unsigned i = 0; i < 3; ++i) {
      out(ata::kLbaLow + i, static_cast<unsigned>(lba >> (24 + 8 * i)));
      out(ata::kLbaLow + i, static_cast<unsigned>(lba >> (8 * i)));
    }
    command(c);
  }
  void chs(ata::Command c, unsigned cylinder, unsigned head, unsigned sector, unsigned count, unsigned unit = 0) {
    out(ata::kDevice, 0xa0 | unit << 4 | head);
    out(ata::kSectorCount, count);
    out(ata::kLbaLow, sector);
    out(ata::kLbaMid, cylinder);
    out(ata::kLbaHigh, cylinder >> 8);
    command(c);
  }
  void read_block(std::vector<std::uint8_t>& to, unsigned bytes = 512) {
    for (unsigned i = 0; i < bytes; i += 2) {
      const std::uint16_t w = data();
      to.push_back(static_cast<std::uint8_t>(w));
      to.push_back(static_cast<std::uint8_t>(w >> 8));
    }
  }
  void write_block(std::uint8_t value, unsigned bytes = 512) {
    for (unsigned i = 0; i < bytes; i += 2) data(static_cast<std::uint16_t>(value << 8 | value));
  }

 private:
  TestMachine& machine_;
  std::uint16_t base_, control_;
};

}  // namespace machina::test
