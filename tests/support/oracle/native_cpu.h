#pragma once
/// The host's processor as an oracle: runs user code at UserLayout's addresses until it faults, and tells the state it
/// stopped in. One a process; on one thread.

#include <cstdint>

#include "tests/support/oracle/user_state.h"

namespace machina::jit {

class NativeCpu {
 public:
  /// Maps the memory and installs handlers for the signals of faults. Throws std::runtime_error.
  NativeCpu();
  ~NativeCpu();
  NativeCpu(const NativeCpu&) = delete;
  NativeCpu& operator=(const NativeCpu&) = delete;

  std::uint8_t* data();  ///< kDataSize + kReadOnlySize bytes, the latter writable through here only
  std::uint8_t* code();  ///< writable

  /// Can the host run 32-bit code in this process?
  bool has_compatibility_mode() const { return has_compatibility_mode_; }

  /// Until the first fault. `compatibility`: as 32-bit code.
  void run(UserState& state, bool compatibility = false);

 private:
  bool try_compatibility_mode();

  int memory_ = -1;
  std::uint8_t* alias_ = nullptr;
  void* signal_stack_ = nullptr;
  bool has_compatibility_mode_ = false;
};

}  // namespace machina::jit
