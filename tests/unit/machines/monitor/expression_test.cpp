#include "machines/monitor/expression.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "hw/x86/x86_state.h"

namespace machina {
namespace {

std::optional<std::uint64_t> some_registers(std::string_view name) {
  if (name == "rax") return 0x1000;
  return std::nullopt;
}

std::uint64_t value(std::string_view text) {
  const std::uint64_t v = parse_expression(text, some_registers);
  EXPECT_EQ(text, "") << "not all was read";
  return v;
}

std::string fault(std::string_view text) {
  try {
    parse_expression(text, some_registers);
  } catch (const Error& e) {
    return e.message();
  }
  return "no fault";
}

TEST(Expression, Numbers) {
  EXPECT_EQ(value("10"), 10U);
  EXPECT_EQ(value("0x1F"), 31U);
  EXPECT_EQ(value("017"), 15U);
  EXPECT_EQ(value("0"), 0U);
  EXPECT_EQ(value("'A'"), 65U);
  EXPECT_EQ(value("18446744073709551615"), ~std::uint64_t{0});
}

TEST(Expression, RanksOperatorsAsQemuDoes) {
  EXPECT_EQ(value("1 + 2 * 3"), 7U);
  EXPECT_EQ(value("(1+2)*3"), 9U);
  EXPECT_EQ(value("1 + 6 & 3"), 3U) << "& binds tighter than +";
  EXPECT_EQ(value("7 - 2 - 1"), 4U);
  EXPECT_EQ(value("-1"), ~std::uint64_t{0});
  EXPECT_EQ(value("~0 ^ 1"), ~std::uint64_t{1});
  EXPECT_EQ(value("-7 / 2"), static_cast<std::uint64_t>(-3));
  EXPECT_EQ(value("-7 % 2"), static_cast<std::uint64_t>(-1));
  EXPECT_EQ(value("(0-0x7fffffffffffffff-1) / -1"), 0x8000000000000000U) << "wraps";
  EXPECT_EQ(value("$rax + 4 | 1"), 0x1005U);
}

TEST(Expression, StopsWhereTheNextArgumentBegins) {
  std::string_view text = "0x10 file name";
  EXPECT_EQ(parse_expression(text, some_registers), 16U);
  EXPECT_EQ(text, "file name");
}

TEST(Expression, SaysWhatIsWrong) {
  EXPECT_EQ(fault("1/0"), "division by zero");
  EXPECT_EQ(fault("1%(2-2)"), "division by zero");
  EXPECT_EQ(fault("$zz"), "unknown register");
  EXPECT_EQ(fault("(1"), "')' expected");
  EXPECT_EQ(fault(""), "unexpected end of expression");
  EXPECT_EQ(fault("1+"), "unexpected end of expression");
  EXPECT_EQ(fault("\"a"), "invalid char '\"' in expression");
  EXPECT_EQ(fault("'ab"), "missing terminating ' character");
  EXPECT_EQ(fault("99999999999999999999"), "number too large");
  EXPECT_EQ(fault(std::string(100'000, '(')), "expression is nested too deep");
  EXPECT_EQ(fault(std::string(100'000, '-') + "1"), "expression is nested too deep");
}

TEST(Expression, KnowsRegisters) {
  X86State s;
  s.gpr[kRax] = 0x1122334455667788;
  s.gpr[kR15] = 15;
  s.gpr[kRsp] = 0x7000;
  s.rip = 0xfff0;
  s.segment[kCs].base = 0xffff0000;
  s.segment[kDs].selector = 0x23;
  s.cr0 = 0x60000010;
  EXPECT_EQ(register_value(s, "rax"), 0x1122334455667788U);
  EXPECT_EQ(register_value(s, "eax"), 0x55667788U);
  EXPECT_EQ(register_value(s, "r15"), 15U);
  EXPECT_EQ(register_value(s, "sp"), 0x7000U);
  EXPECT_EQ(register_value(s, "pc"), 0xfffffff0U) << "a linear address";
  EXPECT_EQ(register_value(s, "rip"), 0xfff0U);
  EXPECT_EQ(register_value(s, "ds"), 0x23U);
  EXPECT_EQ(register_value(s, "cr0"), 0x60000010U);
  for (const char* none : {"r16", "r7", "rzz", "", "al", "r"}) EXPECT_FALSE(register_value(s, none)) << none;
}

}  // namespace
}  // namespace machina
