// Trace events of disks, network cards, displays and PCI: each family says what its guest does with it.

#include <gmock/gmock.h>

#include "hw/acpi/cpu_hotplug.h"
#include "hw/acpi/isa_pm.h"
#include "hw/display/isa_vga.h"
#include "hw/ide/ide_cd.h"
#include "hw/ide/ide_disk.h"
#include "hw/ide/isa_ide.h"
#include "hw/net/ne2k_isa.h"
#include "hw/net/rtl8139.h"
#include "tests/device/e1000_fixture.h"
#include "tests/device/fdc_fixture.h"
#include "tests/support/block_disc.h"
#include "tests/support/packet_ports.h"
#include "tests/support/trace_capture.h"

namespace machina::test {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsSupersetOf;
using testing::StartsWith;

TEST(TraceDisks, AtaCommands) {
  TestMachine m;
  m.add_isa_bus();
  m.add<IsaIde>("ide");
  m.object().add_new_child<TestDisk>("disk0").fill();
  m.add<IdeDisk>("hd").set_text("drive", "disk0");
  m.start();
  IdePorts io(m, 0x1f0, 0x3f6);
  TraceCapture trace({"ide_*"});
  io.lba28(ata::Command::ReadSectors, 7, 2);
  EXPECT_THAT(trace.take(),
              IsSupersetOf({"ide_ioport_write bus=0 reg=3 value=0x07", "ide_exec_cmd bus=0 unit=0 cmd=0x20",
                            "ide_transfer bus=0 unit=0 kind=pio-in lba=7 sectors=2", "ide_set_irq bus=0 level=1"}));
  EXPECT_EQ(io.status() & ata::kDrq, ata::kDrq);
  EXPECT_THAT(trace.take(), ElementsAre("ide_ioport_read bus=0 reg=7 value=0x58", "ide_set_irq bus=0 level=0"));
  io.lba28(ata::Command::ReadSectors, 0xfffffff, 1);
  EXPECT_THAT(trace.take(), Contains("ide_fail bus=0 unit=0 error=0x10"));
  io.control(0x04);
  EXPECT_THAT(trace.take(), ElementsAre("ide_ctrl_write bus=0 value=0x04", "ide_reset bus=0 unit=0 soft=1",
                                        "ide_set_irq bus=0 level=0"));
}

TEST(TraceDisks, Packets) {
  TestMachine m;
  m.add_isa_bus();
  m.add<IsaIde>("ide");
  m.add<IdeCd>("cd");
  m.start();
  IdePorts io(m, 0x1f0, 0x3f6);
  PacketPorts ports(io, [&m] { return m.line(14); });
  TraceCapture trace({"ide_atapi_*"});
  ports.pio(packet(mmc::Opcode::TestUnitReady));
  EXPECT_THAT(trace.take(), ElementsAre("ide_atapi_cmd_packet bus=0 unit=0 packet=000000000000000000000000",
                                        "ide_atapi_cmd_error bus=0 unit=0 sense=6 asc=0x29"));
}

TEST_F(FdcTest, TraceShowsCommandsAndResults) {
  start();
  TraceCapture trace({"fdc_*", "i8237_transfer"});
  EXPECT_EQ(io.command({0x10}), std::vector<unsigned>{0x90});
  EXPECT_THAT(trace.take(), IsSupersetOf({"fdc_ioport_write reg=5 value=0x10", "fdc_command bytes=10",
                                          "fdc_result bytes=90", "fdc_ioport_read reg=5 value=0x90"}));
  read(0, 0, 1, 512);
  EXPECT_THAT(
      trace.take(),
      IsSupersetOf({"fdc_command bytes=46000000010212" + std::string("1bff"), std::string("fdc_set_irq level=1"),
                    std::string("i8237_transfer channel=2 addr=0x10000 bytes=512 moved=512 terminal=1")}));
}

TEST_F(E1000Test, TraceShowsFramesDescriptorsAndCauses) {
  start_transmitter();
  TraceCapture trace({"e1000_*", "net_*", "pci_set_irq"});
  w(e1000::kIms, e1000::kIntTxdw);
  const Frame frame = make_frame(kBroadcast, 100);
  send_legacy(frame);
  const std::vector<std::string> sent = trace.take();
  EXPECT_THAT(sent,
              IsSupersetOf({"e1000_reg_write reg=0xd0 value=0x1", "e1000_reg_write reg=0x3818 value=0x1",
                            "e1000_tx_desc head=0 addr=0x100000 lower=0xb000064 upper=0x0", "e1000_tx bytes=100 link=1",
                            "net_send netdev=net0 bytes=100", "pci_set_irq dev=e1000 at=03.0 level=1"}));
  EXPECT_THAT(sent, Contains(StartsWith("e1000_raise causes=0x3 icr=")));
  start_receiver(2);
  trace.take();
  net->inject(frame);
  EXPECT_THAT(trace.take(), IsSupersetOf({"net_deliver netdev=net0 bytes=100 what=delivered",
                                          "e1000_rx_desc head=0 addr=0x110000 bytes=100"}));
  net->inject(make_frame("02:00:00:00:00:99", 100));
  EXPECT_THAT(trace.take(), Contains("e1000_rx_filtered bytes=100"));
  net->set_link(false);
  EXPECT_THAT(trace.take(), IsSupersetOf({"net_link netdev=net0 up=0", "e1000_link up=0"}));
}

class TraceRtl8139 : public NicTest<Rtl8139, 1, 0> {};

TEST_F(TraceRtl8139, RegistersAndFrames) {
  TraceCapture trace({"rtl8139_*"});
  m.write(kBar + rtl8139::kCr, 1, rtl8139::kCrRst);
  m.write(kBar + rtl8139::kRbstart, 4, 0x40000);
  m.write(kBar + rtl8139::kCr, 1, rtl8139::kCrRe);
  m.write(kBar + rtl8139::kRcr, 4, rtl8139::kRcrAb);
  net->inject(make_frame(kBroadcast, 100));
  EXPECT_THAT(trace.take(),
              ElementsAre("rtl8139_write addr=0x37 size=1 value=0x10", "rtl8139_reset",
                          "rtl8139_write addr=0x30 size=4 value=0x40000", "rtl8139_write addr=0x37 size=1 value=0x8",
                          "rtl8139_write addr=0x44 size=4 value=0x8",
                          StartsWith("rtl8139_rx bytes=100 cplus=0 status="), "rtl8139_raise causes=0x1"));
}

TEST(TraceNetworkCards, Ne2000) {
  TestMachine m;
  m.add_isa_bus();
  auto& net = m.object().add_new_child<TestNet>("net0");
  net.set_host(m.system().loop, m.system().clock);
  m.add("ne2k_isa", "nic", {{"irq", "5"}, {"netdev", "net0"}});
  m.start();
  TraceCapture trace({"ne2000_*"});
  m.outb(0x300, 0x21);
  m.outb(0x304, 0x40);  // TPSR
  m.outb(0x305, 60);    // TBCR0
  m.outb(0x306, 0);
  m.outb(0x300, 0x26);
  EXPECT_EQ(m.inb(0x307) & 2, 2);
  EXPECT_THAT(trace.take(), IsSupersetOf({"ne2000_write page=0 reg=0x00 value=0x21",
                                          "ne2000_write page=0 reg=0x04 value=0x40", "ne2000_tx bytes=60 page=64"}));
}

TEST(TraceDisplays, Vga) {
  TestMachine m;
  m.add_isa_bus();
  m.add<IsaVga>("vga", {{"romfile", ""}});
  m.start();
  TraceCapture trace({"vga_*"});
  m.outb(0x3c8, 5);
  EXPECT_EQ(m.inb(0x3c8), 5);
  EXPECT_THAT(trace.take(),
              ElementsAre("vga_std_write_io addr=0x3c8 value=0x05", "vga_std_read_io addr=0x3c8 value=0x05"));
  for (const auto& [index, value] : {std::pair{1, 640}, {2, 480}, {3, 32}, {4, 0x41}}) {
    m.outw(0x1ce, static_cast<std::uint16_t>(index));
    m.outw(0x1cf, static_cast<std::uint16_t>(value));
  }
  EXPECT_THAT(trace.take(), IsSupersetOf({"vga_vbe_write index=1 value=0x280",
                                          "vga_vbe_mode width=640 height=480 bpp=32 flags=0x41"}));
}

TEST_F(E1000Test, TraceShowsConfigurationSpaceAndMappings) {
  TraceCapture trace({"pci_cfg_*", "pci_update_mappings_*", "memory_map_commit"});
  EXPECT_EQ(config.w(0), 0x8086);
  EXPECT_THAT(trace.take(), ElementsAre("pci_cfg_read dev=e1000 at=03.0 offset=0x00 value=0x8086 size=2"));
  config.w(0x04, 0);
  EXPECT_THAT(trace.take(), IsSupersetOf({StartsWith("pci_cfg_write dev=e1000 at=03.0 offset=0x04 value=0x0 size=2"),
                                          StartsWith("pci_update_mappings_del dev=e1000 at=03.0 region="),
                                          StartsWith("memory_map_commit space=memory before=")}));
  config.w(0x04, 7);
  EXPECT_THAT(trace.take(), Contains(testing::ContainsRegex("pci_update_mappings_add dev=e1000 at=03.0 region=.* "
                                                            "addr=0xfeb00000 size=0x20000")));
}

TEST(TraceAcpi, PowerManagementAndHotplug) {
  TestMachine m;
  m.add_isa_bus();
  m.add<IsaPm>("pm");
  auto& hotplug = m.add<CpuHotplug>("cpuhp");
  for (unsigned i = 0; i < 2; ++i) hotplug.add_slot(i, i == 0);
  m.start();
  TraceCapture trace({"isa_pm_*", "cpuhp_*"});
  m.outw(0x604, 0x2000);
  {
    const MachineLock::Guard guard(m.system().lock);
    hotplug.plug(1);
  }
  m.outl(0xaf00, 1);
  m.outb(0xaf04, 2);
  EXPECT_THAT(trace.take(), ElementsAre("isa_pm_write addr=4 size=2 value=0x2000", "cpuhp_acpi_plug cpu=1",
                                        "cpuhp_acpi_write_idx cpu=1", "cpuhp_acpi_control cpu=1 value=0x02"));
}

}  // namespace
}  // namespace machina::test
