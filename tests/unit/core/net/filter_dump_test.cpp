#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "core/chardev/fd_stream.h"
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

struct FifoDumpTest : FilterDumpTest {
  FifoDumpTest() {
    file = (std::filesystem::path(testing::TempDir()) / ("filter-dump-fifo-" + std::to_string(getpid()))).string();
    if (mkfifo(file.c_str(), 0600) != 0) throw Error("no FIFO");
  }
  ~FifoDumpTest() override { std::filesystem::remove(file); }
  qom::Object& make_dump() {
    auto& dump = root->add_new_child<qom::Object>("dump", "filter-dump");
    dump.set_text("netdev", "net0");
    dump.set_text("file", file);
    return dump;
  }
  /// What is in the pipe.
  std::vector<char> drain() const {
    std::vector<char> bytes(1 << 20);
    std::size_t size = 0;
    for (ssize_t n = 0; (n = ::read(reader.get(), bytes.data() + size, bytes.size() - size)) > 0;)
      size += static_cast<std::size_t>(n);
    bytes.resize(size);
    return bytes;
  }
  OwnedFd reader;
};

TEST_F(FifoDumpTest, WithoutAReaderItIsRefusedRatherThanWaitedFor) {
  start(TestNet::kType, {}, card);
  auto& dump = make_dump();
  EXPECT_THROW(qom::realize_tree(dump), Error);
}

TEST_F(FifoDumpTest, ASlowReaderHoldsUpNobodyAndGetsWholeRecords) {
  auto& net = start(TestNet::kType, {}, card);
  reader.reset(open(file.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  auto& dump = make_dump();
  qom::realize_tree(dump);
  for (int i = 0; i < 500; ++i) send(net, make_frame(kTo, 1000));  // more than pipe and buffer take
  const std::uint64_t left_out = *dump.get("left-out").get_if<std::uint64_t>();
  EXPECT_GT(left_out, 0U);
  std::vector<char> bytes;
  std::size_t wanted = 24 + (500 - left_out) * (16 + 1000);
  EXPECT_TRUE(until([&] {
    const std::vector<char> more = drain();
    bytes.insert(bytes.end(), more.begin(), more.end());
    return bytes.size() >= wanted;
  }));
  ASSERT_EQ(bytes.size(), wanted);
  for (std::size_t at = 24; at < bytes.size(); at += 16 + 1000) {
    ASSERT_EQ(word(bytes, at + 8), 1000U) << at;
    ASSERT_EQ(word(bytes, at + 12), 1000U) << at;
  }
  send(net, make_frame(kTo, 60));
  EXPECT_EQ(drain().size(), 16U + 60) << "and it goes on";
  reader.reset();
  send(net, make_frame(kTo, 60));
  loop.poll();
  send(net, make_frame(kTo, 60));
  qom::unrealize_tree(dump);
}

}  // namespace
}  // namespace machina
