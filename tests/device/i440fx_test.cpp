// Intel 82441FX PMC datasheet: section 3.2 (configuration registers), 3.2.18 PAM, 3.2.24 SMRAM, 3.2.29 TRC.

#include "hw/pci-host/i440fx.h"

#include <gtest/gtest.h>

#include "hw/pci/pci_bus.h"
#include "tests/support/pci_config.h"

namespace machina::test {
namespace {

struct PamCase {
  std::uint32_t start, size;
  unsigned reg, shift;
};
// The table of 3.2.18, written down a second time.
constexpr PamCase kCases[] = {
    {0xf0000, 0x10000, 0x59, 4}, {0xc0000, 0x4000, 0x5a, 0}, {0xc4000, 0x4000, 0x5a, 4}, {0xc8000, 0x4000, 0x5b, 0},
    {0xcc000, 0x4000, 0x5b, 4},  {0xd0000, 0x4000, 0x5c, 0}, {0xd4000, 0x4000, 0x5c, 4}, {0xd8000, 0x4000, 0x5d, 0},
    {0xdc000, 0x4000, 0x5d, 4},  {0xe0000, 0x4000, 0x5e, 0}, {0xe4000, 0x4000, 0x5e, 4}, {0xe8000, 0x4000, 0x5f, 0},
    {0xec000, 0x4000, 0x5f, 4},
};

class I440fxTest : public testing::Test {
 protected:
  I440fxTest() : host(m.add<I440fxHost>("i440fx")), config(m, 0, 0) {
    m.start();
    // PCI answers with a ROM of its own below 1 MiB, filled with 0xcc.
    auto block = RamBlock::create("rom", 0x40000);
    std::fill(block->bytes().begin(), block->bytes().end(), std::uint8_t{0xcc});
    rom = std::make_unique<RamRegion>("rom", block, true);
    const MachineLock::Guard guard(m.system().lock);
    host.pci_memory().add(0xc0000, *rom);
    // RAM has 0x11 everywhere below 1 MiB.
    auto ram = m.system().ram->bytes();
    std::fill(ram.begin(), ram.begin() + 0x100000, std::uint8_t{0x11});
  }
  ~I440fxTest() override {
    const MachineLock::Guard guard(m.system().lock);
    rom.reset();
  }
  std::uint8_t ram(std::uint32_t address) { return m.system().ram->host()[address]; }

