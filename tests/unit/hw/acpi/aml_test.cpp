#include "hw/acpi/aml.h"

#include <gmock/gmock.h>

#include "core/error.h"
#include "hw/acpi/aml_resource.h"

namespace machina::aml {
namespace {

using Bytes = std::vector<std::uint8_t>;

Bytes bytes_of(const Code& code) { return code.bytes(); }

// ACPI 6.4, 20.2.4: a length counts its own bytes; one byte up to 63, then four bits and whole bytes.
TEST(Aml, PackageLengthGrowsAtItsLimits) {
  EXPECT_EQ(bytes_of(package_length(0)), (Bytes{1}));
  EXPECT_EQ(bytes_of(package_length(62)), (Bytes{63}));
  EXPECT_EQ(bytes_of(package_length(63)), (Bytes{0x41, 0x04}));  // 65
  EXPECT_EQ(bytes_of(package_length(64)), (Bytes{0x42, 0x04}));  // 66
  EXPECT_EQ(bytes_of(package_length(0xfff - 2)), (Bytes{0x4f, 0xff}));
  EXPECT_EQ(bytes_of(package_length(0xfff - 1)), (Bytes{0x81, 0x00, 0x01}));  // 1001h
  EXPECT_EQ(bytes_of(package_length(0xfffff - 3)), (Bytes{0x8f, 0xff, 0xff}));
  EXPECT_EQ(bytes_of(package_length(0xfffff - 2)), (Bytes{0xc1, 0x00, 0x00, 0x01}));
  EXPECT_EQ(bytes_of(package_length(0xfffffff - 4)), (Bytes{0xcf, 0xff, 0xff, 0xff}));
  EXPECT_THROW(package_length(0xfffffff - 3), Error);
}

// The form that a reader undoes: for each size around the limits the decoded length is size and its own bytes.
TEST(Aml, PackageLengthDecodesToWhatItCovers) {
  const auto check = [](std::size_t size) {
    const Bytes b = bytes_of(package_length(size));
    const unsigned more = b[0] >> 6;
    std::size_t length = more ? b[0] & 0xf : b[0];
    for (unsigned i = 0; i < more; ++i) length |= std::size_t{b[1 + i]} << (4 + 8 * i);
    EXPECT_EQ(b.size(), 1 + more) << size;
    EXPECT_EQ(length, size + b.size()) << size;
  };
  for (std::size_t size = 0; size < 300; ++size) check(size);
  for (const std::size_t limit : {std::size_t{0xfff}, std::size_t{0xfffff}, std::size_t{0x2000000}})
    for (std::size_t size = limit - 6; size < limit + 6; ++size) check(size);
}

TEST(Aml, WidthsOfFieldsDoNotCountTheirOwnBytes) {
  EXPECT_EQ(bytes_of(encoded_length(8)), (Bytes{8}));
  EXPECT_EQ(bytes_of(encoded_length(63)), (Bytes{63}));
  EXPECT_EQ(bytes_of(encoded_length(64)), (Bytes{0x40, 0x04}));
  EXPECT_EQ(bytes_of(encoded_length(0xfff)), (Bytes{0x4f, 0xff}));
}

TEST(Aml, NamesAreFilledUpAndPrefixed) {
  EXPECT_EQ(bytes_of(path("_HID")), (Bytes{'_', 'H', 'I', 'D'}));
  EXPECT_EQ(bytes_of(path("\\_SB")), (Bytes{'\\', '_', 'S', 'B', '_'}));
  EXPECT_EQ(bytes_of(path("ISA.A")), (Bytes{0x2e, 'I', 'S', 'A', '_', 'A', '_', '_', '_'}));
  EXPECT_EQ(bytes_of(path("^^A.B.C")),
            (Bytes{'^', '^', 0x2f, 3, 'A', '_', '_', '_', 'B', '_', '_', '_', 'C', '_', '_', '_'}));
  EXPECT_EQ(bytes_of(path("\\")), (Bytes{'\\', 0}));
  for (const char* wrong : {"", "TOOLONG", "lower", "1ST", "A..B", "A.", ".A", "A B"})
    EXPECT_THROW(path(wrong), Error) << wrong;
}

TEST(Aml, IntegersTakeTheirShortestForm) {
  EXPECT_EQ(bytes_of(integer(0)), (Bytes{0x00}));
  EXPECT_EQ(bytes_of(integer(1)), (Bytes{0x01}));
  EXPECT_EQ(bytes_of(integer(2)), (Bytes{0x0a, 2}));
  EXPECT_EQ(bytes_of(integer(0xff)), (Bytes{0x0a, 0xff}));
  EXPECT_EQ(bytes_of(integer(0x100)), (Bytes{0x0b, 0, 1}));
  EXPECT_EQ(bytes_of(integer(0x10000)), (Bytes{0x0c, 0, 0, 1, 0}));
  EXPECT_EQ(bytes_of(integer(0x100000000)), (Bytes{0x0e, 0, 0, 0, 0, 1, 0, 0, 0}));
}

TEST(Aml, EisaIdsAreCompressed) {
  EXPECT_EQ(bytes_of(eisa_id("PNP0A03")), (Bytes{0x0c, 0x41, 0xd0, 0x0a, 0x03}));
  EXPECT_EQ(bytes_of(eisa_id("PNP0F13")), (Bytes{0x0c, 0x41, 0xd0, 0x0f, 0x13}));
  for (const char* wrong : {"", "PNP0A0", "pnp0a03", "PNP0G03", "PN00A03"}) EXPECT_THROW(eisa_id(wrong), Error);
}

TEST(Aml, ObjectsNest) {
  EXPECT_EQ(bytes_of(name("X", integer(2))), (Bytes{0x08, 'X', '_', '_', '_', 0x0a, 2}));
  EXPECT_EQ(bytes_of(package({integer(1), integer(0)})), (Bytes{0x12, 4, 2, 1, 0}));
  EXPECT_EQ(bytes_of(scope("S", {device("D", {})})),
            (Bytes{0x10, 12, 'S', '_', '_', '_', 0x5b, 0x82, 5, 'D', '_', '_', '_'}));
  EXPECT_EQ(bytes_of(method("M", 2, Serialize::Yes, {return_value(arg(1))})),
            (Bytes{0x14, 8, 'M', '_', '_', '_', 0x0a, 0xa4, 0x69}));
  const Bytes three{1, 2, 3};
  EXPECT_EQ(bytes_of(buffer(three)), (Bytes{0x11, 6, 0x0a, 3, 1, 2, 3}));
  EXPECT_THROW(package(Terms(256, integer(0))), Error);
  EXPECT_THROW(method("M", 8, Serialize::No, {}), Error);
  EXPECT_THROW(arg(7), Error);
  EXPECT_THROW(local(8), Error);
}

TEST(Aml, FieldsHaveGaps) {
  EXPECT_EQ(
      bytes_of(field("R", Access::Byte, Update::WriteAsZeros, {{"A", 1}, {"", 7}, {"B", 80}})),
      (Bytes{0x5b, 0x81, 19, 'R', '_', '_', '_', 0x41, 'A', '_', '_', '_', 1, 0, 7, 'B', '_', '_', '_', 0x40, 5}));
  EXPECT_EQ(bytes_of(operation_region("R", Space::SystemIo, 0xaf00, 12)),
            (Bytes{0x5b, 0x80, 'R', '_', '_', '_', 1, 0x0b, 0x00, 0xaf, 0x0a, 12}));
}

TEST(Aml, OperatorsWithoutATargetHaveTheNullName) {
  EXPECT_EQ(bytes_of(add(local(0), integer(1))), (Bytes{0x72, 0x60, 0x01, 0x00}));
  EXPECT_EQ(bytes_of(add(local(0), integer(1), local(2))), (Bytes{0x72, 0x60, 0x01, 0x62}));
  EXPECT_EQ(bytes_of(if_true(equal(arg(0), integer(1)), {store(local(0), local(1))})),
            (Bytes{0xa0, 7, 0x93, 0x68, 0x01, 0x70, 0x60, 0x61}));
}

TEST(AmlResources, EndWithATag) {
  EXPECT_EQ(Resources().bytes(), (Bytes{0x79, 0}));
  EXPECT_EQ(Resources().io(0x3f8, 8).irq(4).bytes(), (Bytes{0x47, 1, 0xf8, 3, 0xf8, 3, 1, 8, 0x22, 0x10, 0, 0x79, 0}));
  EXPECT_EQ(Resources().irq(9, {true, true, true}).bytes(), (Bytes{0x23, 0, 2, 0x18, 0x79, 0}));
  EXPECT_EQ(Resources().interrupt({10, 11}, kRoutedPciIrq).bytes(),
            (Bytes{0x89, 10, 0, 0x09, 2, 10, 0, 0, 0, 11, 0, 0, 0, 0x79, 0}));
  EXPECT_THROW(Resources().io(0xfff8, 9), Error);
  EXPECT_EQ(Resources().dma(2).dma(5).bytes(), (Bytes{0x2a, 0x04, 0x00, 0x2a, 0x20, 0x02, 0x79, 0}));
  EXPECT_THROW(Resources().irq(16), Error);
  EXPECT_THROW(Resources().dma(8), Error);
  EXPECT_THROW(Resources().interrupt({}, kIsaIrq), Error);
}

TEST(AmlResources, WindowsTakeAsManyBitsAsTheyNeed) {
  EXPECT_EQ(Resources().memory_window(0x80000000, 0xfebfffff, Caching::None).bytes()[0], 0x87);
  const Bytes wide = Resources().memory_window(0x100000000, 0x17fffffff, Caching::Prefetchable).bytes();
  EXPECT_EQ(wide[0], 0x8a);
  EXPECT_EQ(wide[5], 7);                // read and write, prefetchable
  EXPECT_EQ(wide.size(), 3U + 43 + 2);  // 6.4.3.5.1
}

}  // namespace
}  // namespace machina::aml
