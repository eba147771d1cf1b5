#include "hw/x86/boot/boot_rom.h"

#include <gtest/gtest.h>

#include <numeric>

#include "core/byte_order.h"
#include "tests/support/test_machine.h"

namespace machina::boot {
namespace {

using Bytes = std::vector<std::uint8_t>;

BootPlan some_plan() {
  BootPlan p;
  p.blobs.push_back({Part::Setup, 0x10000, {1, 2, 3}, 0});
  p.blobs.push_back({Part::Kernel, 0x100000, {9, 9, 4, 5, 6, 7}, 2});
  p.entry.mode = EntryMode::Long64;
  p.entry.ip = 0x100200;
  p.entry.eax = 0xaaaaaaaa;
  p.entry.ebx = 0xbbbbbbbb;
  p.entry.esi = 0x10000;
  p.entry.gdt = 0x11000;
  p.entry.page_table = 0x12000;
  p.map = {MapSlot::Format::Multiboot, 0x10100, 99, 0x1002c};
  p.rsdp_slot = 0x10070;
  return p;
}

unsigned sum(std::span<const std::uint8_t> bytes) { return std::accumulate(bytes.begin(), bytes.end(), 0U) & 0xff; }

TEST(BootRom, IsOneThatFirmwareTakes) {
  const Bytes rom = make_boot_rom(some_plan());
  EXPECT_EQ(load_le<std::uint16_t>(rom, 0), 0xaa55);
  EXPECT_EQ(rom[2] * 512U, rom.size());
  EXPECT_EQ(sum(rom), 0U);
  const std::size_t pnp = load_le<std::uint16_t>(rom, 0x1a);
  EXPECT_EQ(load_le<std::uint32_t>(rom, pnp), 0x506e5024U);  // "$PnP"
  EXPECT_EQ(sum(std::span(rom).subspan(pnp, rom[pnp + 5] * 16U)), 0U);
  const auto boot = load_le<std::uint16_t>(rom, pnp + 26);
  EXPECT_TRUE(boot > 0x80 && boot < rom.size()) << boot;
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(&rom[load_le<std::uint16_t>(rom, pnp + 16)])),
            "Kernel (-kernel)");
}

TEST(BootRom, HasThePlansParameters) {
  const Bytes rom = make_boot_rom(some_plan());
  EXPECT_EQ(load_le<std::uint32_t>(rom, 0x40), 0x18000402U);  // long mode, 4 bytes before, 0 behind, unit 24
  const std::uint32_t expected[] = {0x10100,    99,      0x1002c, 0x10070, 0x100200, 0xaaaaaaaa,
                                    0xbbbbbbbb, 0x10000, 0,       0,       0x11000,  0x12000};
  for (std::size_t i = 0; i < std::size(expected); ++i)
    EXPECT_EQ(load_le<std::uint32_t>(rom, 0x44 + 4 * i), expected[i]) << i;

  BootPlan real;
  real.entry.mode = EntryMode::Real16;
  real.entry.segment = 0x1020;
  real.entry.data_segment = 0x1000;
  real.entry.esp = 0xe000;
  const Bytes of_real = make_boot_rom(real);
  EXPECT_EQ(of_real[0x40], 0);
  EXPECT_EQ(load_le<std::uint32_t>(of_real, 0x64), 0xe000U);
  EXPECT_EQ(load_le<std::uint32_t>(of_real, 0x68), 0x10001020U);
  EXPECT_EQ(sum(of_real), 0U);

  BootPlan pvh;
  pvh.map.format = MapSlot::Format::Pvh;
  EXPECT_EQ(load_le<std::uint32_t>(make_boot_rom(pvh), 0x40), 0x01040001U);
}

TEST(BootRom, PartsAreInTheNumberedItems) {
  test::TestMachine m;
  m.add_isa_bus();
  auto& fw_cfg = m.add<FwCfg>("fw_cfg");
  m.start();
  offer_plan(fw_cfg, some_plan());
  EXPECT_EQ(*fw_cfg.file(kBootRomFile), make_boot_rom(some_plan()));
  const auto item = [&](FwCfgKey key, std::size_t size) {
    m.outw(0x510, static_cast<std::uint16_t>(key));
    Bytes bytes(size);
    for (auto& b : bytes) b = m.inb(0x511);
    return bytes;
  };
  EXPECT_EQ(item(FwCfgKey::KernelAddr, 4), (Bytes{0, 0, 0x10, 0}));
  EXPECT_EQ(item(FwCfgKey::KernelSize, 4), (Bytes{4, 0, 0, 0}));
  EXPECT_EQ(item(FwCfgKey::KernelData, 5), (Bytes{4, 5, 6, 7, 0})) << "without what is not loaded";
  EXPECT_EQ(item(FwCfgKey::SetupAddr, 4), (Bytes{0, 0, 1, 0}));
  EXPECT_EQ(item(FwCfgKey::SetupData, 4), (Bytes{1, 2, 3, 0}));
  EXPECT_EQ(item(FwCfgKey::InitrdSize, 4), (Bytes{0, 0, 0, 0}));
  EXPECT_EQ(item(FwCfgKey::CmdlineSize, 4), (Bytes{0, 0, 0, 0}));
}

}  // namespace
}  // namespace machina::boot
