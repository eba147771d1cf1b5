#include "hw/x86/boot/elf_image.h"

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
using test::make_note;
using testing::HasSubstr;
using Bytes = std::vector<std::uint8_t>;

constexpr Target kTarget{64 * MiB, false};

/// Two segments with a gap, the second with memory that the file does not have.
Bytes some_elf(bool is_64bit) {
  return make_elf(is_64bit, 0x80000010,
                  {ElfSegment{1, Bytes(0x20, 0xaa), 0x100000, 0x80000000, 0x20},
                   ElfSegment{1, Bytes(0x10, 0xbb), 0x100040, 0x90000000, 0x30},
                   ElfSegment{4, make_note("Xen", 18, {1, 2, 3, 4}), 0, 0, 0}});
}

class Elf : public testing::TestWithParam<bool> {};

TEST_P(Elf, IsReadInBothClasses) {
  const Bytes file = some_elf(GetParam());
  ASSERT_TRUE(is_elf(file));
  const ElfImage elf = parse_elf(file, "k");
  EXPECT_EQ(elf.is_64bit, GetParam());
  EXPECT_EQ(elf.entry, 0x80000010U);
  EXPECT_EQ(elf.physical_entry(), 0x100010U);
  ASSERT_EQ(elf.segments.size(), 2U);
  EXPECT_EQ(elf.segments[1].physical, 0x100040U);
  EXPECT_EQ(elf.segments[1].memory_size, 0x30U);
  ASSERT_EQ(elf.notes.size(), 1U);
  EXPECT_EQ(elf.notes[0].name, "Xen");
  EXPECT_EQ(elf.notes[0].type, 18U);
  EXPECT_EQ(Bytes(elf.notes[0].data.begin(), elf.notes[0].data.end()), (Bytes{1, 2, 3, 4}));
}

TEST_P(Elf, IsFlattenedAsItIsInMemory) {
  const Bytes file = some_elf(GetParam());
  const Blob blob = flatten(parse_elf(file, "k"), file, "k", kTarget);
  EXPECT_EQ(blob.address, 0x100000U);
  Bytes expected(0x70);
  std::fill_n(expected.begin(), 0x20, std::uint8_t{0xaa});
  std::fill_n(expected.begin() + 0x40, 0x10, std::uint8_t{0xbb});
  EXPECT_EQ(blob.file, expected);
}

