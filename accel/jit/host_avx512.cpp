#include "accel/jit/host_avx512.h"

#include <cpuid.h>
#include <immintrin.h>

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "accel/jit/float_gate.h"

namespace machina::jit {

namespace {

/// CPUID leaf 7: SDM vol. 2, table 3-8.
struct Leaf7 {
  std::uint32_t ebx = 0, ecx = 0, edx = 0, eax1 = 0;

  Leaf7() {
    std::uint32_t eax = 0, unused = 0;
    __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx);
    __get_cpuid_count(7, 1, &eax1, &unused, &unused, &unused);
  }
};
const Leaf7& leaf7() {
  static const Leaf7 leaf;
  return leaf;
}

std::uint64_t host_xcr0() {
  std::uint32_t low, high;
  asm("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low | std::uint64_t{high} << 32;
}

constexpr std::uint64_t kVectors = kStateSse | kStateAvx | kStateAvx512;
constexpr unsigned kMxcsrOffset = 24;

}  // namespace

bool host_has_avx512() {
  static const bool has = [] {
    constexpr std::uint32_t kNeeded = 1U << 16 | 1U << 17 | 1U << 28 | 1U << 30 | 1U << 31;  // F, DQ, CD, BW, VL
    std::uint32_t eax, ebx, ecx = 0, edx;
    constexpr std::uint32_t kOsxsave = 1U << 27;
    return __get_cpuid(1, &eax, &ebx, &ecx, &edx) && (ecx & kOsxsave) && (host_xcr0() & kVectors) == kVectors &&
           (leaf7().ebx & kNeeded) == kNeeded;
  }();
  return has;
}

bool host_has_avx512_instruction(const ZydisDecodedInstruction& instruction) {
  const Leaf7& l = leaf7();
  switch (instruction.meta.isa_set) {
    case ZYDIS_ISA_SET_AVX512F_128:
    case ZYDIS_ISA_SET_AVX512F_128N:
    case ZYDIS_ISA_SET_AVX512F_256:
    case ZYDIS_ISA_SET_AVX512F_512:
    case ZYDIS_ISA_SET_AVX512F_KOP:
    case ZYDIS_ISA_SET_AVX512F_SCALAR:
    case ZYDIS_ISA_SET_AVX512BW_128:
    case ZYDIS_ISA_SET_AVX512BW_128N:
    case ZYDIS_ISA_SET_AVX512BW_256:
    case ZYDIS_ISA_SET_AVX512BW_512:
    case ZYDIS_ISA_SET_AVX512BW_KOP:
    case ZYDIS_ISA_SET_AVX512CD_128:
    case ZYDIS_ISA_SET_AVX512CD_256:
    case ZYDIS_ISA_SET_AVX512CD_512:
    case ZYDIS_ISA_SET_AVX512DQ_128:
    case ZYDIS_ISA_SET_AVX512DQ_128N:
    case ZYDIS_ISA_SET_AVX512DQ_256:
    case ZYDIS_ISA_SET_AVX512DQ_512:
    case ZYDIS_ISA_SET_AVX512DQ_KOP:
    case ZYDIS_ISA_SET_AVX512DQ_SCALAR:
      return host_has_avx512();
    case ZYDIS_ISA_SET_AVX512_IFMA_128:
    case ZYDIS_ISA_SET_AVX512_IFMA_256:
    case ZYDIS_ISA_SET_AVX512_IFMA_512:
      return l.ebx & 1U << 21;
    case ZYDIS_ISA_SET_AVX512_VBMI_128:
    case ZYDIS_ISA_SET_AVX512_VBMI_256:
    case ZYDIS_ISA_SET_AVX512_VBMI_512:
      return l.ecx & 1U << 1;
    case ZYDIS_ISA_SET_AVX512_VBMI2_128:
    case ZYDIS_ISA_SET_AVX512_VBMI2_256:
    case ZYDIS_ISA_SET_AVX512_VBMI2_512:
      return l.ecx & 1U << 6;
    case ZYDIS_ISA_SET_AVX512_GFNI_128:
    case ZYDIS_ISA_SET_AVX512_GFNI_256:
    case ZYDIS_ISA_SET_AVX512_GFNI_512:
    case ZYDIS_ISA_SET_AVX_GFNI:
      return l.ecx & 1U << 8;
    case ZYDIS_ISA_SET_AVX512_VAES_128:
    case ZYDIS_ISA_SET_AVX512_VAES_256:
    case ZYDIS_ISA_SET_AVX512_VAES_512:
      return l.ecx & 1U << 9;
    case ZYDIS_ISA_SET_AVX512_VPCLMULQDQ_128:
    case ZYDIS_ISA_SET_AVX512_VPCLMULQDQ_256:
    case ZYDIS_ISA_SET_AVX512_VPCLMULQDQ_512:
      return l.ecx & 1U << 10;
    case ZYDIS_ISA_SET_AVX512_VNNI_128:
    case ZYDIS_ISA_SET_AVX512_VNNI_256:
    case ZYDIS_ISA_SET_AVX512_VNNI_512:
      return l.ecx & 1U << 11;
    case ZYDIS_ISA_SET_AVX512_BITALG_128:
    case ZYDIS_ISA_SET_AVX512_BITALG_256:
    case ZYDIS_ISA_SET_AVX512_BITALG_512:
      return l.ecx & 1U << 12;
    case ZYDIS_ISA_SET_AVX512_VPOPCNTDQ_128:
    case ZYDIS_ISA_SET_AVX512_VPOPCNTDQ_256:
    case ZYDIS_ISA_SET_AVX512_VPOPCNTDQ_512:
      return l.ecx & 1U << 14;
    case ZYDIS_ISA_SET_AVX512_FP16_128:
    case ZYDIS_ISA_SET_AVX512_FP16_128N:
    case ZYDIS_ISA_SET_AVX512_FP16_256:
    case ZYDIS_ISA_SET_AVX512_FP16_512:
    case ZYDIS_ISA_SET_AVX512_FP16_SCALAR:
      return l.edx & 1U << 23;
    case ZYDIS_ISA_SET_AVX512_BF16_128:
    case ZYDIS_ISA_SET_AVX512_BF16_256:
    case ZYDIS_ISA_SET_AVX512_BF16_512:
      return l.eax1 & 1U << 5;
    case ZYDIS_ISA_SET_AVX_VNNI:
      return l.eax1 & 1U << 4;
    default:
      return host_has_vector_instruction(instruction);
  }
}

const XsaveLayout& host_layout() {
  static const XsaveLayout layout = [] {
    constexpr std::uint32_t kXsaveLeaf = 0xd;
    std::uint32_t eax, ebx, ecx, edx;
    XsaveLayout l;
    const auto offset_of = [&](std::uint32_t component) {
      __get_cpuid_count(kXsaveLeaf, component, &eax, &ebx, &ecx, &edx);
      return eax ? ebx : 0;
    };
    l.avx = offset_of(2);
    l.masks = offset_of(5);
    l.zmm_high = offset_of(6);
    l.zmm16 = offset_of(7);
    l.size = l.end(kStateAvx | kStateAvx512);
    l.pkru = offset_of(9);
    if (l.pkru == 0) l.pkru = l.size;  // a place, though nobody uses it
    l.size = std::max(l.size, l.end(kStatePkru));
    return l;
  }();
  return layout;
}

void run_on_host(Cpu& cpu, HostCall& call) {
  struct alignas(64) {
    std::array<std::uint8_t, 4096> bytes{};
  } area;
  std::uint8_t* const image = area.bytes.data();
  put_components(cpu, kVectors, host_layout(), {}, image);
  std::memcpy(image + kMxcsrOffset, &cpu.vector.mxcsr, sizeof cpu.vector.mxcsr);
  std::memcpy(image + kLegacyRegion, &kVectors, sizeof kVectors);
  const std::uint32_t host_mxcsr = _mm_getcsr();
  // The room below RSP may be in use by this function: the calling convention's red zone.
  asm volatile(
      "lea     -128(%%rsp), %%rsp\n\t"
      "mov     %[components], %%eax\n\t"
      "xor     %%edx, %%edx\n\t"
      "xrstor64 (%[image])\n\t"
      "mov     %c[rax](%[call]), %%rax\n\t"
      "mov     %c[memory](%[call]), %%rdx\n\t"
      "call    *%c[code](%[call])\n\t"
      "mov     %%rax, %c[rax](%[call])\n\t"
      "lahf\n\t"
      "seto    %c[of](%[call])\n\t"
      "mov     %%ah, %c[flags](%[call])\n\t"
      "mov     %[components], %%eax\n\t"
      "xor     %%edx, %%edx\n\t"
      "xsave64 (%[image])\n\t"
      "lea     128(%%rsp), %%rsp\n\t"
      "vzeroupper"
      :
      : [call] "b"(&call), [image] "D"(image), [components] "i"(kVectors), [code] "i"(offsetof(HostCall, code)),
        [memory] "i"(offsetof(HostCall, memory)), [rax] "i"(offsetof(HostCall, rax)), [of] "i"(offsetof(HostCall, of)),
        [flags] "i"(offsetof(HostCall, flags))
      : "rax", "rdx", "memory", "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",
        "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
  _mm_setcsr(host_mxcsr);
  take_components(cpu, kVectors, host_layout(), {}, image);
  std::memcpy(&cpu.vector.mxcsr, image + kMxcsrOffset, sizeof cpu.vector.mxcsr);
}

}  // namespace machina::jit
