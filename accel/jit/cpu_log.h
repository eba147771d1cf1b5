#pragma once
/// What -d int, -d mmu and -d in_asm say of a software CPU. Whoever calls has seen that the item is on; of a CPU that
/// only rehearses nothing is said.

#include <cstdint>
#include <span>
#include <string_view>

#include "accel/fault_record.h"

namespace machina::jit {

struct Cpu;

/// An event that is about to be delivered. Items int, and mmu for a page fault.
void log_event(const Cpu& cpu, const FaultRecord& event);
/// "CR3 0x1000": a register that paging depends on has been loaded, or a translation been dropped. Item mmu.
void log_paging(const Cpu& cpu, std::string_view what, std::uint64_t value);
/// Code that has been decoded, which `bytes` holds. Item in_asm.
void log_code(const Cpu& cpu, std::uint64_t linear, std::span<const std::uint8_t> bytes);

}  // namespace machina::jit
