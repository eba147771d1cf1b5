/// Outside of 64-bit code VEX.W does not make operands 64 bits wide. SDM vol. 2, PINSRB/PINSRD/PINSRQ and others: "the
/// instruction behaves as if the W0 version is used". No oracle: AMD's processors do not know some of these.

#include <gtest/gtest.h>

#include <bit>

#include "tests/unit/accel/jit/bare_machine.h"

namespace machina::jit {
namespace {

constexpr std::uint64_t kMemory = 0x20000;

struct Case {
  const char* name;
  std::vector<std::uint8_t> bytes;  ///< with W clear: bit 7 of the third
};

class Vex32 : public BareMachine {
 public:
  /// False: it faulted.
  bool run_one(std::vector<std::uint8_t> bytes) {
    protected_32();
    Cpu& c = cpu();
    c.cr4 = kCr4Osfxsr | kCr4Osxmmexcpt | kCr4Osxsave;
    c.xcr0 = 7;
    c.gpr = {};
    c.gpr[kRax] = 0x81234567;
    c.gpr[kRcx] = 0x0ff0'1234;
    c.gpr[kRdx] = 0x0000'0804;
    c.gpr[kRbx] = 0x7777'7777;
    for (unsigned i = 0; i < 8; ++i)
      for (unsigned j = 0; j < 32; ++j) c.vector.ymm[i][j] = static_cast<std::uint8_t>(0x11 * i + j);
    const double number = -123456.75;
    std::memcpy(c.vector.ymm[1].data(), &number, 8);
    put<std::uint64_t>(kMemory, 0xfedcba9889abcdef);
    start();
    bytes.insert(bytes.end(), {0x0f, 0x0b});
    run(bytes);
    return c.rip == kCode + bytes.size() - 2;
  }
};

TEST(JitVexW, MeansNothingOutsideOf64BitCode) {
  constexpr std::uint8_t kAt[] = {0, 0, 2, 0};
  const Case cases[] = {
      {"vpinsrd xmm1, xmm2, eax, 1", {0xc4, 0xe3, 0x69, 0x22, 0xc8, 1}},
      {"vpinsrd xmm1, xmm2, [m], 3", {0xc4, 0xe3, 0x69, 0x22, 0x0d, kAt[0], kAt[1], kAt[2], kAt[3], 3}},
      {"vpextrd eax, xmm1, 2", {0xc4, 0xe3, 0x79, 0x16, 0xc8, 2}},
      {"vpextrd [m], xmm1, 3", {0xc4, 0xe3, 0x79, 0x16, 0x0d, kAt[0], kAt[1], kAt[2], kAt[3], 3}},
      {"vmovd xmm1, eax", {0xc4, 0xe1, 0x79, 0x6e, 0xc8}},
      {"vmovd xmm1, [m]", {0xc4, 0xe1, 0x79, 0x6e, 0x0d, kAt[0], kAt[1], kAt[2], kAt[3]}},
      {"vmovd eax, xmm3", {0xc4, 0xe1, 0x79, 0x7e, 0xd8}},
      {"vmovd [m], xmm3", {0xc4, 0xe1, 0x79, 0x7e, 0x1d, kAt[0], kAt[1], kAt[2], kAt[3]}},
      {"vcvtsi2sd xmm1, xmm2, eax", {0xc4, 0xe1, 0x6b, 0x2a, 0xc8}},
      {"vcvtsi2ss xmm1, xmm2, [m]", {0xc4, 0xe1, 0x6a, 0x2a, 0x0d, kAt[0], kAt[1], kAt[2], kAt[3]}},
      {"vcvtsd2si eax, xmm1", {0xc4, 0xe1, 0x7b, 0x2d, 0xc1}},
      {"vcvttsd2si eax, xmm1", {0xc4, 0xe1, 0x7b, 0x2c, 0xc1}},
      {"vcvtss2si eax, [m]", {0xc4, 0xe1, 0x7a, 0x2d, 0x05, kAt[0], kAt[1], kAt[2], kAt[3]}},
      {"andn eax, ecx, edx", {0xc4, 0xe2, 0x70, 0xf2, 0xc2}},
      {"bextr eax, ecx, edx", {0xc4, 0xe2, 0x68, 0xf7, 0xc1}},
      {"shlx eax, ecx, edx", {0xc4, 0xe2, 0x69, 0xf7, 0xc1}},
      {"sarx eax, [m], edx", {0xc4, 0xe2, 0x6a, 0xf7, 0x05, kAt[0], kAt[1], kAt[2], kAt[3]}},
      {"pdep eax, ecx, edx", {0xc4, 0xe2, 0x73, 0xf5, 0xc2}},
      {"pext eax, ecx, edx", {0xc4, 0xe2, 0x72, 0xf5, 0xc2}},
      {"bzhi eax, ecx, edx", {0xc4, 0xe2, 0x68, 0xf5, 0xc1}},
      {"rorx eax, ecx, 37", {0xc4, 0xe3, 0x7b, 0xf0, 0xc1, 37}},
      {"blsr eax, ecx", {0xc4, 0xe2, 0x78, 0xf3, 0xc9}},
      {"mulx eax, ecx, ebx", {0xc4, 0xe2, 0x73, 0xf6, 0xc3}},
  };
  Vex32 narrow, wide;
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    auto bytes = c.bytes;
    ASSERT_TRUE(narrow.run_one(bytes));
    bytes[2] |= 0x80;
    EXPECT_TRUE(wide.run_one(bytes)) << "with W it is undefined";
    EXPECT_EQ(narrow.cpu().gpr, wide.cpu().gpr);
    EXPECT_EQ(narrow.cpu().vector.ymm, wide.cpu().vector.ymm);
    EXPECT_EQ(narrow.cpu().eflags(), wide.cpu().eflags());
    EXPECT_EQ(narrow.get<std::uint64_t>(kMemory), wide.get<std::uint64_t>(kMemory));
  }
  // What some of them are to be, so that both are not wrong alike.
  auto element = [&wide](unsigned reg, unsigned i) {
    std::uint32_t value;
    std::memcpy(&value, wide.cpu().vector.ymm[reg].data() + 4 * i, 4);
    return value;
  };
  wide.run_one({0xc4, 0xe3, 0xe9, 0x22, 0xc8, 1});
  EXPECT_EQ(element(1, 0), 0x25242322U);
  EXPECT_EQ(element(1, 1), 0x81234567U);
  EXPECT_EQ(element(1, 2), 0x2d2c2b2aU);
  EXPECT_EQ(element(1, 4), 0U) << "the upper half";
  wide.run_one({0xc4, 0xe1, 0xf9, 0x6e, 0x0d, 0, 0, 2, 0});
  EXPECT_EQ(element(1, 0), 0x89abcdefU);
  EXPECT_EQ(element(1, 1), 0U);
  wide.run_one({0xc4, 0xe3, 0xf9, 0x16, 0x1d, 0, 0, 2, 0, 1});
  EXPECT_EQ(wide.get<std::uint64_t>(kMemory), 0xfedcba983a393837);
  wide.run_one({0xc4, 0xe1, 0xfb, 0x2a, 0xc8});
  EXPECT_EQ(element(1, 0) | std::uint64_t{element(1, 1)} << 32, std::bit_cast<std::uint64_t>(-2128394905.0));
  wide.run_one({0xc4, 0xe1, 0xfb, 0x2d, 0xc1});
  EXPECT_EQ(wide.cpu().gpr[kRax], static_cast<std::uint32_t>(-123457)) << "to even: -123456.75";
}

}  // namespace
}  // namespace machina::jit
