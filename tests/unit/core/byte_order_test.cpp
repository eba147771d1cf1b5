#include "core/byte_order.h"

#include <gtest/gtest.h>

namespace machina {
namespace {

using Bytes = std::vector<std::uint8_t>;

TEST(LittleEndian, FieldsAreLoadedAndStoredInPlace) {
  Bytes b(10, 0xee);
  store_le<std::uint32_t>(b, 1, 0x12345678);
  store_le(b, 6, 0xaabbccdd, 3);
  EXPECT_EQ(b, (Bytes{0xee, 0x78, 0x56, 0x34, 0x12, 0xee, 0xdd, 0xcc, 0xbb, 0xee}));
  EXPECT_EQ(load_le<std::uint32_t>(b, 1), 0x12345678U);
  EXPECT_EQ(load_le<std::uint16_t>(b, 3), 0x1234U);
  EXPECT_EQ(load_le(b, 6, 3), 0xbbccddU);
  EXPECT_EQ(load_le<std::uint64_t>(b, 1), 0xbbccddee12345678U);
}

TEST(LittleEndian, BytesBeyondTheEndReadAsZero) {
  const Bytes b{1, 2};
  EXPECT_EQ(load_le<std::uint32_t>(b, 1), 2U);
  EXPECT_EQ(load_le<std::uint64_t>(b, 2), 0U);
}

TEST(LittleEndian, FieldsAreAppended) {
  Bytes b;
  append_le<std::uint16_t>(b, 0x1234);
  append_le(b, 0xaabbcc, 2);
  append_le<std::uint64_t>(b, 1);
  EXPECT_EQ(b, (Bytes{0x34, 0x12, 0xcc, 0xbb, 1, 0, 0, 0, 0, 0, 0, 0}));
}

}  // namespace
}  // namespace machina
