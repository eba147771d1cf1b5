#include "hw/acpi/table_linker.h"

#include <gtest/gtest.h>

#include <map>
#include <numeric>

#include "core/error.h"

namespace machina {
namespace {

using Bytes = std::vector<std::uint8_t>;

unsigned sum(const Bytes& bytes) { return std::accumulate(bytes.begin(), bytes.end(), 0U) & 0xff; }

TEST(TableLinker, CommandsHaveTheirFieldsWhereFirmwareReadsThem) {
  TableLinker linker;
  linker.add_file({"etc/a", Bytes(16), 64, TableLinker::Zone::High});
  linker.add_file({"etc/b", Bytes(8), 16, TableLinker::Zone::Segment});
  linker.add_pointer("etc/b", 4, 4, "etc/a");
  linker.add_checksum("etc/b", 0, 0, 8);
  const Bytes list = linker.commands();
  ASSERT_EQ(list.size(), 4U * 128);
  const auto word = [&](std::size_t at) { return list[at] | list[at + 1] << 8 | list[at + 2] << 16; };
  const auto text = [&](std::size_t at) { return std::string(reinterpret_cast<const char*>(&list[at])); };
  EXPECT_EQ(word(0), 1);
  EXPECT_EQ(text(4), "etc/a");
  EXPECT_EQ(word(60), 64);
  EXPECT_EQ(list[64], 1);
  EXPECT_EQ(text(128 + 4), "etc/b");
  EXPECT_EQ(list[128 + 64], 2);
  EXPECT_EQ(word(256), 2);
  EXPECT_EQ(text(256 + 4), "etc/b");
  EXPECT_EQ(text(256 + 60), "etc/a");
  EXPECT_EQ(word(256 + 116), 4);
  EXPECT_EQ(list[256 + 120], 4);
  EXPECT_EQ(word(384), 3);
  EXPECT_EQ(text(384 + 4), "etc/b");
  EXPECT_EQ(word(384 + 60), 0);
  EXPECT_EQ(word(384 + 64), 0);
  EXPECT_EQ(word(384 + 68), 8);
}

TEST(TableLinker, PlacingResolvesPointersBeforeChecksums) {
  TableLinker linker;
  Bytes a(16), b(16);
  b[4] = 9;  // offset into a
  linker.add_file({"a", a, 1, TableLinker::Zone::High});
  linker.add_file({"b", b, 1, TableLinker::Zone::Segment});
  linker.add_pointer("b", 4, 8, "a");
  linker.add_checksum("b", 0, 0, 16);
  std::map<std::uint64_t, Bytes> memory;
  linker.place([](const TableLinker::File& f) { return f.name == "a" ? 0x123456000U : 0xf0000U; },
               [&](std::uint64_t at, std::span<const std::uint8_t> bytes) {
                 memory[at] = {bytes.begin(), bytes.end()};
               });
  ASSERT_EQ(memory.size(), 2U);
  const Bytes& placed = memory[0xf0000];
  EXPECT_EQ((Bytes{placed.begin() + 4, placed.begin() + 12}), (Bytes{0x09, 0x60, 0x45, 0x23, 0x01, 0, 0, 0}));
  EXPECT_EQ(sum(placed), 0U);
  // The files themselves are as before: they may be placed again.
  EXPECT_EQ(linker.file("b").bytes[4], 9);
}

TEST(TableLinker, ReportsWhereAByteLies) {
  TableLinker linker;
  linker.add_file({"a", Bytes(64), 64, TableLinker::Zone::High});
  std::uint64_t told = 0;
  linker.add_report({"etc/address", "a", 40, [&](std::uint64_t address) { told = address; }});
  const Bytes list = linker.commands();
  ASSERT_EQ(list.size(), 2U * 128);
  const Bytes entry(list.begin() + 128, list.end());
  EXPECT_EQ((Bytes{entry.begin(), entry.begin() + 4}), (Bytes{4, 0, 0, 0}));
  EXPECT_STREQ(reinterpret_cast<const char*>(&entry[4]), "etc/address");
  EXPECT_STREQ(reinterpret_cast<const char*>(&entry[60]), "a");
  EXPECT_EQ((Bytes{entry.begin() + 116, entry.begin() + 125}), (Bytes{0, 0, 0, 0, 40, 0, 0, 0, 8}));
  linker.place([](const TableLinker::File&) { return 0x7000U; }, [](std::uint64_t, std::span<const std::uint8_t>) {});
  EXPECT_EQ(told, 0x7028U);
}

TEST(TableLinker, MistakesAreFoundWhenTheyAreMade) {
  TableLinker linker;
  linker.add_file({"a", Bytes(16, 0xff), 1, TableLinker::Zone::High});
  linker.add_file({"b", Bytes(16), 1, TableLinker::Zone::High});
  EXPECT_THROW(linker.add_file({"a", {}, 1, TableLinker::Zone::High}), Error);
  EXPECT_THROW(linker.add_file({"", {}, 1, TableLinker::Zone::High}), Error);
  EXPECT_THROW(linker.add_file({std::string(56, 'n'), {}, 1, TableLinker::Zone::High}), Error);
  EXPECT_THROW(linker.add_pointer("c", 0, 4, "a"), Error);
  EXPECT_THROW(linker.add_pointer("b", 0, 4, "c"), Error);
  EXPECT_THROW(linker.add_pointer("b", 13, 4, "a"), Error);
  EXPECT_THROW(linker.add_pointer("b", 0, 2, "a"), Error);
  EXPECT_THROW(linker.add_pointer("a", 0, 4, "b"), Error);  // FFFFFFFFh is not in b
  EXPECT_THROW(linker.add_report({"", "b", 0, {}}), Error);
  EXPECT_THROW(linker.add_report({"c", "d", 0, {}}), Error);
  EXPECT_THROW(linker.add_report({"c", "b", 16, {}}), Error);
  EXPECT_THROW(linker.add_checksum("b", 16, 0, 16), Error);
  EXPECT_THROW(linker.add_checksum("b", 0, 4, 8), Error);
  EXPECT_THROW(linker.add_checksum("b", 0, 0, 17), Error);
}

TEST(TableLinker, APointerOfFourBytesReachesFourGigabytes) {
  TableLinker linker;
  linker.add_file({"a", Bytes(16), 1, TableLinker::Zone::High});
  linker.add_pointer("a", 0, 4, "a");
  EXPECT_THROW(linker.place([](const TableLinker::File&) { return std::uint64_t{1} << 32; },
                            [](std::uint64_t, std::span<const std::uint8_t>) {}),
               Error);
}

}  // namespace
}  // namespace machina
