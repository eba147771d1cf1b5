// Kernels that -kernel starts, without firmware and through SeaBIOS: test kernels (tests/guest/kernels) print what they
// were given on the debug console.

#include <gmock/gmock.h>

#include <cctype>

#include "tests/boot/process.h"
#include "tests/support/test_paths.h"

namespace machina::test {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

constexpr const char* kRamTo128M = "00000000 00100000 00000000 07f00000 00000001";

class BootKernel : public Boot {
 protected:
  void SetUp() override {
    Boot::SetUp();
    if (IsSkipped()) return;
    std::ofstream(folder_ / "disk") << "disk!";
    std::ofstream(folder_ / "two") << "second";
  }
  static std::string kernel(const std::string& name) { return (binary_dir() / "guests" / name).string(); }

  /// What the guest printed before it left with exit code 21h; with firmware, its messages first.
  std::string run(const std::string& board, std::vector<std::string> options) {
    const std::string output = folder_ / "output";
    std::vector<std::string> command{(binary_dir() / "machine-run").string(),
                                     "-accel",
                                     GetParam(),
                                     "-M",
                                     board,
                                     "-display",
                                     "none",
                                     "-device",
                                     "isa-debug-exit,iobase=0xf4"};
    if (board.starts_with("microvm")) {
      command.insert(command.end(), {"-chardev", "file,id=console,path=" + output, "-device",
                                     "isa-debugcon,iobase=0x402,chardev=console"});
    } else {
      command.insert(command.end(), {"-debugcon", "file:" + output});
    }
    command.insert(command.end(), options.begin(), options.end());
    Process machine(command);
    EXPECT_EQ(machine.wait_for_end(std::chrono::seconds(100)), 0x10 << 1 | 1);
    return contents(output);
  }
  /// The same, what the kernel itself printed.
  std::string run_behind_firmware(const std::string& board, std::vector<std::string> options) {
    const std::string all = run(board, std::move(options));
    EXPECT_THAT(all, HasSubstr("Booting from ROM"));
    const std::size_t end = all.rfind("Booting from ");
    return end == std::string::npos ? all : all.substr(all.find('\n', end) + 1);
  }

