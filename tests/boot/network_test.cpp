// iPXE, from Debian's package, on each PCI card: it gets an address by DHCP from the user network, loads a script by
// TFTP and runs it, under the software CPU; the dump has the frames.

#include "tests/boot/process.h"
#include "tests/support/test_paths.h"

namespace machina::test {
namespace {

class BootNetwork : public testing::TestWithParam<const char*> {};

TEST_P(BootNetwork, IpxeLoadsAScript) {
  const std::string rom = std::string("/usr/lib/ipxe/qemu/pxe-") + GetParam() + ".rom";
  if (!std::filesystem::exists(rom)) GTEST_SKIP() << "there is no " << rom << ": install the package ipxe-qemu";
  const Folder folder;
  const std::string dump = folder / "dump.pcap";
  std::ofstream(folder / "boot.ipxe") << "#!ipxe\necho machina gave ${net0/ip} by ${net0/dhcp-server}\n"
                                         "imgfetch tftp://${next-server}/long && echo long is there\n";
  std::ofstream(folder / "long") << std::string(300'000, 'x');
  const std::string tftp = std::filesystem::path(dump).parent_path().string();
  Process machine({(binary_dir() / "machine-run").string(), "-M", "pc", "-accel", "jit", "-m", "64M", "-nographic",
                   "-boot", "n", "-nic",
                   std::string("user,id=net0,tftp=") + tftp + ",bootfile=boot.ipxe,model=" + GetParam(), "-object",
                   "filter-dump,id=dump,netdev=net0,file=" + dump});
  ASSERT_TRUE(machine.wait_for("machina gave 10.0.2.15 by 10.0.2.2", std::chrono::seconds(120)));
  ASSERT_TRUE(machine.wait_for("long is there", std::chrono::seconds(60)));
  machine.type("\x01x");  // Ctrl-a x
  EXPECT_EQ(machine.wait_for_end(std::chrono::seconds(20)), 0);
  const std::string frames = contents(dump);
  EXPECT_GT(frames.size(), 300'000U);
  EXPECT_NE(frames.find("boot.ipxe"), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(Cards, BootNetwork, testing::Values("e1000", "rtl8139", "ne2k_pci"),
                         [](const auto& tested) { return std::string(tested.param); });

}  // namespace
}  // namespace machina::test
