#include "hw/x86/boot/linux_boot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "core/units.h"
#include "tests/support/bzimage_builder.h"

namespace machina::boot {
namespace {

using namespace linux_header;
using test::make_bzimage;
using testing::HasSubstr;
using Bytes = std::vector<std::uint8_t>;

constexpr Target kDirect{128 * MiB, false};
constexpr Target kFirmware{128 * MiB, true};

BootPlan plan(const Bytes& file, KernelEntry entry = KernelEntry::Auto, const Target& target = kDirect,
              KernelExtras extras = {}) {
  return plan_linux(parse_bzimage(file, "k"), "k", std::move(extras), entry, target);
}

Bytes without_64bit_entry() {
  Bytes f = make_bzimage();
  store_le<std::uint16_t>(f, kXloadflags, 0);
  return f;
}

std::string why(const std::function<void()>& act) {
  try {
    act();
  } catch (const Error& e) {
    return std::string(e.what());
  }
  return "accepted";
}

TEST(LinuxBoot, TakesTheWidestEntryUnlessFirmwareIsThere) {
  EXPECT_EQ(plan(make_bzimage()).entry.mode, EntryMode::Long64);
  EXPECT_EQ(plan(without_64bit_entry()).entry.mode, EntryMode::Protected32);
  EXPECT_EQ(plan(make_bzimage(), KernelEntry::Auto, kFirmware).entry.mode, EntryMode::Real16);
}

TEST(LinuxBoot, TakesTheEntryThatIsAskedFor) {
  EXPECT_EQ(plan(make_bzimage(), KernelEntry::Bits32).entry.mode, EntryMode::Protected32);
  EXPECT_EQ(plan(make_bzimage(), KernelEntry::Bits64, kFirmware).entry.mode, EntryMode::Long64);
  EXPECT_EQ(plan(make_bzimage(), KernelEntry::Bits16, kFirmware).entry.mode, EntryMode::Real16);
  EXPECT_THAT(why([] { plan(without_64bit_entry(), KernelEntry::Bits64); }), HasSubstr("XLF_KERNEL_64 clear"));
  EXPECT_THAT(why([] { plan(make_bzimage(), KernelEntry::Bits16); }), HasSubstr("asks a BIOS"));
}

TEST(LinuxBoot, KernelsOfRealModeAloneNeedFirmware) {
  Bytes f = without_64bit_entry();
  store_le<std::uint32_t>(f, kCode32Start, 0);
  EXPECT_EQ(plan(f, KernelEntry::Auto, kFirmware).entry.mode, EntryMode::Real16);
  EXPECT_THAT(why([&] { plan(f); }), HasSubstr("code32_start is 0"));
  EXPECT_THAT(why([&] { plan(f, KernelEntry::Bits32, kFirmware); }), HasSubstr("code32_start is 0"));
}

TEST(LinuxBoot, ZeroPageIsTheHeaderAndWhatALoaderFillsIn) {
  KernelExtras extras;
  extras.cmdline = "console=ttyS0";
  extras.initrd = Bytes(5000, 0x42);
  const BootPlan p = plan(make_bzimage(), KernelEntry::Auto, kDirect, extras);
  EXPECT_EQ(p.kind, "Linux 6.1.0-test, 64-bit entry");

  const Blob& kernel = *p.blob(Part::Kernel);
  EXPECT_EQ(kernel.address, 0x100000U);
  EXPECT_EQ(kernel.bytes().size(), 0x1000U);
  EXPECT_EQ(kernel.bytes()[0], 0x90);
  EXPECT_EQ(p.entry.ip, 0x100200U);

  const Blob& cmdline = *p.blob(Part::Cmdline);
  EXPECT_EQ(std::string(cmdline.bytes().begin(), cmdline.bytes().end()), std::string("console=ttyS0\0", 14));

  const Blob& initrd = *p.blob(Part::Initrd);
  EXPECT_EQ(initrd.address, 127 * MiB - 8192) << "the top, but for what is left to tables";
  EXPECT_EQ(initrd.bytes().size(), 5000U);

  const Blob& setup = *p.blob(Part::Setup);
  const auto zero = setup.bytes();
  EXPECT_EQ(p.entry.esi, setup.address);
  EXPECT_EQ(load_le<std::uint32_t>(zero, kHeader), kMagic);
  EXPECT_EQ(load_le<std::uint64_t>(zero, kPrefAddress), 0x1000000U);
  EXPECT_EQ(zero[kTypeOfLoader], 0xff);
  EXPECT_EQ(load_le<std::uint32_t>(zero, kCmdLinePtr), cmdline.address);
  EXPECT_EQ(load_le<std::uint32_t>(zero, kRamdiskImage), initrd.address);
  EXPECT_EQ(load_le<std::uint32_t>(zero, kRamdiskSize), 5000U);
  for (std::size_t i = 0; i < kSetupSects; ++i) ASSERT_EQ(zero[i], 0) << i;  // the sentinel at 1EFh among them
  for (std::size_t i = 0x26c; i < kE820Table; ++i) ASSERT_EQ(zero[i], 0) << i;
  EXPECT_EQ(p.map.table, setup.address + kE820Table);
  EXPECT_EQ(p.map.count, setup.address + kE820Entries);
  EXPECT_EQ(p.map.capacity, 128U);
  EXPECT_EQ(p.rsdp_slot, setup.address + kAcpiRsdpAddr);
}

TEST(LinuxBoot, WithoutAnInitrdSaysSo) {
  Bytes f = make_bzimage();
  store_le<std::uint32_t>(f, kRamdiskImage, 0x1234);
  store_le<std::uint32_t>(f, kRamdiskSize, 0x1234);
  const BootPlan p = plan(f);
  EXPECT_EQ(p.blob(Part::Initrd), nullptr);
  EXPECT_EQ(load_le<std::uint64_t>(p.blob(Part::Setup)->bytes(), kRamdiskImage), 0U);
}

TEST(LinuxBoot, RealModeSetupHasAHeapAndItsOwnSegment) {
  const BootPlan p = plan(make_bzimage(), KernelEntry::Bits16, kFirmware);
  const Blob& setup = *p.blob(Part::Setup);
  EXPECT_EQ(setup.bytes().size(), 3 * 512U);
  EXPECT_EQ(p.entry.segment * 16U, setup.address + 0x200);
  EXPECT_EQ(p.entry.data_segment * 16U, setup.address);
  EXPECT_EQ(p.entry.ip, 0U);
  EXPECT_EQ(load_le<std::uint16_t>(setup.bytes(), kHeapEndPtr) + 0x200U, p.entry.esp);
  EXPECT_EQ(setup.bytes()[kLoadflags], kLoadedHigh | kCanUseHeap);
  EXPECT_EQ(p.map.table, 0U) << "the setup code asks the firmware";
}

TEST(LinuxBoot, TheVideoModeOfTheCommandLineGoesIntoTheRealModeHeader) {
  const auto mode = [](const std::string& cmdline) {
    Bytes f = make_bzimage();
    store_le<std::uint16_t>(f, kVidMode, 0x1234);  // what the kernel was built with
    KernelExtras extras;
    extras.cmdline = cmdline;
    const BootPlan p = plan(f, KernelEntry::Bits16, kFirmware, extras);
    return load_le<std::uint16_t>(p.blob(Part::Setup)->bytes(), kVidMode);
  };
  EXPECT_EQ(mode(""), 0x1234);
  EXPECT_EQ(mode("quiet novga=3 vga"), 0x1234);
  EXPECT_EQ(mode("vga=normal"), 0xffff);
  EXPECT_EQ(mode("quiet vga=ext ro"), 0xfffe);
  EXPECT_EQ(mode("vga=ask"), 0xfffd);
  EXPECT_EQ(mode("vga=791"), 791);
  EXPECT_EQ(mode("vga=0x317"), 0x317);
  EXPECT_EQ(mode("vga=010"), 8);
  EXPECT_EQ(mode("vga=ask vga=5"), 5) << "the last one";
  for (const char* wrong :
       {"vga=", "vga=large", "vga=0x", "vga=5x", "vga=0x10000", "vga=-1", "vga=99999999999999999999"})
    EXPECT_THAT(why([&] { mode(wrong); }), HasSubstr("no such video mode")) << wrong;
  KernelExtras extras;
  extras.cmdline = "vga=large";
  EXPECT_EQ(why([&] { plan(make_bzimage(), KernelEntry::Bits64, kDirect, extras); }), "accepted")
      << "other entries set no mode";
}

TEST(LinuxBoot, InitrdStaysBelowTheKernelsLimit) {
  Bytes f = make_bzimage();
  store_le<std::uint32_t>(f, kInitrdAddrMax, 0x2ffffff);
  KernelExtras extras;
  extras.initrd = Bytes(0x1001);
  EXPECT_EQ(plan(f, KernelEntry::Auto, kDirect, extras).blob(Part::Initrd)->address, 0x2ffe000U);
}

TEST(LinuxBoot, RefusesWhatDoesNotFit) {
  const auto with = [](KernelExtras extras, Target target = kDirect) {
    return why([&] { plan(make_bzimage(), KernelEntry::Auto, target, std::move(extras)); });
  };
  KernelExtras words;
  words.cmdline = std::string(2047, 'x');
  EXPECT_EQ(with(words), "accepted");
  words.cmdline += "x";
  EXPECT_THAT(with(words), HasSubstr("it has 2048 characters, and the kernel takes 2047"));

  // 1 MiB of 16 MiB and from 17 MiB to 19 MiB: room for 2 MiB less what is left at the top.
  KernelExtras disk;
  disk.initrd_name = "disk.cpio";
  disk.initrd = Bytes(1 * MiB);
  EXPECT_EQ(with(disk, {19 * MiB, false}), "accepted");
  disk.initrd.push_back(0);
  EXPECT_THAT(with(disk, {19 * MiB, false}), HasSubstr("no room for the initrd 'disk.cpio'"));
  EXPECT_THAT(with(disk, {19 * MiB, false}), HasSubstr("more memory"));

  EXPECT_EQ(with({}, {18 * MiB, false}), "accepted");
  EXPECT_THAT(with({}, {18 * MiB - 4096, false}), HasSubstr("it needs 0x1000000 to 0x10fffff to start"));
  EXPECT_THAT(with({}, {0, false}), HasSubstr("no room for 'k'"));
}

}  // namespace
}  // namespace machina::boot
