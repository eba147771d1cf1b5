#pragma once
/// What libFuzzer learns from an input. To make a machine and to take it down runs some five thousand edges, whatever
/// the input says: as features they would cost more time than they take, and tell nothing.

#include <cstdint>
#include <vector>

namespace machina::fuzz {

/// While one lives, only what runs between begin() and end() counts.
class Coverage {
 public:
  Coverage() = default;
  ~Coverage();
  Coverage(const Coverage&) = delete;
  Coverage& operator=(const Coverage&) = delete;

  static void begin();
  void end();

 private:
  std::vector<std::uint8_t> counted_;
};

}  // namespace machina::fuzz
