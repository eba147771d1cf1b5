#include <cstring>
#include <filesystem>
#include <fstream>

#include "tests/unit/core/net/net_fixture.h"

namespace machina {
namespace {

using test::make_frame;
using test::TestNet;

constexpr const char* kTo = "52:54:00:12:34:56";

struct FilterDumpTest : test::NetTest {
  std::vector<char> contents() const {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  static std::uint32_t word(const std::vector<char>& bytes, std::size_t at) {
    std::uint32_t v = 0;
    std::memcpy(&v, bytes.data() + at, 4);
    return v;
  }
  std::string file = (std::filesystem::path(testing::TempDir()) / "filter-dump.pcap").string();
};

TEST_F(FilterDumpTest, BothDirectionsAsPcap) {
  auto& net = static_cast<TestNet&>(start(TestNet::kType, {}, card));
  auto& dump = root->add_new_child<qom::Object>("dump", "filter-dump");
  dump.set_text("netdev", "net0");
  dump.set_text("file", file);
  dump.set_text("maxlen", "100");
  qom::realize_tree(dump);
  send(net, make_frame(kTo, 60));
  net.inject(make_frame(kTo, 1000));
  const std::vector<char> bytes = contents();
  ASSERT_EQ(bytes.size(), 24U + 16 + 60 + 16 + 100);
  EXPECT_EQ(word(bytes, 0), 0xa1b2c3d4U);
  EXPECT_EQ(word(bytes, 4), 0x00040002U) << "version 2.4";
  EXPECT_EQ(word(bytes, 16), 100U);
  EXPECT_EQ(word(bytes, 20), 1U) << "Ethernet";
  EXPECT_EQ(word(bytes, 24 + 8), 60U);
  EXPECT_EQ(word(bytes, 24 + 12), 60U);
  EXPECT_EQ(word(bytes, 24 + 16 + 60 + 8), 100U) << "kept";
  EXPECT_EQ(word(bytes, 24 + 16 + 60 + 12), 1000U) << "of";
  EXPECT_GE(word(bytes, 24 + 16 + 60), word(bytes, 24));
  qom::unrealize_tree(dump);
  send(net, make_frame(kTo, 60));
  EXPECT_EQ(contents().size(), bytes.size()) << "it has ended";
  std::filesystem::remove(file);
}

TEST_F(FilterDumpTest, AFileThatCannotBe) {
  start(TestNet::kType, {}, card);
  auto& dump = root->add_new_child<qom::Object>("dump", "filter-dump");
  dump.set_text("netdev", "net0");
  dump.set_text("file", "/nosuch/dump.pcap");
  EXPECT_THROW(qom::realize_tree(dump), Error);
}

}  // namespace
}  // namespace machina
