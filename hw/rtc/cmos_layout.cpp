#include "hw/rtc/cmos_layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "core/error.h"
#include "core/units.h"

namespace machina {

namespace {

enum Index : std::uint8_t {
  Floppies = 0x10,   // drive A in the upper half
  HardDisks = 0x12,  // drive 0 in the upper half; Fh: the type is in 19h, 1Ah
  Equipment = 0x14,
  BaseMemory = 0x15,      // KiB, low byte first, as all below
  ExtendedMemory = 0x17,  // KiB above 1 MiB
  HardDisk0Type = 0x19,
  HardDisk1Type = 0x1a,
  HardDisk0 = 0x1b,  // nine bytes of user type 47
  HardDisk1 = 0x24,
  Checksum = 0x2e,
  ExtendedMemoryFound = 0x30,  // as 17h, by the power-on test
  MemoryAbove16M = 0x34,       // 64 KiB units
  BootDevice3 = 0x38,          // upper half; D0: no check of the floppy's signature
  Translation = 0x39,          // two bits a disk
  BootDevices12 = 0x3d,        // first in the lower half
  MemoryAbove4G = 0x5b,        // 64 KiB units, three bytes
  CpuCount = 0x5f,             // less one
};

constexpr std::uint8_t kEquipmentFloppy = 0x01;
constexpr std::uint8_t kEquipmentFpu = 0x02;
constexpr std::uint8_t kEquipmentMouse = 0x04;
constexpr std::uint8_t kEquipmentSecondFloppy = 0x40;
constexpr std::uint8_t kDiskTypeExtended = 0xf;
constexpr std::uint8_t kDiskTypeUser = 47;
constexpr std::uint8_t kNoFloppyCheck = 0x01;

std::uint8_t boot_code(char letter) {
  switch (letter) {
    case 'a':
    case 'b':
      return 1;
    case 'c':
      return 2;
    case 'd':
      return 3;
    case 'n':
    case 'o':
    case 'p':
      return 4;
    default:
      throw Error(fmt::format("no such boot device: '{}'", letter))
          .hint("write a or b (floppy), c (disk), d (CD-ROM), n (network)");
  }
}

class Layout {
 public:
  void put(unsigned index, std::uint64_t value, unsigned count = 1) {
    for (unsigned i = 0; i < count; ++i) bytes_[index + i] = static_cast<std::uint8_t>(value >> 8 * i);
  }

  void disk(unsigned type_index, unsigned index, const CmosDisk& d) {
    if (!d.present) return;
    put(type_index, kDiskTypeUser);
    put(index, d.cylinders, 2);
    put(index + 2, d.heads);
    put(index + 3, 0xffff, 2);                        // no write precompensation
    put(index + 5, 0xc0 | (d.heads > 8 ? 0x08 : 0));  // control byte: no retries, more than eight heads
    put(index + 6, d.cylinders, 2);                   // landing zone
    put(index + 8, d.sectors);
  }

  std::vector<CmosByte> take() const {
    std::vector<CmosByte> all;
    for (const auto& [index, value] : bytes_) all.push_back({static_cast<std::uint8_t>(index), value});
    return all;
  }

 private:
  std::map<unsigned, std::uint8_t> bytes_;
};

}  // namespace

std::vector<CmosByte> cmos_boot_order(const CmosConfig& config) {
  std::array<std::uint8_t, 3> boot{};
  for (std::size_t i = 0; i < config.boot_order.size(); ++i) {
    const std::uint8_t code = boot_code(config.boot_order[i]);
    if (i < boot.size()) boot[i] = code;
  }
  const unsigned third = boot[2] << 4 | (config.floppy_signature_check ? 0U : kNoFloppyCheck);
  return {{BootDevice3, static_cast<std::uint8_t>(third)},
          {BootDevices12, static_cast<std::uint8_t>(boot[1] << 4 | boot[0])}};
}

std::vector<CmosByte> cmos_layout(const CmosConfig& config) {
  Layout l;
  const auto a = static_cast<std::uint8_t>(config.floppies[0]), b = static_cast<std::uint8_t>(config.floppies[1]);
  l.put(Floppies, a << 4 | b);
  const auto type = [](const CmosDisk& d) { return d.present ? kDiskTypeExtended : 0; };
  l.put(HardDisks, static_cast<std::uint8_t>(type(config.disks[0]) << 4 | type(config.disks[1])));
  l.disk(HardDisk0Type, HardDisk0, config.disks[0]);
  l.disk(HardDisk1Type, HardDisk1, config.disks[1]);

  unsigned equipment = kEquipmentFpu;
  if (config.ps2_mouse) equipment |= kEquipmentMouse;
  if (a || b) equipment |= kEquipmentFloppy;
  if (a && b) equipment |= kEquipmentSecondFloppy;
  l.put(Equipment, equipment);

  // Each size says as much as its bytes can hold.
  const std::uint64_t below = config.ram_below_4g;
  const auto above = [below](std::uint64_t start) { return below > start ? below - start : 0; };
  const std::uint64_t extended = std::min<std::uint64_t>(above(MiB) / KiB, 0xffff);
  l.put(BaseMemory, std::min<std::uint64_t>(below / KiB, 640), 2);
  l.put(ExtendedMemory, extended, 2);
  l.put(ExtendedMemoryFound, extended, 2);
  l.put(MemoryAbove16M, std::min<std::uint64_t>(above(16 * MiB) / (64 * KiB), 0xffff), 2);
  l.put(MemoryAbove4G, std::min<std::uint64_t>(config.ram_above_4g / (64 * KiB), 0xffffff), 3);

  for (const CmosByte& byte : cmos_boot_order(config)) l.put(byte.index, byte.value);

  unsigned translation = 0, shift = 0;
  for (const auto* channel : {&config.disks, &config.secondary_disks}) {
    for (const CmosDisk& d : *channel) {
      if (d.present) translation |= static_cast<unsigned>(d.translation) << shift;
      shift += 2;
    }
  }
  l.put(Translation, translation);
  l.put(CpuCount, config.cpus - 1);

  unsigned sum = 0;
  for (const CmosByte& byte : l.take())
    if (byte.index >= kCmosChecksumFirst && byte.index <= kCmosChecksumLast) sum += byte.value;
  l.put(Checksum, sum >> 8);
  l.put(Checksum + 1, sum);
  return l.take();
}

}  // namespace machina
