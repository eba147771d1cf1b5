// Registers as gdb numbers them, and what of a CPU's state they are.

#include "machines/gdb/registers.h"

#include <gtest/gtest.h>

#include <cstring>
#include <set>

#include "tests/support/test_machine.h"

namespace machina {
namespace {

class GdbRegistersTest : public testing::Test {
 protected:
  GdbRegistersTest() {
    state_ = X86State::at_reset(0x60f, true);
    state_.xsave.assign(1024, 0);
    const std::uint16_t fcw = 0x37f;
    const std::uint32_t mxcsr = 0x1f80;
    std::memcpy(state_.xsave.data(), &fcw, 2);
    std::memcpy(state_.xsave.data() + 24, &mxcsr, 4);
  }

  void long_mode() {
    state_.cr0 |= 0x80000001, state_.efer = 0x500;
    state_.segment[kCs].l = true, state_.segment[kCs].base = 0;
  }
  std::size_t number(const GdbRegisters& r, std::string_view name) {
    for (std::size_t i = 0; i < r.all().size(); ++i)
      if (r.all()[i].name == name) return i;
    ADD_FAILURE() << "no " << name;
    return 0;
  }
  std::uint64_t get(const GdbRegisters& r, std::string_view name) {
    const std::string bytes = r.read(state_, number(r, name));
    std::uint64_t value = 0;
    std::memcpy(&value, bytes.data(), std::min<std::size_t>(bytes.size(), 8));
    return value;
  }
  bool set(const GdbRegisters& r, std::string_view name, std::uint64_t value) {
    const std::size_t n = number(r, name);
    std::string bytes(r.all()[n].bits / 8, '\0');
    std::memcpy(bytes.data(), &value, std::min<std::size_t>(bytes.size(), 8));
    return r.write(state_, n, bytes, memory_);
  }
  void descriptor(std::uint64_t address, std::uint64_t value) {
    machine_.system().memory.write(address, {reinterpret_cast<const std::uint8_t*>(&value), sizeof value});
  }

