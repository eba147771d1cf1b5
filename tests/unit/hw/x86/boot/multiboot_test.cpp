#include "hw/x86/boot/multiboot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "core/error.h"
#include "core/units.h"
#include "tests/support/elf_builder.h"

namespace machina::boot {
namespace {

using test::ElfSegment;
using test::make_elf;
using testing::HasSubstr;
using Bytes = std::vector<std::uint8_t>;

constexpr Target kTarget{64 * MiB, false};
constexpr std::size_t kHeaderAt = 0x20;

void put_header(Bytes& file, std::size_t at, std::uint32_t flags) {
  store_le<std::uint32_t>(file, at, 0x1badb002);
  store_le<std::uint32_t>(file, at + 4, flags);
  store_le<std::uint32_t>(file, at + 8, 0U - 0x1badb002 - flags);
}

/// 256 bytes that load from 10h of the file to 2 MiB, with memory behind them.
Bytes by_addresses() {
  Bytes f(0x110, 0x90);
  put_header(f, kHeaderAt, 0x10003);
  store_le<std::uint32_t>(f, kHeaderAt + 12, 0x200010);  // header_addr
  store_le<std::uint32_t>(f, kHeaderAt + 16, 0x200000);  // load_addr
  store_le<std::uint32_t>(f, kHeaderAt + 20, 0x200100);  // load_end_addr
  store_le<std::uint32_t>(f, kHeaderAt + 24, 0x200800);  // bss_end_addr
  store_le<std::uint32_t>(f, kHeaderAt + 28, 0x200040);  // entry_addr
  return f;
}

BootPlan plan(const Bytes& file, const std::string& cmdline = {}, std::vector<MultibootModule> modules = {}) {
  KernelExtras extras;
  extras.cmdline = cmdline;
  return plan_multiboot(file, "k", extras, std::move(modules), kTarget);
}

std::string why(const std::function<void()>& act) {
  try {
    act();
  } catch (const Error& e) {
    return std::string(e.message()) + "; " + e.cause();
  }
  return "accepted";
}

std::string text_at(const BootPlan& plan, std::uint64_t address) {
  for (const Blob& b : plan.blobs) {
    if (address < b.address || address - b.address >= b.bytes().size()) continue;
    return reinterpret_cast<const char*>(b.bytes().data() + (address - b.address));
  }
  return "(nowhere)";
}

TEST(Multiboot, HeaderIsFoundOnAnyFourBytesOfTheFirst8KiB) {
  for (const std::size_t at : {0U, 4U, 0x1000U, 8192U - 12}) {
    Bytes f(10000);
    put_header(f, at, 0);
    EXPECT_TRUE(is_multiboot(f)) << at;
    f[at + 8] ^= 1;
    EXPECT_FALSE(is_multiboot(f)) << "its checksum is wrong";
  }
  for (const std::size_t at : {2U, 8192U - 8}) {
    Bytes f(10000);
    put_header(f, at, 0);
    EXPECT_FALSE(is_multiboot(f)) << at;
  }
  EXPECT_FALSE(is_multiboot(Bytes(11)));
  EXPECT_FALSE(is_multiboot({}));
}

TEST(Multiboot, LoadsByTheHeadersAddresses) {
  const BootPlan p = plan(by_addresses());
  EXPECT_EQ(p.entry.ip, 0x200040U);
  EXPECT_EQ(p.entry.eax, 0x2badb002U);
  const Blob& kernel = *p.blob(Part::Kernel);
  EXPECT_EQ(kernel.address, 0x200000U);
  ASSERT_EQ(kernel.bytes().size(), 0x800U);
  EXPECT_EQ(load_le<std::uint32_t>(kernel.bytes(), 0x10), 0x1badb002U);
  EXPECT_EQ(kernel.bytes()[0xff], 0x90);
  EXPECT_EQ(kernel.bytes()[0x100], 0);

  Bytes rest = by_addresses();
  rest.insert(rest.end(), 0x10, 0x91);
  store_le<std::uint32_t>(rest, kHeaderAt + 20, 0);  // to the end of the file
  store_le<std::uint32_t>(rest, kHeaderAt + 24, 0);  // and no more
  EXPECT_EQ(plan(rest).blob(Part::Kernel)->bytes().size(), 0x110U);
}

TEST(Multiboot, LoadsElfToPhysicalAddresses) {
  Bytes code(0x100, 0x90);
  put_header(code, 0, 3);
  const Bytes file = make_elf(false, 0xc0000020, {ElfSegment{1, code, 0x400000, 0xc0000000, 0x1000}});
  const BootPlan p = plan(file);
  EXPECT_EQ(p.entry.ip, 0x400020U);
  EXPECT_EQ(p.blob(Part::Kernel)->address, 0x400000U);
  EXPECT_EQ(p.blob(Part::Kernel)->bytes().size(), 0x1000U);
}

TEST(Multiboot, InformationIsWhatTheKernelMayLookAt) {
  std::vector<MultibootModule> modules;
  modules.push_back({Bytes(4097, 1), "one a b"});
  modules.push_back({Bytes(3, 2), "two"});
  const BootPlan p = plan(by_addresses(), "x=y", std::move(modules));
  const Blob& setup = *p.blob(Part::Setup);
  EXPECT_EQ(p.entry.ebx, setup.address);
  const auto mbi = [&](std::size_t offset) { return load_le<std::uint32_t>(setup.bytes(), offset); };
  EXPECT_EQ(mbi(0), 0x24dU);
  EXPECT_EQ(mbi(4), 636U);
  EXPECT_EQ(mbi(8), 62 * 1024U) << "without the first MiB and what is left at the top";
  EXPECT_EQ(text_at(p, mbi(16)), "k x=y");
  EXPECT_EQ(text_at(p, mbi(64)), "Machina");
  EXPECT_EQ(mbi(20), 2U);
  const std::size_t list = mbi(24) - static_cast<std::size_t>(setup.address);
  EXPECT_EQ(mbi(list), 0x201000U) << "on the page behind the kernel";
  EXPECT_EQ(mbi(list + 4), 0x202001U);
  EXPECT_EQ(text_at(p, mbi(list + 8)), "one a b");
  EXPECT_EQ(mbi(list + 16), 0x203000U);
  EXPECT_EQ(mbi(list + 20), 0x203003U);
  EXPECT_EQ(text_at(p, mbi(list + 24)), "two");
  EXPECT_EQ(mbi(48), p.map.table);
  EXPECT_EQ(p.map.count, setup.address + 44);
  EXPECT_LE(p.map.table + p.map.capacity * 24, mbi(24)) << "the map has room";
}

TEST(Multiboot, WithoutACommandLineOrModulesHasTheNameAlone) {
  const BootPlan p = plan(by_addresses());
  const auto setup = p.blob(Part::Setup)->bytes();
  EXPECT_EQ(load_le<std::uint32_t>(setup, 0), 0x245U);
  EXPECT_EQ(text_at(p, load_le<std::uint32_t>(setup, 16)), "k");
}

TEST(Multiboot, ThatWantsAVideoModeIsStartedWithoutOne) {
  Bytes f = by_addresses();
  put_header(f, kHeaderAt, 0x10007);
  EXPECT_EQ(load_le<std::uint32_t>(plan(f).blob(Part::Setup)->bytes(), 0) & 0x1800, 0U);
}

TEST(Multiboot, RefusesMoreModulesThanThereIsRoomToName) {
  std::vector<MultibootModule> modules(5);
  for (MultibootModule& m : modules) m = {Bytes(1), std::string(15000, 'm')};
  EXPECT_THAT(why([&] { plan(by_addresses(), {}, modules); }), HasSubstr("too many modules"));
}

struct BadHeader {
  const char* name;
  std::function<void(Bytes&)> spoil;
  const char* says;
};
class BadMultiboot : public testing::TestWithParam<BadHeader> {};

TEST_P(BadMultiboot, IsRefusedWithTheFieldsName) {
  Bytes f = by_addresses();
  GetParam().spoil(f);
  EXPECT_THAT(why([&] { plan(f); }), HasSubstr(GetParam().says));
}

auto set(std::size_t field, std::uint32_t value) {
  return [=](Bytes& f) { store_le<std::uint32_t>(f, kHeaderAt + field, value); };
}

INSTANTIATE_TEST_SUITE_P(
    Header, BadMultiboot,
    testing::Values(
        BadHeader{"UnknownRequirement", [](Bytes& f) { put_header(f, kHeaderAt, 0x1000b); }, "0x8 is not understood"},
        BadHeader{"NeitherElfNorAddresses", [](Bytes& f) { put_header(f, kHeaderAt, 3); }, "it is no ELF file"},
        BadHeader{"CutInTheHeader", [](Bytes& f) { f.resize(kHeaderAt + 31); }, "cut off within its header"},
        BadHeader{"HeaderBelowLoad", set(12, 0x1fffff), "load_addr is 0x200000"},
        BadHeader{"LoadFromBeforeTheFile", set(16, 0x1f0000), "load_addr is 0x1f0000"},
        BadHeader{"EndBelowLoad", set(20, 0x200000), "load_end_addr is 0x200000, not above"},
        BadHeader{"CutInTheData", set(20, 0x200101), "it is cut off"},
        BadHeader{"BssBelowTheEnd", set(24, 0x2000ff), "bss_end_addr is 0x2000ff"},
        BadHeader{"HugeBss", set(24, 0xffffffff), "it needs 0xffdfffff bytes"},
        BadHeader{"NoRoomIsSeenBeforeItIsMade",
                  [](Bytes& f) {
                    set(24, 0x20200000)(f);
                    set(28, 0)(f);  // what is found later
                  },
                  "its kernel needs 0x200000 to 0x201fffff, and memory that it may use ends at"},
        BadHeader{"EntryBelow", set(28, 0x1fffff), "it starts at 0x1fffff"},
        BadHeader{"EntryBehind", set(28, 0x200800), "it starts at 0x200800"}),
    [](const auto& info) { return info.param.name; });

TEST(Multiboot, ThatLoadsBelow1MiBMayNotBeWhereThePcIs) {
  Bytes f = by_addresses();
  for (const std::size_t field : {12U, 16U, 20U, 24U, 28U}) {
    const auto v = load_le<std::uint32_t>(f, kHeaderAt + field);
    store_le<std::uint32_t>(f, kHeaderAt + field, v - 0x200000 + 0xa0000);
  }
  EXPECT_THAT(why([&] { plan(f); }), HasSubstr("a PC has something else"));
  for (const std::size_t field : {12U, 16U, 20U, 24U, 28U}) {
    const auto v = load_le<std::uint32_t>(f, kHeaderAt + field);
    store_le<std::uint32_t>(f, kHeaderAt + field, v - 0xa0000 + 0x10000);
  }
  EXPECT_THAT(why([&] { plan(f); }), HasSubstr("boot data needs 0x10000"));
}

TEST(Multiboot, OfElfWhoseEntryIsNowhereIsRefused) {
  Bytes code(0x100, 0x90);
  put_header(code, 0, 0);
  const Bytes file = make_elf(false, 0x1000, {ElfSegment{1, code, 0x400000, 0xc0000000, 0x1000}});
  EXPECT_THAT(why([&] { plan(file); }), HasSubstr("its entry 0x1000 is in none of its segments"));
}

}  // namespace
}  // namespace machina::boot
