#pragma once
/// Floating-point and vector instructions, run by this processor and by the software CPU from the same registers and
/// memory, and compared. RBX is the base of every memory operand.

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tests/unit/accel/jit/bare_machine.h"

namespace machina::jit {

/// As x87_image is laid out, so that nothing is lost on the way: FXSAVE64's form.
struct NativeState {
  alignas(64) std::array<std::array<std::uint8_t, 32>, 16> ymm{};
  alignas(64) FxImage x87;
  std::array<std::uint64_t, 16> gpr{};
  std::uint64_t flags = 2;
  std::uint32_t mxcsr = 0x1f80;
  alignas(64) std::array<std::uint8_t, 512> memory{};
};

class FloatNative {
 public:
  static constexpr std::uint64_t kMemory = 0x200000;  ///< where the guest has it; RBX points into its middle

  FloatNative();

  /// Runs the bytes here; false: they raised SIGILL, SIGSEGV or the like.
  bool run_native(std::span<const std::uint8_t> code, NativeState& state);
  /// Runs them in the software CPU; false: they faulted.
  bool run_guest(std::span<const std::uint8_t> code, NativeState& state);
  /// What differs, or empty. `undefined`: EFLAGS that are not compared.
  std::string compare(std::span<const std::uint8_t> code, const NativeState& start, std::uint32_t undefined = 0);

  BareMachine& machine() { return machine_; }

 private:
  BareMachine machine_;
  unsigned runs_ = 0;
};

/// Numbers of all kinds: ordinary, denormal, infinite, not numbers, zeros, all ones, as elements of 4, 8 or 10 bytes.
class FloatNumbers {
 public:
  explicit FloatNumbers(std::uint64_t seed) : state_(seed * 2654435761U + 1) {}
  std::uint64_t next();
  unsigned below(unsigned n) { return static_cast<unsigned>((next() >> 32) % n); }
  void fill_vector(std::span<std::uint8_t> bytes);
  void fill_x87(std::array<std::uint8_t, 16>& st);
  NativeState state();

 private:
  std::uint32_t single();
  std::uint64_t dbl();
  std::uint64_t state_;
};

}  // namespace machina::jit
