// Suspend to RAM and back, with Debian's SeaBIOS: a boot sector (tests/guest/asm/suspend.S) puts the PC to sleep
// through its ACPI tables, the clock's alarm wakes it, and firmware finds its way back to the sector's waking vector in
// RAM.

#include "tests/boot/process.h"
#include "tests/support/test_paths.h"

namespace machina::test {
namespace {

class BootSuspend : public Boot {};

TEST_P(BootSuspend, ToRamAndBack) {
  const Folder folder;
  const std::string disk = folder / "suspend.img", messages = folder / "firmware.log";
  constexpr std::size_t kSector = 0x7c00;  // in the image, where it is in memory
  const std::string image = contents(guest_image("suspend").string());
  std::ofstream(disk) << image.substr(kSector, 512) << std::string(std::size_t{1} << 20, '\0');

  Process machine({(binary_dir() / "machine-run").string(), "-M", "pc", "-accel", GetParam(), "-m", "64M", "-drive",
                   "file=" + disk + ",format=raw", "-nographic", "-debugcon", "file:" + messages, "-device",
                   "isa-debug-exit,iobase=0xf4,iosize=1"});
  // Where KVM emulates kernel mode, firmware takes some seconds to the boot sector.
  EXPECT_EQ(machine.wait_for_end(std::chrono::seconds(120)), 0x10 << 1 | 1);
  const std::string said = contents(messages);
  EXPECT_NE(said.find("Booting from 0000:7c00"), std::string::npos) << said;
  EXPECT_NE(said.find("In 32bit resume"), std::string::npos) << said;
}

INSTANTIATE_FOR_ACCELERATORS(BootSuspend);

}  // namespace
}  // namespace machina::test
