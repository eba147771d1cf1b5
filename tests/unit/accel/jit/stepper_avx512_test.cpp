// Instructions of AVX-512, which a Stepper has the host's processor carry out on the guest's registers and memory.

#include <gtest/gtest.h>

#include <cstring>
#include <numeric>

#include "accel/jit/host_avx512.h"
#include "accel/jit/jit_cpuid.h"
#include "accel/jit/jit_state.h"
#include "accel/jit/stepper.h"
#include "tests/unit/accel/jit/descriptor_tables.h"

namespace machina::jit {
namespace {

constexpr std::uint64_t kData = 0x20000;
constexpr std::uint64_t kEndOfMemory = 0x1000000;  // and of what is mapped
constexpr unsigned kMxcsrAt = 24;

using Dwords = std::array<std::uint32_t, 16>;

class JitStepperAvx512 : public testing::Test {
 protected:
  JitStepperAvx512() : cpuid(supported_cpuid()), stepper(machine, blocks, cpuid) {
    machine.long_64();
    tables.emplace(machine);
    tables->stop_at_every_vector();
    store_state(machine.cpu(), state);
    state.xcr0 = 0xe7;
    state.cr4 |= 0x40600;  // OSXSAVE, OSXMMEXCPT, OSFXSR
    state.gpr[kRdi] = kData;
    state.xsave.assign(host_layout().size, 0);
    put(kMxcsrAt, std::uint32_t{0x1f80});
    put(kLegacyRegion, std::uint64_t{0xe7});
  }
  void SetUp() override {
    if (!host_has_avx512()) GTEST_SKIP() << "this processor has no AVX-512";
  }
  using Outcome = Stepper::Outcome;
  Outcome step(std::initializer_list<std::uint8_t> code) {
    machine.put_code(state.rip, std::span(code.begin(), code.size()));
    start = state.rip;
    stepper.load(state);
    const Outcome outcome = stepper.step();
    if (outcome != Outcome::Declined) stepper.store(state);
    write_out();
    return outcome;
  }
  /// What the area says is in its initial configuration becomes zeros, so that tests need not look at XSTATE_BV.
  void write_out() {
    std::uint64_t in_use;
    std::memcpy(&in_use, state.xsave.data() + kLegacyRegion, sizeof in_use);
    const auto clear = [&](std::uint64_t component, unsigned at, unsigned size) {
      if (!(in_use & component)) std::memset(state.xsave.data() + at, 0, size);
    };
    clear(kStateSse, 160, 256);
    for (const std::uint64_t component : {kStateAvx, kStateMasks, kStateZmmHigh, kStateZmm16})
      clear(component, host_layout().place(component).offset, host_layout().place(component).size);
    put(kLegacyRegion, std::uint64_t{0xe7});
  }
  /// The vector at whose handler the state is; -1: at none.
  int faulted() const {
    const std::uint64_t handlers = DescriptorTables::handler(0);
    return state.rip < handlers || state.rip >= DescriptorTables::handler(256)
               ? -1
               : static_cast<int>((state.rip - handlers) / 16);
  }

  template <class T>
  void put(unsigned at, const T& value) {
    std::memcpy(state.xsave.data() + at, &value, sizeof value);
  }
  /// Registers as the guest's XSAVE area has them.
  struct Part {
    unsigned offset, size;
  };
  static std::array<Part, 3> parts_of(unsigned zmm) {
    const XsaveLayout& l = host_layout();
    if (zmm >= 16) return {{{l.zmm16 + 64 * (zmm - 16), 64}, {0, 0}, {0, 0}}};
    return {{{160 + 16 * zmm, 16}, {l.avx + 16 * zmm, 16}, {l.zmm_high + 32 * zmm, 32}}};
  }
  void set_zmm(unsigned n, const Dwords& value) {
    const auto* from = reinterpret_cast<const std::uint8_t*>(value.data());
    for (const Part& p : parts_of(n)) {
      std::memcpy(state.xsave.data() + p.offset, from, p.size);
      from += p.size;
    }
  }
  Dwords zmm(unsigned n) {
    Dwords value{};
    auto* to = reinterpret_cast<std::uint8_t*>(value.data());
    for (const Part& p : parts_of(n)) {
      std::memcpy(to, state.xsave.data() + p.offset, p.size);
      to += p.size;
    }
    return value;
  }
  void set_mask(unsigned n, std::uint64_t value) { put(host_layout().masks + 8 * n, value); }
  std::uint64_t mask(unsigned n) {
    std::uint64_t value;
    std::memcpy(&value, state.xsave.data() + host_layout().masks + 8 * n, sizeof value);
    return value;
  }
  void put_memory(std::uint64_t at, const Dwords& value) {
    for (unsigned i = 0; i < 16; ++i) machine.put<std::uint32_t>(at + 4 * i, value[i]);
  }
  Dwords memory(std::uint64_t at) {
    Dwords value;
    for (unsigned i = 0; i < 16; ++i) value[i] = machine.get<std::uint32_t>(at + 4 * i);
    return value;
  }
  static Dwords counted(std::uint32_t first) {
    Dwords value;
    std::iota(value.begin(), value.end(), first);
    return value;
  }

