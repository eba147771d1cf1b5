#include "accel/kvm/kvm_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <map>

#include "accel/kvm/kvm_api.h"

namespace machina::kvm {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

/// Guest-physical memory by pages.
class Memory {
 public:
  void put(std::uint64_t address, std::uint64_t value, unsigned size) {
    for (unsigned i = 0; i < size; ++i) bytes_[address + i] = static_cast<std::uint8_t>(value >> (8 * i));
  }
  ReadPhysical reader() const {
    return [this](std::uint64_t address, std::span<std::uint8_t> to) {
      for (std::size_t i = 0; i < to.size(); ++i) {
        const auto it = bytes_.find(address + i);
        if (it == bytes_.end()) return false;
        to[i] = it->second;
      }
      return true;
    };
  }

 private:
  std::map<std::uint64_t, std::uint8_t> bytes_;
};

X86State long_mode() {
  X86State s = X86State::at_reset(0, true);
  s.cr0 = 0x80000011;
  s.cr4 = 0x20;
  s.efer = 0x500;
  s.cr3 = 0x1000;
  s.segment[kCs].l = true;
  s.segment[kCs].base = 0;
  return s;
}

TEST(KvmReport, TranslatesLongMode) {
  const X86State s = long_mode();
  Memory m;
  const std::uint64_t linear = 0xffff800000201234;
  m.put(0x1000 + (linear >> 39 & 0x1ff) * 8, 0x2003, 8);
  m.put(0x2000 + (linear >> 30 & 0x1ff) * 8, 0x3003, 8);
  m.put(0x3000 + (linear >> 21 & 0x1ff) * 8, 0x4003, 8);
  m.put(0x4000 + (linear >> 12 & 0x1ff) * 8, 0x8000000000055003, 8);  // NX is not part of the address
  EXPECT_EQ(translate(s, linear, m.reader()), 0x55234U);
  m.put(0x3000 + (linear >> 21 & 0x1ff) * 8, 0x40000083, 8);  // 2 MiB
  EXPECT_EQ(translate(s, linear, m.reader()), 0x40001234U);
  m.put(0x2000 + (linear >> 30 & 0x1ff) * 8, 0xc0000083, 8);  // 1 GiB
  EXPECT_EQ(translate(s, linear, m.reader()), 0xc0201234U);
  m.put(0x2000 + (linear >> 30 & 0x1ff) * 8, 0xc0000082, 8);  // not present
  EXPECT_EQ(translate(s, linear, m.reader()), std::nullopt);
  EXPECT_EQ(translate(s, 0x1000, m.reader()), std::nullopt);
}

TEST(KvmReport, TranslatesFiveLevels) {
  X86State s = long_mode();
  s.cr4 |= 1U << 12;
  Memory m;
  const std::uint64_t linear = 0x0001000000003abc;
  m.put(0x1000 + (linear >> 48 & 0x1ff) * 8, 0x2003, 8);
  m.put(0x2000, 0x3003, 8);
  m.put(0x3000, 0x4003, 8);
  m.put(0x4000, 0x5003, 8);
  m.put(0x5000 + 3 * 8, 0x77003, 8);
  EXPECT_EQ(translate(s, linear, m.reader()), 0x77abcU);
}

TEST(KvmReport, Translates32BitPaging) {
  X86State s = X86State::at_reset(0, true);
  s.cr0 = 0x80000011;
  s.cr3 = 0x1000;
  Memory m;
  const std::uint64_t linear = 0x00403abc;
  m.put(0x1000 + 4, 0x2003, 4);
  m.put(0x2000 + 3 * 4, 0x9003, 4);
  EXPECT_EQ(translate(s, linear, m.reader()), 0x9abcU);
  m.put(0x1000 + 4, 0x00c02083, 4);  // 4 MiB at C00000h, bits 32 and up in 13 and up
  EXPECT_EQ(translate(s, linear, m.reader()), std::nullopt) << "without CR4.PSE it is a table";
  s.cr4 = 0x10;
  EXPECT_EQ(translate(s, linear, m.reader()), 0x100c03abcU);
}

TEST(KvmReport, TranslatesPae) {
  X86State s = X86State::at_reset(0, true);
  s.cr0 = 0x80000011;
  s.cr4 = 0x20;
  s.cr3 = 0x1020;
  Memory m;
  m.put(0x1020 + 2 * 8, 0x3001, 8);
  m.put(0x3000 + 1 * 8, 0x00600083, 8);
  EXPECT_EQ(translate(s, 0x80201234, m.reader()), 0x601234U);
  s.pdptr_valid = true;
  s.pdptr = {1, 1, 0x5001, 1};
  m.put(0x5000 + 1 * 8, 0x00800083, 8);
  EXPECT_EQ(translate(s, 0x80201234, m.reader()), 0x801234U);
  s.pdptr[2] = 0;
  EXPECT_EQ(translate(s, 0x80201234, m.reader()), std::nullopt);
}

TEST(KvmReport, ReadsInstructionBytesThroughTheSegment) {
  X86State s = X86State::at_reset(0, true);
  Memory m;
  for (unsigned i = 0; i < 16; ++i) m.put(0xfffffff0 + i, 0xa0 + i, 1);
  EXPECT_EQ(bytes_at_rip(s, m.reader()).size(), 15U);
  EXPECT_EQ(bytes_at_rip(s, m.reader()).at(0), 0xa0);
  s.rip = 0xfffd;
  EXPECT_THAT(bytes_at_rip(s, m.reader()), ElementsAre(0xad, 0xae, 0xaf));
}

TEST(KvmReport, DisassemblesInTheModeOfTheCpu) {
  const std::vector<std::uint8_t> bytes = {0xb8, 0x34, 0x12, 0x00, 0x00};
  X86State s = X86State::at_reset(0, true);
  EXPECT_EQ(disassemble(s, bytes), "mov ax, 0x1234");
  s.cr0 |= 1;
  s.segment[kCs].db = true;
  EXPECT_EQ(disassemble(s, bytes), "mov eax, 0x1234");
  const std::vector<std::uint8_t> rex = {0x48, 0x0f, 0xae, 0x20};
  EXPECT_EQ(disassemble(long_mode(), rex), "xsave64 [rax]");
  EXPECT_EQ(disassemble(long_mode(), std::vector<std::uint8_t>{0x06}), "");
}

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
  s.gpr[kRax] = 0xabcdef;
  ReportInput in;
  in.cpu = "/machine/cpu[0]";
  in.why = "KVM cannot emulate an instruction";
  in.state = &s;
  in.run = &run_;
  in.last_exits = {"IO out 0x80 1 byte: 0x1"};
  const std::string text = make_report(in);
  EXPECT_THAT(text, HasSubstr("/machine/cpu[0] stopped: KVM cannot emulate an instruction"));
  EXPECT_THAT(text, HasSubstr("at f000:fff0: d9 e8 f4  fld1"));
  EXPECT_THAT(text, HasSubstr("RAX=0000000000abcdef"));
  EXPECT_THAT(text, HasSubstr("CS =f000 00000000ffff0000 0000ffff"));
  EXPECT_THAT(text, HasSubstr("CR0=60000010"));
  EXPECT_THAT(text, HasSubstr("  IO out 0x80 1 byte: 0x1"));
  EXPECT_THAT(text, HasSubstr("'fld1'. A software CPU executes it"));
}

