#include "accel/jit/float_gate.h"

#include <cpuid.h>

namespace machina::jit {

namespace {

/// For the few bits that not every compiler's __builtin_cpu_supports() has a name for.
struct HostLeaf {
  std::uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};
HostLeaf host_cpuid(std::uint32_t leaf) {
  HostLeaf l;
  __get_cpuid_count(leaf, 0, &l.eax, &l.ebx, &l.ecx, &l.edx);  // zeros where there is no such leaf
  return l;
}

const Block* not_available(Cpu& cpu, const Op* op) { raise_of(cpu, op, Vector::DeviceNotAvailable); }

}  // namespace

void make_not_available(Decoding& d) {
  d.op.handler = &not_available;
  d.ends_block = true;
}

// SDM vol. 3, table 2-2 (x87, MMX), table 13-1 (SSE); vol. 2, tables 2-18 and following (AVX). #UD comes before #NM.
bool may_use(Decoding& d, FloatUnit unit) {
  std::uint32_t undefined_if = 0, not_available_if = kModeTaskSwitched;
  switch (unit) {
    case FloatUnit::X87:
      not_available_if |= kModeEmulated;
      break;
    case FloatUnit::Mmx:
      undefined_if = kModeEmulated;
      break;
    case FloatUnit::Sse:
      undefined_if = kModeNoSse;
      break;
    case FloatUnit::Avx:
      undefined_if = kModeNoAvx;
      break;
  }
  if (d.mode & undefined_if) {
    make_undefined(d);
    return false;
  }
  if (d.mode & not_available_if) {
    make_not_available(d);
    return false;
  }
  return true;
}

bool host_has_vector_instruction(const ZydisDecodedInstruction& instruction) {
  switch (instruction.meta.isa_ext) {
    case ZYDIS_ISA_EXT_MMX:
    case ZYDIS_ISA_EXT_SSE:
    case ZYDIS_ISA_EXT_SSE2:
      return true;
    case ZYDIS_ISA_EXT_SSE3:
      return __builtin_cpu_supports("sse3");
    case ZYDIS_ISA_EXT_SSSE3:
      return __builtin_cpu_supports("ssse3");
    case ZYDIS_ISA_EXT_SSE4:
      return __builtin_cpu_supports("sse4.2");
    case ZYDIS_ISA_EXT_SSE4A:
      return __builtin_cpu_supports("sse4a");
    case ZYDIS_ISA_EXT_AES:
      return __builtin_cpu_supports("aes");
    case ZYDIS_ISA_EXT_PCLMULQDQ:
      return __builtin_cpu_supports("pclmul");
    case ZYDIS_ISA_EXT_SHA:
      return host_cpuid(7).ebx & 1U << 29;
    case ZYDIS_ISA_EXT_AVX:
      return __builtin_cpu_supports("avx");
    case ZYDIS_ISA_EXT_AVX2:
    case ZYDIS_ISA_EXT_AVX2GATHER:
      return __builtin_cpu_supports("avx2");
    case ZYDIS_ISA_EXT_AVXAES:
      return __builtin_cpu_supports("avx") && __builtin_cpu_supports("aes");
    case ZYDIS_ISA_EXT_FMA:
      return __builtin_cpu_supports("fma");
    case ZYDIS_ISA_EXT_F16C:
      return __builtin_cpu_supports("avx") && host_cpuid(1).ecx & 1U << 29;
    case ZYDIS_ISA_EXT_GFNI:
      return __builtin_cpu_supports("gfni");
    case ZYDIS_ISA_EXT_VAES:
      return __builtin_cpu_supports("avx2") && host_cpuid(7).ecx & 1U << 9;
    case ZYDIS_ISA_EXT_VPCLMULQDQ:
      return __builtin_cpu_supports("vpclmulqdq");
    default:
      return false;
  }
}

}  // namespace machina::jit
