#include "hw/x86/boot/pvh.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "core/units.h"
#include "tests/support/elf_builder.h"

namespace machina::boot {
namespace {

using test::ElfSegment;
using test::make_elf;
using test::make_note;
using testing::HasSubstr;
using Bytes = std::vector<std::uint8_t>;

constexpr Target kTarget{64 * MiB, false};

Bytes kernel_with(const Bytes& note) {
  return make_elf(true, 0, {ElfSegment{1, Bytes(0x100, 0x90), MiB, 0, 0x2000}, ElfSegment{4, note, 0, 0, 0}});
}

TEST(PvhEntry, IsThatOfTheNote) {
  const auto entry = [](const Bytes& note) { return pvh_entry(parse_elf(kernel_with(note), "k")); };
  EXPECT_EQ(entry(make_note("Xen", 18, {0x10, 0, 0x10, 0})), 0x100010U);
  EXPECT_EQ(entry(make_note("Xen", 18, {0x10, 0, 0x10, 0, 0, 0, 0, 0})), 0x100010U) << "of a 64-bit kernel";
  EXPECT_EQ(entry(make_note("Xen", 17, {0x10, 0, 0x10, 0})), std::nullopt);
  EXPECT_EQ(entry(make_note("GNU", 18, {0x10, 0, 0x10, 0})), std::nullopt);
  EXPECT_EQ(entry(make_note("Xen", 18, {0x10, 0, 0x10})), std::nullopt) << "too short";
}

TEST(PvhPlan, IsAStartInfo) {
  const Bytes file = kernel_with(make_note("Xen", 18, {0x10, 0, 0x10, 0}));
  KernelExtras extras;
  extras.cmdline = "quiet";
  extras.initrd = Bytes(100, 0x42);
  const BootPlan plan = plan_pvh(parse_elf(file, "k"), file, "k", std::move(extras), kTarget);
  EXPECT_EQ(plan.entry.mode, EntryMode::Protected32);
  EXPECT_EQ(plan.entry.ip, 0x100010U);
  EXPECT_EQ(plan.blob(Part::Kernel)->bytes().size(), 0x2000U);
  const Blob& setup = *plan.blob(Part::Setup);
  const auto info = setup.bytes();
  EXPECT_EQ(plan.entry.ebx, setup.address);
  EXPECT_EQ(load_le<std::uint32_t>(info, 0), 0x336ec578U);
  EXPECT_EQ(load_le<std::uint32_t>(info, 4), 1U);
  EXPECT_EQ(load_le<std::uint32_t>(info, 12), 1U);
  const auto list = static_cast<std::size_t>(load_le<std::uint64_t>(info, 16) - setup.address);
  EXPECT_EQ(load_le<std::uint64_t>(info, list), plan.blob(Part::Initrd)->address);
  EXPECT_EQ(load_le<std::uint64_t>(info, list + 8), 100U);
  EXPECT_EQ(load_le<std::uint64_t>(info, 24), plan.blob(Part::Cmdline)->address);
  EXPECT_EQ(load_le<std::uint64_t>(info, 40), plan.map.table);
  EXPECT_EQ(plan.map.count, setup.address + 48);
  EXPECT_EQ(plan.rsdp_slot, setup.address + 32);
  EXPECT_GE(setup.address + info.size(), plan.map.table + plan.map.capacity * 24) << "the map has room in it";
}

TEST(PvhPlan, WithoutInitrdHasNoModules) {
  const Bytes file = kernel_with(make_note("Xen", 18, {0, 0, 0x10, 0}));
  const BootPlan plan = plan_pvh(parse_elf(file, "k"), file, "k", {}, kTarget);
  EXPECT_EQ(load_le<std::uint32_t>(plan.blob(Part::Setup)->bytes(), 12), 0U);
  EXPECT_EQ(plan.blob(Part::Initrd), nullptr);
}

TEST(PvhPlan, RefusesAnEntryOutsideOfTheKernelAndTooLittleMemory) {
  const auto why = [](const Bytes& entry, Target target) -> std::string {
    const Bytes file = kernel_with(make_note("Xen", 18, entry));
    KernelExtras extras;
    extras.initrd = Bytes(100);
    try {
      plan_pvh(parse_elf(file, "k"), file, "k", std::move(extras), target);
    } catch (const Error& e) {
      return e.what();
    }
    return "accepted";
  };
  EXPECT_EQ(why({0xff, 0x1f, 0x10, 0}, kTarget), "accepted");
  EXPECT_THAT(why({0x00, 0x20, 0x10, 0}, kTarget), HasSubstr("it starts at 0x102000, and it has 0x100000 to 0x101fff"));
  EXPECT_THAT(why({0xff, 0xff, 0x0f, 0}, kTarget), HasSubstr("it starts at 0xfffff"));
  EXPECT_THAT(why({0, 0, 0x10, 0}, {MiB + 0x2000, false}), HasSubstr("no room for the initrd"));
  EXPECT_THAT(why({0, 0, 0x10, 0}, {MiB, false}), HasSubstr("more memory"));
}

}  // namespace
}  // namespace machina::boot
