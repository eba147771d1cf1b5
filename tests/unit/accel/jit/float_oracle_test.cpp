// The host's processor against the software CPU in x87, MMX and vector instructions: sequences of random ones, with
// exceptions unmasked now and then, operands at any alignment and across the end of what is mapped.
// MACHINA_ORACLE_INSTRUCTIONS=10000000 MACHINA_ORACLE_SEED=7 for more of it.

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "accel/jit/float_gate.h"
#include "tests/support/oracle/native_cpu.h"
#include "tests/support/oracle/oracle.h"
#include "tests/unit/accel/jit/float_native.h"

namespace machina::jit {
namespace {

bool is_left_out(const ZydisDecodedInstruction& i) {
  switch (i.mnemonic) {
    // AMD's processors store pointers only with a pending exception, and MXCSR_MASK is each processor's own.
    case ZYDIS_MNEMONIC_FXSAVE:
    case ZYDIS_MNEMONIC_FXSAVE64:
    case ZYDIS_MNEMONIC_FXRSTOR:
    case ZYDIS_MNEMONIC_FXRSTOR64:
    // These may read memory that only AMD's processors read unaligned.
    case ZYDIS_MNEMONIC_SHA1MSG1:
    case ZYDIS_MNEMONIC_SHA1MSG2:
    case ZYDIS_MNEMONIC_SHA1NEXTE:
    case ZYDIS_MNEMONIC_SHA1RNDS4:
    case ZYDIS_MNEMONIC_SHA256MSG1:
    case ZYDIS_MNEMONIC_SHA256MSG2:
    case ZYDIS_MNEMONIC_SHA256RNDS2:
    // Which of the exceptions within them are looked at first is not written anywhere.
    case ZYDIS_MNEMONIC_DPPS:
    case ZYDIS_MNEMONIC_DPPD:
    case ZYDIS_MNEMONIC_VDPPS:
    case ZYDIS_MNEMONIC_VDPPD:
    // On AMD's processors the change to MMX happens even when it faults, and the fault is at another address.
    case ZYDIS_MNEMONIC_MASKMOVQ:
    case ZYDIS_MNEMONIC_MASKMOVDQU:
    case ZYDIS_MNEMONIC_VMASKMOVDQU:
    // From memory they are no MMX instructions there.
    case ZYDIS_MNEMONIC_CVTPI2PS:
    case ZYDIS_MNEMONIC_CVTPI2PD:
    // They would unmask what prepare() masks.
    case ZYDIS_MNEMONIC_LDMXCSR:
    case ZYDIS_MNEMONIC_VLDMXCSR:
      return true;
    // Outside of 64-bit code Intel's processors ignore VEX.W, and AMD's do not know the instruction.
    case ZYDIS_MNEMONIC_VPINSRD:
    case ZYDIS_MNEMONIC_VPEXTRD:
      return i.machine_mode != ZYDIS_MACHINE_MODE_LONG_64;
    default:
      return i.meta.category == ZYDIS_CATEGORY_AVX2GATHER;
  }
}

/// Registers and control words for floating point.
void prepare(Random& random, UserState& s) {
  FloatNumbers numbers(random());
  const NativeState n = numbers.state();
  for (unsigned i = 0; i < 16; ++i) {
    std::copy_n(n.ymm[i].begin(), 16, s.fx.xmm[i].begin());
    std::copy_n(n.ymm[i].begin() + 16, 16, s.ymm_high[i].begin());
  }
  s.fx.st = n.x87.st;
  s.fx.valid = n.x87.valid;
  s.fx.status = n.x87.status;
  s.fx.control = n.x87.control;
  s.fx.mxcsr = n.mxcsr;
  if (random() % 4 == 0) {  // with exceptions unmasked, of which none is pending
    // Not those of overflow and underflow, after which PE may differ: see host_float.cpp.
    s.fx.mxcsr &= static_cast<std::uint32_t>(random() << 7 | 0xec7f);
    s.fx.control &= static_cast<std::uint16_t>(random() | 0xffc0);
    s.fx.status &= static_cast<std::uint16_t>(~(~s.fx.control & 0x3fU));
  }
}

/// A family for each of the extensions, found by decoding everything that might be one of their instructions.
std::vector<InstructionFamily> vector_families(bool compatibility = false) {
  ZydisDecoder decoder;
  if (compatibility) {
    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_COMPAT_32, ZYDIS_STACK_WIDTH_32);
  } else {
    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
  }
  std::map<ZydisISAExt, std::set<ZydisMnemonic>> found;
  const auto look = [&](std::initializer_list<std::uint8_t> bytes) {
    std::array<std::uint8_t, 15> code{};
    std::copy(bytes.begin(), bytes.end(), code.begin());
    ZydisDecodedInstruction i;
    if (ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&decoder, nullptr, code.data(), code.size(), &i)) &&
        host_has_vector_instruction(i) && !is_left_out(i))
      found[i.meta.isa_ext].insert(i.mnemonic);
  };
  for (unsigned opcode = 0; opcode < 256; ++opcode)
    for (unsigned form = 0; form < 16; ++form) {
      const auto op = static_cast<std::uint8_t>(opcode);
      const auto rm = static_cast<std::uint8_t>((form & 8 ? 0xc0 : 0) | (form & 7) << 3);
      constexpr std::array<std::uint8_t, 4> kPrefixes = {0x3e, 0x66, 0xf2, 0xf3};  // the first means nothing
      for (const std::uint8_t prefix : kPrefixes) {
        look({prefix, 0x0f, op, rm});
        look({prefix, 0x48, 0x0f, op, rm});
        look({prefix, 0x0f, 0x38, op, rm});
        look({prefix, 0x0f, 0x3a, op, rm});
        look({prefix, 0x48, 0x0f, 0x3a, op, rm});
      }
      for (std::uint8_t map = 0xe1; map <= 0xe3; ++map)
        for (unsigned bits = 0; bits < 16; ++bits) {
          const auto wlpp = static_cast<std::uint8_t>((bits & 8) << 4 | (bits & 7));
          look({0xc4, map, static_cast<std::uint8_t>(wlpp | 0x78), op, rm});
          look({0xc4, map, static_cast<std::uint8_t>(wlpp | 0x70), op, rm});
        }
    }
  std::vector<InstructionFamily> families;
  for (const auto& [extension, mnemonics] : found)
    families.push_back({ZydisISAExtGetString(extension),
                        {mnemonics.begin(), mnemonics.end()},
                        &prepare,
                        static_cast<unsigned>(1 + mnemonics.size() / 40)});
  return families;
}

