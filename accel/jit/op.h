#pragma once
/// A guest instruction, decoded once: what handles it and with which operands. A block is a run of them that is entered
/// at its first one only.

#include <atomic>
#include <cstdint>
#include <vector>

namespace machina::jit {

struct Cpu;
struct Op;
struct Block;

/// Carries out one instruction and goes on to the next: `return next(cpu, op)`, which the compiler makes a jump. The
/// last of a block returns the block to run now where it knows, else null, with Cpu::rip set.
using Handler = const Block* (*)(Cpu&, const Op*);

/// Numbers in Op::base and Op::index beyond the 16 general registers.
inline constexpr std::uint8_t kNoRegister = 16;  ///< reads as zero
inline constexpr std::uint8_t kRipBase = 17;     ///< linear... offset of the block's first byte: RIP-relative operands
/// Reads as 2^32: makes up for a displacement that RIP-relative operands have beyond 32 bits, as the index of one.
inline constexpr std::uint8_t kTwoTo32 = 18;
inline constexpr unsigned kGprSlots = 19;
/// In Op::segment beyond the six of SegmentIndex: base 0, no limit.
inline constexpr std::uint8_t kNoSegment = 6;

struct Op {
  Handler handler = nullptr;
  std::uint64_t immediate = 0;     ///< sign-extended; also the target of a direct branch, relative to the block
  std::uint64_t address_mask = 0;  ///< of the effective address: FFFFh, FFFFFFFFh or all ones
  std::int32_t displacement = 0;
  std::uint8_t destination = 0, source = 0;  ///< registers: see registers.h
  std::uint8_t base = kNoRegister, index = kNoRegister, scale = 0;
  std::uint8_t segment = kNoSegment;
  std::uint8_t length = 0;   ///< bytes of the instruction
  std::uint8_t extra = 0;    ///< what a handler needs besides: condition, REP, second immediate
  std::uint16_t offset = 0;  ///< of the instruction from the start of the block
  mutable const Block*
      chain[2]{};  ///< through std::atomic_ref: where a direct branch goes, taken and not taken; same page only
};

/// What a decoded block depends on besides its bytes. Blocks are found by physical address and these.
enum ModeBits : std::uint32_t {
  kModeLong = 1,       ///< CS.L: 64-bit code
  kMode32 = 2,         ///< CS.D: 32-bit operands and addresses
  kModeStack32 = 4,    ///< SS.B
  kModeProtected = 8,  ///< CR0.PE without EFLAGS.VM
  kModeUser = 16,      ///< CPL 3
  kModeFlat = 32,      ///< ES, CS, SS, DS have base 0, limit 4 GiB and may be read and written: no checks
  kModeSingle = 64,    ///< one instruction only: after STI or MOV SS, with EFLAGS.TF, with breakpoints in DR7; stepped
  kModeVm86 = 128,     ///< EFLAGS.VM
  // What floating-point instructions raise instead of being carried out. SDM vol. 3, table 2-2 and 13.1.
  kModeTaskSwitched = 256,  ///< CR0.TS
  kModeEmulated = 512,      ///< CR0.EM
  kModeNoSse = 1024,        ///< CR0.EM, or CR4.OSFXSR is clear
  kModeNoAvx = 2048,        ///< CR4.OSXSAVE or bits of XCR0 are clear, or real or virtual-8086 mode
  kModeEnds = 0xffff0000,   ///< a number: which set of BlockEnds; 0: none
};

struct Block {
  /// Where its first byte is in this process: memory that shows at several guest addresses has its blocks once, and
  /// what the memory map looks like does not matter to them.
  std::uintptr_t host = 0;
  std::uint32_t mode = 0;
  std::uint32_t size = 0;  ///< bytes of code
  /// Cleared, never set again, when its bytes change. A block that is running ends first.
  std::atomic<bool> valid{true};
  std::uintptr_t second_page = 0;  ///< host page of its tail, when it runs across a page's end; 0: it does not
  std::vector<Op> ops;
};

inline const Block* next(Cpu& cpu, const Op* op) { return op[1].handler(cpu, op + 1); }

}  // namespace machina::jit
