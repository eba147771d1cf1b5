#pragma once
/// A floppy controller on an ISA bus with DMA channel 2 and one 1.44M drive.

#include <gtest/gtest.h>

#include <random>

#include "core/units.h"
#include "hw/block/fdc.h"
#include "hw/block/isa_fdc.h"
#include "hw/dma/i8237.h"
#include "tests/support/floppy_ports.h"
#include "tests/support/test_disk.h"

namespace machina::test {

inline constexpr unsigned kSectors = 18, kSector = 512;
inline constexpr std::uint32_t kBuffer = 0x10000;

class FdcTest : public testing::Test {
 protected:
  FdcTest() {
    m.add_isa_bus();
    m.add<I8237>("dma");
    m.add<IsaFdc>("fdc");
    disk = &m.object().add_new_child<TestDisk>("disk0");
    disk->bytes.resize(1440 * KiB);
    disk->fill();
  }
  void start(TestMachine::Properties drive_a = {{"drive", "disk0"}}) {
    drive = &m.add<FloppyDrive>("a", drive_a);
    m.start();
    io.reset();
  }
  static std::size_t offset(unsigned c, unsigned h, unsigned r) { return ((c * 2 + h) * kSectors + r - 1) * kSector; }
  std::vector<std::uint8_t> on_disk(unsigned c, unsigned h, unsigned r, std::size_t n = kSector) {
    const auto at = disk->bytes.begin() + static_cast<std::ptrdiff_t>(offset(c, h, r));
    return {at, at + static_cast<std::ptrdiff_t>(n)};
  }
  std::vector<std::uint8_t> memory(std::size_t n, std::uint64_t at = kBuffer) {
    std::vector<std::uint8_t> bytes(n);
    (void)m.system().memory.read(at, bytes);
    return bytes;
  }
  void fill_memory(const std::vector<std::uint8_t>& bytes) { (void)m.system().memory.write(kBuffer, bytes); }
  static std::vector<std::uint8_t> noise(std::size_t n, unsigned seed = 1) {
    std::mt19937 random(seed);
    std::vector<std::uint8_t> bytes(n);
    for (std::uint8_t& b : bytes) b = static_cast<std::uint8_t>(random() % 255);
    return bytes;
  }
  /// READ DATA of sectors r to eot, with DMA for `bytes`.
  std::vector<unsigned> read(unsigned c, unsigned h, unsigned r, unsigned bytes, unsigned code = 0x46,
                             unsigned eot = kSectors) {
    io.dma(true, kBuffer, bytes);
    return io.run({code, h << 2, c, h, r, 2, eot, 0x1b, 0xff});
  }
  std::vector<unsigned> write(unsigned c, unsigned h, unsigned r, unsigned bytes, unsigned code = 0x45) {
    io.dma(false, kBuffer, bytes);
    return io.run({code, h << 2, c, h, r, 2, kSectors, 0x1b, 0xff});
  }

  TestMachine m{1U << 20};
  FloppyPorts io{m};
  TestDisk* disk = nullptr;
  FloppyDrive* drive = nullptr;
};

}  // namespace machina::test
