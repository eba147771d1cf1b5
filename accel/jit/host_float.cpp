#include "accel/jit/host_float.h"

#include <immintrin.h>

#include <algorithm>

#include "accel/jit/control_registers.h"
#include "accel/jit/environment.h"
#include "accel/jit/fault.h"

namespace machina::jit {

namespace {

// GCC takes __builtin_ia32_fxsave64 for a compile with -mfxsr, which every x86-64 has.
void save_x87(FxImage& image) { asm volatile("fxsave64 %0" : "=m"(image)); }

/// FXRSTOR loads MXCSR as well, which is to stay, and XMM registers, of which nobody expects anything.
void load_x87(FxImage& image) {
  image.mxcsr = _mm_getcsr();
  asm volatile("fxrstor64 %0"
               :
               : "m"(image)
               : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11",
                 "xmm12", "xmm13", "xmm14", "xmm15");
}

/// The System V ABI wants an empty stack and the default control word. EMMS is much quicker than FNINIT.
void give_host_x87(std::uint16_t control) {
  constexpr std::uint16_t kDefault = 0x37f;
  if (control == kDefault) {
    asm volatile("emms");
  } else {
    asm volatile("emms\n\tfldcw %0" : : "m"(kDefault));
  }
}

bool all_masked(const FxImage& image) { return (image.control & kX87Exceptions) == kX87Exceptions; }

void open_x87(Cpu& cpu) {
  load_x87(cpu.x87.image);
  cpu.x87.window = 1;
}

void close_x87(Cpu& cpu) {
  FxImage& image = cpu.x87.image;
  save_x87(image);
  cpu.x87.window = 0;
  give_host_x87(image.control);
}

void close_sse(Cpu& cpu) {
  cpu.vector.mxcsr |= _mm_getcsr() & kMxcsrFlags;
  cpu.vector.window = 0;
  _mm_setcsr(cpu.vector.host_mxcsr);
}

const Block* stop(Cpu&, const Op*) { return nullptr; }

/// Runs a thunk under the guest's own control word: the unit then does what it does for an exception that is not
/// masked, notes it, and tells nobody as long as no waiting instruction follows. FXSAVE is none, nor is FNINIT.
void run_unmasked(Cpu& cpu, const Op* op, void* memory, Thunk thunk) {
  FxImage& image = cpu.x87.image;
  const std::uint16_t control = image.control;
  if (x87_pending(cpu)) {  // and ignored: the host must not see it either
    image.control |= kX87Exceptions;
    update_error_summary(cpu);
  }
  open_x87(cpu);
  try {
    run_alone(cpu, op, memory, thunk);
  } catch (...) {  // #XM of an instruction that uses both units: nothing has been written
    cpu.x87.window = 0;
    asm volatile("fninit");
    image.control = control;
    update_error_summary(cpu);
    throw;
  }
  save_x87(image);
  asm volatile("fninit");
  image.control = control;
  update_error_summary(cpu);
  cpu.x87.window = 0;
}

const Block* after_run(Cpu& cpu, const Op* op) { return op == cpu.vector.alone.data() ? nullptr : next(cpu, op); }

const Block* enter_unit(Cpu& cpu, const Op* op, void* memory, Thunk thunk) {
  if (x87_pending(cpu)) raise_x87(cpu, op);
  if (all_masked(cpu.x87.image) && !x87_pending(cpu)) {
    open_x87(cpu);
    return thunk(cpu, op, memory);
  }
  run_unmasked(cpu, op, memory, thunk);
  return after_run(cpu, op);
}

constexpr std::uint32_t kInvalid = 1, kDenormal = 2, kDivideByZero = 4, kUnderflow = 0x10, kPrecision = 0x20;
constexpr std::uint32_t kFlushToZero = 0x8000;
constexpr unsigned kMaskShift = 7;

/// All that an SSE instruction may change besides memory.
struct Snapshot {
  explicit Snapshot(const Cpu& cpu) : ymm(cpu.vector.ymm), gpr(cpu.gpr), flags(cpu.flags) {}
  void restore(Cpu& cpu) const {
    cpu.vector.ymm = ymm;
    cpu.gpr = gpr;
    cpu.flags = flags;
  }
  decltype(VectorState::ymm) ymm;
  decltype(Cpu::gpr) gpr;
  ArithmeticFlags flags;
};

/// The flags that one run under `mxcsr` raises.
std::uint32_t flags_of_run(Cpu& cpu, const Op* op, void* memory, Thunk thunk, std::uint32_t mxcsr) {
  VectorState& v = cpu.vector;
  v.host_mxcsr = _mm_getcsr();
  v.window = 1;
  _mm_setcsr((mxcsr | kMxcsrMasks) & ~kMxcsrFlags);
  run_alone(cpu, op, memory, thunk);
  const std::uint32_t flags = _mm_getcsr() & kMxcsrFlags;
  v.window = 0;
  _mm_setcsr(v.host_mxcsr);
  return flags;
}

/// With exceptions unmasked; true: one is to be raised, and nothing but flags has changed. SDM vol. 1, 11.5: those that
/// show before the computation keep the others from being looked for; and an underflow that is unmasked is one even
/// where the result is exact. PE with #XM of an overflow or underflow is not exact: the processor sets it where the
/// result would be inexact with an exponent of any size, here it is set as where these are masked.
bool run_unmasked_sse(Cpu& cpu, const Op* op, void* memory, Thunk thunk) {
  VectorState& v = cpu.vector;
  const std::uint32_t unmasked = ~(v.mxcsr >> kMaskShift) & kMxcsrFlags;
  const Snapshot before(cpu);
  bool tiny = false;
  if (unmasked & kUnderflow) {  // FTZ makes the host show what is tiny, exact or not
    tiny = flags_of_run(cpu, op, memory, thunk, v.mxcsr | kFlushToZero) & kUnderflow;
    before.restore(cpu);
  }
  // FTZ is for underflows that are masked.
  std::uint32_t flags = flags_of_run(cpu, op, memory, thunk, unmasked & kUnderflow ? v.mxcsr & ~kFlushToZero : v.mxcsr);
  if (tiny) flags |= kUnderflow;
  if (const std::uint32_t first = kInvalid | kDenormal | kDivideByZero; flags & unmasked & first) flags &= first;
  v.mxcsr |= flags;
  if (!(flags & unmasked)) return false;
  before.restore(cpu);
  return true;
}

[[noreturn]] void raise_simd(Cpu& cpu, const Op* op) {
  cpu.fault_op = op;
  raise(cpu.cr4 & kCr4Osxmmexcpt ? Vector::Simd : Vector::InvalidOpcode);
}

bool open_sse(VectorState& v) {
  if ((v.mxcsr & kMxcsrMasks) != kMxcsrMasks) return false;
  v.host_mxcsr = _mm_getcsr();
  _mm_setcsr(v.mxcsr);
  v.window = 1;
  return true;
}

}  // namespace

void close_windows(Cpu& cpu) {
  if (cpu.vector.window) close_sse(cpu);  // first: FXSAVE would show it
  if (cpu.x87.window) close_x87(cpu);
}

void run_alone(Cpu& cpu, const Op* op, void* memory, Thunk thunk) {
  auto& alone = cpu.vector.alone;
  if (op != alone.data()) {
    alone[0] = *op;
    alone[1].handler = &stop;
  }
  thunk(cpu, alone.data(), memory);
}

const Block* enter_x87(Cpu& cpu, const Op* op, void* memory, Thunk thunk) { return enter_unit(cpu, op, memory, thunk); }

const Block* enter_sse(Cpu& cpu, const Op* op, void* memory, Thunk thunk) {
  if (open_sse(cpu.vector)) return thunk(cpu, op, memory);
  if (run_unmasked_sse(cpu, op, memory, thunk)) raise_simd(cpu, op);
  return after_run(cpu, op);
}

const Block* enter_sse_of_mmx(Cpu& cpu, const Op* op, void* memory, Thunk thunk) {
  if (open_sse(cpu.vector)) return thunk(cpu, op, memory);
  FxImage before;
  save_x87(before);
  if (!run_unmasked_sse(cpu, op, memory, thunk)) return after_run(cpu, op);
  // The change to MMX happens all the same.
  FxImage& image = cpu.x87.image;
  before.control = image.control;
  image = before;
  change_to_mmx(image);
  cpu.x87.window = 0;
  asm volatile("fninit");
  raise_simd(cpu, op);
}

void change_to_mmx(FxImage& image) {
  constexpr std::uint16_t kTop = 0x3800;
  const unsigned top = image.status >> 11 & 7;
  std::rotate(image.st.begin(), image.st.begin() + ((0 - top) & 7), image.st.end());
  image.status &= static_cast<std::uint16_t>(~kTop);
  image.valid = 0xff;
}

void raise_x87(Cpu& cpu, const Op* op) {
  cpu.fault_op = op;
  raise(Vector::X87);
}

void update_error_summary(Cpu& cpu) {
  FxImage& image = cpu.x87.image;
  const bool pending = image.status & ~image.control & kX87Exceptions;
  image.status = static_cast<std::uint16_t>((image.status & ~(kX87ErrorSummary | kX87Busy)) |
                                            (pending ? kX87ErrorSummary | kX87Busy : 0));
}

}  // namespace machina::jit
