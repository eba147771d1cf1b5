#include "hw/x86/mp_table.h"

#include <gtest/gtest.h>

#include <numeric>

namespace machina {
namespace {

using Bytes = std::vector<std::uint8_t>;

unsigned sum(Bytes::const_iterator from, std::size_t length) {
  return std::accumulate(from, from + static_cast<std::ptrdiff_t>(length), 0U) & 0xff;
}

/// The entries of a configuration table: sizes are those of the MultiProcessor Specification, table 4-3.
std::vector<Bytes> entries_of(const Bytes& table) {
  std::vector<Bytes> entries;
  for (std::size_t at = 16 + 44; at < table.size();) {
    const std::size_t size = table[at] == 0 ? 20 : 8;
    entries.emplace_back(table.begin() + static_cast<std::ptrdiff_t>(at),
                         table.begin() + static_cast<std::ptrdiff_t>(at + size));
    at += size;
  }
  return entries;
}

MpFacts pc() {
  MpFacts facts;
  facts.cpus = {{0, true, 0x623, 0x78bfbfd}, {1, false, 0x623, 0x78bfbfd}, {255, false, 0, 0}};
  facts.interrupts.ioapics = {{7, 0xfec00000, 0}};
  facts.interrupts.moved = {{0, 2}};
  facts.interrupts.level = {9, 10};
  facts.pci = true;
  facts.pci_pins = {{2, 0, 10}};
  return facts;
}

TEST(MpTable, WithoutAnIoapicThereIsNone) {
  MpFacts facts = pc();
  facts.interrupts.ioapics.clear();
  EXPECT_TRUE(make_mp_table(facts, 0xf0000).empty());
}

TEST(MpTable, ThePointerLeadsToTheTable) {
  const Bytes b = make_mp_table(pc(), 0xf1230);
  EXPECT_EQ((std::string{b.begin(), b.begin() + 4}), "_MP_");
  EXPECT_EQ(b[4] | b[5] << 8 | b[6] << 16, 0xf1240);
  EXPECT_EQ(b[8], 1);  // paragraphs
  EXPECT_EQ(b[9], 4);
  EXPECT_EQ(sum(b.begin(), 16), 0U);
  EXPECT_EQ((std::string{b.begin() + 16, b.begin() + 20}), "PCMP");
  const std::size_t length = static_cast<std::size_t>(b[20] | b[21] << 8);
  EXPECT_EQ(length, b.size() - 16);
  EXPECT_EQ(sum(b.begin() + 16, length), 0U);
  EXPECT_EQ(b[16 + 34] | b[16 + 35] << 8, static_cast<int>(entries_of(b).size()));
}

TEST(MpTable, EntriesDescribeTheMachine) {
  const std::vector<Bytes> entries = entries_of(make_mp_table(pc(), 0xf0000));
  std::vector<Bytes> cpus, buses, interrupts, local;
  for (const Bytes& e : entries) {
    if (e[0] == 0) cpus.push_back(e);
    if (e[0] == 1) buses.push_back(e);
    if (e[0] == 2) {
      EXPECT_EQ(e, (Bytes{2, 7, 0x11, 1, 0, 0, 0xc0, 0xfe}));
    }
    if (e[0] == 3) interrupts.push_back(e);
    if (e[0] == 4) local.push_back(e);
  }
  ASSERT_EQ(cpus.size(), 2U);  // the third has no ID of 8 bits
  EXPECT_EQ(cpus[0][3], 3);    // enabled, the bootstrap processor
  EXPECT_EQ(cpus[1][3], 1);
  EXPECT_EQ((std::string{buses[0].begin() + 2, buses[0].end()}), "PCI   ");
  EXPECT_EQ((std::string{buses[1].begin() + 2, buses[1].end()}), "ISA   ");
  EXPECT_EQ(interrupts[0], (Bytes{3, 0, 0x0d, 0, 0, 2 << 2, 7, 10}));
  EXPECT_EQ(interrupts[1], (Bytes{3, 0, 0, 0, 1, 0, 7, 2}));  // the timer at input 2
  // ISA: 16 lines without the cascade's input, which the timer has, and without 10, which is PCI's.
  EXPECT_EQ(interrupts.size(), 1U + 14);
  for (const Bytes& e : interrupts)
    if (e[4] == 1 && e[5] == 9) {
      EXPECT_EQ(e[2], 0x0d);
    }
  ASSERT_EQ(local.size(), 2U);
  EXPECT_EQ(local[0], (Bytes{4, 3, 0, 0, 1, 0, 0, 0}));
  EXPECT_EQ(local[1], (Bytes{4, 1, 0, 0, 1, 0, 0xff, 1}));
}

TEST(MpTable, WithoutPciTheIsaBusIsTheFirst) {
  MpFacts facts = pc();
  facts.pci = false;
  facts.pci_pins.clear();
  for (const Bytes& e : entries_of(make_mp_table(facts, 0xf0000)))
    if (e[0] == 1) {
      EXPECT_EQ(e, (Bytes{1, 0, 'I', 'S', 'A', ' ', ' ', ' '}));
    }
}

}  // namespace
}  // namespace machina
