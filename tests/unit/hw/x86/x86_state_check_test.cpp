// What no CPU can be in: one case a rule, each a change of a state that is possible.

#include "hw/x86/x86_state_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "accel/jit/jit_cpuid.h"
#include "hw/x86/cpu_model.h"
#include "qom/error.h"

namespace machina {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

CpuidTable table_of(const char* model) {
  const CpuidTable supported = jit::supported_cpuid();
  const CpuPlatform platform{supported, "a test", {}};
  return make_cpuid(parse_cpu_model(model), platform).table;
}

class X86StateCheck : public testing::Test {
 protected:
  X86StateCheck() : cpuid(table_of("qemu64")), reset(X86State::at_reset(cpuid.find(1).eax, true)) {}

  std::vector<std::string> faults(const X86State& s, bool bootstrap = true) const {
    return impossible_parts(s, cpuid, bootstrap);
  }
  /// Exactly one fault, that begins with `expected`.
  void one(const char* expected, const X86State& from, const std::function<void(X86State&)>& change) const {
    X86State s = from;
    change(s);
    const std::vector<std::string> found = faults(s);
    ASSERT_EQ(found.size(), 1U) << expected << ": " << testing::PrintToString(found);
    EXPECT_THAT(found[0], testing::StartsWith(expected));
  }
  void fine(const X86State& from, const std::function<void(X86State&)>& change) const {
    X86State s = from;
    change(s);
    EXPECT_THAT(faults(s), IsEmpty());
  }

  /// 64-bit code at CPL 3, as of a kernel's process.
  X86State wide() const {
    X86State s = reset;
    s.cr0 = 0x80050033;
    s.cr3 = 0x1000;
    s.cr4 = 0x6f0;
    s.efer = 0xd01;
    s.rip = 0x400000;
    s.rflags = 0x202;
    const auto flat = [](std::uint16_t selector, std::uint8_t type) {
      X86Segment g;
      g.selector = selector;
      g.limit = 0xffffffff;
      g.g = true;
      g.type = type;
      g.dpl = 3;
      return g;
    };
    s.segment.fill({});
    for (const unsigned i : {kEs, kDs, kFs, kGs}) s.segment[i].unusable = true, s.segment[i].present = false;
    s.segment[kCs] = flat(0x33, 11);
    s.segment[kCs].l = true;
    s.segment[kSs] = flat(0x2b, 3);
    s.segment[kSs].db = true;
    s.segment[kFs].base = 0x7f0000000000;
    s.segment[kGs].base = 0xffff888000000000;
    s.tr.selector = 0x40;
    s.tr.base = 0xfffffe0000003000;
    s.tr.limit = 0x4087;
    s.ldt.unusable = true;
    s.gdt = {0xfffffe0000001000, 0x7f};
    s.idt = {0xfffffe0000000000, 0xfff};
    return s;
  }
  X86State v86() const {
    X86State s = reset;
    s.cr0 = 0x11;
    s.rflags = 0x20002;
    s.rip = 0x100;
    for (X86Segment& g : s.segment) {
      g = {};
      g.selector = 0x1234;
      g.base = 0x12340;
      g.dpl = 3;
    }
    return s;
  }

