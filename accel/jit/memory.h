#pragma once
/// Guest memory as instructions see it: linear addresses, with all that paging and the memory map make of them.
///
/// The quick way is one comparison and RAM at a fixed distance. Everything else (a TLB miss, registers, a page that
/// holds code, an access across pages) goes the slow way, which may throw GuestFault.

#include <cstring>
#include <type_traits>

#include "accel/jit/cpu.h"
#include "accel/jit/fault.h"
#include "accel/jit/guest_ram.h"

namespace machina::jit {

/// The instruction starts over, in a block of its own. Thrown instead of a store that would change the block that is
/// running, so that those after it are decoded from what it wrote; and of an access to what a debugger watches.
struct StartsOver {};

/// Whose address it is, where that is not for Op::segment to say: one that is not canonical is #SS of the stack's, else
/// #GP. PUSH, POP and CALL of an operand in memory have one of each.
enum class Of : bool { Operand, Stack };

// memory.cpp. Faults are those of `op`.
std::uint64_t read_slow(Cpu& cpu, const Op* op, std::uint64_t linear, unsigned width, Of of = Of::Operand);
void write_slow(Cpu& cpu, const Op* op, std::uint64_t linear, unsigned width, std::uint64_t value, Of of = Of::Operand);
/// Any number of bytes; all of them are checked before one is written.
void read_bytes(Cpu& cpu, const Op* op, std::uint64_t linear, void* to, unsigned size);
void write_bytes(Cpu& cpu, const Op* op, std::uint64_t linear, const void* from, unsigned size);
/// Faults as a read or write of these bytes would, and does nothing else.
void check_read(Cpu& cpu, const Op* op, std::uint64_t linear, unsigned size);
void check_write(Cpu& cpu, const Op* op, std::uint64_t linear, unsigned size);

/// Host memory for an access that reads and writes it in one piece.
struct HostAccess {
  void* host = nullptr;        ///< null: not RAM that can be written, or across pages
  bool logged = false;         ///< the write is to be noted in the dirty log
  std::uint64_t physical = 0;  ///< where it is logged
};
/// Faults as a write does. written() is due after the store.
HostAccess map_for_update(Cpu& cpu, const Op* op, std::uint64_t linear, unsigned width);
void written(Cpu& cpu, const HostAccess& access, unsigned width);
/// After a store that did not go the quick way: blocks of these bytes die.
void written(Cpu& cpu, const void* host, unsigned width);

/// The page that the access would need to be in wholly, so that one that crosses pages never matches.
template <class T>
constexpr std::uint64_t tag_of(std::uint64_t linear) {
  return (linear + sizeof(T) - 1) & kPageMask;
}

template <class T, Of Whose = Of::Operand>
inline T load(Cpu& cpu, const Op* op, std::uint64_t linear) {
  static_assert(std::is_unsigned_v<T>);
  const TlbEntry& e = cpu.tlb->entry(linear);
  if (e.read.load(std::memory_order_relaxed) == tag_of<T>(linear)) [[likely]] {
    return ram_load<T>(reinterpret_cast<const void*>(linear + e.addend));
  }
  return static_cast<T>(read_slow(cpu, op, linear, sizeof(T), Whose));
}

template <class T, Of Whose = Of::Operand>
inline void store(Cpu& cpu, const Op* op, std::uint64_t linear, T value) {
  static_assert(std::is_unsigned_v<T>);
  const TlbEntry& e = cpu.tlb->entry(linear);
  if (e.write.load(std::memory_order_relaxed) == tag_of<T>(linear)) [[likely]] {
    ram_store<T>(reinterpret_cast<void*>(linear + e.addend), value);
    return;
  }
  write_slow(cpu, op, linear, sizeof(T), value, Whose);
}

/// While it lives, accesses are those of the processor itself to its tables (descriptors, TSS, stacks of another
/// privilege): with the rights of a supervisor, whatever CPL is. SDM vol. 3, 4.6.1.
class SystemAccess {
 public:
  explicit SystemAccess(Cpu& cpu) : cpu_(cpu), before_(cpu.tlb) {
    cpu.tlb = &cpu.tlbs[static_cast<unsigned>(TlbMode::Supervisor)];
  }
  ~SystemAccess() { cpu_.tlb = before_; }
  SystemAccess(const SystemAccess&) = delete;
  SystemAccess& operator=(const SystemAccess&) = delete;

 private:
  Cpu& cpu_;
  Tlb* before_;
};

/// The offset of the operand in memory; `by` bytes beyond what the instruction says.
inline std::uint64_t effective_offset(const Cpu& cpu, const Op* op, std::uint64_t by = 0) {
  return (cpu.gpr[op->base] + (cpu.gpr[op->index] << op->scale) +
          static_cast<std::uint64_t>(static_cast<std::int64_t>(op->displacement)) + by) &
         op->address_mask;
}

/// The linear address of an operand whose segment needs no check (kModeFlat, or 64-bit code).
inline std::uint64_t linear_flat(const Cpu& cpu, const Op* op) {
  return cpu.segment_base[op->segment] + effective_offset(cpu, op);
}

/// The same with the checks of SDM vol. 3, 5.3; throws #GP(0) or #SS(0). `write`: the segment must be writable.
std::uint64_t linear_checked(Cpu& cpu, const Op* op, unsigned width, bool write);
/// For any offset and segment (string instructions, the stack); in 64-bit code just the sum.
std::uint64_t linear_in_segment(Cpu& cpu, const Op* op, unsigned segment, std::uint64_t offset, unsigned width,
                                bool write);

/// As the paging mode in force has it: 48 bits, or 57 with CR4.LA57. For accesses and RIP.
bool canonical(const Cpu& cpu, std::uint64_t linear);
/// As the model has it, whatever CR4 says: for what waits in a register (bases of segments and of descriptor tables,
/// MSRs) or names a translation (INVPCID). Intel, 5-Level Paging and 5-Level EPT (335252), chapter 3.
bool canonical_for_model(const Cpu& cpu, std::uint64_t linear);

}  // namespace machina::jit
