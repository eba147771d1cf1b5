/// What -d int, exit, mmu and in_asm say of a guest.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "core/log.h"
#include "tests/support/guest_test.h"
#include "tests/support/interrupt_board.h"

namespace machina::test {
namespace {

using testing::HasSubstr;
using testing::Not;

class GuestLog : public GuestTest {
 protected:
  /// The log of a guest that runs to its end.
  static std::string log_of(const char* items, const GuestOptions& o) {
    const IsolatedResult r = run_isolated(30, [&] {
      log::enable(items);
      GuestMachine m(o);
      m.run();
      return std::string();
    });
    EXPECT_EQ(r.failure(), "");
    return r.stderr_;
  }
};

TEST_P(GuestLog, ExitsAreAccessesToDevices) {
  const std::string text = log_of("exit", options("long"));
  EXPECT_THAT(text, HasSubstr("/machine/cpu[0]: IO out 0x402 1 byte: 0x61\n"));
  EXPECT_THAT(text, HasSubstr("/machine/cpu[0]: MMIO write 0xd0000000 1 byte: 0x5a\n"));
  EXPECT_THAT(text, Not(HasSubstr("#PF")));
}

TEST_P(GuestLog, InterruptsAreThoseThatAreDelivered) {
  const std::string text = log_of("int", options("long"));
  // Exceptions of its guest KVM keeps to itself.
  const auto fault =
      HasSubstr("/machine/cpu[0]: #PF error code 0x0 (page not present, supervisor read) CR2=0x7fff12345678 at 0018:");
  if (is_kvm()) {
    EXPECT_THAT(text, Not(HasSubstr("#PF")));
  } else {
    EXPECT_THAT(text, fault);
  }
  if (is_apic_in_kernel()) return;  // which delivers them itself
  GuestOptions o = options("irq_pic");
  o.devices = [](Machine& m) { return add_interrupt_board(m, {}); };
  EXPECT_THAT(log_of("int", o), HasSubstr(is_kvm() ? " injected\n" : "/machine/cpu[0]: interrupt 0x"));
}

TEST_P(GuestLog, PagingIsSeenAsFarAsTheAcceleratorSeesIt) {
  const std::string text = log_of("mmu", options("long"));
  if (is_kvm()) {
    EXPECT_THAT(text, HasSubstr("KVM slot 0: 0x"));
  } else {
    EXPECT_THAT(text, HasSubstr("/machine/cpu[0]: CR3 0x10000\n"));
    EXPECT_THAT(text, HasSubstr("/machine/cpu[0]: EFER 0x100\n"));
    EXPECT_THAT(text, HasSubstr("/machine/cpu[0]: page fault at 0x7fff12345678: page not present, supervisor read (CR3 "
                                "0x10000)\n"));
  }
}

TEST_P(GuestLog, CodeIsDisassembledOnce) {
  const std::string text = log_of("in_asm", options("long"));
  if (is_kvm()) {
    EXPECT_EQ(text, "");
    return;
  }
  EXPECT_THAT(text, HasSubstr("/machine/cpu[0]: code at f000:fff0\n0xfffffff0:  ea "));
  EXPECT_THAT(text, HasSubstr("  mov eax, cr0\n"));
}

TEST_P(GuestLog, NothingIsLoggedUnasked) {
  const GuestRun run = run_guest(options("long"));
  EXPECT_EQ(run.failure, "");
  EXPECT_EQ(run.stderr_, "");
}

INSTANTIATE_FOR_GUESTS(GuestLog);

}  // namespace
}  // namespace machina::test
