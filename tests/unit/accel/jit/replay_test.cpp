#include "accel/jit/replay.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "accel/jit/jit_cpuid.h"
#include "accel/jit/jit_state.h"
#include "core/memory/memory_region.h"
#include "core/memory/ram_block.h"
#include "tests/unit/accel/jit/descriptor_tables.h"

namespace machina::jit {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using Tables = DescriptorTables;

/// The state of a CPU about to triple fault, with its memory as a map of a machine.
class JitReplay : public testing::Test {
 protected:
  JitReplay() : cpuid(supported_cpuid()) {
    machine.long_64();
    tables = std::make_unique<Tables>(machine);  // an IDT without one gate
  }
  /// What becomes of these bytes, the machine's memory being what it is.
  Replayed replay(std::initializer_list<std::uint8_t> code) {
    machine.put_code(BareMachine::kCode, std::span(code.begin(), code.size()));
    const X86Events events = state.events;
    store_state(machine.cpu(), state);
    state.events = events;
    auto block = RamBlock::create("ram", BareMachine::kRamSize);
    std::memcpy(block->host(), machine.ram(), BareMachine::kRamSize);
    FlatRange ram, device;
    ram.last = BareMachine::kRamSize - 1;
    ram.ram = block;
    ram.host = block->host();
    device.first = kDevice;
    device.last = kDevice + 0xfff;
    const Replayed replayed = replay_shutdown(state, FlatView({ram, device}), blocks, cpuid);
    EXPECT_EQ(std::memcmp(block->host(), machine.ram(), BareMachine::kRamSize), 0) << "nothing is written";
    return replayed;
  }

  static constexpr std::uint64_t kDevice = 0x1000000;  // 16 MiB, just behind the RAM
  BareMachine machine;
  BlockCache blocks;
  CpuidTable cpuid;
  std::unique_ptr<Tables> tables;
  X86State state;
};

TEST_F(JitReplay, TheInstructionTellsTheChain) {
  const Replayed r = replay({0x8b, 0x04, 0x25, 0, 0, 0, 0x40});  // mov eax, [40000000h]
  ASSERT_EQ(r.chain.size(), 3U);
  EXPECT_EQ(r.chain[0].vector, 14);
  EXPECT_EQ(r.chain[0].address, 0x40000000U);
  EXPECT_EQ(r.chain[0].gate.linear, Tables::kIdt + 14 * 16);
  EXPECT_EQ(r.chain[1].vector, 8);
  EXPECT_EQ(r.chain[2].error_code, 8U * 8 + 3);
  EXPECT_THAT(r.note, HasSubstr("the instruction at RIP"));
}

TEST_F(JitReplay, WritesStayOnTheCopy) {
  // The handler of #UD is entered, its frame written; that of #GP cannot be.
  tables->gate(6, 0x800000000000);  // not canonical: #GP on the way
  const Replayed r = replay({0x0f, 0x0b});
  ASSERT_GE(r.chain.size(), 3U);
  EXPECT_EQ(r.chain[0].vector, 6);
  EXPECT_EQ(r.chain[1].vector, 13);
}

TEST_F(JitReplay, AnInnocentInstructionGivesNoChain) {
  const Replayed r = replay({0x90});
  EXPECT_THAT(r.chain, IsEmpty());
  EXPECT_THAT(r.note, HasSubstr("could not be reconstructed"));
}

TEST_F(JitReplay, DevicesAreNotReached) {
  machine.put<std::uint64_t>((1 << 20) + 0x2000 + 8 * 8, kDevice | 0x87);
  EXPECT_THAT(replay({0x8b, 0x04, 0x25, 0, 0, 0, 1}).chain, IsEmpty());  // mov eax, [1000000h]
  EXPECT_THAT(replay({0xe4, 0x80}).chain, IsEmpty());                    // in al, 80h
  EXPECT_THAT(replay({0xb9, 0, 8, 0, 0, 0x0f, 0x30}).chain, IsEmpty());  // an MSR that is none
}

TEST_F(JitReplay, AnEventThatWaitedComesFirst) {
  state.events.interrupt_injected = true;
  state.events.interrupt_vector = 0x20;
  Replayed r = replay({0x90});
  ASSERT_GE(r.chain.size(), 3U);
  EXPECT_TRUE(r.chain[0].external);
  EXPECT_EQ(r.chain[0].vector, 0x20);
  EXPECT_THAT(r.note, HasSubstr("the event that waited"));
  state.events = {};
  state.events.nmi_injected = true;
  r = replay({0x90});
  ASSERT_GE(r.chain.size(), 3U);
  EXPECT_EQ(r.chain[0].vector, 2);
  state.events = {};
  state.events.exception_injected = state.events.exception_has_error_code = true;
  state.events.exception_vector = 13;
  state.events.exception_error_code = 0x18;
  r = replay({0x90});
  ASSERT_GE(r.chain.size(), 3U);
  EXPECT_EQ(r.chain[0].vector, 13);
  EXPECT_EQ(r.chain[0].error_code, 0x18U);
}

TEST_F(JitReplay, SystemManagementModeIsLeftAlone) {
  state.events.smm = true;
  EXPECT_THAT(replay({0x0f, 0x0b}).note, HasSubstr("system management mode"));
}

}  // namespace
}  // namespace machina::jit
