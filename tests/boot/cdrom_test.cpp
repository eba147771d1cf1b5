// Starting from discs: the firmware loads GRUB by El Torito through ATAPI packets, in the order that -boot asks for.

#include "tests/boot/process.h"
#include "tests/support/test_paths.h"

namespace machina::test {
namespace {

using std::chrono::seconds;

class BootCdrom : public Boot {
 protected:
  void SetUp() override {
    Boot::SetUp();
    if (IsSkipped()) return;
    const Accelerator::Probe probe = qom::TypeRegistry::global().create_as<Accelerator>(GetParam() + "-accel")->probe();
    if (probe.slow) GTEST_SKIP() << "GRUB would take minutes to unpack itself: " << probe.reason;
    if (std::system("command -v xorriso > /dev/null") != 0) GTEST_SKIP() << "there is no xorriso to make a disc with";
  }
  static std::string made(const char* script, const std::string& image) {
    const std::string make = (source_dir() / "tests/guest/disk" / script).string() + " " + image;
    EXPECT_EQ(std::system((make + " > /dev/null").c_str()), 0) << make;
    return image;
  }
  std::vector<std::string> command(std::vector<std::string> more) const {
    std::vector<std::string> all{(binary_dir() / "machine-run").string(),
                                 "-M",
                                 "pc",
                                 "-accel",
                                 GetParam(),
                                 "-m",
                                 "256M",
                                 "-nic",
                                 "none",
                                 "-nographic",
                                 "-debugcon",
                                 "file:" + messages};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }

  const Folder folder;
  const std::string messages = folder / "firmware.log";
};

TEST_P(BootCdrom, GrubReadsItsDisc) {
  Process machine(command({"-cdrom", made("make-grub-iso", folder / "grub.iso"), "-boot", "d"}));
  ASSERT_TRUE(machine.wait_for("Machina test disc", seconds(60)));
  ASSERT_TRUE(machine.wait_for("grub>", seconds(30)));
  machine.type("cat /note.txt\r");
  EXPECT_TRUE(machine.wait_for("as read from the disc", seconds(30)));
  const std::string said = contents(messages);
  EXPECT_NE(said.find("Booting from DVD/CD"), std::string::npos) << said;
  machine.type("\x01x");  // Ctrl-a x
  EXPECT_EQ(machine.wait_for_end(seconds(10)), 0);
}

TEST_P(BootCdrom, OnceFromTheDiscAndThenFromTheDisk) {
  Process machine(command({"-cdrom", made("make-grub-iso", folder / "grub.iso"), "-hda",
                           made("make-grub-disk", folder / "grub.img"), "-boot", "order=c,once=d"}));
  ASSERT_TRUE(machine.wait_for("Machina test disc", seconds(60)));
  ASSERT_TRUE(machine.wait_for("grub>", seconds(30)));
  machine.type("reboot\r");
  ASSERT_TRUE(machine.wait_for("Machina test disk", seconds(60)));
  ASSERT_TRUE(machine.wait_for("grub>", seconds(30)));
  machine.type("reboot\r");
  ASSERT_TRUE(machine.wait_for("Machina test disk", seconds(60))) << "and not once more";
}

TEST_P(BootCdrom, WithoutADiscTheDiskComesNext) {
  Process machine(command({"-hda", made("make-grub-disk", folder / "grub.img"), "-boot", "dc"}));
  ASSERT_TRUE(machine.wait_for("Machina test disk", seconds(60)));
}

TEST_P(BootCdrom, TheMenuOffersTheDisc) {
  Process machine(command({"-cdrom", made("make-grub-iso", folder / "grub.iso"), "-hda",
                           made("make-grub-disk", folder / "grub.img"), "-boot", "menu=on,splash-time=60000"}));
  ASSERT_TRUE(machine.wait_for("Press ESC for boot menu", seconds(60)));
  machine.type("\x1b");
  ASSERT_TRUE(machine.wait_for("2. DVD/CD [ata1-0: MACHINA DVD-ROM ATAPI-", seconds(30)));
  machine.type("2");
  ASSERT_TRUE(machine.wait_for("Machina test disc", seconds(60)));
}

INSTANTIATE_FOR_ACCELERATORS(BootCdrom);

}  // namespace
}  // namespace machina::test
