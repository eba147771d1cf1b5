#pragma once
/// What the user gets when a vCPU of KVM cannot go on: why, where, the registers, the instruction, the last exits, and
/// what to do about it. One report for a vCPU.

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "accel/x86_inspect.h"
#include "hw/x86/x86_state.h"

struct kvm_run;

namespace machina::kvm {

/// The last exits of one vCPU. Its thread only.
class ExitRing {
 public:
  static constexpr std::size_t kSize = 16;
  /// Keeps what describe_exit() needs; costs a copy of 64 bytes.
  void add(const kvm_run& run, std::size_t size);
  /// Oldest first, one line each, repetitions counted.
  std::vector<std::string> describe() const;

 private:
  struct Entry {
    std::uint32_t reason = 0;
    std::array<std::uint8_t, 32> detail{};  ///< the start of kvm_run's union
    std::uint64_t io_value = 0;
  };
  std::array<Entry, kSize> entries_{};
  std::uint64_t count_ = 0;
};

/// Up to 15 bytes at CS:RIP, as far as they are mapped.
std::vector<std::uint8_t> bytes_at_rip(const X86State& state, const ReadPhysical& read);

/// The bytes that KVM says it could not emulate, when the exit holds them.
std::vector<std::uint8_t> emulation_bytes(const kvm_run& run);

/// "RAX=… … CR0=…": all registers as people expect them in such reports, several lines.
std::string describe_registers(const X86State& state);

struct ReportInput {
  std::string cpu;  ///< path
  std::string why;
  const X86State* state = nullptr;  ///< null when it could not be read
  const kvm_run* run = nullptr;
  ReadPhysical read;
  std::vector<std::string> last_exits;
};
std::string make_report(const ReportInput& input);

}  // namespace machina::kvm
