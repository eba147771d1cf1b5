#pragma once
/// The state of one software CPU while it runs; what X86State is made of and from. Touched by the vCPU's thread only,
/// except where it says otherwise.

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>

#include "accel/jit/fault.h"
#include "accel/jit/fault_chain.h"
#include "accel/jit/flags.h"
#include "accel/jit/float_state.h"
#include "accel/jit/jump_cache.h"
#include "accel/jit/msrs.h"
#include "accel/jit/op.h"
#include "accel/jit/tlb.h"
#include "accel/jit/wait_state.h"
#include "hw/x86/accelerator.h"
#include "hw/x86/cpu_features.h"
#include "hw/x86/x86_state.h"

namespace machina::jit {

class BlockCache;
class Debugger;
class Environment;

/// A segment register with its hidden part. Rights as in the descriptor's bytes 5 and 6: type, S, DPL, P, then AVL, L,
/// D/B and G from bit 12 on (SDM vol. 3, 24.4.1, has the same layout).
struct Segment {
  std::uint16_t selector = 0;
  std::uint16_t rights = 0;
  std::uint32_t limit = 0;  ///< in bytes
  std::uint64_t base = 0;

  unsigned type() const { return rights & 0xf; }
  bool code_or_data() const { return rights & 0x10; }
  unsigned dpl() const { return rights >> 5 & 3; }
  bool present() const { return rights & 0x80; }
  bool code() const { return (rights & 0x18) == 0x18; }
  bool conforming_or_down() const { return rights & 4; }
  bool readable_or_writable() const { return rights & 2; }
  bool long_mode() const { return rights & 0x2000; }
  bool big() const { return rights & 0x4000; }
};

struct DescriptorTable {
  std::uint64_t base = 0;
  std::uint16_t limit = 0xffff;
};

/// Why the loop between blocks stops to look. Set by any thread.
enum Request : std::uint32_t {
  kRequestKick = 1,       ///< leave run_blocks(): somebody outside wants something
  kRequestInterrupt = 2,  ///< look at INTR, NMI and SMI; also set when IF or a shadow changes
  kRequestExit = 4,       ///< this CPU asks to leave run_blocks() with Cpu::exit
  kRequestFlush = 8,      ///< the memory map changed, or the cache of blocks is to be emptied: forget translations
  kRequestSettle = 16,    ///< another CPU waits for the end of the block that runs: CpuGroup
};

/// In Cpu::interrupt_shadow: the next instruction runs before any interrupt. MOV SS and POP SS hold #DB back, too.
inline constexpr std::uint8_t kShadowOfSti = 1, kShadowOfMovSs = 2;

struct Cpu {
  Cpu(Environment& environment, BlockCache& blocks) : environment(environment), blocks(blocks) {
    gpr.fill(0);
    gpr[kTwoTo32] = std::uint64_t{1} << 32;
    tlb = tlbs.data();
  }
  Cpu(const Cpu&) = delete;
  Cpu& operator=(const Cpu&) = delete;

  // --- what handlers touch all the time ---
  std::array<std::uint64_t, kGprSlots> gpr;  ///< by Gpr, then what else op.h numbers
  ArithmeticFlags flags;
  std::uint32_t mode = 0;                       ///< ModeBits; made by update_mode()
  std::uint32_t debug_mode = 0;                 ///< what a debugger's request adds to it
  std::array<std::uint64_t, 7> segment_base{};  ///< by SegmentIndex, then kNoSegment; = segment[i].base
  Tlb* tlb = nullptr;                           ///< that of the privilege in force; made by update_mode()
  std::atomic<std::uint32_t> requests{0};       ///< Request
  std::atomic<bool> in_blocks{false};           ///< InBlocks; read by other threads
  std::uint64_t rip = 0;                        ///< of the next instruction, between blocks
  const Block** chain_slot = nullptr;           ///< where the block that is looked up next is remembered
  const Block* block = nullptr;                 ///< the one that runs
  const Op* fault_op = nullptr;                 ///< the instruction that a fault is of; null: the fetch at `rip`

