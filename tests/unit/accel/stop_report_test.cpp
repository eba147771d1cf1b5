#include "accel/stop_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "accel/exit_ring.h"
#include "tests/support/sparse_memory.h"

namespace machina {
namespace {

using test::long_mode;
using test::SparseMemory;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

TEST(StopReport, ReadsInstructionBytesThroughTheSegment) {
  X86State s = X86State::at_reset(0, true);
  SparseMemory m;
  for (unsigned i = 0; i < 16; ++i) m.put(0xfffffff0 + i, 0xa0 + i, 1);
  EXPECT_EQ(bytes_at_rip(s, m.reader()).size(), 15U);
  EXPECT_EQ(bytes_at_rip(s, m.reader()).at(0), 0xa0);
  s.rip = 0xfffd;
  EXPECT_THAT(bytes_at_rip(s, m.reader()), ElementsAre(0xad, 0xae, 0xaf));
}

TEST(StopReport, HasAllOfIt) {
  X86State s = X86State::at_reset(0x12345, true);
  s.gpr[kRax] = 0xabcdef;
  SparseMemory m;
  m.put(0xfffffff0, 0xcc, 1);
  StopReport r{.cpu = "/machine/cpu[0]", .why = "triple fault", .kind = StopKind::TripleFault, .state = &s};
  r.read = m.reader();
  r.last_exits = {"IO out 0x80 1 byte: 0x1"};
  r.earlier = {"interrupt 0x08 at 0000:7c00 CPL 0 RSP=0x6ffe"};
  r.chain_note = "a note";
  FaultRecord bp;
  bp.vector = 3;
  bp.cs = 0xf000;
  bp.rip = 0xfff0;
  FaultRecord gp = bp;
  gp.vector = 13;
  bp.failed = true;
  bp.gate = {.table = TableRead::Table::Vectors, .result = TableRead::Result::BeyondLimit, .size = 4, .index = 3};
  r.chain = {bp, gp};
  const std::string text = make_report(r);
  EXPECT_THAT(text, HasSubstr("/machine/cpu[0] stopped: triple fault\nat f000:fff0: cc  int3\n"
                              "fault chain:\n"
                              "  1. #BP at f000:fff0 CPL 0 RSP=0x0, breakpoint\n"
                              "     read real-mode vector 0x03: beyond the limit of the table\n"
                              "  2. #GP, general protection: triple fault\n"
                              "a note\n"));
  EXPECT_THAT(text, HasSubstr("RAX=0000000000abcdef"));
  EXPECT_THAT(text, HasSubstr("CS =f000 00000000ffff0000 0000ffff"));
  EXPECT_THAT(text, HasSubstr("CR0=60000010"));
  EXPECT_THAT(text, HasSubstr("before that, oldest first:\n  interrupt 0x08 at"));
  EXPECT_THAT(text, HasSubstr("last exits, oldest first:\n  IO out 0x80 1 byte: 0x1\n"));
  EXPECT_THAT(text, HasSubstr("hint: the IDTR's limit"));
}

TEST(StopReport, DoesWithoutWhatCouldNotBeRead) {
  X86State s = X86State::at_reset(0, true);
  SparseMemory m;
  m.put(0xfffffff0, 0xf4, 1);
  StopReport r{.cpu = "cpu", .why = "why", .state = &s};
  r.read = m.reader();
  EXPECT_THAT(make_report(r), HasSubstr("at f000:fff0: f4  hlt"));
  EXPECT_THAT(make_report(r), Not(HasSubstr("hint")));
  EXPECT_THAT(make_report(r), Not(HasSubstr("chain")));
  s.segment[kCs].base = 0;
  EXPECT_THAT(make_report(r), HasSubstr("where no memory is"));
  r.instruction = {0x06};
  s = long_mode();
  EXPECT_THAT(make_report(r), HasSubstr(": 06  (not an instruction)"));
  r.state = nullptr;
  EXPECT_EQ(make_report(r), "cpu stopped: why\n");
  r.last_exits = {"HLT"};
  EXPECT_EQ(make_report(r), "cpu stopped: why\nlast exits, oldest first:\n  HLT\n");
}

TEST(ExitRing, KeepsTheLastSixteenAndCountsRepetitions) {
  ExitRing<int> ring;
  const auto text = [](int i) { return std::to_string(i); };
  EXPECT_TRUE(ring.describe(text).empty());
  for (int i = 0; i < 20; ++i) ring.add(i);
  EXPECT_EQ(ring.describe(text).size(), 16U);
  EXPECT_EQ(ring.describe(text).front(), "4");
  for (unsigned i = 0; i < 15; ++i) ring.add(7);
  EXPECT_THAT(ring.describe(text), ElementsAre("19", "7  (15 times)"));
  EXPECT_EQ(ring.count(), 35U);
}

}  // namespace
}  // namespace machina
