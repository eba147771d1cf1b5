#pragma once
/// Looking at a CPU from outside: where a linear address leads, and what instruction stands somewhere. For reports and
/// for the monitor; nothing here changes the guest, its accessed and dirty bits included.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "hw/x86/x86_state.h"

namespace machina {

class FlatView;

/// Reads `size` bytes of guest-physical memory; false where there is no RAM.
using ReadPhysical = std::function<bool(std::uint64_t address, std::span<std::uint8_t> to)>;

/// RAM and ROM of a memory map: reads of registers have effects.
ReadPhysical ram_reader(std::shared_ptr<const FlatView> view);

/// Linear to physical by the page tables of `state`; nullopt when not mapped. SDM vol. 3, 4.3 to 4.5.
std::optional<std::uint64_t> translate(const X86State& state, std::uint64_t linear, const ReadPhysical& read);

bool paging_enabled(const X86State& state);
bool is_long_mode(const X86State& state);    ///< EFER.LMA
bool is_64_bit_code(const X86State& state);  ///< long mode, and CS.L
bool is_real_mode(const X86State& state);    ///< virtual-8086 mode too

/// A page of a page table: `size` bytes from `linear` on are at `physical`.
struct PageMapping {
  std::uint64_t linear = 0, physical = 0, size = 0;
  std::uint64_t entry = 0;  ///< as it stands in the table; flags of the levels above it are worked in (U/S, R/W, XD)
};
/// Calls `visit` for each page that is mapped, in ascending order, until it returns false. Nothing without paging.
void for_each_page(const X86State& state, const ReadPhysical& read,
                   const std::function<bool(const PageMapping&)>& visit);

struct Instruction {
  unsigned length = 0;  ///< bytes; 0: what is there is no instruction
  std::string text;     ///< in Intel's syntax
};
/// The instruction that `bytes` start with, which stand at `address`, for the mode that `state` is in.
Instruction decode_instruction(const X86State& state, std::uint64_t address, std::span<const std::uint8_t> bytes);
/// Is it XSAVE, XRSTOR or one of their sisters, whose images hold whatever XCR0 names?
bool saves_extended_state(const X86State& state, std::span<const std::uint8_t> bytes);
/// Its text at RIP; empty when it is none.
std::string disassemble(const X86State& state, std::span<const std::uint8_t> bytes);

}  // namespace machina