  Folder folder_;
};

TEST_P(BootKernel, LinuxThroughIts64BitEntryAgainAfterAReset) {
  const std::string said =
      run("microvm", {"-kernel", kernel("linux.bzimage"), "-initrd", folder_ / "disk", "-append", "r console=ttyS0"});
  const std::string one =
      "entry64 80000011 00000020 00000500 00000010 00000018 00000018 00000806 \n"
      "loader 000000ff 00100000 \n"
      "cmdline r console=ttyS0\n"
      "initrd 00000005 disk!\n";
  EXPECT_THAT(said, StartsWith(one));
  const std::size_t second = said.find(one, 1);
  ASSERT_NE(second, std::string::npos) << said;
  EXPECT_EQ(said.substr(second), said.substr(0, second) + "boots 00000001 \n");
  EXPECT_THAT(said, HasSubstr("e820 00000000 00000000 00000000 0009fc00 00000001 \n"));
}

TEST_P(BootKernel, LinuxThroughIts32BitEntry) {
  const std::string said = run("microvm,kernel-entry=32", {"-kernel", kernel("linux.bzimage")});
  EXPECT_THAT(said, StartsWith("entry32 00000011 00000010 00000018 00000018 00000000 \n"
                               "loader 000000ff 00100000 \n"
                               "cmdline \n"
                               "initrd 00000000 \n"));
  EXPECT_THAT(said, HasSubstr("boots 00000000 \n"));
}

TEST_P(BootKernel, IsToldAboutMemoryAbove4G) {
  const std::string said = run("microvm", {"-kernel", kernel("linux.bzimage"), "-m", "4G"});
  EXPECT_THAT(said, HasSubstr("e820 00000001 00000000 00000000 40000000 00000001 \n"));
}

TEST_P(BootKernel, OnAPcWithoutFirmware) {
  const std::string said = run("pc,firmware=none", {"-kernel", kernel("linux.bzimage")});
  EXPECT_THAT(said, StartsWith("entry64 80000011 00000020 00000500"));
}

TEST_P(BootKernel, PvhAgainAfterAReset) {
  const std::string said =
      run("microvm", {"-kernel", kernel("pvh.elf"), "-initrd", folder_ / "disk", "-append", "r a=b"});
  const std::string one =
      "pvh 00000011 00000000 00000010 00000018 \n"
      "start_info 336ec578 00000001 \n"
      "cmdline r a=b\n"
      "module disk!\n";
  EXPECT_THAT(said, StartsWith(one));
  EXPECT_THAT(said, HasSubstr("memory 00000000 00000000 00000000 0009fc00 00000001 00000000 \n"));
  EXPECT_NE(said.find("bss 00000000 \n" + one), std::string::npos) << said;
  EXPECT_THAT(said, HasSubstr("bss 00000000 \nboots 00000001 \n")) << "memory that the file does not have is cleared";
}

TEST_P(BootKernel, MultibootElfWithModulesAgainAfterAReset) {
  const std::string disk = folder_ / "disk", two = folder_ / "two";
  const std::string said =
      run("microvm", {"-kernel", kernel("multiboot.elf"), "-initrd", disk + " a b," + two + " x,,y", "-append", "r c"});
  const std::string one =
      "multiboot 2badb002 00000011 00000010 00000018 00000018 \n"
      "flags 0000024d \n"
      "memory sizes 0000027c 0001f800 \n"
      "loader Machina\n"
      "cmdline " +
      kernel("multiboot.elf") + " r c\n" +  //
      "module " + disk + " a b: disk!\n" +  //
      "module " + two + " x,y: second\n" +  //
      "memory 00000000 00000000 00000000 0009fc00 00000001 \n";
  EXPECT_THAT(said, StartsWith(one));
  EXPECT_NE(said.find("bss 00000000 \n" + one), std::string::npos) << said;
  EXPECT_THAT(said, HasSubstr("bss 00000000 \nboots 00000001 \n"));
}

TEST_P(BootKernel, MultibootByItsHeadersAddresses) {
  const std::string said = run("microvm", {"-kernel", kernel("multiboot.bin")});
  EXPECT_THAT(said, StartsWith("multiboot 2badb002 00000011 00000010 00000018 00000018 \n"
                               "flags 00000245 \n"));
  EXPECT_THAT(said, HasSubstr("bss 00000000 \n"));
}

TEST_P(BootKernel, LinuxThroughFirmware) {
  const std::string said = run_behind_firmware(
      "pc", {"-kernel", kernel("linux.bzimage"), "-initrd", folder_ / "disk", "-append", "console=ttyS0"});
  EXPECT_THAT(said, StartsWith("entry16 1020 1000 1000 e000 \n"
                               "base memory 027f \n"
                               "entry32 "));
  EXPECT_THAT(said, HasSubstr("loader 000000ff 00100000 \n"
                              "cmdline console=ttyS0\n"
                              "initrd 00000005 disk!\n"));
}

TEST_P(BootKernel, LinuxThroughFirmwareInto64Bits) {
  const std::string said = run_behind_firmware(
      "pc,kernel-entry=64", {"-kernel", kernel("linux.bzimage"), "-initrd", folder_ / "disk", "-append", "x"});
  EXPECT_THAT(said, StartsWith("entry64 80000011 "));
  EXPECT_THAT(said, HasSubstr("cmdline x\ninitrd 00000005 disk!\nrsdp 00000000 000"));
  EXPECT_THAT(said, testing::Not(HasSubstr("rsdp 00000000 00000000"))) << "the firmware's tables are found";
  EXPECT_THAT(said, HasSubstr("e820 00000000 00000000 00000000 0009fc00 00000001 \n"));
  EXPECT_THAT(said, testing::Not(HasSubstr(kRamTo128M))) << "the firmware has taken memory for its tables";
}

/// Without DMA the option ROM reads with string input to beyond 1 MiB.
TEST_P(BootKernel, LinuxThroughFirmwareByBytes) {
  const std::string said =
      run_behind_firmware("pc,kernel-entry=32", {"-global", "fw_cfg.dma_enabled=off", "-kernel",
                                                 kernel("linux.bzimage"), "-initrd", folder_ / "disk", "-append", "x"});
  EXPECT_THAT(said, StartsWith("entry32 00000011 00000010 00000018 00000018 00000000 \n"));
  EXPECT_THAT(said, HasSubstr("cmdline x\ninitrd 00000005 disk!\n"));
}

TEST_P(BootKernel, PvhThroughFirmware) {
  const std::string said =
      run_behind_firmware("pc", {"-kernel", kernel("pvh.elf"), "-initrd", folder_ / "disk", "-append", "x"});
  EXPECT_THAT(said, StartsWith("pvh 00000011 00000000 00000010 00000018 \n"
                               "start_info 336ec578 00000001 \n"
                               "cmdline x\n"
                               "module disk!\n"));
  EXPECT_THAT(said, testing::Not(HasSubstr("rsdp 00000000 00000000")));
  EXPECT_THAT(said, HasSubstr("memory 00000000 00000000 00000000 0009fc00 00000001 00000000 \n"));
}

TEST_P(BootKernel, MultibootThroughFirmware) {
  const std::string disk = folder_ / "disk", two = folder_ / "two";
  const std::string said =
      run_behind_firmware("pc", {"-kernel", kernel("multiboot.elf"), "-initrd", disk + "," + two, "-append", "x"});
  EXPECT_THAT(said, StartsWith("multiboot 2badb002 00000011 00000010 00000018 00000018 \n"));
  EXPECT_THAT(said, HasSubstr("module " + disk + ": disk!\nmodule " + two + ": second\n" +
                              "memory 00000000 00000000 00000000 0009fc00 00000001 \n"));
}

TEST_P(BootKernel, LinuxThroughTheFirmwareOfAPcWithoutPci) {
  EXPECT_THAT(run_behind_firmware("isapc", {"-kernel", kernel("linux.bzimage"), "-append", "isa"}),
              HasSubstr("cmdline isa\n"));
}

INSTANTIATE_FOR_ACCELERATORS(BootKernel);

}  // namespace
}  // namespace machina::test
