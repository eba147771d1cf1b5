#include "hw/x86/boot/bzimage.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "core/error.h"
#include "tests/support/bzimage_builder.h"

namespace machina::boot {
namespace {

using namespace linux_header;
using test::make_bzimage;
using testing::HasSubstr;
using Bytes = std::vector<std::uint8_t>;

TEST(BzImage, IsToldByItsMagic) {
  Bytes f = make_bzimage();
  EXPECT_TRUE(is_bzimage(f));
  f[kHeader] ^= 1;
  EXPECT_FALSE(is_bzimage(f));
  EXPECT_FALSE(is_bzimage(std::span(f).first(kHeader + 3)));
  EXPECT_FALSE(is_bzimage({}));
}

TEST(BzImage, TellsWhatItsHeaderSays) {
  const BzImage k = parse_bzimage(make_bzimage(0x1234), "k");
  EXPECT_EQ(k.release, "6.1.0-test");
  EXPECT_EQ(k.protocol, 0x20f);
  EXPECT_EQ(k.setup_size, 3 * 512U);
  EXPECT_EQ(k.header_end, 0x26cU);
  EXPECT_EQ(k.kernel().size(), 0x1234U);
  EXPECT_EQ(k.code32_start, 0x100000U);
  EXPECT_EQ(k.initrd_addr_max, 0x7fffffffU);
  EXPECT_EQ(k.cmdline_max, 2047U);
  EXPECT_TRUE(k.has_64bit_entry());
  EXPECT_EQ(k.runtime_start, 0x1000000U);
  EXPECT_EQ(k.runtime_size, 0x100000U);
}

TEST(BzImage, HasFourSetupSectorsWhenItSaysNone) {
  Bytes f = make_bzimage(0x4000);
  f[kSetupSects] = 0;
  store_le<std::uint32_t>(f, kSyssize, 0);  // and does not say how large the kernel is
  EXPECT_EQ(parse_bzimage(f, "k").setup_size, 5 * 512U);
}

TEST(BzImage, RunsFromItsAlignedLoadAddressWhereThatIsAboveThePreferredOne) {
  Bytes f = make_bzimage();
  store_le<std::uint64_t>(f, kPrefAddress, 0x100000);
  EXPECT_EQ(parse_bzimage(f, "k").runtime_start, 0x200000U);
  f[kRelocatable] = 0;
  EXPECT_EQ(parse_bzimage(f, "k").runtime_start, 0x100000U);
}

/// Fields that a version does not have yet are whatever bytes are there, and have fixed values.
TEST(BzImage, OfAnOlderProtocolHasTheValuesOfThen) {
  Bytes f = make_bzimage();
  const auto as = [&](std::uint16_t version) {
    store_le<std::uint16_t>(f, kVersion, version);
    return parse_bzimage(f, "k");
  };
  EXPECT_TRUE(as(0x20c).has_64bit_entry());
  EXPECT_FALSE(as(0x20b).has_64bit_entry());
  EXPECT_EQ(as(0x20a).runtime_start, 0x1000000U);
  EXPECT_EQ(as(0x209).runtime_start, 0x100000U) << "it runs where it is loaded";
  EXPECT_EQ(as(0x209).runtime_size, 0x1000U);
  EXPECT_EQ(as(0x206).cmdline_max, 2047U);
  EXPECT_EQ(as(0x205).cmdline_max, 255U);
  EXPECT_EQ(as(0x203).initrd_addr_max, 0x7fffffffU);
  EXPECT_EQ(as(0x202).initrd_addr_max, 0x37ffffffU);
  store_le<std::uint16_t>(f, kJump, 0x2aeb);  // a header of that time, which ends at 22Ch
  EXPECT_EQ(as(0x202).header_end, 0x22cU);
  store_le<std::uint32_t>(f, kSyssize, 0x10000 | 0x10);  // the upper half is another field before 2.04
  EXPECT_NO_THROW(as(0x203 - 1));
}

TEST(BzImage, MayBeFollowedBySomethingElse) {
  Bytes f = make_bzimage();
  f.insert(f.end(), 4096, 0xff);  // a signature
  EXPECT_NO_THROW(parse_bzimage(f, "k"));
}

TEST(BzImage, WithoutAReleaseOrWithOneOutsideOfItHasNone) {
  Bytes f = make_bzimage();
  store_le<std::uint16_t>(f, kKernelVersion, 0);
  EXPECT_EQ(parse_bzimage(f, "k").release, "");
  store_le<std::uint16_t>(f, kKernelVersion, 0xffff);
  EXPECT_EQ(parse_bzimage(f, "k").release, "");
}

struct BadHeader {
  const char* name;
  std::function<void(Bytes&)> spoil;
  const char* says;
};

class BadBzImage : public testing::TestWithParam<BadHeader> {};

TEST_P(BadBzImage, IsRefusedWithTheFieldsName) {
  Bytes f = make_bzimage();
  GetParam().spoil(f);
  try {
    parse_bzimage(f, "dir/vmlinuz");
    FAIL() << "accepted";
  } catch (const Error& e) {
    EXPECT_THAT(e.message(), HasSubstr("'dir/vmlinuz' is not a usable Linux kernel"));
    EXPECT_THAT(e.cause(), HasSubstr(GetParam().says));
  }
}

template <class T>
auto set(std::size_t offset, T value) {
  return [=](Bytes& f) { store_le<T>(f, offset, value); };
}
auto cut(std::size_t size) {
  return [=](Bytes& f) { f.resize(size); };
}

INSTANTIATE_TEST_SUITE_P(
    Header, BadBzImage,
    testing::Values(
        BadHeader{"NoBootFlag", set<std::uint16_t>(kBootFlag, 0xaa54), "boot_flag (at 0x1fe) is 0xaa54"},
        BadHeader{"OldProtocol", set<std::uint16_t>(kVersion, 0x201),
                  "2.01, and the oldest that is understood is 2.02"},
        BadHeader{"FutureProtocol", set<std::uint16_t>(kVersion, 0x300), "3.00, and only versions 2.x"},
        BadHeader{"ShortHeader", set<std::uint16_t>(kJump, 0x5deb), "ends at 0x25f"},
        BadHeader{"LongHeader", set<std::uint16_t>(kJump, 0x8feb), "ends at 0x291"},
        BadHeader{"TooManySetupSectors", set<std::uint8_t>(kSetupSects, 65), "setup_sects (at 0x1f1) is 65"},
        BadHeader{"CutInTheHeader", cut(kHeader + 4), "it has 518 bytes, and its setup header needs 556"},
        BadHeader{"CutInTheSetupCode", cut(3 * 512), "it has 1536 bytes, and its setup code needs 1537"},
        BadHeader{"CutInTheKernel", cut(3 * 512 + 0xff0), "it has 5616 bytes, and its kernel (syssize) needs 5617"},
        BadHeader{"CutBeforeThe64BitEntry",
                  [](Bytes& f) {
                    store_le<std::uint32_t>(f, kSyssize, 0);
                    f.resize(3 * 512 + 0x200);
                  },
                  "64-bit entry needs"},
        BadHeader{"LoadsLow", set<std::uint8_t>(kLoadflags, 0), "zImage"},
        BadHeader{"LowStart", set<std::uint32_t>(kCode32Start, 0xfffff), "code32_start (at 0x214) is 0xfffff"},
        BadHeader{"StartBehindTheKernel", set<std::uint32_t>(kCode32Start, 0x101000), "at 0x100000 to 0x100fff"},
        BadHeader{"InitrdBelowTheKernel", set<std::uint32_t>(kInitrdAddrMax, 0x100000), "initrd_addr_max (at 0x22c)"},
        BadHeader{"OddAlignment", set<std::uint32_t>(kKernelAlignment, 0x300000), "kernel_alignment (at 0x230)"},
        BadHeader{"NoAlignment", set<std::uint32_t>(kKernelAlignment, 0), "kernel_alignment (at 0x230) is 0x0"},
        BadHeader{"RunsLow",
                  [](Bytes& f) {
                    store_le<std::uint64_t>(f, kPrefAddress, 0x1000);
                    f[kRelocatable] = 0;
                  },
                  "0x1000 (pref_address)"},
        BadHeader{"RunsAbove4G", set<std::uint64_t>(kPrefAddress, 0xffffffff00000000), "(pref_address)"},
        BadHeader{"NeedsTooMuch", set<std::uint32_t>(kInitSize, 0xffffffff), "0xffffffff bytes (init_size)"}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace machina::boot
