/// CPUs that compete for memory: locked instructions are exact at any alignment, locks guard, and what one CPU stores
/// is seen by others in the order that SDM vol. 3, 9.2, promises.

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "tests/unit/accel/jit/racing_cpus.h"

namespace machina::jit {
namespace {

constexpr std::uint64_t kData = 0x300000, kFar = 0x400000;
constexpr unsigned kWidths[] = {1, 2, 4, 8};

std::uint64_t low_bytes(std::uint64_t value, unsigned width) {
  return width == 8 ? value : value & ((std::uint64_t{1} << 8 * width) - 1);
}

struct Place {
  const char* name;
  std::uint64_t offset;
};
/// Where in a page a word of that width may lie.
std::vector<Place> places(unsigned width) {
  if (width == 1) return {{"anywhere", 0x41}};
  return {{"aligned", 0x80},
          {"misaligned in a line", 0x81},
          {"over a line's end", 0x100 - width / 2},
          {"over a page's end", kPageSize - width / 2}};
}

class JitThreads : public testing::Test {
 protected:
  static constexpr unsigned kCpus = 3;
  RacingCpus cpus{kCpus};
  BareMachine& m = cpus.machine();

  std::uint64_t word(std::uint64_t at, unsigned width) { return low_bytes(m.get<std::uint64_t>(at), width); }
  void run_on_all(std::uint64_t program, std::uint64_t what, unsigned times) {
    for (unsigned n = 0; n < kCpus; ++n) cpus.set(n, program, {{kRdi, what}, {kRsi, times}});
    ASSERT_TRUE(cpus.run());
  }
};

TEST_F(JitThreads, LockedInstructionsAddUp) {
  constexpr unsigned kTimes = 1500;
  constexpr struct {
    const char* name;
    unsigned program, step;
  } kInstructions[] = {{"xadd", 0, 3}, {"inc", 1, 1}, {"cmpxchg", 2, 1}};
  for (unsigned w = 0; w < 4; ++w)
    for (const Place& place : places(kWidths[w]))
      for (const auto& instruction : kInstructions) {
        SCOPED_TRACE(std::string(instruction.name) + " of " + std::to_string(kWidths[w]) + " bytes, " + place.name);
        const std::uint64_t at = kData + place.offset;
        m.put<std::uint64_t>(at - 8, ~std::uint64_t{0});
        m.put<std::uint64_t>(at, 0);
        m.put<std::uint64_t>(at + kWidths[w], ~std::uint64_t{0});
        run_on_all(cpus.address(Program::Counters, 4 * w + instruction.program), at, kTimes);
        EXPECT_EQ(word(at, kWidths[w]), low_bytes(std::uint64_t{kTimes} * kCpus * instruction.step, kWidths[w]));
        EXPECT_EQ(m.get<std::uint64_t>(at - 8), ~std::uint64_t{0});
        EXPECT_EQ(m.get<std::uint64_t>(at + kWidths[w]), ~std::uint64_t{0});
      }
}

TEST_F(JitThreads, ExchangesLoseNothing) {
  constexpr std::uint64_t kToken = 0x1111111111111111;
  for (unsigned w = 0; w < 4; ++w)
    for (const Place& place : places(kWidths[w])) {
      SCOPED_TRACE(std::to_string(kWidths[w]) + " bytes, " + place.name);
      const std::uint64_t at = kData + place.offset;
      m.put<std::uint64_t>(at, kToken);
      for (unsigned n = 0; n < kCpus; ++n)
        cpus.set(n, cpus.address(Program::Counters, 4 * w + 3), {{kRdi, at}, {kRsi, 1500}, {kRbx, kToken * (n + 2)}});
      ASSERT_TRUE(cpus.run());
      std::multiset<std::uint64_t> left{word(at, kWidths[w])}, made;
      for (unsigned n = 0; n < kCpus; ++n) left.insert(low_bytes(cpus.cpu(n).gpr[kRbx], kWidths[w]));
      for (unsigned n = 0; n <= kCpus; ++n) made.insert(low_bytes(kToken * (n + 1), kWidths[w]));
      EXPECT_EQ(left, made);
    }
}

TEST_F(JitThreads, PairsAreComparedAndExchangedTogether) {
  constexpr std::uint64_t kTimes = 3000;
  for (const Place& place : places(8)) {
    SCOPED_TRACE(place.name);
    m.put<std::uint64_t>(kData + place.offset, 0);
    run_on_all(cpus.address(Program::Cmpxchg8b), kData + place.offset, kTimes);
    EXPECT_EQ(m.get<std::uint64_t>(kData + place.offset), kTimes * kCpus << 32 | kTimes * kCpus);
  }
  m.put<std::uint64_t>(kData, 0);
  m.put<std::uint64_t>(kData + 8, 0);
  run_on_all(cpus.address(Program::Cmpxchg16b), kData, kTimes);
  EXPECT_EQ(m.get<std::uint64_t>(kData), kTimes * kCpus);
  EXPECT_EQ(m.get<std::uint64_t>(kData + 8), kTimes * kCpus);
}

/// Puts code on a page, as where a kernel's text and data meet: stores to it then take another way.
void run_code_on_page_of(RacingCpus& cpus, std::uint64_t at) {
  const std::uint64_t code = (at & kPageMask) + 0xf00;
  cpus.machine().put<std::uint8_t>(code, 0xf4);  // HLT
  cpus.set(0, code, {});
  ASSERT_TRUE(cpus.run());
}

TEST_F(JitThreads, LocksGuard) {
  constexpr std::uint64_t kTimes = 20000;
  for (const bool code : {false, true})
    for (unsigned w = 0; w < 4; ++w) {
      SCOPED_TRACE(std::to_string(kWidths[w]) + (code ? " bytes beside code" : " bytes"));
      constexpr std::uint64_t kCounter = kFar;
      m.put<std::uint64_t>(kData, 0);
      m.put<std::uint64_t>(kCounter, 0);
      if (code) run_code_on_page_of(cpus, kData);
      for (unsigned n = 0; n < kCpus; ++n)
        cpus.set(n, cpus.address(Program::Spinlocks, w), {{kRdi, kData}, {kRsi, kTimes}, {kRdx, kCounter}});
      ASSERT_TRUE(cpus.run());
      EXPECT_EQ(m.get<std::uint64_t>(kCounter), kTimes * kCpus);
    }
}

/// Two CPUs count up, and after each step look how far the other is. How often both missed the other's step: a number
/// of steps were made while a store waited in its processor's buffer and the load behind it went ahead.
unsigned both_missed(RacingCpus& cpus, Program program, unsigned steps) {
  constexpr std::uint64_t kSeen[] = {0xa00000, 0xc00000};
  BareMachine& m = cpus.machine();
  m.put<std::uint32_t>(kData, 0);
  m.put<std::uint32_t>(kFar, 0);
  for (unsigned n = 0; n < 2; ++n)
    cpus.set(n, program,
             {{kRdi, n == 0 ? kData : kFar}, {kRdx, n == 0 ? kFar : kData}, {kRbx, kSeen[n]}, {kRsi, steps}});
  EXPECT_TRUE(cpus.run());
  unsigned missed = 0;
  for (std::uint64_t i = 1; i <= steps; ++i) {
    // At its step i the first one did not see this step of the second one, which then must have seen step i.
    const std::uint64_t unseen = std::uint64_t{m.get<std::uint32_t>(kSeen[0] + 4 * i)} + 1;
    missed += unseen <= steps && m.get<std::uint32_t>(kSeen[1] + 4 * unseen) < i;
  }
  return missed;
}

TEST_F(JitThreads, FencesDrainStoreBuffers) {
  constexpr unsigned kSteps = 400000;
  for (const Program program : {Program::StoreBufferMfence, Program::StoreBufferLocked, Program::StoreBufferXchg})
    for (unsigned round = 0; round < 3; ++round)
      EXPECT_EQ(both_missed(cpus, program, kSteps), 0U) << static_cast<unsigned>(program);
  // Without a fence a processor may; how often tells what the others are worth.
  RecordProperty("missed_without_fence", std::to_string(both_missed(cpus, Program::StoreBufferPlain, kSteps)));
}

TEST_F(JitThreads, MessagesArriveInOrder) {
  constexpr std::uint64_t kMessages = 2000000;
  for (const bool code : {false, true}) {
    m.put<std::uint64_t>(kData, 0);
    m.put<std::uint64_t>(kFar, 0);
    if (code) run_code_on_page_of(cpus, kFar);
    const std::uint64_t messages = code ? kMessages / 10 : kMessages;
    cpus.set(0, Program::MessageWriter, {{kRdi, kData}, {kRdx, kFar}, {kRsi, messages}});
    cpus.set(1, Program::MessageReader, {{kRdi, kData}, {kRdx, kFar}, {kRsi, messages}});
    ASSERT_TRUE(cpus.run());
    EXPECT_EQ(cpus.cpu(1).gpr[kR12], 0U) << "of " << cpus.cpu(1).gpr[kR13];
    RecordProperty(code ? "seen_beside_code" : "seen", std::to_string(cpus.cpu(1).gpr[kR13]));
  }
}

}  // namespace
}  // namespace machina::jit