TEST_F(KvmReportExit, WithoutBytesFromKvmMemoryIsRead) {
  run_.exit_reason = KVM_EXIT_FAIL_ENTRY;
  X86State s = X86State::at_reset(0, true);
  Memory m;
  m.put(0xfffffff0, 0xf4, 1);
  ReportInput in{"cpu", "why", &s, &run_, m.reader(), {}};
  EXPECT_THAT(make_report(in), HasSubstr("at f000:fff0: f4  hlt"));
  EXPECT_THAT(make_report(in), Not(HasSubstr("hint")));
  s.segment[kCs].base = 0;
  EXPECT_THAT(make_report(in), HasSubstr("where no memory is"));
  in.state = nullptr;
  EXPECT_EQ(make_report(in), "cpu stopped: why\n");
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

TEST_F(KvmReportExit, RingKeepsTheLastSixteenAndCountsRepetitions) {
  ExitRing ring;
  EXPECT_TRUE(ring.describe().empty());
  run_.exit_reason = KVM_EXIT_MMIO;
  run_.mmio.len = 1;
  for (unsigned i = 0; i < 20; ++i) {
    run_.mmio.phys_addr = 0x1000 + i;
    ring.add(run_, sizeof run_);
  }
  EXPECT_EQ(ring.describe().size(), 16U);
  EXPECT_EQ(ring.describe().front(), "MMIO read 0x1004 1 byte");
  run_.exit_reason = KVM_EXIT_HLT;
  for (unsigned i = 0; i < 15; ++i) ring.add(run_, sizeof run_);
  EXPECT_THAT(ring.describe(), ElementsAre("MMIO read 0x1013 1 byte", "HLT  (15 times)"));
}

TEST_F(KvmReportExit, RingRemembersValuesOfPorts) {
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
  ExitRing ring;
  ring.add(run, sizeof page);
  page[4096] = 0;
  EXPECT_THAT(ring.describe(), ElementsAre("IO out 0x3f8 2 bytes: 0x1234"));
}

}  // namespace
}  // namespace machina::kvm
