#include "machines/gdb/packet.h"

#include <gtest/gtest.h>

#include <vector>

namespace machina {
namespace {

using Kind = GdbPacketReader::Item::Kind;

/// All items of `bytes`, which come in pieces of `piece`.
std::vector<GdbPacketReader::Item> read(std::string_view bytes, std::size_t piece = 1) {
  GdbPacketReader reader;
  std::vector<GdbPacketReader::Item> items;
  while (!bytes.empty()) {
    std::string_view now = bytes.substr(0, piece);
    bytes.remove_prefix(now.size());
    while (!now.empty())
      if (auto item = reader.next(now)) items.push_back(std::move(*item));
  }
  return items;
}

std::string only_packet(std::string_view bytes) {
  const auto items = read(bytes);
  return items.size() == 1 && items[0].kind == Kind::Packet ? items[0].data : "?";
}

TEST(GdbPacket, ComesInPieces) {
  for (const std::size_t piece : {1U, 2U, 3U, 100U}) {
    const auto items = read("+$m0,4#fd\x03$qC#b4-", piece);
    ASSERT_EQ(items.size(), 5U);
    EXPECT_EQ(items[0].kind, Kind::Ack);
    EXPECT_EQ(items[1].data, "m0,4");
    EXPECT_EQ(items[2].kind, Kind::Interrupt);
    EXPECT_EQ(items[3].data, "qC");
    EXPECT_EQ(items[4].kind, Kind::Nack);
  }
}

TEST(GdbPacket, HasASum) {
  EXPECT_EQ(only_packet("$qC#b4"), "qC");
  EXPECT_EQ(only_packet("$qC#B4"), "qC");
  EXPECT_EQ(only_packet("$#00"), "");
  for (const char* bad : {"$qC#b5", "$qC#4b", "$qC#zz", "$qC#b ", "$#01"}) {
    const auto items = read(bad);
    ASSERT_EQ(items.size(), 1U) << bad;
    EXPECT_EQ(items[0].kind, Kind::Damaged) << bad;
  }
}

TEST(GdbPacket, HasEscapes) {
  EXPECT_EQ(gdb_packet("a}b#c$d*"),
            "$a}]b}\x03"
            "c}\x04"
            "d}\n#ec");
  EXPECT_EQ(only_packet(gdb_packet("a}b#c$d*")), "a}b#c$d*");
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  EXPECT_EQ(only_packet(gdb_packet(all)), all);
}

TEST(GdbPacket, EndsWhereTheNextBegins) {
  const auto items = read("$m12$qC#b4");
  ASSERT_EQ(items.size(), 1U);
  EXPECT_EQ(items[0].data, "qC");
}

TEST(GdbPacket, IsNotInterruptedByItsData) {
  const auto items = read("$X0,1:\x03#22");
  ASSERT_EQ(items.size(), 1U);
  EXPECT_EQ(items[0].data, "X0,1:\x03");
}

TEST(GdbPacket, IsLimited) {
  const std::string most(GdbPacketReader::kMost, 'a');
  EXPECT_EQ(only_packet(gdb_packet(most)), most);
  const auto items = read(gdb_packet(most + "a") + "$qC#b4", 1000);
  ASSERT_EQ(items.size(), 2U);
  EXPECT_EQ(items[0].kind, Kind::TooLong);
  EXPECT_EQ(items[1].data, "qC");
}

TEST(GdbPacket, IsLeftAloneBetween) {
  EXPECT_EQ(only_packet("GET / HTTP/1.1\r\n\r\n$qC#b4"), "qC");
  GdbPacketReader reader;
  std::string_view half = "$m0,";
  EXPECT_FALSE(reader.next(half));
  reader.reset();
  std::string_view rest = "4#fd$qC#b4";
  EXPECT_EQ(reader.next(rest)->data, "qC") << "another client's";
}

TEST(GdbHex, GoesBothWays) {
  EXPECT_EQ(gdb_hex(std::string_view("\x00\xff\x1a", 3)), "00ff1a");
  EXPECT_EQ(gdb_unhex("00fF1a"), std::string("\x00\xff\x1a", 3));
  EXPECT_EQ(gdb_unhex(""), "");
  EXPECT_FALSE(gdb_unhex("0"));
  EXPECT_FALSE(gdb_unhex("0g"));
}

TEST(GdbHex, TakesNumbers) {
  const auto take = [](std::string_view text) {
    const auto n = take_hex(text);
    return std::pair(n, std::string(text));
  };
  EXPECT_EQ(take("12,3"), (std::pair(std::optional<std::uint64_t>(0x12), std::string(",3"))));
  EXPECT_EQ(take("ffffffffffffffff").first, ~std::uint64_t{0});
  EXPECT_EQ(take("000000000000000000001").first, 1U);
  EXPECT_FALSE(take("10000000000000000").first);
  EXPECT_FALSE(take("").first);
  EXPECT_FALSE(take(",1").first);
}

}  // namespace
}  // namespace machina
