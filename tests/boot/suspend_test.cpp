// Suspend to RAM and back, with Debian's SeaBIOS: a boot sector (tests/guest/asm/suspend.S) puts the PC to sleep
// through its ACPI tables, the clock's alarm wakes it, and firmware finds its way back to the sector's waking vector in
// RAM.

#include "tests/boot/process.h"
#include "tests/support/test_paths.h"

namespace machina::test {
namespace {

TEST(Boot, SuspendToRamAndBack) {
  if (access("/dev/kvm", R_OK | W_OK) != 0) GTEST_SKIP() << "no usable /dev/kvm";
  const Folder folder;
  const std::string disk = folder / "suspend.img", messages = folder / "firmware.log";
  constexpr std::size_t kSector = 0x7c00;  // in the image, where it is in memory
  const std::string image = contents(guest_image("suspend").string());
  std::ofstream(disk) << image.substr(kSector, 512) << std::string(std::size_t{1} << 20, '\0');

  Process machine({(binary_dir() / "machine-run").string(), "-M", "pc", "-m", "64M", "-drive",
                   "file=" + disk + ",format=raw", "-nographic", "-debugcon", "file:" + messages, "-device",
                   "isa-debug-exit,iobase=0xf4,iosize=1"});
  // Where KVM emulates kernel mode, firmware takes some seconds to the boot sector.
  EXPECT_EQ(machine.wait_for_end(std::chrono::seconds(120)), 0x10 << 1 | 1);
  const std::string said = contents(messages);
  EXPECT_NE(said.find("Booting from 0000:7c00"), std::string::npos) << said;
  EXPECT_NE(said.find("In 32bit resume"), std::string::npos) << said;
}

}  // namespace
}  // namespace machina::test