  test::TestMachine machine_{1 << 20};
  GuestMemory memory_{machine_.system()};
  X86State state_;
};

TEST_F(GdbRegistersTest, AreNumberedAsGdbNumbersThem) {
  const GdbRegisters wide(GdbView::Wide, true), narrow(GdbView::Narrow, false), open(GdbView::Open, true);
  EXPECT_EQ(wide.all()[0].name, "rax");
  EXPECT_EQ(wide.all()[1].name, "rbx");
  EXPECT_EQ(wide.all()[16].name, "rip");
  EXPECT_EQ(wide.all()[17].name, "eflags");
  EXPECT_EQ(wide.all()[24].name, "st0");
  EXPECT_EQ(wide.all()[40].name, "xmm0");
  EXPECT_EQ(wide.all()[56].name, "mxcsr");
  EXPECT_EQ(narrow.all()[0].name, "eax");
  EXPECT_EQ(narrow.all()[1].name, "ecx");
  EXPECT_EQ(narrow.all()[8].name, "eip");
  EXPECT_EQ(narrow.all()[16].name, "st0");
  EXPECT_EQ(narrow.all()[32].name, "xmm0");
  EXPECT_EQ(narrow.all()[40].name, "mxcsr");
  for (const GdbRegisters* r : {&wide, &narrow, &open}) {
    std::set<std::string> names;
    for (const GdbRegister& one : r->all()) EXPECT_TRUE(names.insert(one.name).second) << one.name;
    EXPECT_EQ(r->read(state_).size(), r->size());
    EXPECT_LT(2 * r->size(), 0x4000U) << "more than a packet has room for";
  }
  EXPECT_NE(wide.description().find("<architecture>i386:x86-64</architecture>"), std::string::npos);
  EXPECT_NE(narrow.description().find("<architecture>i386</architecture>"), std::string::npos);
  EXPECT_EQ(open.description().find("architecture"), std::string::npos);
  EXPECT_EQ(open.description().find("_ptr"), std::string::npos) << "its size would be the architecture's";
}

TEST_F(GdbRegistersTest, HaveTheAddressOfTheInstructionAsTheirPc) {
  const GdbRegisters r(GdbView::Open, false);
  EXPECT_EQ(get(r, "eip"), 0xfffffff0U);
  EXPECT_EQ(get(r, "rip"), 0xfffffff0U);
  EXPECT_EQ(get(r, "ip"), 0xfff0U);
  EXPECT_EQ(get(r, "cs"), 0xf000U);
  EXPECT_EQ(get(r, "cs_base"), 0xffff0000U);
  EXPECT_TRUE(set(r, "cs", 0x7c0));
  EXPECT_EQ(get(r, "cs_base"), 0x7c00U);
  EXPECT_TRUE(set(r, "eip", 0x7c13));
  EXPECT_EQ(state_.rip, 0x13U);
  EXPECT_TRUE(set(r, "rip", 0x7c20));
  EXPECT_EQ(state_.rip, 0x20U);
  long_mode();
  EXPECT_TRUE(set(r, "rip", 0xffffffff81000000));
  EXPECT_EQ(state_.rip, 0xffffffff81000000U);
  EXPECT_EQ(get(r, "eip"), 0x81000000U);
  EXPECT_TRUE(set(r, "eip", 0x81000000)) << "what was read is written back";
  EXPECT_EQ(state_.rip, 0xffffffff81000000U);
}

TEST_F(GdbRegistersTest, WakeACpuThatIsSentSomewhere) {
  const GdbRegisters r(GdbView::Wide, false);
  state_.mp_state = MpState::Halted;
  EXPECT_TRUE(set(r, "rip", get(r, "rip")));
  EXPECT_EQ(state_.mp_state, MpState::Halted);
  EXPECT_TRUE(set(r, "rip", 0xffff8000));
  EXPECT_EQ(state_.mp_state, MpState::Runnable);
}

TEST_F(GdbRegistersTest, HaveNamesForHalves) {
  const GdbRegisters r(GdbView::Open, false);
  state_.gpr[kRbx] = 0x1122334455667788;
  EXPECT_EQ(get(r, "ebx"), 0x55667788U);
  EXPECT_TRUE(set(r, "ebx", 1));
  EXPECT_EQ(state_.gpr[kRbx], 0x1122334400000001U);
}

TEST_F(GdbRegistersTest, AreWrittenTogetherByWhatHasChanged) {
  const GdbRegisters r(GdbView::Open, false);
  state_.gpr[kRbx] = 0x1122334455667788;
  const auto with = [&](std::string_view name, std::uint64_t value) {
    std::string all;
    for (std::size_t i = 0; i < r.all().size(); ++i) {
      std::string one = r.read(state_, i);
      if (r.all()[i].name == name) std::memcpy(one.data(), &value, one.size());
      all += one;
    }
    return all;
  };
  EXPECT_TRUE(r.write(state_, with("ebx", 7), memory_));
  EXPECT_EQ(state_.gpr[kRbx], 0x1122334400000007U) << "rbx comes first and has not changed";
  EXPECT_TRUE(r.write(state_, with("rbx", 8), memory_));
  EXPECT_EQ(state_.gpr[kRbx], 8U);
  EXPECT_FALSE(r.write(state_, "short", memory_));
  EXPECT_FALSE(r.write(state_, with("cs", 0x10000), memory_));
}

TEST_F(GdbRegistersTest, LoadSegmentsByTheMode) {
  const GdbRegisters r(GdbView::Wide, false);
  EXPECT_TRUE(set(r, "ds", 0x1234));
  EXPECT_EQ(state_.segment[kDs].base, 0x12340U);
  state_.cr0 |= 1;
  state_.gdt = {0x1000, 0x2f};
  descriptor(0x1008, 0x00cf9a000000ffff);  // code
  descriptor(0x1010, 0x12cf92345678ffff);  // data at 12345678h
  descriptor(0x1018, 0x00cf12000000ffff);  // not present
  descriptor(0x1020, 0x0000890000000067);  // a TSS
  descriptor(0x1028, 0x00cf98000000ffff);  // code that cannot be read
  EXPECT_TRUE(set(r, "cs", 0x8));
  EXPECT_EQ(state_.segment[kCs].limit, 0xffffffffU);
  EXPECT_TRUE(state_.segment[kCs].db);
  EXPECT_TRUE(set(r, "ds", 0x13));
  EXPECT_EQ(state_.segment[kDs].base, 0x12345678U);
  EXPECT_EQ(state_.segment[kDs].selector, 0x13);
  EXPECT_TRUE(set(r, "es", 0x8)) << "code that may be read";
  const X86State before = state_;
  EXPECT_FALSE(set(r, "cs", 0x10)) << "data";
  EXPECT_FALSE(set(r, "ds", 0x18)) << "not present";
  EXPECT_FALSE(set(r, "ds", 0x20)) << "a system segment";
  EXPECT_FALSE(set(r, "ds", 0x28)) << "execute-only";
  EXPECT_FALSE(set(r, "ds", 0x30)) << "beyond the limit";
  EXPECT_FALSE(set(r, "cs", 0)) << "CS is never null";
  EXPECT_EQ(state_, before);
  EXPECT_TRUE(set(r, "fs", 0x10));
  EXPECT_TRUE(set(r, "fs", 0));
  EXPECT_TRUE(state_.segment[kFs].unusable);
}

TEST_F(GdbRegistersTest, ReadFloatsOfAnInitialStateAsThat) {
  const GdbRegisters r(GdbView::Wide, true);
  // XSTATE_BV is zero: what stands in the components' places means nothing.
  std::fill(state_.xsave.begin() + 32, state_.xsave.begin() + 416, std::uint8_t{0xee});
  std::fill(state_.xsave.begin() + 576, state_.xsave.begin() + 832, std::uint8_t{0xee});
  state_.xsave[0] = 0xee;
  EXPECT_EQ(get(r, "st0"), 0U);
  EXPECT_EQ(get(r, "xmm3"), 0U);
  EXPECT_EQ(get(r, "ymm3h"), 0U);
  EXPECT_EQ(get(r, "fctrl"), 0x37fU);
  EXPECT_EQ(get(r, "ftag"), 0xffffU);
  EXPECT_EQ(get(r, "mxcsr"), 0x1f80U);
  EXPECT_TRUE(set(r, "xmm3", 5));
  EXPECT_EQ(get(r, "xmm3"), 5U);
  EXPECT_EQ(get(r, "xmm4"), 0U) << "of the same component, and initial before";
  EXPECT_EQ(state_.xsave[512], 2) << "XSTATE_BV";
  EXPECT_TRUE(set(r, "ymm5h", 6));
  EXPECT_TRUE(set(r, "fctrl", 0x27f));
  EXPECT_EQ(state_.xsave[512], 7);
  EXPECT_EQ(get(r, "ymm4h"), 0U);
  EXPECT_EQ(get(r, "st0"), 0U);
}

TEST_F(GdbRegistersTest, HaveTagsOfTwoBits) {
  const GdbRegisters r(GdbView::Wide, false);
  state_.xsave[512] = 1;
  const std::uint16_t status = 6 << 11;  // ST(0) is register 6
  std::memcpy(state_.xsave.data() + 2, &status, 2);
  state_.xsave[4] = 0xc0;                                                                 // 6 and 7 are there
  state_.xsave[32 + 7] = 0x80, state_.xsave[32 + 8] = 0xff, state_.xsave[32 + 9] = 0x3f;  // 1.0; ST(1) is zero
  EXPECT_EQ(get(r, "ftag"), 0x4fffU);
  EXPECT_TRUE(set(r, "ftag", 0x0fff));
  EXPECT_EQ(state_.xsave[4], 0xc0);
  EXPECT_TRUE(set(r, "ftag", 0xffff));
  EXPECT_EQ(state_.xsave[4], 0);
  state_.xsave[4] = 0xff;
  state_.xsave[32 + 9] = 0x7f;  // infinity
  EXPECT_EQ(get(r, "ftag") >> 12 & 3, 2U);
  EXPECT_FALSE(set(r, "mxcsr", 0x10000)) << "a reserved bit";
}

}  // namespace
}  // namespace machina
