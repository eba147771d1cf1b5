#include "accel/kvm/kvm_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "accel/kvm/kvm_api.h"

namespace machina::kvm {
namespace {

using testing::HasSubstr;

class KvmReportExit : public testing::Test {
 protected:
  KvmReportExit() { std::memset(&run_, 0, sizeof run_); }
  kvm_run run_;
};

TEST_F(KvmReportExit, EmulationFailureNamesTheInstructionAndWhatToDo) {
  run_.exit_reason = KVM_EXIT_INTERNAL_ERROR;
  run_.emulation_failure.suberror = KVM_INTERNAL_ERROR_EMULATION;
  run_.emulation_failure.ndata = 3;
  run_.emulation_failure.flags = KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES;
  run_.emulation_failure.insn_size = 3;
  const std::uint8_t fld[] = {0xd9, 0xe8, 0xf4};  // fld1; hlt
  std::memcpy(run_.emulation_failure.insn_bytes, fld, sizeof fld);
  X86State s = X86State::at_reset(0x12345, true);
  StopReport r{.cpu = "cpu", .why = "KVM cannot emulate an instruction", .kind = stop_kind(run_), .state = &s};
  r.instruction = emulation_bytes(run_);
  const std::string text = make_report(r);
  EXPECT_THAT(text, HasSubstr("cpu stopped: KVM cannot emulate an instruction\nat f000:fff0: d9 e8  fld1"));
  EXPECT_THAT(text, HasSubstr("it cannot emulate 'fld1'. A software CPU executes it"));
}

TEST_F(KvmReportExit, TheKindIsKnown) {
  run_.exit_reason = KVM_EXIT_FAIL_ENTRY;
  EXPECT_EQ(stop_kind(run_), StopKind::EntryRefused);
  run_.exit_reason = KVM_EXIT_SHUTDOWN;
  EXPECT_EQ(stop_kind(run_), StopKind::TripleFault);
  run_.exit_reason = KVM_EXIT_INTERNAL_ERROR;
  run_.internal.suberror = KVM_INTERNAL_ERROR_DELIVERY_EV;
  EXPECT_EQ(stop_kind(run_), StopKind::Other);
}

TEST(KvmReport, EntryFailuresOfBothVendorsAreExplained) {
  EXPECT_THAT(describe_entry_failure(0x80000021), HasSubstr("0x80000021 (invalid guest state)"));
  EXPECT_THAT(describe_entry_failure(0x80000022), HasSubstr("an MSR of the list"));
  EXPECT_THAT(describe_entry_failure(0x80000029), HasSubstr("machine check"));
  EXPECT_THAT(describe_entry_failure(7), HasSubstr("0x7 (invalid control fields)"));
  EXPECT_THAT(describe_entry_failure(8), HasSubstr("invalid host state"));
  EXPECT_THAT(describe_entry_failure(~std::uint64_t{0}), HasSubstr("AMD-V: invalid guest state"));
  EXPECT_EQ(describe_entry_failure(0x80000099), "the processor refuses to enter the guest, hardware reason 0x80000099");
}

TEST_F(KvmReportExit, BytesAreTakenOnlyWhenTheyAreThere) {
  run_.exit_reason = KVM_EXIT_INTERNAL_ERROR;
  run_.emulation_failure.suberror = KVM_INTERNAL_ERROR_EMULATION;
  run_.emulation_failure.insn_size = 15;
  run_.emulation_failure.ndata = 3;
  EXPECT_TRUE(emulation_bytes(run_).empty());
  run_.emulation_failure.flags = 1;
  EXPECT_EQ(emulation_bytes(run_).size(), 15U);
  run_.emulation_failure.insn_size = 200;
  EXPECT_EQ(emulation_bytes(run_).size(), 15U);
  run_.emulation_failure.ndata = 1;
  EXPECT_TRUE(emulation_bytes(run_).empty());
}

TEST(KvmReport, WhatIsKeptOfAnExitRemembersValuesOfPorts) {
  alignas(8) std::uint8_t page[8192] = {};
  auto& run = *reinterpret_cast<kvm_run*>(page);
  run.exit_reason = KVM_EXIT_IO;
  run.io.direction = KVM_EXIT_IO_OUT;
  run.io.size = 2;
  run.io.count = 1;
  run.io.port = 0x3f8;
  run.io.data_offset = 4096;
  page[4096] = 0x34;
  page[4097] = 0x12;
  const KernelExit kept = note_exit(run, sizeof page);
  page[4096] = 0;
  EXPECT_EQ(describe(kept), "IO out 0x3f8 2 bytes: 0x1234");
  EXPECT_EQ(describe(KernelExit{.reason = KernelExit::kInjected + 0x20}), "interrupt 0x20");
}

}  // namespace
}  // namespace machina::kvm
