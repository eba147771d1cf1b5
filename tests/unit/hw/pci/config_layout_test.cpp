#include "hw/pci/config_layout.h"

#include <gtest/gtest.h>

namespace machina {
namespace {

TEST(ConfigLayoutTest, WritesChangeOnlyWritableBits) {
  ConfigLayout layout;
  layout.define(0x40, 4, 0x12345678, 0x00ff0f00);
  ConfigLayout::Bytes bytes = layout.reset_value();
  layout.write(bytes, 0x40, 4, 0xffffffff);
  EXPECT_EQ(config_get(bytes, 0x40, 4), 0x12ff5f78U);
  layout.write(bytes, 0x40, 4, 0);
  EXPECT_EQ(config_get(bytes, 0x40, 4), 0x12005078U);
  layout.write(bytes, 0x41, 1, 0x0a);
  EXPECT_EQ(config_get(bytes, 0x40, 4), 0x12005a78U) << "a byte of a wider register";
}

TEST(ConfigLayoutTest, OnesClearAndZerosKeep) {
  ConfigLayout layout;
  layout.define(0x06, 2, 0xf980, 0, 0xf900);
  ConfigLayout::Bytes bytes = layout.reset_value();
  layout.write(bytes, 0x06, 2, 0);
  EXPECT_EQ(config_get(bytes, 0x06, 2), 0xf980U);
  layout.write(bytes, 0x06, 2, 0x0180);
  EXPECT_EQ(config_get(bytes, 0x06, 2), 0xf880U) << "bit 7 is read-only";
  layout.write(bytes, 0x07, 1, 0xff);
  EXPECT_EQ(config_get(bytes, 0x06, 2), 0x0080U);
}

TEST(ConfigLayoutTest, CheckMaskIsWhatNeitherSideChanges) {
  ConfigLayout layout;
  layout.define(0x10, 4, 0, 0xfffff000);
  layout.define(0x06, 2, 0x0010, 0, 0xf900);
  layout.volatile_bits(0x06, 2, 0x0008);
  EXPECT_EQ(config_get(layout.check(), 0x10, 4), 0x00000fffU);
  EXPECT_EQ(config_get(layout.check(), 0x06, 2), 0x06f7U);
  EXPECT_TRUE(layout.disjoint());
}

TEST(ConfigLayoutTest, ALaterDefinitionReplacesAnEarlierOne) {
  ConfigLayout layout;
  layout.define(0x04, 2, 0, 0xffff);
  layout.define(0x04, 2, 0x0006, 0, 0x0100);
  EXPECT_EQ(config_get(layout.writable(), 0x04, 2), 0U);
  EXPECT_TRUE(layout.disjoint());
}

}  // namespace
}  // namespace machina