TEST_P(Elf, CutAnywhereIsRefusedOrWhole) {
  const Bytes file = some_elf(GetParam());
  for (std::size_t size = 4; size < file.size(); ++size) {
    Bytes part(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_THROW(parse_elf(part, "k"), Error) << size;
  }
}

INSTANTIATE_TEST_SUITE_P(Class, Elf, testing::Bool(), [](const auto& info) { return info.param ? "Of64" : "Of32"; });

TEST(ElfNotes, AreReadOneAfterTheOtherWithTheirAlignment) {
  for (const std::size_t align : {4U, 8U}) {
    Bytes notes = make_note("GNU", 3, {9, 9, 9}, align);
    const Bytes second = make_note("Xen", 18, {1, 0, 0, 0, 0, 0, 0, 0}, align);
    notes.insert(notes.end(), second.begin(), second.end());
    notes.push_back(7);  // not a whole note
    const Bytes file = make_elf(
        true, 0,
        {ElfSegment{1, {1}, 0x100000, 0, 1}, ElfSegment{4, notes, 0, 0, 0, static_cast<std::uint64_t>(align)}});
    const ElfImage elf = parse_elf(file, "k");
    ASSERT_EQ(elf.notes.size(), 2U) << align;
    EXPECT_EQ(elf.notes[0].data.size(), 3U);
    EXPECT_EQ(elf.notes[1].name, "Xen");
  }
}

TEST(ElfNotes, WithSizesBeyondTheirSegmentAreNone) {
  for (const std::size_t field : {0U, 4U}) {
    Bytes note = make_note("Xen", 18, {1, 2, 3, 4});
    store_le<std::uint32_t>(note, field, 0xfffffff0);
    const Bytes file = make_elf(false, 0, {ElfSegment{1, {1}, 0x100000, 0, 1}, ElfSegment{4, note, 0, 0, 0}});
    EXPECT_TRUE(parse_elf(file, "k").notes.empty()) << field;
  }
}

TEST(ElfEntry, OutsideOfAllSegmentsIsNowhere) {
  const Bytes file = make_elf(true, 0x2000, {ElfSegment{1, {1}, 0x100000, 0x1000, 0x1000}});
  EXPECT_EQ(parse_elf(file, "k").physical_entry(), std::nullopt);
}

TEST(ElfFlatten, RefusesWhatIsLargerThanAnyKernel) {
  const Bytes file =
      make_elf(true, 0, {ElfSegment{1, {1}, 0x100000, 0, 1}, ElfSegment{1, {1}, 0x100000 + kMaxKernel, 0, 1}});
  const ElfImage elf = parse_elf(file, "k");
  EXPECT_THROW(flatten(elf, file, "k", {4 * GiB, false}), Error);
}

TEST(ElfFlatten, RefusesWhatTheMachineHasNoRoomForBeforeItIsMade) {
  // Two bytes in the file, half a gigabyte in memory.
  const Bytes file = make_elf(true, 0, {ElfSegment{1, {1, 2}, 0x100000, 0, 0x20000000}});
  const ElfImage elf = parse_elf(file, "k");
  try {
    flatten(elf, file, "k", kTarget);
    FAIL() << "accepted";
  } catch (const Error& e) {
    EXPECT_EQ(std::string(e.message()), "no room for 'k'");
    EXPECT_EQ(std::string(e.cause()),
              "its kernel needs 0x100000 to 0x200fffff, and memory that it may use ends at 0x3f00000");
  }
}

struct BadElf {
  const char* name;
  std::function<void(Bytes&)> spoil;  // of a 64-bit file
  const char* says;
};
class BadElfImage : public testing::TestWithParam<BadElf> {};

TEST_P(BadElfImage, IsRefusedWithTheFieldsName) {
  Bytes f = some_elf(true);
  GetParam().spoil(f);
  try {
    parse_elf(f, "dir/vmlinux");
    FAIL() << "accepted";
  } catch (const Error& e) {
    EXPECT_THAT(e.message(), HasSubstr("'dir/vmlinux' is not a usable ELF kernel"));
    EXPECT_THAT(e.cause(), HasSubstr(GetParam().says));
  }
}

template <class T>
auto set(std::size_t offset, T value) {
  return [=](Bytes& f) { store_le<T>(f, offset, value); };
}

constexpr std::size_t kFirst = 64;  // program header
INSTANTIATE_TEST_SUITE_P(
    Header, BadElfImage,
    testing::Values(BadElf{"Class", set<std::uint8_t>(4, 3), "EI_CLASS is 3"},
                    BadElf{"BigEndian", set<std::uint8_t>(5, 2), "EI_DATA is 2"},
                    BadElf{"Object", set<std::uint16_t>(16, 1), "e_type is 1"},
                    BadElf{"Machine", set<std::uint16_t>(18, 183), "e_machine is 183"},
                    BadElf{"HeadersOutside", set<std::uint64_t>(32, ~std::uint64_t{0} - 8), "e_phoff"},
                    BadElf{"SmallHeaders", set<std::uint16_t>(54, 8), "e_phentsize is 8, less than 56"},
                    BadElf{"NoHeaders", set<std::uint16_t>(56, 0), "no segment to load"},
                    BadElf{"DataOutside", set<std::uint64_t>(kFirst + 8, ~std::uint64_t{0}), "segment 0 (p_offset"},
                    BadElf{"DataTooLong", set<std::uint64_t>(kFirst + 32, ~std::uint64_t{0}), "segment 0 (p_offset"},
                    BadElf{"LessMemory", set<std::uint64_t>(kFirst + 40, 0x1f), "p_memsz 0x1f, which is less"},
                    BadElf{"HugeMemory", set<std::uint64_t>(kFirst + 40, ~std::uint64_t{0}), "beyond 4 GiB"},
                    BadElf{"HighAddress", set<std::uint64_t>(kFirst + 24, std::uint64_t{1} << 32), "beyond 4 GiB"}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace machina::boot
