#include "hw/x86/boot/boot_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/byte_order.h"
#include "core/error.h"
#include "core/units.h"

namespace machina::boot {
namespace {

using testing::HasSubstr;
using Bytes = std::vector<std::uint8_t>;

MemoryMap some_map() {
  MemoryMap map;
  map.set({0, 0x9fc00, MemoryType::Ram});
  map.set({0x100000000, 0x200000000, MemoryType::Acpi});
  return map;
}

TEST(MapSlot, HasTheFormOfItsProtocol) {
  const MapSlot e820{MapSlot::Format::E820, 0x1000, 8, 0x10};
  Bytes b = map_bytes(e820, some_map());
  ASSERT_EQ(b.size(), 40U);
  EXPECT_EQ(load_le<std::uint64_t>(b, 8), 0x9fc00U);
  EXPECT_EQ(load_le<std::uint32_t>(b, 16), 1U);
  EXPECT_EQ(load_le<std::uint64_t>(b, 20), 0x100000000U);
  EXPECT_EQ(load_le<std::uint64_t>(b, 28), 0x200000000U);
  EXPECT_EQ(load_le<std::uint32_t>(b, 36), 3U);
  EXPECT_EQ(map_count(e820, b.size()), 2U);

  const MapSlot pvh{MapSlot::Format::Pvh, 0x1000, 8, 0x10};
  b = map_bytes(pvh, some_map());
  ASSERT_EQ(b.size(), 48U);
  EXPECT_EQ(load_le<std::uint64_t>(b, 24), 0x100000000U);
  EXPECT_EQ(load_le<std::uint64_t>(b, 40), 3U) << "type, and a reserved field";
  EXPECT_EQ(map_count(pvh, b.size()), 2U);

  const MapSlot multiboot{MapSlot::Format::Multiboot, 0x1000, 8, 0x10};
  b = map_bytes(multiboot, some_map());
  ASSERT_EQ(b.size(), 48U);
  EXPECT_EQ(load_le<std::uint32_t>(b, 24), 20U);
  EXPECT_EQ(load_le<std::uint64_t>(b, 28), 0x100000000U);
  EXPECT_EQ(load_le<std::uint32_t>(b, 44), 3U);
  EXPECT_EQ(map_count(multiboot, b.size()), 48U);
}

TEST(MapSlot, TakesNoMoreThanFit) {
  EXPECT_EQ(map_bytes({MapSlot::Format::E820, 0x1000, 1, 0x10}, some_map()).size(), 20U);
}

BootPlan with(std::vector<Blob> blobs) {
  BootPlan p;
  p.kernel = "k";
  p.blobs = std::move(blobs);
  return p;
}

std::string places(std::vector<Blob> blobs, bool firmware = false) {
  try {
    check_places(with(std::move(blobs)), {16 * MiB, firmware});
  } catch (const Error& e) {
    return e.what();
  }
  return "fine";
}

TEST(Places, AreInMemoryAndApart) {
  EXPECT_EQ(places({{Part::Kernel, MiB, Bytes(14 * MiB), 0}, {Part::Setup, 0x1000, Bytes(0x9ec00), 0}}), "fine");
  EXPECT_EQ(places({{Part::Kernel, MiB, Bytes(4096), 0}, {Part::Initrd, MiB + 4096, Bytes(1), 0}}), "fine");
  EXPECT_EQ(places({{Part::Kernel, 2 * MiB, Bytes(16 * MiB), 14 * MiB}}), "fine") << "what is skipped needs no room";
  EXPECT_EQ(places({{Part::Kernel, ~std::uint64_t{0}, {}, 0}}), "fine") << "nothing fits anywhere";

  EXPECT_THAT(places({{Part::Kernel, MiB, Bytes(14 * MiB + 1), 0}}),
              HasSubstr("memory that it may use ends at 0xf00000"))
      << "the last MiB is left to tables";
  EXPECT_THAT(places({{Part::Kernel, ~std::uint64_t{0}, Bytes(2), 0}}), HasSubstr("memory that it may use ends"));
  EXPECT_THAT(places({{Part::Kernel, 0xfff, Bytes(1), 0}}), HasSubstr("something else"));
  EXPECT_THAT(places({{Part::Kernel, 0x9fc00 - 1, Bytes(2), 0}}), HasSubstr("something else"));
  EXPECT_THAT(places({{Part::Kernel, 0xf0000, Bytes(0x20000), 0}}), HasSubstr("something else"));
  EXPECT_THAT(places({{Part::Kernel, MiB, Bytes(4097), 0}, {Part::Initrd, MiB + 4096, Bytes(1), 0}}),
              HasSubstr("where the kernel is (0x100000 to 0x101000)"));
}

TEST(Places, AreApartFromTheStackOfTheRomThatLoadsThem) {
  for (const std::uint64_t address : {0x5fffU, 0x6000U, 0x6fffU}) {
    const Blob blob{Part::Kernel, address, Bytes(2), 0};
    EXPECT_EQ(places({blob}), "fine") << address;
    EXPECT_THAT(places({blob}, true), HasSubstr("where the loader's stack is (0x6000 to 0x6fff)")) << address;
  }
  EXPECT_EQ(places({{Part::Kernel, 0x5ffe, Bytes(2), 0}, {Part::Setup, 0x7000, Bytes(2), 0}}, true), "fine");
}

TEST(Entry, InLongModeIsPagedAndFlat) {
  X86State s = X86State::at_reset(0x1234, true);
  Entry e;
  e.mode = EntryMode::Long64;
  e.ip = 0x100200;
  e.esi = 0x10000;
  e.gdt = 0x11000;
  e.page_table = 0x12000;
  enter(e, s);
  EXPECT_EQ(s.rip, 0x100200U);
  EXPECT_EQ(s.gpr[kRsi], 0x10000U);
  EXPECT_EQ(s.gpr[kRdx], 0U) << "the signature that reset leaves there is gone";
  EXPECT_EQ(s.rflags, 2U);
  EXPECT_EQ(s.cr0, 0x80000011U) << "caches are on";
  EXPECT_EQ(s.cr3, 0x12000U);
  EXPECT_EQ(s.cr4, 0x20U);
  EXPECT_EQ(s.efer, 0x500U);
  EXPECT_EQ(s.gdt, (X86TableRegister{0x11000, 31}));
  const X86Segment& cs = s.segment[kCs];
  EXPECT_TRUE(cs.selector == 0x10 && cs.l && !cs.db && cs.g && cs.type == 11 && cs.limit == 0xffffffff);
  for (const SegmentIndex i : {kDs, kEs, kSs, kFs, kGs}) {
    const X86Segment& d = s.segment[i];
    EXPECT_TRUE(d.selector == 0x18 && d.db && !d.l && d.type == 3 && d.base == 0 && d.limit == 0xffffffff) << i;
  }
}

TEST(Entry, InProtectedModeIsFlatWithoutPaging) {
  X86State s = X86State::at_reset(0x1234, true);
  Entry e;
  e.ip = 0x100000;
  e.eax = 0x2badb002;
  e.ebx = 0x10000;
  enter(e, s);
  EXPECT_EQ(s.cr0, 0x11U);
  EXPECT_EQ(s.efer, 0U);
  EXPECT_EQ(s.gpr[kRax], 0x2badb002U);
  EXPECT_EQ(s.gpr[kRbx], 0x10000U);
  EXPECT_TRUE(s.segment[kCs].db && !s.segment[kCs].l);
}

TEST(Entry, InRealModeHasSegmentsOfSixteenTimesTheirSelector) {
  X86State s = X86State::at_reset(0x1234, true);
  Entry e;
  e.mode = EntryMode::Real16;
  e.segment = 0x1020;
  e.data_segment = 0x1000;
  e.esp = 0xe000;
  enter(e, s);
  EXPECT_EQ(s.cr0 & 1, 0U);
  EXPECT_EQ(s.segment[kCs].base, 0x10200U);
  EXPECT_EQ(s.segment[kSs].base, 0x10000U);
  EXPECT_EQ(s.segment[kDs].limit, 0xffffU);
  EXPECT_EQ(s.gpr[kRsp], 0xe000U);
  EXPECT_EQ(s.rip, 0U);
}

/// What a page walk finds for a linear address.
std::uint64_t walk(std::span<const std::uint8_t> tables, std::uint64_t base, std::uint64_t address) {
  const auto entry = [&](std::uint64_t table, unsigned shift) {
    return load_le<std::uint64_t>(tables, static_cast<std::size_t>(table - base + 8 * (address >> shift & 511)));
  };
  const std::uint64_t pml4e = entry(base, 39), pdpte = pml4e & 1 ? entry(pml4e & ~0xfffULL, 30) : 0;
  const std::uint64_t pde = pdpte & 1 ? entry(pdpte & ~0xfffULL, 21) : 0;
  return (pde & 0x83) == 0x83 ? (pde & ~0x1fffffULL) | (address & 0x1fffff) : ~std::uint64_t{0};
}

TEST(IdentityPageTables, MapTheFirstFourGibibytesToThemselves) {
  const Bytes tables = identity_page_tables(0x12000);
  EXPECT_EQ(tables.size(), kIdentityPages * 4096);
  for (const std::uint64_t a : {0x0ULL, 0x1234ULL, 0x100200ULL, 0x3fffffffULL, 0x40000000ULL, 0xffffffffULL})
    EXPECT_EQ(walk(tables, 0x12000, a), a);
  EXPECT_EQ(walk(tables, 0x12000, 0x100000000), ~std::uint64_t{0});
}

TEST(FlatGdt, HasCodeOfTheModeAndData) {
  const auto code = [](EntryMode mode) { return load_le<std::uint64_t>(flat_gdt(mode), kCodeSelector); };
  EXPECT_EQ(code(EntryMode::Long64) >> 53 & 1, 1U);  // L
  EXPECT_EQ(code(EntryMode::Long64) >> 54 & 1, 0U);  // D
  EXPECT_EQ(code(EntryMode::Protected32) >> 53 & 3, 2U);
  EXPECT_EQ(load_le<std::uint64_t>(flat_gdt(EntryMode::Long64), 0), 0U);
}

}  // namespace
}  // namespace machina::boot
