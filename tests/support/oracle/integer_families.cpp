#include "tests/support/oracle/instruction_generator.h"

namespace machina::jit {

namespace {

#define MACHINA_CONDITIONS(name)                                                                                    \
  ZYDIS_MNEMONIC_##name##B, ZYDIS_MNEMONIC_##name##BE, ZYDIS_MNEMONIC_##name##L, ZYDIS_MNEMONIC_##name##LE,         \
      ZYDIS_MNEMONIC_##name##NB, ZYDIS_MNEMONIC_##name##NBE, ZYDIS_MNEMONIC_##name##NL, ZYDIS_MNEMONIC_##name##NLE, \
      ZYDIS_MNEMONIC_##name##NO, ZYDIS_MNEMONIC_##name##NP, ZYDIS_MNEMONIC_##name##NS, ZYDIS_MNEMONIC_##name##NZ,   \
      ZYDIS_MNEMONIC_##name##O, ZYDIS_MNEMONIC_##name##P, ZYDIS_MNEMONIC_##name##S, ZYDIS_MNEMONIC_##name##Z

/// In 64-bit and 32-bit code.
std::vector<InstructionFamily> common_families() {
  std::vector<InstructionFamily> f;
  f.push_back({"arithmetic",
               {ZYDIS_MNEMONIC_ADD, ZYDIS_MNEMONIC_OR, ZYDIS_MNEMONIC_ADC, ZYDIS_MNEMONIC_SBB, ZYDIS_MNEMONIC_AND,
                ZYDIS_MNEMONIC_SUB, ZYDIS_MNEMONIC_XOR, ZYDIS_MNEMONIC_CMP, ZYDIS_MNEMONIC_TEST, ZYDIS_MNEMONIC_INC,
                ZYDIS_MNEMONIC_DEC, ZYDIS_MNEMONIC_NEG, ZYDIS_MNEMONIC_NOT},
               {},
               3});
  f.push_back({"shifts",
               {ZYDIS_MNEMONIC_SHL, ZYDIS_MNEMONIC_SHR, ZYDIS_MNEMONIC_SAR, ZYDIS_MNEMONIC_ROL, ZYDIS_MNEMONIC_ROR,
                ZYDIS_MNEMONIC_RCL, ZYDIS_MNEMONIC_RCR, ZYDIS_MNEMONIC_SHLD, ZYDIS_MNEMONIC_SHRD},
               {},
               2});
  f.push_back(
      {"multiplication", {ZYDIS_MNEMONIC_MUL, ZYDIS_MNEMONIC_IMUL, ZYDIS_MNEMONIC_DIV, ZYDIS_MNEMONIC_IDIV}, {}, 1});
  f.push_back({"moves",
               {ZYDIS_MNEMONIC_MOV, ZYDIS_MNEMONIC_MOVZX, ZYDIS_MNEMONIC_MOVSX, ZYDIS_MNEMONIC_LEA, ZYDIS_MNEMONIC_XCHG,
                ZYDIS_MNEMONIC_BSWAP, ZYDIS_MNEMONIC_XLAT, ZYDIS_MNEMONIC_CBW, ZYDIS_MNEMONIC_CWDE, ZYDIS_MNEMONIC_CWD,
                ZYDIS_MNEMONIC_CDQ, ZYDIS_MNEMONIC_MOVNTI},
               {},
               2});
  f.push_back({"stack", {ZYDIS_MNEMONIC_PUSH, ZYDIS_MNEMONIC_POP, ZYDIS_MNEMONIC_ENTER, ZYDIS_MNEMONIC_LEAVE}, {}, 1});
  f.push_back({"conditions", {MACHINA_CONDITIONS(CMOV), MACHINA_CONDITIONS(SET)}, {}, 2});
  f.push_back({"bits",
               {ZYDIS_MNEMONIC_BT, ZYDIS_MNEMONIC_BTS, ZYDIS_MNEMONIC_BTR, ZYDIS_MNEMONIC_BTC, ZYDIS_MNEMONIC_BSF,
                ZYDIS_MNEMONIC_BSR},
               {},
               1});
  f.push_back({"exchanges", {ZYDIS_MNEMONIC_XADD, ZYDIS_MNEMONIC_CMPXCHG, ZYDIS_MNEMONIC_CMPXCHG8B}, {}, 1});
  f.push_back({"flags",
               {ZYDIS_MNEMONIC_LAHF, ZYDIS_MNEMONIC_SAHF, ZYDIS_MNEMONIC_CLC, ZYDIS_MNEMONIC_STC, ZYDIS_MNEMONIC_CMC,
                ZYDIS_MNEMONIC_CLD, ZYDIS_MNEMONIC_STD},
               {},
               1});
  f.push_back(
      {"strings",
       {ZYDIS_MNEMONIC_MOVSB, ZYDIS_MNEMONIC_MOVSW, ZYDIS_MNEMONIC_STOSB, ZYDIS_MNEMONIC_STOSW, ZYDIS_MNEMONIC_STOSD,
        ZYDIS_MNEMONIC_LODSB, ZYDIS_MNEMONIC_LODSW, ZYDIS_MNEMONIC_LODSD, ZYDIS_MNEMONIC_SCASB, ZYDIS_MNEMONIC_SCASW,
        ZYDIS_MNEMONIC_SCASD, ZYDIS_MNEMONIC_CMPSB, ZYDIS_MNEMONIC_CMPSW},
       {},
       1});
  f.push_back({"hints",
               {ZYDIS_MNEMONIC_NOP, ZYDIS_MNEMONIC_PAUSE, ZYDIS_MNEMONIC_PREFETCHT0, ZYDIS_MNEMONIC_PREFETCHNTA,
                ZYDIS_MNEMONIC_LFENCE, ZYDIS_MNEMONIC_MFENCE, ZYDIS_MNEMONIC_SFENCE, ZYDIS_MNEMONIC_CLFLUSH,
                ZYDIS_MNEMONIC_UD2},
               {},
               1});
  InstructionFamily newer{"newer integer instructions", {}, {}, 2};
  const auto with = [&newer](bool host_has, std::initializer_list<ZydisMnemonic> mnemonics) {
    if (host_has) newer.mnemonics.insert(newer.mnemonics.end(), mnemonics);
  };
  __builtin_cpu_init();
  with(__builtin_cpu_supports("popcnt"), {ZYDIS_MNEMONIC_POPCNT});
  with(__builtin_cpu_supports("lzcnt"), {ZYDIS_MNEMONIC_LZCNT});
  with(__builtin_cpu_supports("sse4.2"), {ZYDIS_MNEMONIC_CRC32});
  with(__builtin_cpu_supports("bmi"), {ZYDIS_MNEMONIC_TZCNT, ZYDIS_MNEMONIC_ANDN, ZYDIS_MNEMONIC_BEXTR,
                                       ZYDIS_MNEMONIC_BLSI, ZYDIS_MNEMONIC_BLSMSK, ZYDIS_MNEMONIC_BLSR});
  with(__builtin_cpu_supports("bmi2"),
       {ZYDIS_MNEMONIC_BZHI, ZYDIS_MNEMONIC_PDEP, ZYDIS_MNEMONIC_PEXT, ZYDIS_MNEMONIC_MULX, ZYDIS_MNEMONIC_RORX,
        ZYDIS_MNEMONIC_SARX, ZYDIS_MNEMONIC_SHLX, ZYDIS_MNEMONIC_SHRX});
  // Processors got these two together with AVX2 and ADX, which this compiler cannot ask for.
  with(__builtin_cpu_supports("avx2"), {ZYDIS_MNEMONIC_MOVBE});
  f.push_back(std::move(newer));
  return f;
}

#undef MACHINA_CONDITIONS

}  // namespace

std::vector<InstructionFamily> integer_families() {
  std::vector<InstructionFamily> f = common_families();
  f.push_back(
      {"64-bit forms",
       {ZYDIS_MNEMONIC_MOVSXD, ZYDIS_MNEMONIC_CDQE, ZYDIS_MNEMONIC_CQO, ZYDIS_MNEMONIC_MOVSQ, ZYDIS_MNEMONIC_STOSQ,
        ZYDIS_MNEMONIC_LODSQ, ZYDIS_MNEMONIC_SCASQ, ZYDIS_MNEMONIC_CMPSQ, ZYDIS_MNEMONIC_CMPXCHG16B},
       {},
       1});
  return f;
}

std::vector<InstructionFamily> integer_families_32() {
  std::vector<InstructionFamily> f = common_families();
  f.push_back(
      {"32-bit forms",
       {ZYDIS_MNEMONIC_AAM, ZYDIS_MNEMONIC_AAD, ZYDIS_MNEMONIC_AAA, ZYDIS_MNEMONIC_AAS, ZYDIS_MNEMONIC_DAA,
        ZYDIS_MNEMONIC_DAS, ZYDIS_MNEMONIC_PUSHA, ZYDIS_MNEMONIC_PUSHAD, ZYDIS_MNEMONIC_BOUND, ZYDIS_MNEMONIC_SALC},
       {},
       2});
  return f;
}

}  // namespace machina::jit