std::vector<InstructionFamily> x87_families() {
  ZydisDecoder decoder;
  ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
  std::set<ZydisMnemonic> found;
  for (unsigned opcode = 0xd8; opcode <= 0xdf; ++opcode)
    for (unsigned modrm = 0; modrm < 256; ++modrm) {
      std::array<std::uint8_t, 15> code{static_cast<std::uint8_t>(opcode), static_cast<std::uint8_t>(modrm)};
      ZydisDecodedInstruction i;
      // What stores FIP stores that of an instruction before the first. FLDENV and FRSTOR that cross into a page that
      // is not there say so at another place of the page on each processor.
      if (ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&decoder, nullptr, code.data(), code.size(), &i)) &&
          i.mnemonic != ZYDIS_MNEMONIC_FRSTOR && i.mnemonic != ZYDIS_MNEMONIC_FLDENV &&
          i.mnemonic != ZYDIS_MNEMONIC_FNSTENV && i.mnemonic != ZYDIS_MNEMONIC_FNSAVE)
        found.insert(i.mnemonic);
    }
  found.insert(ZYDIS_MNEMONIC_FWAIT);
  return {{"x87", {found.begin(), found.end()}, &prepare, 1}};
}

void expect_agreement(std::vector<InstructionFamily> families, OracleOptions options) {
  const OracleResult r = compare_with_host(std::move(families), from_environment(options));
  if (!r.difference.empty()) ADD_FAILURE() << r.difference;
  EXPECT_GE(r.instructions, 1000U);
  ::testing::Test::RecordProperty("instructions", std::to_string(r.instructions));
  ::testing::Test::RecordProperty("faults", std::to_string(r.faults));
}

constexpr std::uint64_t kInstructions = 200000;

TEST(JitFloatOracle, VectorInstructions) {
  const std::vector<InstructionFamily> families = vector_families();
  std::size_t mnemonics = 0;
  for (const InstructionFamily& f : families) mnemonics += f.mnemonics.size();
  EXPECT_GT(mnemonics, 250U);  // a processor with SSE4.2 and no more
  expect_agreement(families, {.instructions = kInstructions});
}

TEST(JitFloatOracle, X87Instructions) {
  expect_agreement(x87_families(), {.seed = 2, .instructions = kInstructions, .length = 12});
}

TEST(JitFloatOracle, AllOfThemAmongIntegerInstructions) {
  std::vector<InstructionFamily> families = integer_families();
  for (auto& f : vector_families()) families.push_back(f);
  for (auto& f : x87_families()) families.push_back(f);
  expect_agreement(families, {.seed = 3, .instructions = kInstructions});
}

TEST(JitFloatOracle, InstructionsOf32BitCode) {
  if (!NativeCpu().has_compatibility_mode()) GTEST_SKIP() << "this host runs no 32-bit code";
  std::vector<InstructionFamily> families = vector_families(true);
  for (auto& f : x87_families()) families.push_back(f);
  expect_agreement(families, {.seed = 4, .instructions = kInstructions, .compatibility = true});
}

}  // namespace
}  // namespace machina::jit
