/// Code that one CPU changes while others run through it, as kernels do: what runs is the old or the new, never a
/// mixture, and the new once the one that runs it has serialized (SDM vol. 3, 9.1.3 and 9.3).

#include <gtest/gtest.h>

#include <string>

#include "tests/unit/accel/jit/racing_cpus.h"

namespace machina::jit {
namespace {

constexpr std::uint64_t kSite = 0x700000;

class JitThreadsCode : public testing::Test {
 protected:
  static constexpr unsigned kCpus = 3;
  RacingCpus cpus{kCpus};
  BareMachine& m = cpus.machine();

  void begin() {
    for (const std::uint64_t at : {RacingCpus::kPhase, RacingCpus::kAcknowledged, RacingCpus::kTraps})
      m.put<std::uint64_t>(at, 0);
  }
  /// One CPU changes what the others run.
  void run(Program patcher, std::uint64_t what, std::uint64_t runner, std::uint64_t site, unsigned times,
           std::initializer_list<std::pair<Gpr, std::uint64_t>> more = {}) {
    cpus.set(0, patcher, {{kRdi, what}, {kRsi, times}, {kR9, kCpus - 1}});
    for (const auto& [which, value] : more) cpus.cpu(0).gpr[which] = value;
    for (unsigned n = 1; n < kCpus; ++n) cpus.set(n, runner, {{kRdi, site}, {kRsi, times}}, true);
    ASSERT_TRUE(cpus.run());
    std::uint64_t runs = 0;
    for (unsigned n = 1; n < kCpus; ++n) {
      EXPECT_EQ(cpus.cpu(n).gpr[kR13], 0U) << "mixtures, of " << cpus.cpu(n).gpr[kR15];
      EXPECT_EQ(cpus.cpu(n).gpr[kR14], 0U) << "out of time, of " << cpus.cpu(n).gpr[kR15];
      runs += cpus.cpu(n).gpr[kR15];
    }
    EXPECT_GT(runs, 0U);
    RecordProperty("runs", std::to_string(runs));
  }
};

TEST_F(JitThreadsCode, ProgramsAreAllThere) { EXPECT_EQ(cpus.address(Program::End), 0U); }

TEST_F(JitThreadsCode, IsPatchedBehindABreakpoint) {
  // Within a line, across the end of one, across that of a page.
  for (const std::uint64_t site : {kSite + 8, kSite + 0x13d, kSite + kPageSize - 3}) {
    SCOPED_TRACE(site);
    begin();
    for (const auto& [at, byte] :
         {std::pair<unsigned, std::uint8_t>{0, 0xb8}, {1, 0}, {2, 0}, {3, 0}, {4, 0}, {5, 0xc3}})
      m.put<std::uint8_t>(site + at, byte);
    run(Program::Int3Patcher, site, cpus.address(Program::Caller), site, 150);
    RecordProperty("traps", std::to_string(m.get<std::uint64_t>(RacingCpus::kTraps)));
  }
}

TEST_F(JitThreadsCode, IsPatchedByOneStore) {
  begin();
  m.put<std::uint64_t>(kSite, 0xc300000000b8);
  run(Program::QwordPatcher, kSite, cpus.address(Program::Caller), kSite, 500);
}

TEST_F(JitThreadsCode, IsPatchedWithAJump) {
  begin();
  constexpr std::uint64_t kTargets = kSite + 0x1800;  // of this page and the next
  for (std::uint64_t n = 0; n < 128; ++n) m.put<std::uint64_t>(kTargets + 8 * n, 0xc300000000b8 | n * 0x01010101 << 8);
  m.put<std::uint64_t>(kSite, 0xe9 | ((kTargets - kSite - 5) & 0xffffffff) << 8);
  run(Program::JumpPatcher, kSite, cpus.address(Program::Caller), kSite, 500, {{kRdx, kTargets}});
}

TEST_F(JitThreadsCode, IsFetchedAfterAnInstructionThatSerializes) {
  for (const Program runner : {Program::ByCpuid, Program::BySerialize}) {
    SCOPED_TRACE(static_cast<unsigned>(runner));
    begin();
    const std::uint64_t site = cpus.address(runner, 1);
    m.put<std::uint32_t>(site + 1, 0);
    run(Program::QuietPatcher, site, cpus.address(runner), 0, 20000);
  }
}

TEST_F(JitThreadsCode, IsMappedElsewhere) {
  constexpr std::uint64_t kTable = 0x500000, kPages = 0xa00000, kDirectory = 0x102000;
  for (std::uint64_t n = 0; n < 512; ++n)
    m.put<std::uint64_t>(kTable + 8 * n, RacingCpus::kRemapped + n * kPageSize + 7);
  m.put<std::uint64_t>(kTable, kPages + 7);
  m.put<std::uint64_t>(kDirectory + (RacingCpus::kRemapped >> 21) * 8, kTable + 7);
  for (std::uint64_t n = 0; n < 128; ++n) {
    m.put<std::uint32_t>(kPages + n * kPageSize, static_cast<std::uint32_t>(n * 0x01010101));
    m.put<std::uint64_t>(kPages + n * kPageSize + 64, 0xc300000000b8 | n * 0x01010101 << 8);
  }
  for (unsigned n = 0; n < kCpus; ++n) cpus.cpu(n).flush_tlb();
  begin();
  run(Program::Remapper, kTable, cpus.address(Program::Caller), RacingCpus::kRemapped + 64, 500, {{kRcx, kPages}});
  begin();
  m.put<std::uint64_t>(kTable, kPages + 7);
  for (unsigned n = 0; n < kCpus; ++n) cpus.cpu(n).flush_tlb();
  run(Program::Remapper, kTable, cpus.address(Program::Reader), RacingCpus::kRemapped, 500, {{kRcx, kPages}});
}

// The one that writes has a page in its TLB, with the right to write, when the other finds the first code there.
TEST_F(JitThreadsCode, IsWrittenWhileItIsFoundForTheFirstTime) {
  constexpr std::uint64_t kPages = 0x400000, kCount = 256;
  std::uint64_t first = 0;
  // On a busy host the two may run one after the other, which tries nothing.
  for (unsigned round = 0; round < 15 || (first == 0 && round < 300); ++round) {
    RacingCpus two(2);
    two.set(0, Program::FreshWriter, {{kRdi, kPages}, {kRsi, kCount}});
    two.set(1, Program::FreshRunner, {{kRdi, kPages}, {kRsi, kCount}});
    ASSERT_TRUE(two.run());
    EXPECT_EQ(two.cpu(1).gpr[kR13], 0U) << "mixtures";
    EXPECT_EQ(two.cpu(1).gpr[kR14], 0U) << "the old one for ever";
    first += two.cpu(1).gpr[kR15];
  }
  if (first == 0) GTEST_SKIP() << "this host never ran two threads at once";
  RecordProperty("old_ones", std::to_string(first));
}

/// Has another CPU patch an instruction while RDTSC, before it in the same block, is carried out.
class PatchedMachine : public BareMachine {
 public:
  std::uint64_t patch = 0;
  std::uint64_t tsc() override {
    if (patch) put<std::uint32_t>(patch, 2);
    return BareMachine::tsc();
  }
};

TEST(JitCode, IsFetchedAfterEveryInstructionThatSerializes) {
  constexpr std::uint64_t kOperand = 0x20000;
  const std::vector<std::pair<const char*, std::vector<std::uint8_t>>> instructions = {
      {"CPUID", {0x0f, 0xa2}},
      {"SERIALIZE", {0x0f, 0x01, 0xe8}},
      {"MOV to CR3", {0x0f, 0x20, 0xd8, 0x0f, 0x22, 0xd8}},
      {"MOV to CR2", {0x0f, 0x22, 0xd0}},
      {"MOV to DR0", {0x0f, 0x23, 0xc0}},
      {"WBINVD", {0x0f, 0x09}},
      {"INVD", {0x0f, 0x08}},
      {"INVLPG", {0x0f, 0x01, 0x3c, 0x25, 0, 0, 2, 0}},
      {"LGDT", {0x0f, 0x01, 0x14, 0x25, 0, 0, 2, 0}},
      {"LIDT", {0x0f, 0x01, 0x1c, 0x25, 0, 0, 2, 0}},
      {"LLDT", {0x31, 0xc0, 0x0f, 0x00, 0xd0}},
      {"WRMSR", {0xb9, 0x74, 1, 0, 0, 0x31, 0xc0, 0x31, 0xd2, 0x0f, 0x30}},  // IA32_SYSENTER_CS
      {"IRET",
       {0x48, 0x8d, 0x0d, 0x0e, 0, 0, 0, 0x6a, 0x10, 0x54, 0x48, 0x83, 0x04, 0x24, 8, 0x9c, 0x6a, 8, 0x51, 0x48, 0xcf}},
  };
  for (const auto& [name, bytes] : instructions) {
    SCOPED_TRACE(name);
    PatchedMachine m;
    m.long_64();
    DescriptorTables tables(m);
    m.put<std::uint64_t>(kOperand, 0x1000'0fff);  // of LGDT and LIDT: none is used
    std::vector<std::uint8_t> code = {0x0f, 0x31};
    code.insert(code.end(), bytes.begin(), bytes.end());
    m.patch = BareMachine::kCode + code.size() + 1;
    code.insert(code.end(), {0xb8, 1, 0, 0, 0, 0xf4});
    m.run(code);
    EXPECT_EQ(m.cpu().gpr[kRax], 2U);
    EXPECT_EQ(m.cpu().rip, BareMachine::kCode + code.size());
  }
}

}  // namespace
}  // namespace machina::jit