  TestMachine m{4 << 20};
  I440fxHost& host;
  PciConfig config;
  std::unique_ptr<RamRegion> rom;
};

TEST_F(I440fxTest, IdentityAndResetValues) {
  EXPECT_EQ(config.l(0x00), 0x12378086U);
  EXPECT_EQ(config.w(0x04), 0x0006);
  EXPECT_EQ(config.w(0x06), 0x0280);
  EXPECT_EQ(config.l(0x08) >> 8, 0x060000U);
  EXPECT_EQ(config.b(0x0e), 0);
  for (unsigned reg = 0x10; reg < 0x28; reg += 4) {
    config.l(reg, 0xffffffff);
    EXPECT_EQ(config.l(reg), 0U) << "no base address register";
  }
  for (unsigned reg = 0x59; reg < 0x60; ++reg) EXPECT_EQ(config.b(reg), 0);
  EXPECT_EQ(config.b(0x72), 0x02);
}

TEST_F(I440fxTest, ReservedBitsReadBackZero) {
  config.w(0x04, 0xffff);
  EXPECT_EQ(config.w(0x04), 0x0146) << "memory and bus mastering stay on";
  config.w(0x04, 0);
  EXPECT_EQ(config.w(0x04), 0x0006);
  config.b(0x59, 0xff);
  EXPECT_EQ(config.b(0x59), 0x30) << "PAM0 has one segment";
  for (unsigned reg = 0x5a; reg < 0x60; ++reg) {
    config.b(reg, 0xff);
    EXPECT_EQ(config.b(reg), 0x33);
  }
  config.b(0x72, 0x07);
  EXPECT_EQ(config.b(0x72), 0x02) << "C_BASE_SEG is fixed";
}

// An accelerator maps the board's memory once its devices are realized; a reset that changed it then would cost a start
// of the machine milliseconds.
TEST(I440fx, MemoryIsAsResetLeavesItOnceRealized) {
  TestMachine m(4 << 20);
  auto& host = m.add<I440fxHost>("i440fx");
  std::uint64_t generation = 0;
  {
    const MachineLock::Guard guard(m.system().lock);
    qom::realize_tree(host);
    generation = m.system().memory.generation();
    EXPECT_FALSE(m.system().memory.view()->find(0xf0000)->is_ram());
  }
  m.reset();
  EXPECT_EQ(m.system().memory.generation(), generation);
}

TEST_F(I440fxTest, EachPamSegmentInItsFourStates) {
  for (const PamCase& c : kCases) {
    SCOPED_TRACE(testing::Message() << std::hex << c.start);
    for (const std::uint32_t at : {c.start, c.start + c.size - 4}) {
      std::fill_n(m.system().ram->host() + at, 4, std::uint8_t{0x11});
      // Neither: reads come from PCI, writes go there (to a ROM, which ignores them).
      EXPECT_EQ(m.read(at, 4), 0xccccccccU);
      m.write(at, 4, 0x22222222);
      EXPECT_EQ(m.read(at, 4), 0xccccccccU);
      EXPECT_EQ(ram(at), 0x11);
      // Writes only: the BIOS copies itself.
      config.b(c.reg, 0x2 << c.shift);
      EXPECT_EQ(m.read(at, 4), 0xccccccccU);
      m.write(at, 4, 0x33333333);
      EXPECT_EQ(m.read(at, 4), 0xccccccccU);
      EXPECT_EQ(ram(at + 3), 0x33);
      m.write(at + 1, 1, 0x34);
      EXPECT_EQ(ram(at + 1), 0x34);
      // Reads only: what was copied is protected.
      config.b(c.reg, 0x1 << c.shift);
      EXPECT_EQ(m.read(at, 4), 0x33333433U);
      m.write(at, 4, 0x44444444);
      EXPECT_EQ(m.read(at, 4), 0x33333433U);
      EXPECT_EQ(ram(at), 0x33);
      // Both: plain RAM.
      config.b(c.reg, 0x3 << c.shift);
      m.write(at, 4, 0x55555555);
      EXPECT_EQ(m.read(at, 4), 0x55555555U);
      config.b(c.reg, 0);
      EXPECT_EQ(m.read(at, 4), 0xccccccccU);
    }
  }
}

TEST_F(I440fxTest, ANibbleIsItsOwnSegmentOnly) {
  for (const PamCase& c : kCases) {
    config.b(c.reg, 0x3 << c.shift);
    for (const PamCase& other : kCases)
      EXPECT_EQ(m.read(other.start, 1), other.start == c.start ? 0x11U : 0xccU) << std::hex << c.start << other.start;
    config.b(c.reg, 0);
  }
}

TEST_F(I440fxTest, RamStaysInOnePieceWhenAllIsRam) {
  for (unsigned reg = 0x59; reg < 0x60; ++reg) config.b(reg, 0x33);
  const auto view = m.system().memory.view();
  const FlatRange* range = view->find(0xc0000);
  ASSERT_NE(range, nullptr);
  EXPECT_EQ(range->last, (4U << 20) - 1);
}

TEST_F(I440fxTest, ResetShowsTheRomAgain) {
  for (unsigned reg = 0x59; reg < 0x60; ++reg) config.b(reg, 0x33);
  EXPECT_EQ(m.read(0xffff0, 1), 0x11U);
  m.reset();
  EXPECT_EQ(m.read(0xffff0, 1), 0xccU);
  EXPECT_EQ(config.b(0x59), 0);
}

TEST_F(I440fxTest, WakingUpKeepsTheShadow) {
  for (unsigned reg = 0x59; reg < 0x60; ++reg) config.b(reg, 0x33);
  config.b(0x72, 0x4a);
  m.object().state = RunState::Suspended;
  m.reset();
  EXPECT_EQ(m.read(0xffff0, 1), 0x11U);
  EXPECT_EQ(m.read(0xc0000, 1), 0x11U);
  EXPECT_EQ(config.b(0x59), 0x30);
  EXPECT_EQ(config.b(0x5f), 0x33);
  EXPECT_EQ(config.b(0x72), 0x02) << "all else is reset";
}

TEST_F(I440fxTest, WithoutRomPciAnswersNothingAndRamDoesNotShowThrough) {
  {
    const MachineLock::Guard guard(m.system().lock);
    host.pci_memory().remove(*rom);
  }
  EXPECT_EQ(m.read(0xc0000, 4), 0xffffffffU);
  EXPECT_EQ(m.read(0xffff0, 1), 0xffU);
  EXPECT_EQ(m.read(0xa0000, 1), 0xffU) << "no VGA";
}

TEST_F(I440fxTest, PciMemoryShowsAboveRam) {
  auto block = RamBlock::create("card", 0x1000);
  block->bytes()[0] = 0x77;
  RamRegion low("low", block), high("high", block), hidden("hidden", block);
  {
    const MachineLock::Guard guard(m.system().lock);
    host.pci_memory().add(0xe0000000, low);
    host.pci_memory().add(0x8000000000, high);
    host.pci_memory().add(0x200000, hidden);
  }
  EXPECT_EQ(m.read(0xe0000000, 1), 0x77U);
  EXPECT_EQ(m.read(0x8000000000, 1), 0x77U);
  EXPECT_EQ(m.read(0x200000, 1), 0U) << "RAM is there";
  const MachineLock::Guard guard(m.system().lock);
  for (RamRegion* r : {&low, &high, &hidden}) host.pci_memory().remove(*r);
}

TEST_F(I440fxTest, SmramOpensTheRamBehindTheScreen) {
  EXPECT_EQ(m.read(0xa0000, 1), 0xffU);
  config.b(0x72, 0x4a);  // D_OPEN and G_SMRAME
  EXPECT_EQ(m.read(0xa0000, 1), 0x11U);
  EXPECT_EQ(m.read(0xbffff, 1), 0x11U);
  m.write(0xa1234, 1, 0x99);
  config.b(0x72, 0x0a);  // closed
  EXPECT_EQ(m.read(0xa1234, 1), 0xffU);
  EXPECT_EQ(ram(0xa1234), 0x99);
  config.b(0x72, 0x42);  // open, but not enabled
  EXPECT_EQ(m.read(0xa1234, 1), 0xffU);
}

TEST_F(I440fxTest, SmramIsSeenByManagementModeWhileEnabled) {
  AddressSpace smm("smm", m.system().smram_root, m.system().lock);
  EXPECT_EQ(smm.load(0xa0000, 1), 0xffU);
  config.b(0x72, 0x0a);
  EXPECT_EQ(smm.load(0xa0000, 1), 0x11U);
  m.reset();
  EXPECT_EQ(smm.load(0xa0000, 1), 0xffU);
}

TEST_F(I440fxTest, LockedSmramStaysClosedUntilReset) {
  config.b(0x72, 0x4a);
  config.b(0x72, 0x5a);  // lock while open
  EXPECT_EQ(config.b(0x72), 0x1a) << "D_LCK clears D_OPEN";
  EXPECT_EQ(m.read(0xa0000, 1), 0xffU);
  config.b(0x72, 0x4a);
  EXPECT_EQ(config.b(0x72), 0x1a);
  m.reset();
  EXPECT_EQ(config.b(0x72), 0x02);
  config.b(0x72, 0x4a);
  EXPECT_EQ(m.read(0xa0000, 1), 0x11U);
}

TEST_F(I440fxTest, TurboResetControlResetsOnTheRisingEdge) {
  config.b(0x93, 0x02);
  EXPECT_TRUE(m.object().resets.empty());
  config.b(0x93, 0x06);
  ASSERT_EQ(m.object().resets.size(), 1U);
  EXPECT_EQ(m.object().resets[0], ShutdownCause::GuestReset);
  config.b(0x93, 0x06);
  EXPECT_EQ(m.object().resets.size(), 1U);
}

TEST(I440fxSmallTest, LessThanOneMebibyteIsRefused) {
  TestMachine m(512 << 10);
  m.add<I440fxHost>("i440fx");
  EXPECT_THROW(m.start(), Error);
}

}  // namespace
}  // namespace machina::test
