#pragma once
/// The software CPU on the same terms as NativeCpu: user code at UserLayout's addresses, in long mode, until it faults.

#include "tests/support/oracle/user_state.h"
#include "tests/unit/accel/jit/bare_machine.h"

namespace machina::jit {

class SoftwareCpu {
 public:
  SoftwareCpu();

  std::uint8_t* data() { return machine_.ram() + kDataAt; }
  std::uint8_t* code() { return machine_.ram() + kCodeAt; }
  /// Before code is written over code that has run.
  void forget_code();

  void run(UserState& state, bool compatibility = false);

 private:
  static constexpr std::uint64_t kTables = 0x100000, kDataAt = 0x200000, kCodeAt = 0x400000;

  BareMachine machine_;
};

}  // namespace machina::jit
