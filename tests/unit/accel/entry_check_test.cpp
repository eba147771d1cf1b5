#include "accel/entry_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "tests/support/sparse_memory.h"

namespace machina {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

X86State good() {
  X86State s = test::long_mode();
  s.efer |= 0x400;
  s.segment[kCs].g = true;
  s.segment[kCs].limit = 0xffffffff;
  s.rip = 0x1000;
  return s;
}

TEST(EntryCheck, GoodStatesOffendAgainstNothing) {
  EXPECT_THAT(entry_offences(X86State::at_reset(0, true)), IsEmpty());
  EXPECT_THAT(entry_offences(good()), IsEmpty());
}

TEST(EntryCheck, EachOffenceIsNamed) {
  struct Case {
    std::function<void(X86State&)> spoil;
    const char* said;
  };
  const Case cases[] = {
      {[](X86State& s) { s.cr0 |= 1U << 29; }, "CR0.NW is set without CR0.CD"},
      {[](X86State& s) { s.efer &= ~0x400U; }, "EFER.LMA is not what"},
      {[](X86State& s) { s.cr4 &= ~0x20U; }, "without CR4.PAE"},
      {[](X86State& s) { s.segment[kCs].db = true; }, "both L and D"},
      {[](X86State& s) { s.segment[kCs].present = false; }, "CS is no segment"},
      {[](X86State& s) { s.segment[kDs].limit = 0x100000; }, "limit of DS (0x100000)"},
      {[](X86State& s) { s.tr.type = 9; }, "TR is no busy TSS"},
      {[](X86State& s) { s.gdt.base = 0x800000000000; }, "GDT's base 0x800000000000 is not canonical"},
      {[](X86State& s) { s.idt.base = 0x800000000000; }, "IDT's base"},
      {[](X86State& s) { s.rip = 0x800000000000; }, "RIP 0x800000000000 is not canonical"},
      {[](X86State& s) { s.rflags = 0; }, "reserved bits of RFLAGS"},
      {[](X86State& s) { s.events.interrupt_injected = true; }, "RFLAGS.IF is clear"},
  };
  for (const Case& c : cases) {
    X86State s = good();
    c.spoil(s);
    EXPECT_THAT(entry_offences(s), ElementsAre(HasSubstr(c.said)));
  }
  X86State s = X86State::at_reset(0, true);
  s.cr0 |= 0x80000000;
  EXPECT_THAT(entry_offences(s), ElementsAre("CR0.PG is set without CR0.PE"));
  s = X86State::at_reset(0, true);
  s.cr4 |= 1U << 17;
  EXPECT_THAT(entry_offences(s), ElementsAre("CR4.PCIDE is set outside of long mode"));
  s = X86State::at_reset(0, true);
  s.rip = 0x100000000;
  EXPECT_THAT(entry_offences(s), ElementsAre(HasSubstr("more than 32 bits")));
  s = X86State::at_reset(0, true);
  s.cr0 |= 1;
  s.rflags |= 1U << 17;
  EXPECT_THAT(entry_offences(s), ElementsAre(HasSubstr("a base of CS that is not its selector * 16")));
}

}  // namespace
}  // namespace machina
