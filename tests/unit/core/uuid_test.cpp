#include "core/uuid.h"

#include <gtest/gtest.h>

#include <set>

#include "core/error.h"

namespace machina {
namespace {

TEST(Uuid, TextAndBytes) {
  const Uuid uuid = parse_uuid("00112233-4455-6677-8899-AABBCCDDEEFF");
  EXPECT_EQ(uuid,
            (Uuid{0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff}));
  EXPECT_EQ(format_uuid(uuid), "00112233-4455-6677-8899-aabbccddeeff");
  EXPECT_EQ(guid_bytes(uuid),
            (Uuid{0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff}));
  for (const char* wrong : {"", "auto", "00112233-4455-6677-8899-aabbccddeef", "00112233-4455-6677-8899-aabbccddeefg",
                            "0011223304455-6677-8899-aabbccddeeff", "00112233-4455-6677-8899-aabbccddeeff0"})
    EXPECT_THROW(parse_uuid(wrong), Error) << wrong;
}

TEST(Uuid, RandomOnesAreOfVersionFourAndDiffer) {
  std::set<std::string> seen;
  for (int i = 0; i < 100; ++i) {
    const std::string text = format_uuid(random_uuid());
    EXPECT_EQ(text[14], '4') << text;
    EXPECT_NE(std::string("89ab").find(text[19]), std::string::npos) << text;
    EXPECT_TRUE(seen.insert(text).second) << text;
    EXPECT_EQ(format_uuid(parse_uuid(text)), text);
  }
}

}  // namespace
}  // namespace machina