  // --- control. Whoever changes one that a mode bit depends on calls update_mode(), and ends the block ---
  std::uint32_t system_flags = 0;  ///< EFLAGS without the arithmetic ones; bit 1 need not be there
  std::uint8_t cpl = 0;
  std::array<Segment, 6> segment{};  ///< change it with set_segment()
  Segment tr{}, ldt{};
  DescriptorTable gdt{}, idt{};
  std::uint64_t cr0 = 0, cr2 = 0, cr3 = 0, cr4 = 0, efer = 0, xcr0 = 1;
  std::array<std::uint64_t, 4> pdptr{};
  std::array<std::uint64_t, 4> dr{};
  std::uint64_t dr6 = 0xffff0ff0, dr7 = 0x400;
  std::uint32_t pkru = 0;
  Msrs msrs;
  std::uint8_t interrupt_shadow = 0;  ///< 0 or one of those above
  bool nmi_masked = false;
  bool smm = false;
  std::uint32_t smbase = 0x30000;
  /// Bits for DR6 of a #DB that is due after the instruction. Set in blocks of one instruction only: kModeSingle.
  std::uint32_t pending_debug = 0;
  /// A repeated string instruction was left between two elements, and `rip` is its own: SDM vol. 3, 18.3.1.1.
  bool mid_repetition = false;
  std::optional<GuestFault> undelivered;  ///< what deliver() was at when it was told to leave; nothing comes before it
  bool skip_trap = false;  ///< the instruction leaves no single-step trap behind: INT n, IRET and the like
  VcpuExit exit = VcpuExit::Interrupted;
  FaultChain fault_chain;
  bool rehearses = false;  ///< what it does is played again for a report: neither logged nor traced

  WaitState wait;

  // --- what the model has: set_cpuid() of cpuid_leaf.h ---
  FeatureSet features{};  ///< of CPUID; an instruction that is not among them raises #UD
  const CpuidTable* cpuid = nullptr;
  unsigned physical_bits = 40;  ///< CPUID 80000008h: address bits above are reserved in page tables
  bool has_1g_pages = false;    ///< CPUID 80000001h EDX bit 26
  std::uint64_t tsc_khz = 0;    ///< what Environment::tsc() runs at; 0: not known, and there is no kvmclock
  /// The paravirtual clock stood at `ns` when the TSC, without IA32_TSC_ADJUST, was `tsc`.
  struct ClockOrigin {
    std::uint64_t tsc = 0, ns = 0;
  } kvmclock;

  FloatState x87;
  VectorState vector;
  /// Null: there is no AVX-512, as on any CPU that is not a Stepper's.
  std::unique_ptr<Avx512State> avx512;

  Environment& environment;  ///< ports, registers, APIC, time: what is behind the CPU
  BlockCache& blocks;        ///< of the machine
  std::array<Tlb, kTlbModes> tlbs;
  WalkCache walks;
  CodeTlb code_tlb;
  JumpCache jumps;
  Debugger* debugger = nullptr;     ///< null: nothing is asked
  std::unique_ptr<Block> uncached;  ///< of code that is not in RAM, or not to be kept
  /// False: others than the CPUs of `blocks` write the guest's memory and do not tell. Then each instruction is decoded
  /// when it is carried out, and nothing of it kept.
  bool keeps_blocks = true;
  std::uint64_t instructions = 0;  ///< carried out, counted by blocks: an upper bound

  std::uint32_t eflags() const { return system_flags | flags.eflags() | 2; }
  /// All of EFLAGS; the caller sees to update_mode() and the end of the block when TF, IF, AC or VM changed.
  void set_eflags(std::uint32_t value) {
    flags.set(value);
    system_flags = value & ~(kArithmetic | 0x2aU) & 0x3fffff;
  }
  unsigned iopl() const { return system_flags >> 12 & 3; }
  bool protected_mode() const { return mode & kModeProtected; }  ///< neither real nor virtual-8086
  bool virtual_8086() const { return system_flags & kVm; }
  bool long_code() const { return mode & kModeLong; }
  bool long_mode() const { return efer & 0x400; }  ///< EFER.LMA: also compatibility mode
  /// RIP of the instruction `op` of the block that runs.
  std::uint64_t rip_of(const Op* op) const { return gpr[kRipBase] + op->offset; }

  /// Where an offset of CS is.
  std::uint64_t linear_rip(std::uint64_t offset) const {
    return long_code() ? offset : (segment_base[kCs] + offset) & 0xffffffff;
  }
  /// CPL as CR0, EFLAGS and SS say: SDM vol. 3, 5.5. mode.cpp
  std::uint8_t privilege() const;

  void set_segment(unsigned index, const Segment& value) {
    segment[index] = value;
    segment_base[index] = value.base;
  }
  /// Makes `mode` and `tlb` of everything that they depend on: CS, SS, DS, ES, CPL, CR0 (TS, too), CR4, XCR0, EFER,
  /// EFLAGS, DR7, the shadow, SMM, `debug_mode`. mode.cpp
  void update_mode();
  void request(std::uint32_t bits) { requests.fetch_or(bits, std::memory_order_seq_cst); }

  // Every one of these forgets jumps, too, since those go by linear address: mode.cpp
  void flush_tlb();                           ///< everything
  void flush_tlb_non_global();                ///< a load of CR3
  void flush_tlb_page(std::uint64_t linear);  ///< INVLPG: global ones, and all of a large page
  void forget_jumps();
};

}  // namespace machina::jit
