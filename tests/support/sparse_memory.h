#pragma once
/// Physical memory for tests of what only reads it.

#include <cstdint>
#include <map>
#include <span>

#include "accel/x86_inspect.h"

namespace machina::test {

/// Guest-physical memory that is there where bytes have been put.
class SparseMemory {
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

/// 64-bit code with page tables at 1000h.
inline X86State long_mode() {
  X86State s = X86State::at_reset(0, true);
  s.cr0 = 0x80000011;
  s.cr4 = 0x20;
  s.efer = 0x500;
  s.cr3 = 0x1000;
  s.segment[kCs].l = true;
  s.segment[kCs].base = 0;
  return s;
}

}  // namespace machina::test
