#include "hw/base/byte_writer.h"

#include <gtest/gtest.h>

namespace machina {
namespace {

using Bytes = std::vector<std::uint8_t>;

TEST(ByteWriter, WritesFieldsOneAfterTheOther) {
  ByteWriter w;
  w.u8(0x1ff).u16(0x1234).u32(0x89abcdef).u64(1).append(Bytes{7, 8});
  EXPECT_EQ(w.bytes(), (Bytes{0xff, 0x34, 0x12, 0xef, 0xcd, 0xab, 0x89, 1, 0, 0, 0, 0, 0, 0, 0, 7, 8}));
  EXPECT_EQ(w.size(), 17U);
}

TEST(ByteWriter, TextFillsItsField) {
  ByteWriter w;
  w.text("ab").text("cd", 4).text("efgh", 3);
  EXPECT_EQ(w.bytes(), (Bytes{'a', 'b', 'c', 'd', ' ', ' ', 'e', 'f', 'g'}));
}

TEST(Checksum, MakesTheSumZero) {
  EXPECT_EQ(checksum_of({}), 0);
  const Bytes bytes{1, 2, 0xff};
  EXPECT_EQ(checksum_of(bytes), 0xfe);
}

}  // namespace
}  // namespace machina