  BareMachine machine;
  std::optional<DescriptorTables> tables;
  BlockCache blocks;
  CpuidTable cpuid;
  Stepper stepper;
  X86State state;
  std::uint64_t start = 0;
};

TEST_F(JitStepperAvx512, RegistersOfAllKinds) {
  set_zmm(1, counted(100));
  set_zmm(2, counted(1));
  EXPECT_EQ(step({0x62, 0xe1, 0x6d, 0x48, 0xfe, 0xc9}), Outcome::Done);  // vpaddd zmm17, zmm2, zmm1
  EXPECT_EQ(state.rip, start + 6);
  for (unsigned i = 0; i < 16; ++i) EXPECT_EQ(zmm(17)[i], 101 + 2 * i);
  EXPECT_EQ(zmm(1), counted(100));
  EXPECT_EQ(zmm(2), counted(1));
  state.gpr[kR9] = 0x123456789;
  EXPECT_EQ(step({0x62, 0xc2, 0x7d, 0x48, 0x7c, 0xe1}), Outcome::Done);  // vpbroadcastd zmm20, r9d
  EXPECT_EQ(zmm(20)[15], 0x23456789U);
  state.gpr[kR10] = ~std::uint64_t{0};
  EXPECT_EQ(step({0x62, 0xc1, 0x7d, 0x08, 0x7e, 0xca}), Outcome::Done);  // vmovd r10d, xmm17
  EXPECT_EQ(state.gpr[kR10], 101U);
  state.gpr[kRax] = 0x8000000000000001;
  EXPECT_EQ(step({0xc4, 0xe1, 0xfb, 0x92, 0xc8}), Outcome::Done);  // kmovq k1, rax
  EXPECT_EQ(mask(1), 0x8000000000000001U);
  state.gpr[kRcx] = ~std::uint64_t{0};
  EXPECT_EQ(step({0xc5, 0xf8, 0x93, 0xc9}), Outcome::Done);  // kmovw ecx, k1
  EXPECT_EQ(state.gpr[kRcx], 1U);
  set_zmm(17, {});
  EXPECT_EQ(step({0x62, 0xe3, 0x75, 0x08, 0x22, 0xc8, 0x01}), Outcome::Done);  // vpinsrd xmm17, xmm1, eax, 1
  EXPECT_EQ(zmm(17)[0], 100U);
  EXPECT_EQ(zmm(17)[1], 1U);
  EXPECT_EQ(zmm(17)[2], 102U);
}

TEST_F(JitStepperAvx512, FlagsAreThoseOfTheInstruction) {
  state.rflags = 0x8d7;  // all of them
  set_mask(1, 0x0f0f), set_mask(2, 0x1000);
  EXPECT_EQ(step({0xc5, 0xf8, 0x98, 0xd1}), Outcome::Done);  // kortestw k2, k1
  EXPECT_EQ(state.rflags, 2U);
  set_mask(1, 0xff0f), set_mask(2, 0x00f0);
  EXPECT_EQ(step({0xc5, 0xf8, 0x98, 0xd1}), Outcome::Done);
  EXPECT_EQ(state.rflags, 3U) << "CF: all ones";
  set_mask(1, 0), set_mask(2, 0);
  EXPECT_EQ(step({0xc5, 0xf8, 0x98, 0xd1}), Outcome::Done);
  EXPECT_EQ(state.rflags, 0x42U) << "ZF: all zeros";
  state.rflags = 0x8d7;
  EXPECT_EQ(step({0x62, 0xe1, 0x6d, 0x48, 0xfe, 0xc9}), Outcome::Done);  // vpaddd
  EXPECT_EQ(state.rflags, 0x8d7U) << "which sets none";
}

// SDM vol. 1, 15.5: the bits above what an instruction of AVX writes become zero, up to the highest there are.
TEST_F(JitStepperAvx512, AvxClearsTheUpperParts) {
  set_zmm(1, counted(1)), set_zmm(2, counted(100));
  EXPECT_EQ(step({0xc5, 0xe9, 0xfe, 0xd1}), Outcome::Done);  // vpaddd xmm2, xmm2, xmm1
  EXPECT_EQ(zmm(2), (Dwords{101, 103, 105, 107}));
  EXPECT_EQ(zmm(1), counted(1));
  EXPECT_EQ(step({0xc5, 0xf8, 0x77}), Outcome::Done);  // vzeroupper
  EXPECT_EQ(zmm(1), (Dwords{1, 2, 3, 4}));
  EXPECT_EQ(step({0xc5, 0xfc, 0x77}), Outcome::Done);  // vzeroall
  EXPECT_EQ(zmm(1)[0], 0U);
  set_zmm(1, counted(1));
  EXPECT_EQ(step({0x0f, 0x58, 0xc9}), Outcome::Done);  // addps xmm1, xmm1
  EXPECT_EQ(zmm(1)[4], 5U) << "SSE leaves them alone";
}

TEST_F(JitStepperAvx512, OperandsInMemory) {
  put_memory(kData, counted(1000));
  put_memory(kData + 64, counted(2000));
  set_zmm(2, counted(1));
  EXPECT_EQ(step({0x62, 0xe1, 0x6d, 0x48, 0xfe, 0x4f, 0x01}), Outcome::Done);  // vpaddd zmm17, zmm2, [rdi + 40h]
  EXPECT_EQ(zmm(17)[15], 2015U + 16);
  EXPECT_EQ(step({0x62, 0xe1, 0x6d, 0x58, 0xfe, 0x0f}), Outcome::Done);  // vpaddd zmm17, zmm2, [rdi]{1to16}
  EXPECT_EQ(zmm(17)[15], 1000U + 16);
  EXPECT_EQ(zmm(17)[0], 1000U + 1);
  state.gpr[kRsi] = 0x800;
  // vmovdqa64 [rdi + rsi * 2 - 40h], zmm17
  EXPECT_EQ(step({0x62, 0xe1, 0xfd, 0x48, 0x7f, 0x4c, 0x77, 0xff}), Outcome::Done);
  EXPECT_EQ(memory(kData + 0x1000 - 64), zmm(17));
  // vmovups ymm3, [rip + 100h]
  put_memory(state.rip + 8 + 0x100, counted(7));
  EXPECT_EQ(step({0xc5, 0xfc, 0x10, 0x1d, 0x00, 0x01, 0x00, 0x00}), Outcome::Done);
  EXPECT_EQ(zmm(3), (Dwords{7, 8, 9, 10, 11, 12, 13, 14}));
  // vmovdqu32 zmm1, [esi]
  state.gpr[kRsi] = 0xffffffff00000000 | kData;
  EXPECT_EQ(step({0x67, 0x62, 0xf1, 0x7e, 0x48, 0x6f, 0x0e}), Outcome::Done);
  EXPECT_EQ(zmm(1), counted(1000));
  // Across two pages.
  put_memory(0x20fe0, counted(5));
  state.gpr[kRdi] = 0x20fe0;
  EXPECT_EQ(step({0x62, 0xe1, 0x6d, 0x48, 0xfe, 0x0f}), Outcome::Done);
  EXPECT_EQ(zmm(17)[15], 20U + 16);
}

TEST_F(JitStepperAvx512, WhatIsMaskedOutIsNotTouched) {
  set_zmm(17, counted(1));
  put_memory(kData, counted(1000));
  set_mask(1, 0x8005);
  EXPECT_EQ(step({0x62, 0xe1, 0x7e, 0x49, 0x7f, 0x0f}), Outcome::Done);  // vmovdqu32 [rdi]{k1}, zmm17
  Dwords expected = counted(1000);
  expected[0] = 1, expected[2] = 3, expected[15] = 16;
  EXPECT_EQ(memory(kData), expected);
  EXPECT_EQ(step({0x62, 0xe1, 0x7e, 0xc9, 0x6f, 0x0f}), Outcome::Done);  // vmovdqu32 zmm17{k1}{z}, [rdi]
  expected = {};
  expected[0] = 1, expected[2] = 3, expected[15] = 16;
  EXPECT_EQ(zmm(17), expected);
  EXPECT_EQ(step({0x62, 0xf1, 0x6d, 0x49, 0x76, 0x1f}), Outcome::Done);  // vpcmpeqd k3{k1}, zmm2, [rdi]
  EXPECT_EQ(mask(3), 0U);
  // What is not there, neither.
  state.gpr[kRdi] = kEndOfMemory - 12;
  set_mask(1, 5);
  set_zmm(17, counted(50));
  EXPECT_EQ(step({0x62, 0xe1, 0x7e, 0x49, 0x7f, 0x0f}), Outcome::Done);
  EXPECT_EQ(faulted(), -1);
  EXPECT_EQ(machine.get<std::uint32_t>(kEndOfMemory - 12), 50U);
  EXPECT_EQ(machine.get<std::uint32_t>(kEndOfMemory - 4), 52U);
  EXPECT_EQ(step({0x62, 0xe1, 0x7e, 0xc9, 0x6f, 0x0f}), Outcome::Done);
  EXPECT_EQ(faulted(), -1);
  EXPECT_EQ(zmm(17), (Dwords{50, 0, 52}));
  set_mask(1, 0);
  state.gpr[kRdi] = kEndOfMemory;
  EXPECT_EQ(step({0x62, 0xe1, 0x7e, 0x09, 0x10, 0x0f}), Outcome::Done);  // vmovss xmm17{k1}, [rdi]
  EXPECT_EQ(faulted(), -1);
}

TEST_F(JitStepperAvx512, CompressesAndExpands) {
  put_memory(kData, counted(1000));
  set_zmm(17, counted(1));
  set_mask(1, 0x8022);
  EXPECT_EQ(step({0x62, 0xe2, 0x7d, 0x49, 0x8b, 0x0f}), Outcome::Done);  // vpcompressd [rdi]{k1}, zmm17
  Dwords expected = counted(1000);
  expected[0] = 2, expected[1] = 6, expected[2] = 16;
  EXPECT_EQ(memory(kData), expected);
  set_zmm(17, counted(1));
  state.gpr[kRdi] = kEndOfMemory - 12;
  for (unsigned i = 0; i < 3; ++i) machine.put<std::uint32_t>(kEndOfMemory - 12 + 4 * i, 70 + i);
  EXPECT_EQ(step({0x62, 0xe2, 0x7d, 0x49, 0x89, 0x0f}), Outcome::Done);  // vpexpandd zmm17{k1}, [rdi]
  EXPECT_EQ(faulted(), -1) << "three elements are read";
  expected = counted(1);
  expected[1] = 70, expected[5] = 71, expected[15] = 72;
  EXPECT_EQ(zmm(17), expected);
}

TEST_F(JitStepperAvx512, ElementsThatChangeTheirSize) {
  set_zmm(17, counted(0x1f0));
  set_mask(1, 0x00ff);
  machine.put<std::uint64_t>(kData + 8, ~std::uint64_t{0});
  EXPECT_EQ(step({0x62, 0xe2, 0x7e, 0x49, 0x31, 0x0f}), Outcome::Done);  // vpmovdb [rdi]{k1}, zmm17
  EXPECT_EQ(machine.get<std::uint64_t>(kData), 0xf7f6f5f4f3f2f1f0);
  EXPECT_EQ(machine.get<std::uint64_t>(kData + 8), ~std::uint64_t{0});
  EXPECT_EQ(step({0x62, 0xe2, 0x7d, 0x49, 0x31, 0x0f}), Outcome::Done);  // vpmovzxbd zmm17{k1}, [rdi]
  EXPECT_EQ(zmm(17)[7], 0xf7U);
  EXPECT_EQ(zmm(17)[8], 0x1f8U);
  put_memory(kData, counted(9));
  EXPECT_EQ(step({0x62, 0xe2, 0x7d, 0x49, 0x5a, 0x0f}), Outcome::Done);  // vbroadcasti32x4 zmm17{k1}, [rdi]
  EXPECT_EQ(zmm(17)[5], 10U);
  EXPECT_EQ(zmm(17)[8], 0x1f8U);
}

TEST_F(JitStepperAvx512, FaultsAreTheGuests) {
  const Dwords before = zmm(17);
  state.gpr[kRdi] = kEndOfMemory - 32;
  EXPECT_EQ(step({0x62, 0xe1, 0x6d, 0x48, 0xfe, 0x0f}), Outcome::Done);  // vpaddd zmm17, zmm2, [rdi]
  EXPECT_EQ(faulted(), 14);
  EXPECT_EQ(state.cr2, kEndOfMemory);
  EXPECT_EQ(zmm(17), before);
}

TEST_F(JitStepperAvx512, AStoreThatFaultsHasWrittenNothing) {
  state.gpr[kRdi] = kEndOfMemory - 32;
  set_zmm(17, counted(1));
  set_mask(1, 0xffff);
  EXPECT_EQ(step({0x62, 0xe1, 0x7e, 0x49, 0x7f, 0x0f}), Outcome::Done);  // vmovdqu32 [rdi]{k1}, zmm17
  EXPECT_EQ(faulted(), 14);
  EXPECT_EQ(machine.get<std::uint32_t>(kEndOfMemory - 32), 0U);
}

TEST_F(JitStepperAvx512, AlignmentIsChecked) {
  state.gpr[kRdi] = kData + 32;
  EXPECT_EQ(step({0x62, 0xe1, 0xfd, 0x48, 0x6f, 0x0f}), Outcome::Done);  // vmovdqa64 zmm17, [rdi]
  EXPECT_EQ(faulted(), 13);
}

TEST_F(JitStepperAvx512, MustBeSwitchedOn) {
  state.xcr0 = 7;
  EXPECT_EQ(step({0xc4, 0xe1, 0xfb, 0x92, 0xc8}), Outcome::Done);  // kmovq k1, rax
  EXPECT_EQ(faulted(), 6);
}

TEST_F(JitStepperAvx512, ATaskSwitchIsToldOf) {
  state.cr0 |= 8;
  EXPECT_EQ(step({0x62, 0xe1, 0x6d, 0x48, 0xfe, 0xc9}), Outcome::Done);  // vpaddd
  EXPECT_EQ(faulted(), 7);
}

TEST_F(JitStepperAvx512, ExceptionsAreNotedInMxcsr) {
  set_zmm(1, Dwords{0x7f7fffff});  // the largest
  set_zmm(2, Dwords{0x7f7fffff});
  EXPECT_EQ(step({0x62, 0xf1, 0x6c, 0x48, 0x58, 0xd9}), Outcome::Done);  // vaddps zmm3, zmm2, zmm1
  EXPECT_EQ(zmm(3)[0], 0x7f800000U);
  std::uint32_t mxcsr;
  std::memcpy(&mxcsr, state.xsave.data() + kMxcsrAt, sizeof mxcsr);
  EXPECT_EQ(mxcsr, 0x1f80U | 0x28) << "overflow, precision";
}

TEST_F(JitStepperAvx512, WhatNobodyHereCarriesOutIsDeclined) {
  const X86State before = state;
  EXPECT_EQ(step({0x62, 0xf2, 0x7d, 0x49, 0x90, 0x14, 0x8f}), Outcome::Declined);  // vpgatherdd
  EXPECT_EQ(step({0xc4, 0xe2, 0x69, 0x8e, 0x0f}), Outcome::Declined);              // vpmaskmovd [rdi], xmm2, xmm1
  EXPECT_EQ(step({0xc4, 0xe3, 0x79, 0x61, 0xd1, 0x00}), Outcome::Declined);        // vpcmpestri
  put(kMxcsrAt, std::uint32_t{0x1f00});
  EXPECT_EQ(step({0x62, 0xf1, 0x6c, 0x48, 0x58, 0xd9}), Outcome::Declined);  // vaddps with an exception unmasked
  EXPECT_EQ(state.rip, before.rip);
}

// --- XSAVE: against the host's own ---

TEST_F(JitStepperAvx512, SavesWhatTheHostSaves) {
  const XsaveLayout& l = host_layout();
  set_zmm(1, counted(1)), set_zmm(9, counted(100)), set_zmm(17, counted(1000)), set_zmm(31, counted(2000));
  set_mask(7, 0x123456789abcdef0);
  const auto expected = state.xsave;
  state.gpr[kRax] = 0xe6, state.gpr[kRdx] = 0;
  EXPECT_EQ(step({0x48, 0x0f, 0xae, 0x27}), Outcome::Done);  // xsave64 [rdi]
  EXPECT_EQ(machine.get<std::uint64_t>(kData + 512), 0xe6U);
  const unsigned first = 160;
  EXPECT_EQ(std::memcmp(machine.ram() + kData + first, expected.data() + first, 256), 0);
  EXPECT_EQ(std::memcmp(machine.ram() + kData + l.avx, expected.data() + l.avx, l.end(0xe6) - l.avx), 0);

  // The compacted form, which the host's processor takes back.
  constexpr std::uint64_t kCompact = 0x30000;
  state.gpr[kRdi] = kCompact;
  EXPECT_EQ(step({0x48, 0x0f, 0xc7, 0x27}), Outcome::Done);  // xsavec64 [rdi]
  EXPECT_EQ(machine.get<std::uint64_t>(kCompact + 520), 0x80000000000000e6);
  struct alignas(64) Area {
    std::array<std::uint8_t, 4096> bytes{};
  } area, back;
  std::memcpy(area.bytes.data(), machine.ram() + kCompact, area.bytes.size());
  asm volatile("xrstor64 %1\n\txsave64 %0\n\tvzeroupper"
               : "+m"(back)
               : "m"(area), "a"(0xe6), "d"(0)
               : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11",
                 "xmm12", "xmm13", "xmm14", "xmm15");
  EXPECT_EQ(std::memcmp(back.bytes.data() + first, expected.data() + first, 256), 0);
  EXPECT_EQ(std::memcmp(back.bytes.data() + l.avx, expected.data() + l.avx, l.end(0xe6) - l.avx), 0);

  // And back to the guest.
  state.xsave.assign(l.size, 0);
  put(kMxcsrAt, std::uint32_t{0x1f80});
  EXPECT_EQ(step({0x48, 0x0f, 0xae, 0x2f}), Outcome::Done);  // xrstor64 [rdi]
  EXPECT_EQ(zmm(1), counted(1));
  EXPECT_EQ(zmm(9), counted(100));
  EXPECT_EQ(zmm(17), counted(1000));
  EXPECT_EQ(zmm(31), counted(2000));
  EXPECT_EQ(mask(7), 0x123456789abcdef0U);
}

TEST_F(JitStepperAvx512, RestoresWhatIsInItsInitialState) {
  set_zmm(17, counted(1)), set_mask(1, 5);
  machine.put<std::uint64_t>(kData + 512, 0);
  state.gpr[kRax] = 0x80, state.gpr[kRdx] = 0;
  EXPECT_EQ(step({0x48, 0x0f, 0xae, 0x2f}), Outcome::Done);  // xrstor64 [rdi]
  EXPECT_EQ(zmm(17), Dwords{});
  EXPECT_EQ(mask(1), 5U) << "not asked for";
}

TEST_F(JitStepperAvx512, OutsideOf64BitCodeThereAreEightRegisters) {
  machine.protected_32();
  store_state(machine.cpu(), state);
  state.xcr0 = 0xe7;
  state.cr4 |= 0x40600;
  state.xsave.assign(host_layout().size, 0);
  put(kMxcsrAt, std::uint32_t{0x1f80});
  put(kLegacyRegion, std::uint64_t{0xe7});
  state.gpr[kRdi] = kData;
  set_zmm(1, counted(100)), set_zmm(2, counted(1));
  EXPECT_EQ(step({0x62, 0xf1, 0x6d, 0x48, 0xfe, 0xd9}), Outcome::Done);  // vpaddd zmm3, zmm2, zmm1
  EXPECT_EQ(zmm(3)[15], 131U);
  set_zmm(9, counted(5)), set_zmm(17, counted(6));
  std::memset(machine.ram() + kData, 0xee, 4096);
  machine.put<std::uint64_t>(kData + 512, 0), machine.put<std::uint64_t>(kData + 520, 0);
  state.gpr[kRax] = 0xe6, state.gpr[kRdx] = 0;
  EXPECT_EQ(step({0x0f, 0xae, 0x27}), Outcome::Done);  // xsave [edi]
  EXPECT_EQ(machine.get<std::uint32_t>(kData + host_layout().zmm_high + 32 * 1), 108U);
  EXPECT_EQ(machine.get<std::uint32_t>(kData + host_layout().zmm_high + 32 * 9), 0xeeeeeeeeU);
  EXPECT_EQ(machine.get<std::uint32_t>(kData + host_layout().zmm16 + 64), 0xeeeeeeeeU);
}

}  // namespace
}  // namespace machina::jit
