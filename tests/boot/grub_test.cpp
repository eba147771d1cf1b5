// The whole of it: Debian's SeaBIOS comes up on the PC of configs/pc.yaml, finds four processors and the disk, and
// boots GRUB from it to its prompt, which answers what is typed on the serial line. The same from a floppy. And a PC
// without PCI as far as it goes without a disk.

#include "tests/boot/process.h"
#include "tests/support/test_paths.h"

namespace machina::test {
namespace {

class BootGrub : public Boot {};

TEST_P(BootGrub, FourProcessorsToTheBootLoadersPrompt) {
  const Folder folder;
  const std::string disk = folder / "grub.img", messages = folder / "firmware.log";
  const std::string make = (source_dir() / "tests/guest/disk/make-grub-disk").string() + " " + disk;
  ASSERT_EQ(std::system((make + " > /dev/null").c_str()), 0) << make;

  Process machine({(binary_dir() / "machine-run").string(), "-M", "pc", "-accel", GetParam(), "-cpu", "host", "-smp",
                   "4", "-m", "2G", "-drive", "file=" + disk + ",format=raw", "-nographic", "-debugcon",
                   "file:" + messages});
  // Where KVM emulates kernel mode, GRUB takes most of a minute to unpack itself.
  ASSERT_TRUE(machine.wait_for("grub>", std::chrono::seconds(150)));

  const std::string said = contents(messages);
  EXPECT_NE(said.find("Found 4 cpu(s) max supported 4 cpu(s)"), std::string::npos) << said;
  EXPECT_NE(said.find("Booting from Hard Disk"), std::string::npos) << said;

  machine.type("ls\r");
  EXPECT_TRUE(machine.wait_for("(hd0)", std::chrono::seconds(30)));
  machine.type("\x01x");  // Ctrl-a x
  EXPECT_EQ(machine.wait_for_end(std::chrono::seconds(10)), 0);
}

// From a floppy every sector comes through the floppy controller and the DMA controller; GRUB loads its modules from
// it.
TEST_P(BootGrub, FromAFloppy) {
  // SeaBIOS waits for the controller with interrupts off but for two instructions a turn, and counts ticks of the timer
  // meanwhile. A KVM that looks for interrupts between batches of instructions meets these two every 5 to 80 ms
  // (docs/interrupts.md), and then the tick goes first.
  if (probe_.slow)
    GTEST_SKIP() << "this KVM lets interrupts in too seldom for the firmware to hear the floppy controller: "
                 << probe_.reason;
  const Folder folder;
  const std::string disk = folder / "grub.img", messages = folder / "firmware.log";
  const std::string make = (source_dir() / "tests/guest/disk/make-grub-disk").string() + " --floppy " + disk;
  ASSERT_EQ(std::system((make + " > /dev/null").c_str()), 0) << make;

  for (const std::string board : {"pc", "isapc"}) {
    Process machine({(binary_dir() / "machine-run").string(), "-M", board, "-accel", GetParam(), "-m", "64M", "-fda",
                     disk, "-boot", "a", "-nographic", "-debugcon", "file:" + messages});
    ASSERT_TRUE(machine.wait_for("Machina test disk", std::chrono::seconds(150))) << board;
    EXPECT_NE(contents(messages).find("Booting from Floppy"), std::string::npos) << contents(messages);
    ASSERT_TRUE(machine.wait_for("grub>", std::chrono::seconds(150)));
    machine.type("ls\r");
    EXPECT_TRUE(machine.wait_for("(fd0)", std::chrono::seconds(30)));
    machine.type("\x01x");  // Ctrl-a x
    EXPECT_EQ(machine.wait_for_end(std::chrono::seconds(10)), 0);
  }
}

// A board without an APIC bus and all controllers in user space: the CPU has no local APIC, and the firmware gets along
// with the PIC alone, to the end of its search for something to boot.
TEST_P(BootGrub, IsaPcWithoutALocalApic) {
  const std::string accelerator = GetParam() == "kvm" ? "kvm,kernel-irqchip=off" : GetParam();
  Process machine({(test::binary_dir() / "machine-run").string(), "-M", "isapc", "-accel", accelerator, "-m", "16M",
                   "-display", "none", "-serial", "none", "-debugcon", "stdio"});
  ASSERT_TRUE(machine.wait_for("No apic - only the main cpu is present", std::chrono::seconds(60)));
  ASSERT_TRUE(machine.wait_for("Booting from Hard Disk", std::chrono::seconds(60)));
}

INSTANTIATE_FOR_ACCELERATORS(BootGrub);

}  // namespace
}  // namespace machina::test
