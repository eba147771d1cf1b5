#include "accel/jit/feature_gate.h"

#include "accel/jit/features.h"

namespace machina::jit {

namespace {

using namespace feature;

/// Zydis has instructions that others brought under the base set of their time.
bool of_base_set_available(const ZydisDecodedInstruction& i, const FeatureSet& f) {
  switch (i.mnemonic) {
    case ZYDIS_MNEMONIC_CMPXCHG8B:
      return has(f, kCx8);
    case ZYDIS_MNEMONIC_RDTSC:
      return has(f, kTsc);
    case ZYDIS_MNEMONIC_RDMSR:
    case ZYDIS_MNEMONIC_WRMSR:
      return has(f, kMsr);
    case ZYDIS_MNEMONIC_SYSENTER:
    case ZYDIS_MNEMONIC_SYSEXIT:
      return has(f, kSep);
    case ZYDIS_MNEMONIC_SYSCALL:
    case ZYDIS_MNEMONIC_SYSRET:
      return has(f, kSyscall);
    case ZYDIS_MNEMONIC_SWAPGS:
      return has(f, kLm);
    default:
      return true;
  }
}

/// Those that SSE, or AMD's extension before it, added to MMX.
bool added_to_mmx(ZydisMnemonic mnemonic) {
  switch (mnemonic) {
    case ZYDIS_MNEMONIC_MASKMOVQ:
    case ZYDIS_MNEMONIC_MOVNTQ:
    case ZYDIS_MNEMONIC_PAVGB:
    case ZYDIS_MNEMONIC_PAVGW:
    case ZYDIS_MNEMONIC_PEXTRW:
    case ZYDIS_MNEMONIC_PINSRW:
    case ZYDIS_MNEMONIC_PMAXSW:
    case ZYDIS_MNEMONIC_PMAXUB:
    case ZYDIS_MNEMONIC_PMINSW:
    case ZYDIS_MNEMONIC_PMINUB:
    case ZYDIS_MNEMONIC_PMOVMSKB:
    case ZYDIS_MNEMONIC_PMULHUW:
    case ZYDIS_MNEMONIC_PSADBW:
    case ZYDIS_MNEMONIC_PSHUFW:
      return true;
    default:
      return false;
  }
}

}  // namespace

// SDM vol. 2, the column "CPUID Feature Flag" of each instruction. What is not here is of the base set, or has no
// emitter and raises #UD anyway; prefetches, ENDBR, RDSSP and the bounds of MPX are NOPs where their feature is off.
bool available(const ZydisDecodedInstruction& i, const FeatureSet& f) {
  if (i.encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX || i.encoding == ZYDIS_INSTRUCTION_ENCODING_MVEX ||
      i.encoding == ZYDIS_INSTRUCTION_ENCODING_3DNOW)
    return false;
  switch (i.meta.isa_set) {
    case ZYDIS_ISA_SET_X87:
      return has(f, kFpu);
    case ZYDIS_ISA_SET_CMOV:
      return has(f, kCmov);
    case ZYDIS_ISA_SET_FCMOV:
      return has(f, kCmov) && has(f, kFpu);
    case ZYDIS_ISA_SET_PENTIUMMMX:
      return has(f, kMmx) && (!added_to_mmx(i.mnemonic) || has(f, kSse) || has(f, kMmxext));
    case ZYDIS_ISA_SET_FXSAVE:
    case ZYDIS_ISA_SET_FXSAVE64:
      return has(f, kFxsr);
    case ZYDIS_ISA_SET_SSE:
    case ZYDIS_ISA_SET_SSEMXCSR:
      return has(f, kSse);
    case ZYDIS_ISA_SET_SSE2:
    case ZYDIS_ISA_SET_SSE2MMX:
      return has(f, kSse2);
    case ZYDIS_ISA_SET_SSE3:
    case ZYDIS_ISA_SET_SSE3X87:
      return has(f, kSse3);
    case ZYDIS_ISA_SET_SSSE3:
    case ZYDIS_ISA_SET_SSSE3MMX:
      return has(f, kSsse3);
    case ZYDIS_ISA_SET_SSE4:
      return has(f, kSse41);
    case ZYDIS_ISA_SET_SSE42:
      return has(f, kSse42);
    case ZYDIS_ISA_SET_SSE4A:
      return has(f, kSse4a);
    case ZYDIS_ISA_SET_AES:
      return has(f, kAes);
    case ZYDIS_ISA_SET_PCLMULQDQ:
      return has(f, kPclmulqdq);
    case ZYDIS_ISA_SET_SHA:
      return has(f, kSha);
    case ZYDIS_ISA_SET_AVX:
      return has(f, kAvx) && (i.mnemonic != ZYDIS_MNEMONIC_VPCLMULQDQ || has(f, kPclmulqdq));
    case ZYDIS_ISA_SET_AVXAES:
      return has(f, kAvx) && has(f, kAes);
    case ZYDIS_ISA_SET_AVX2:
    case ZYDIS_ISA_SET_AVX2GATHER:
      return has(f, kAvx2);
    case ZYDIS_ISA_SET_FMA:
      return has(f, kFma);
    case ZYDIS_ISA_SET_F16C:
      return has(f, kF16c);
    case ZYDIS_ISA_SET_GFNI:
      return has(f, kGfni);
    case ZYDIS_ISA_SET_AVX_GFNI:
      return has(f, kGfni) && has(f, kAvx);
    case ZYDIS_ISA_SET_VAES:
      return has(f, kVaes) && has(f, kAvx);
    case ZYDIS_ISA_SET_VPCLMULQDQ:
      return has(f, kVpclmulqdq) && has(f, kAvx);
    case ZYDIS_ISA_SET_POPCNT:
      return has(f, kPopcnt);
    case ZYDIS_ISA_SET_LZCNT:
      return has(f, kAbm);
    case ZYDIS_ISA_SET_BMI1:
      return has(f, kBmi1);
    case ZYDIS_ISA_SET_BMI2:
      return has(f, kBmi2);
    case ZYDIS_ISA_SET_ADOX_ADCX:
      return has(f, kAdx);
    case ZYDIS_ISA_SET_MOVBE:
      return has(f, kMovbe);
    case ZYDIS_ISA_SET_MOVDIR:
      return has(f, i.mnemonic == ZYDIS_MNEMONIC_MOVDIRI ? kMovdiri : kMovdir64b);
    case ZYDIS_ISA_SET_CMPXCHG16B:
      return has(f, kCx16);
    case ZYDIS_ISA_SET_LAHF:
      return i.machine_mode != ZYDIS_MACHINE_MODE_LONG_64 || has(f, kLahfLm);
    case ZYDIS_ISA_SET_RDRAND:
      return has(f, kRdrand);
    case ZYDIS_ISA_SET_RDSEED:
      return has(f, kRdseed);
    case ZYDIS_ISA_SET_RDTSCP:
      return has(f, kRdtscp);
    case ZYDIS_ISA_SET_RDPID:
      return has(f, kRdpid);
    case ZYDIS_ISA_SET_RDWRFSGS:
      return has(f, kFsgsbase);
    case ZYDIS_ISA_SET_SMAP:
      return has(f, kSmap);
    case ZYDIS_ISA_SET_PKU:
      return has(f, kPku);
    case ZYDIS_ISA_SET_INVPCID:
      return has(f, kInvpcid);
    case ZYDIS_ISA_SET_MONITOR:
      return has(f, kMonitor);
    case ZYDIS_ISA_SET_SERIALIZE:
      return has(f, kSerialize);
    case ZYDIS_ISA_SET_CLFSH:
      return has(f, kClflush);
    case ZYDIS_ISA_SET_CLFLUSHOPT:
      return has(f, kClflushopt);
    case ZYDIS_ISA_SET_CLWB:
      return has(f, kClwb);
    case ZYDIS_ISA_SET_CLZERO:
      return has(f, kClzero);
    case ZYDIS_ISA_SET_XSAVE:
      return has(f, kXsave);
    case ZYDIS_ISA_SET_XSAVEOPT:
      return has(f, kXsaveopt);
    case ZYDIS_ISA_SET_XSAVEC:
      return has(f, kXsavec);
    case ZYDIS_ISA_SET_XSAVES:
      return has(f, kXsaves);
    default:
      return of_base_set_available(i, f);
  }
}

}  // namespace machina::jit