  CpuidTable cpuid;
  X86State reset;
};

TEST_F(X86StateCheck, WhatCpusComeUpInIsPossible) {
  for (const char* model : {"qemu64", "kvm64", "max", "qemu64,-apic", "qemu64,-x2apic,-fxsr"}) {
    const CpuidTable table = table_of(model);
    for (const bool bootstrap : {true, false}) {
      X86State s = X86State::at_reset(table.find(1).eax, bootstrap, 5);
      EXPECT_THAT(impossible_parts(s, table, bootstrap), IsEmpty()) << model;
      s.apply_init(table.find(1).eax, bootstrap);
      EXPECT_THAT(impossible_parts(s, table, bootstrap), IsEmpty()) << model;
      if (!bootstrap) s.apply_sipi(0x9f);
      EXPECT_THAT(impossible_parts(s, table, bootstrap), IsEmpty()) << model;
    }
  }
  EXPECT_THAT(faults(wide()), IsEmpty());
  EXPECT_THAT(faults(v86()), IsEmpty());
}

TEST_F(X86StateCheck, ControlRegisters) {
  one("CR0 is 0x160000010", reset, [](X86State& s) { s.cr0 |= 1ULL << 32; });
  one("CR0 is 0x60000050", reset, [](X86State& s) { s.cr0 |= 0x40; });
  one("CR0 is 0xe0000010: PG needs PE", reset, [](X86State& s) { s.cr0 |= 1U << 31; });
  one("CR0 is 0x20000010: NW needs CD", reset, [](X86State& s) { s.cr0 = 0x20000010; });
  one("CR4 is 0x8000000000000000", reset, [](X86State& s) { s.cr4 = 1ULL << 63; });
  one("CR4 is 0x100000: this CPU does not have the bits 0x100000", reset, [](X86State& s) { s.cr4 = 1U << 20; });
  one("EFER is 0x1001: this CPU does not have the bits 0x1000", reset, [](X86State& s) { s.efer = 0x1001; });
  one("EFER is 0x100: LMA", wide(), [](X86State& s) {
    s.efer = 0x100;
    s.segment[kCs].l = false;
  });
  one("EFER is 0x400: LMA", reset, [](X86State& s) { s.efer = 0x400, s.cr4 = 0x20; });
  one("CR4 is 0x6d0: IA-32e mode needs PAE", wide(), [](X86State& s) { s.cr4 = 0x6d0; });
  one("CR3 is", wide(), [](X86State& s) { s.cr3 = 1ULL << 52; });
  one("CR8 is 0x10", reset, [](X86State& s) { s.cr8 = 16, s.lapic_valid = false; });
  fine(wide(), [](X86State& s) { s.cr0 |= 8; });
  fine(reset, [](X86State& s) { s.efer = 0x100; });
}

TEST_F(X86StateCheck, ProcessContextIdentifiersNeedIa32eMode) {
  cpuid = table_of("max");
  if (!has_feature(features_of(cpuid), "pcid")) GTEST_SKIP() << "the software CPU has no PCIDs on this host";
  one("CR4 is 0x20000: PCIDE needs IA-32e mode", reset, [](X86State& s) { s.cr4 = 1U << 17; });
  fine(wide(), [](X86State& s) { s.cr4 |= 1U << 17; });
}

TEST_F(X86StateCheck, PointersOfPaePaging) {
  X86State pae = reset;
  pae.cr0 = 0x80000011;
  pae.cr4 = 0x20;
  pae.pdptr_valid = true;
  pae.pdptr = {0x1001, 0x2001, 0, 0xfffffffffffffffe};
  EXPECT_THAT(faults(pae), IsEmpty());
  one("PDPTE1 is 0x2003", pae, [](X86State& s) { s.pdptr[1] = 0x2003; });
  one("PDPTE2 is 0x8000000000000001", pae, [](X86State& s) { s.pdptr[2] = 1ULL << 63 | 1; });
}

TEST_F(X86StateCheck, ExtendedControlRegister) {
  one("XCR0 is 0x3: without XSAVE it is 1", reset, [](X86State& s) { s.xcr0 = 3; });
  cpuid = table_of("max");
  if (!has_feature(features_of(cpuid), "avx")) GTEST_SKIP() << "the software CPU has no AVX on this host";
  one("XCR0 is 0x2: x87", reset, [](X86State& s) { s.xcr0 = 2; });
  one("XCR0 is 0x5: AVX", reset, [](X86State& s) { s.xcr0 = 5; });
  one("XCR0 is 0x8000000000000003: this CPU", reset, [](X86State& s) { s.xcr0 = 1ULL << 63 | 3; });
  fine(reset, [](X86State& s) { s.xcr0 = 7; });
}

TEST_F(X86StateCheck, DebugRegisters) {
  one("DR6 is 0x1ffff0ff0", reset, [](X86State& s) { s.dr6 |= 1ULL << 32; });
  one("DR6 is 0xffff1ff0", reset, [](X86State& s) { s.dr6 |= 1U << 12; });
  one("DR6 is 0x0", reset, [](X86State& s) { s.dr6 = 0; });
  one("DR7 is 0x100000400", reset, [](X86State& s) { s.dr7 |= 1ULL << 32; });
  one("DR7 is 0x8400", reset, [](X86State& s) { s.dr7 |= 1U << 15; });
  one("DR7 is 0x0", reset, [](X86State& s) { s.dr7 = 0; });
  fine(reset, [](X86State& s) { s.dr7 = 0xffff27ff; });
}

TEST_F(X86StateCheck, FlagsAndInstructionPointer) {
  one("RFLAGS is 0x0", reset, [](X86State& s) { s.rflags = 0; });
  one("RFLAGS is 0x8002", reset, [](X86State& s) { s.rflags = 0x8002; });
  one("RFLAGS is 0x20202: VM needs", wide(), [](X86State& s) { s.rflags |= 1U << 17; });
  one("RIP is 0x1000000000000000", wide(), [](X86State& s) { s.rip = 1ULL << 60; });
  fine(wide(), [](X86State& s) { s.rip = 0x800000000000; });  // just behind the last instruction of the lower half
  one("RIP is 0x10000fff0", reset, [](X86State& s) { s.rip |= 1ULL << 32; });
}

TEST_F(X86StateCheck, Segments) {
  one("CS.selector", wide(), [](X86State& s) { s.segment[kCs].unusable = true; });
  one("CS.type is 0x7", wide(), [](X86State& s) { s.segment[kCs].type = 7; });
  one("CS.type is 0xa", wide(), [](X86State& s) { s.segment[kCs].type = 10; });
  one("CS.L", wide(), [](X86State& s) { s.segment[kCs].db = true; });
  one("CS.base", wide(), [](X86State& s) { s.segment[kCs].base = 1ULL << 32; });
  one("CS.DPL is 0x0: SS says", wide(), [](X86State& s) { s.segment[kCs].dpl = 0; });
  fine(wide(), [](X86State& s) { s.segment[kCs].dpl = 0, s.segment[kCs].type = 15; });
  one("SS.type is 0x1", wide(), [](X86State& s) { s.segment[kSs].type = 1; });
  one("SS.limit is 0xfff0ffff: with G clear", wide(), [](X86State& s) {
    s.segment[kSs].limit = 0xfff0ffff;
    s.segment[kSs].g = false;
  });
  one("SS.limit is 0x10: with G set", wide(), [](X86State& s) { s.segment[kSs].limit = 0x10; });
  one("SS.DPL is 0x3: in real mode", reset, [](X86State& s) { s.segment[kSs].dpl = 3; });
  one("DS.type is 0x2", reset, [](X86State& s) { s.segment[kDs].type = 2; });
  one("DS.type is 0x9", reset, [](X86State& s) { s.segment[kDs].type = 9; });
  one("DS.type is 0x10: it has 4 bits", wide(), [](X86State& s) { s.segment[kDs].type = 16; });
  one("DS.DPL is 0x4: it has 2 bits", reset, [](X86State& s) { s.segment[kDs].dpl = 4; });
  one("ES.base", reset, [](X86State& s) { s.segment[kEs].base = 1ULL << 32; });
  one("GS.base is 0x8000000000000000: it is not canonical", wide(),
      [](X86State& s) { s.segment[kGs].base = 1ULL << 63; });
  one("TR.selector", wide(), [](X86State& s) { s.tr.unusable = true; });
  one("TR.type is 0x3: in IA-32e", wide(), [](X86State& s) { s.tr.type = 3; });
  one("TR.type is 0x2", reset, [](X86State& s) { s.tr.type = 2; });
  one("TR.selector is 0x4: it names", wide(), [](X86State& s) { s.tr.selector = 4; });
  fine(reset, [](X86State& s) { s.tr.type = 3; });
  one("LDTR.type is 0x3", reset, [](X86State& s) { s.ldt.type = 3; });
  one("LDTR.base", reset, [](X86State& s) { s.ldt.base = 1ULL << 63; });
  fine(wide(), [](X86State& s) { s.ldt.type = 0; });  // unusable: what it holds is nothing
  one("GDTR.base", wide(), [](X86State& s) { s.gdt.base = 1ULL << 62; });
  one("IDTR.base", wide(), [](X86State& s) { s.idt.base = 1ULL << 62; });
  one("FS.base is 0x12350: in virtual-8086 mode", v86(), [](X86State& s) { s.segment[kFs].base = 0x12350; });
  one("ES.limit is 0xffffffff: in virtual-8086", v86(), [](X86State& s) { s.segment[kEs].limit = 0xffffffff; });
  one("SS.type is 0x3: in virtual-8086 mode", v86(), [](X86State& s) { s.segment[kSs].dpl = 0; });
}

TEST_F(X86StateCheck, XsaveArea) {
  one("the size of the XSAVE area is 0x0", reset, [](X86State& s) { s.xsave.clear(); });
  one("the size of the XSAVE area is 0x23f", reset, [](X86State& s) { s.xsave.resize(575); });
  one("MXCSR is 0x1001f80", reset, [](X86State& s) { s.xsave[27] = 1; });
  one("XCOMP_BV", reset, [](X86State& s) { s.xsave[527] = 0x80; });
  one("byte 568 of the XSAVE area", reset, [](X86State& s) { s.xsave[575] = 1; });
  cpuid = table_of("max");
  if (!has_feature(features_of(cpuid), "avx")) GTEST_SKIP() << "the software CPU has no AVX on this host";
  one("XSTATE_BV is 0x83", reset, [](X86State& s) { s.xsave[512] = 0x83; });
  one("the size of the XSAVE area is 0x240: its component 2 ends", reset, [](X86State& s) {
    s.xsave.resize(576);
    s.xsave[512] = 7;
  });
}

TEST_F(X86StateCheck, Msrs) {
  one("MSR 0x277 (IA32_PAT) is 0x7040600070402: memory types", reset,
      [](X86State& s) { s.set_msr(0x277, 0x0007040600070402); });
  one("MSR 0xc0000082", reset, [](X86State& s) { s.set_msr(0xc0000082, 1ULL << 62); });
  one("MSR 0x176", reset, [](X86State& s) { s.set_msr(0x176, 1ULL << 62); });
  one("MSR 0x2ff", reset, [](X86State& s) { s.set_msr(0x2ff, 0x1000); });
  one("MSR 0x200", reset, [](X86State& s) { s.set_msr(0x200, 2); });
  one("MSR 0x201", reset, [](X86State& s) { s.set_msr(0x201, ~0ULL << 12); });
  one("MSR 0x26f", reset, [](X86State& s) { s.set_msr(0x26f, 0x0700000000000000); });
  one("MSR 0xc0000103", reset, [](X86State& s) { s.set_msr(0xc0000103, 1ULL << 32); });
  one("MSR 0x12345678 is 0x0: no CPU", reset, [](X86State& s) { s.set_msr(0x12345678, 0); });
  one("MSR 0xda0 (IA32_XSS) is 0x1: this CPU has no xsaves", reset, [](X86State& s) { s.set_msr(0xda0, 1); });
  one("an MSR's number is 0x10: they are sorted", reset, [](X86State& s) { s.msrs.insert(s.msrs.begin(), {0x10, 0}); });
  one("an MSR's number is 0x10: they are sorted", reset, [](X86State& s) {
    s.msrs.insert(s.msrs.begin(), {0x277, 0});
  });
}

TEST_F(X86StateCheck, Events) {
  one("the vector of the exception is 0x20", reset, [](X86State& s) {
    s.events.exception_injected = true;
    s.events.exception_vector = 32;
  });
  one("the vector of the exception is 0x2", reset, [](X86State& s) {
    s.events.exception_injected = true;
    s.events.exception_vector = 2;
  });
  one("the vector of the exception is 0x6: it has no error code", reset, [](X86State& s) {
    s.events.exception_injected = s.events.exception_has_error_code = true;
    s.events.exception_vector = 6;
  });
  one("the exception is 0xe: it is either", reset, [](X86State& s) {
    s.events.exception_injected = s.events.exception_pending = true;
    s.events.exception_vector = 14;
  });
  one("the payload", reset, [](X86State& s) { s.events.exception_has_payload = true; });
  one("the interrupt shadow is 0x4", reset, [](X86State& s) { s.events.interrupt_shadow = 4; });
  one("the interrupt shadow is 0x1: that of STI", reset, [](X86State& s) { s.events.interrupt_shadow = 1; });
  one("the injected interrupt", reset, [](X86State& s) { s.events.interrupt_injected = s.events.nmi_injected = true; });
  one("events.smm_inside_nmi", reset, [](X86State& s) { s.events.smm_inside_nmi = true; });
  one("the vector of the SIPI is 0x100", reset, [](X86State& s) { s.events.sipi_vector = 0x100; });
  one("the MP state is 0x1: the bootstrap", reset, [](X86State& s) { s.mp_state = MpState::Uninitialized; });
  one("the MP state is 0x63: there are five", reset, [](X86State& s) { s.mp_state = static_cast<MpState>(99); });
}

TEST_F(X86StateCheck, LocalApic) {
  one("IA32_APIC_BASE is 0xfee00901", reset, [](X86State& s) { s.apic_base |= 1; });
  one("IA32_APIC_BASE is 0x100000fee00900", reset, [](X86State& s) { s.apic_base |= 1ULL << 52; });
  one("IA32_APIC_BASE is 0xfee00500: x2APIC mode needs", reset, [](X86State& s) { s.apic_base = 0xfee00500; });
  const auto put = [](std::size_t at, std::uint8_t byte) { return [=](X86State& s) { s.lapic[at] = byte; }; };
  one("the APIC's version", reset, put(0x30, 0x20));
  one("the APIC's TPR is 0x100", reset, [](X86State& s) { s.lapic[0x81] = 1, s.cr8 = 0x10 & 0xf; });
  one("the APIC's TPR is 0x30: its class is CR8, which is 2", reset,
      [](X86State& s) { s.lapic[0x80] = 0x30, s.cr8 = 2; });
  one("the APIC's SVR", reset, put(0xf1, 0x04));
  one("the APIC's divide", reset, put(0x3e0, 4));
  one("the APIC's timer vector", reset, put(0x323, 1));
  one("the APIC's ISR is 0x1", reset, put(0x100, 1));
  one("the APIC's IRR is 0x8000", reset, put(0x201, 0x80));
  cpuid = table_of("qemu64,-x2apic");
  one("IA32_APIC_BASE is 0xfee00d00: this CPU has no x2APIC", reset, [](X86State& s) { s.apic_base = 0xfee00d00; });
}

TEST_F(X86StateCheck, AllThatIsWrongIsSaidAtOnce) {
  X86State s = reset;
  s.cr8 = 99;
  s.rflags = 0;
  s.dr7 = 0;
  s.lapic_valid = false;
  try {
    require_possible(s, cpuid, true);
    FAIL() << "it was taken";
  } catch (const Error& e) {
    for (const char* part : {"CR8 is 0x63", "RFLAGS is 0x0", "DR7 is 0x0"}) EXPECT_THAT(e.what(), HasSubstr(part));
  }
}

}  // namespace
}  // namespace machina
