#pragma once
/// AVX-512 on the host's processor. The software CPU has no such instructions of its own; a Stepper stands in for a CPU
/// that may have them, and hands them to the processor that both run on. Any thread.

#include <Zydis/Zydis.h>

#include <cstdint>

#include "accel/jit/xsave.h"

namespace machina::jit {

/// Has it AVX512F, CD, BW, DQ and VL, and has its operating system switched them on?
bool host_has_avx512();
/// Has it this instruction, which is encoded by EVEX, or by VEX on vector or mask registers?
bool host_has_avx512_instruction(const ZydisDecodedInstruction& instruction);
/// Where its XSAVE puts components. Only where host_has_avx512().
const XsaveLayout& host_layout();

struct HostCall {
  const std::uint8_t* code = nullptr;  ///< one instruction and a RET
  void* memory = nullptr;              ///< in RDX
  std::uint64_t rax = 0;               ///< before and after
  std::uint8_t of = 0, flags = 0;      ///< after: OF, and bits 7 to 0 of EFLAGS
};
/// Carries it out on the vector and mask registers of `cpu`, whose MXCSR masks all exceptions and whose windows are
/// closed.
void run_on_host(Cpu& cpu, HostCall& call);

}  // namespace machina::jit
