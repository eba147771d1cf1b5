#include "accel/jit/control.h"

#include <gtest/gtest.h>

#include <optional>

#include "accel/jit/fault.h"
#include "accel/jit/memory.h"
#include "tests/unit/accel/jit/bare_machine.h"

namespace machina::jit {
namespace {

/// The vector that `action` raises; -1: none.
template <class Action>
int vector_of(Action action) {
  try {
    action();
  } catch (const GuestFault& fault) {
    return static_cast<int>(fault.vector);
  }
  return -1;
}
constexpr int kGp = 13;

// SDM vol. 2, MOV to control registers: PG without PE, NW without CD, and bits 63 to 32.
TEST(JitControl, RefusesCombinationsOfCr0) {
  BareMachine m;
  m.protected_32();
  Cpu& c = m.cpu();
  EXPECT_EQ(vector_of([&] { load_cr0(c, kCr0Pg); }), kGp);
  EXPECT_EQ(vector_of([&] { load_cr0(c, kCr0Pe | kCr0Nw); }), kGp);
  EXPECT_EQ(vector_of([&] { load_cr0(c, kCr0Pe | std::uint64_t{1} << 32); }), kGp);
  EXPECT_EQ(c.cr0, kCr0Pe | kCr0Et);
  EXPECT_EQ(vector_of([&] { load_cr0(c, kCr0Pe | kCr0Nw | kCr0Cd | 0x40); }), -1);
  EXPECT_EQ(c.cr0, kCr0Pe | kCr0Nw | kCr0Cd | kCr0Et) << "ET is always set, bits without a meaning are not";
}

// SDM vol. 3, 9.8.5.
TEST(JitControl, EntersAndLeavesLongMode) {
  BareMachine m;
  m.protected_32();
  Cpu& c = m.cpu();
  load_efer(c, kEferLme);
  EXPECT_EQ(vector_of([&] { load_cr0(c, kCr0Pe | kCr0Pg); }), kGp) << "without PAE";
  load_cr4(c, kCr4Pae);
  c.tr.rights = 0x83;  // a busy 16-bit TSS
  EXPECT_EQ(vector_of([&] { load_cr0(c, kCr0Pe | kCr0Pg); }), kGp);
  c.tr.rights = 0x8b;
  load_cr0(c, kCr0Pe | kCr0Pg);
  EXPECT_EQ(c.efer, kEferLme | kEferLma);
  EXPECT_EQ(vector_of([&] { load_efer(c, 0); }), kGp) << "LME while paging is on";
  EXPECT_EQ(vector_of([&] { load_cr4(c, 0); }), kGp) << "PAE in long mode";
  EXPECT_EQ(vector_of([&] { load_cr4(c, kCr4Pae | kCr4La57); }), kGp) << "LA57 in long mode";
  load_cr0(c, kCr0Pe);  // from compatibility mode
  EXPECT_EQ(c.efer, kEferLme);
}

TEST(JitControl, CannotStopPagingIn64BitCodeOrWithPcids) {
  BareMachine m;
  m.long_64();
  Cpu& c = m.cpu();
  EXPECT_EQ(vector_of([&] { load_cr0(c, kCr0Pe); }), kGp);
  load_cr4(c, c.cr4 | kCr4Pcide);
  Segment cs = c.segment[kCs];
  cs.rights = 0xc09b;
  c.set_segment(kCs, cs);
  c.update_mode();
  EXPECT_EQ(vector_of([&] { load_cr0(c, kCr0Pe); }), kGp);
  load_cr4(c, c.cr4 & ~kCr4Pcide);
  EXPECT_EQ(vector_of([&] { load_cr0(c, kCr0Pe); }), -1);
}

TEST(JitControl, Cr4HasTheBitsOfTheModel) {
  BareMachine m;
  m.protected_32();
  Cpu& c = m.cpu();
  c.features = {};
  set_feature(c.features, "pae", true);
  EXPECT_EQ(vector_of([&] { load_cr4(c, kCr4Pae | kCr4Smep); }), kGp);
  set_feature(c.features, "smep", true);
  EXPECT_EQ(vector_of([&] { load_cr4(c, kCr4Pae | kCr4Smep); }), -1);
  EXPECT_EQ(vector_of([&] { load_cr4(c, 1U << 13); }), kGp) << "VMXE";
  EXPECT_EQ(cr4_allowed(FeatureSet{}), kCr4Pce);
}

TEST(JitControl, PcidsNeedLongModeAndAClearPcid) {
  BareMachine m;
  m.long_64();
  Cpu& c = m.cpu();
  const std::uint64_t cr3 = c.cr3;
  load_cr3(c, cr3 | 1);
  EXPECT_EQ(vector_of([&] { load_cr4(c, c.cr4 | kCr4Pcide); }), kGp);
  EXPECT_EQ(vector_of([&] { load_cr3(c, cr3 | std::uint64_t{1} << 63); }), kGp) << "reserved without PCIDE";
  EXPECT_EQ(vector_of([&] { load_cr3(c, std::uint64_t{1} << c.physical_bits); }), kGp);
  load_cr3(c, cr3);
  load_cr4(c, c.cr4 | kCr4Pcide);
  load_cr3(c, cr3 | 5 | std::uint64_t{1} << 63);
  EXPECT_EQ(c.cr3, cr3 | 5) << "bit 63 is not kept";
}

// SDM vol. 3, 4.4.1: the four entries are read with CR3, and checked.
TEST(JitControl, PaeReadsItsDirectoryPointers) {
  BareMachine m;
  m.protected_32();
  Cpu& c = m.cpu();
  load_cr4(c, kCr4Pae);
  m.put<std::uint64_t>(0x30000, 0x31001);
  m.put<std::uint64_t>(0x30008, 0x32003);  // bit 1 is reserved
  load_cr3(c, 0x30000);
  EXPECT_EQ(vector_of([&] { load_cr0(c, c.cr0 | kCr0Pg); }), kGp);
  m.put<std::uint64_t>(0x30008, 0x32001);
  load_cr0(c, c.cr0 | kCr0Pg);
  EXPECT_EQ(c.pdptr[1], 0x32001U);
  m.put<std::uint64_t>(0x30018, 0x34021);  // bit 5
  EXPECT_EQ(vector_of([&] { load_cr3(c, 0x30000); }), kGp);
  EXPECT_EQ(c.pdptr[3], 0U);
}

// SDM vol. 3, 4.10.4.1: a load of CR3 keeps global pages, INVLPG does not.
TEST(JitControl, TranslationsAreForgottenAsTheManualSays) {
  BareMachine m;
  m.long_64();
  Cpu& c = m.cpu();
  load_cr4(c, c.cr4 | kCr4Pge);
  constexpr std::uint64_t kPageDirectory = (1 << 20) + 0x2000;
  constexpr std::uint64_t kAt = 4 << 20, kGlobalAt = 6 << 20;
  m.put<std::uint64_t>(kPageDirectory + 8 * 3, 6 << 20 | 0x187);  // global
  m.put<std::uint8_t>(kAt, 0x11);
  m.put<std::uint8_t>(kGlobalAt, 0x22);
  m.put<std::uint8_t>(8 << 20, 0x33);
  const auto seen = [&](std::uint64_t at) { return load<std::uint8_t>(c, nullptr, at); };
  EXPECT_EQ(seen(kAt), 0x11);
  EXPECT_EQ(seen(kGlobalAt), 0x22);
  m.put<std::uint64_t>(kPageDirectory + 8 * 2, 8 << 20 | 0x87);
  m.put<std::uint64_t>(kPageDirectory + 8 * 3, 8 << 20 | 0x187);
  EXPECT_EQ(seen(kAt), 0x11) << "the TLB may, and does, keep it";
  load_cr3(c, c.cr3);
  EXPECT_EQ(seen(kAt), 0x33);
  EXPECT_EQ(seen(kGlobalAt), 0x22);
  c.gpr[kRax] = kGlobalAt;
  m.run({0x0f, 0x01, 0x38, 0xf4});  // invlpg [rax]; hlt
  EXPECT_EQ(seen(kGlobalAt), 0x33);
}

TEST(JitControl, WriteProtectChangesWhatTheTlbAllows) {
  BareMachine m;
  m.long_64();
  Cpu& c = m.cpu();
  m.put<std::uint64_t>((1 << 20) + 0x2000 + 8 * 2, 4 << 20 | 0x85);  // read-only
  EXPECT_EQ(vector_of([&] { store<std::uint8_t>(c, nullptr, 4 << 20, 1); }), -1) << "CPL 0 without WP";
  load_cr0(c, c.cr0 | kCr0Wp);
  EXPECT_EQ(vector_of([&] { store<std::uint8_t>(c, nullptr, 4 << 20, 2); }), 14);
}

TEST(JitControl, InstructionsNeedCpl0) {
  // mov rax, cr0; mov cr2, rax; clts; lmsw ax; wbinvd; invlpg [rax]; hlt; xsetbv; rdmsr; wrmsr; mov rax, dr0
  const std::vector<std::vector<std::uint8_t>> all = {{0x0f, 0x20, 0xc0},
                                                      {0x0f, 0x22, 0xd0},
                                                      {0x0f, 0x06},
                                                      {0x0f, 0x01, 0xf0},
                                                      {0x0f, 0x09},
                                                      {0x0f, 0x01, 0x38},
                                                      {0xf4},
                                                      {0x0f, 0x01, 0xd1},
                                                      {0x0f, 0x32},
                                                      {0x0f, 0x30},
                                                      {0x0f, 0x21, 0xc0}};
  for (const auto& code : all) {
    BareMachine m;
    m.long_64(3);
    EXPECT_EQ(m.run(code), VcpuExit::Shutdown);
    EXPECT_EQ(m.cpu().rip, BareMachine::kCode) << "instruction " << std::hex << int{code[0]} << " " << int{code.back()};
  }
}

TEST(JitControl, MovesInstructionsCarryOut) {
  BareMachine m;
  m.long_64();
  Cpu& c = m.cpu();
  c.gpr[kRbx] = 0x123456789;
  // mov cr2, rbx; mov rcx, cr2; mov edx, 9; mov cr8, rdx; mov rsi, cr8; mov rdi, cr4; hlt
  EXPECT_EQ(m.run({0x0f, 0x22, 0xd3, 0x0f, 0x20, 0xd1, 0xba, 9,    0,    0,    0,   0x44,
                   0x0f, 0x22, 0xc2, 0x44, 0x0f, 0x20, 0xc6, 0x0f, 0x20, 0xe7, 0xf4}),
            VcpuExit::HaltedMasked);
  EXPECT_EQ(c.gpr[kRcx], 0x123456789U);
  EXPECT_EQ(c.gpr[kRsi], 9U);
  EXPECT_EQ(m.cr8(), 9U);
  EXPECT_EQ(c.gpr[kRdi], c.cr4);
  c.gpr[kRdx] = 16;
  EXPECT_EQ(m.run({0x44, 0x0f, 0x22, 0xc2, 0xf4}), VcpuExit::Shutdown) << "CR8 has four bits";
}

// From real mode to protected mode, in the same code: SDM vol. 3, 9.9.1.
TEST(JitControl, RealModeSwitchesToProtected) {
  BareMachine m;
  Cpu& c = m.cpu();
  c.set_segment(kCs, {.selector = 0x1000, .rights = 0x9b, .limit = 0xffff, .base = BareMachine::kCode});
  m.put_code(BareMachine::kCode, std::vector<std::uint8_t>{0x0f, 0x20, 0xc0, 0x66, 0x83, 0xc8, 1,  // mov eax, cr0; or
                                                           0x0f, 0x22, 0xc0, 0x0f, 0x01, 0xe1,  // mov cr0, eax; smsw cx
                                                           0xf4});
  c.rip = 0;
  c.update_mode();
  EXPECT_EQ(run_blocks(c), VcpuExit::HaltedMasked);
  EXPECT_TRUE(c.protected_mode());
  EXPECT_EQ(c.gpr[kRcx] & 0xffff, (kCr0Pe | kCr0Et));
  EXPECT_EQ(c.rip, 14U);
}

TEST(JitControl, LmswCannotClearPe) {
  BareMachine m;
  m.protected_32();
  // mov ax, 0e; lmsw ax; xor eax, eax; lmsw ax; smsw ebx; clts; hlt
  m.run(
      {0x66, 0xb8, 0x0e, 0, 0x0f, 0x01, 0xf0, 0x0f, 0x01, 0xe1, 0x31, 0xc0, 0x0f, 0x01, 0xf0, 0x0f, 0x01, 0xe3, 0xf4});
  EXPECT_EQ(m.cpu().gpr[kRcx], (kCr0Pe | kCr0Mp | kCr0Em | kCr0Ts | kCr0Et));
  EXPECT_EQ(m.cpu().gpr[kRbx], (kCr0Pe | kCr0Et));
  m.cpu().cr0 |= kCr0Ts;
  m.run({0x0f, 0x06, 0xf4});
  EXPECT_FALSE(m.cpu().cr0 & kCr0Ts);
}

// SDM vol. 1, 13.3.
TEST(JitControl, Xcr0TakesWhatTheModelHas) {
  BareMachine m;
  m.long_64();
  Cpu& c = m.cpu();
  EXPECT_EQ(vector_of([&] { load_xcr0(c, 2); }), kGp);
  EXPECT_EQ(vector_of([&] { load_xcr0(c, 5); }), kGp);
  EXPECT_EQ(vector_of([&] { load_xcr0(c, 0xe7); }), kGp) << "no AVX-512";
  EXPECT_EQ(vector_of([&] { load_xcr0(c, 0x207); }), -1);
  // xor ecx, ecx; mov eax, 3; xor edx, edx; xsetbv; xor eax, eax; xgetbv; hlt
  m.run({0x31, 0xc9, 0xb8, 3, 0, 0, 0, 0x31, 0xd2, 0x0f, 0x01, 0xd1, 0x31, 0xc0, 0x0f, 0x01, 0xd0, 0xf4});
  EXPECT_EQ(c.xcr0, 3U);
  EXPECT_EQ(c.gpr[kRax], 3U);
  c.cr4 &= ~kCr4Osxsave;
  EXPECT_EQ(m.run({0x0f, 0x01, 0xd0, 0xf4}), VcpuExit::Shutdown) << "#UD";
}

// SDM vol. 2, INVPCID.
TEST(JitControl, InvpcidChecksItsDescriptor) {
  BareMachine m;
  m.long_64();
  Cpu& c = m.cpu();
  const auto run = [&](std::uint64_t type, std::uint64_t low, std::uint64_t high) {
    c.gpr[kRax] = type;
    c.gpr[kRbx] = 0x20000;
    m.put<std::uint64_t>(0x20000, low);
    m.put<std::uint64_t>(0x20008, high);
    return m.run({0x66, 0x0f, 0x38, 0x82, 0x03, 0xf4});  // invpcid rax, [rbx]
  };
  for (unsigned type = 0; type < 4; ++type) EXPECT_EQ(run(type, 0, 0), VcpuExit::HaltedMasked);
  EXPECT_EQ(run(4, 0, 0), VcpuExit::Shutdown);
  EXPECT_EQ(run(2, 0x1000, 0), VcpuExit::Shutdown) << "reserved";
  EXPECT_EQ(run(1, 3, 0), VcpuExit::Shutdown) << "a PCID without PCIDE";
  EXPECT_EQ(run(0, 0, std::uint64_t{1} << 60), VcpuExit::Shutdown) << "not canonical";
  load_cr4(c, c.cr4 | kCr4Pcide);
  EXPECT_EQ(run(1, 3, 0), VcpuExit::HaltedMasked);
}

}  // namespace
}  // namespace machina::jit
