/// Vector instructions against this processor. Random ones: bytes of the opcode space, kept when Zydis knows them as
/// something of ours.

#include <Zydis/Zydis.h>
#include <gtest/gtest.h>

#include <map>

#include "accel/jit/float_gate.h"
#include "tests/unit/accel/jit/float_native.h"

namespace machina::jit {
namespace {

struct Candidate {
  std::vector<std::uint8_t> bytes;
  ZydisMnemonic mnemonic;
  bool mmx;
};

bool is_excluded(const ZydisDecodedInstruction& i) {
  switch (i.mnemonic) {
    case ZYDIS_MNEMONIC_LDMXCSR:
    case ZYDIS_MNEMONIC_STMXCSR:
    case ZYDIS_MNEMONIC_VLDMXCSR:
    case ZYDIS_MNEMONIC_VSTMXCSR:
    // Of more than the test's memory.
    case ZYDIS_MNEMONIC_FXSAVE:
    case ZYDIS_MNEMONIC_FXSAVE64:
    case ZYDIS_MNEMONIC_FXRSTOR:
    case ZYDIS_MNEMONIC_FXRSTOR64:
    // Their memory operand is not at RBX, or not only.
    case ZYDIS_MNEMONIC_MASKMOVQ:
    case ZYDIS_MNEMONIC_MASKMOVDQU:
    case ZYDIS_MNEMONIC_VMASKMOVDQU:
      return true;
    default:
      return i.meta.category == ZYDIS_CATEGORY_AVX2GATHER;
  }
}

/// An instruction with its operands at random, in memory at [RBX + a multiple of 32]; nothing: not one of ours.
std::optional<Candidate> random_instruction(FloatNumbers& random) {
  std::vector<std::uint8_t> b;
  std::uint8_t modrm = static_cast<std::uint8_t>(random.next());
  if ((modrm & 0xc0) != 0xc0) modrm = static_cast<std::uint8_t>((modrm & 0x38) | 0x43);  // [RBX + disp8]
  const bool memory = (modrm & 0xc0) != 0xc0;
  const auto disp = static_cast<std::uint8_t>((static_cast<int>(random.below(7)) - 3) * 32);
  const auto opcode = static_cast<std::uint8_t>(random.next());
  if (random.below(2)) {
    const unsigned map = 1 + random.below(3);
    b = {0xc4, static_cast<std::uint8_t>((random.next() & 0x80) | 0x40 | (memory ? 0x20 : random.next() & 0x20) | map),
         static_cast<std::uint8_t>(random.next()), opcode, modrm};
    if (random.below(2)) b[2] |= 0x78;  // most have no third register
    if (memory) b.push_back(disp);
    if (map == 3) b.push_back(static_cast<std::uint8_t>(random.next()));
  } else {
    static constexpr std::uint8_t kPrefixes[] = {0, 0x66, 0xf2, 0xf3};
    if (const std::uint8_t p = kPrefixes[random.below(4)]) b.push_back(p);
    const std::uint8_t rex = static_cast<std::uint8_t>(0x40 | (random.next() & (memory ? 0xc : 0xd)));
    if (random.below(2)) b.push_back(rex);
    b.push_back(0x0f);
    const unsigned map = random.below(4);
    if (map == 2) b.push_back(0x38);
    if (map == 3) b.push_back(0x3a);
    b.push_back(opcode);
    b.push_back(modrm);
    if (memory) b.push_back(disp);
    b.push_back(static_cast<std::uint8_t>(random.next()));
  }
  b.push_back(static_cast<std::uint8_t>(random.next()));
  ZydisDecoder decoder;
  ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
  ZydisDecodedInstruction instruction;
  ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
  if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, b.data(), b.size(), &instruction, operands))) return std::nullopt;
  if (!host_has_vector_instruction(instruction) || is_excluded(instruction)) return std::nullopt;
  bool mmx = instruction.mnemonic == ZYDIS_MNEMONIC_EMMS || instruction.mnemonic == ZYDIS_MNEMONIC_CVTPI2PS ||
             instruction.mnemonic == ZYDIS_MNEMONIC_CVTPI2PD;
  for (unsigned i = 0; i < instruction.operand_count; ++i) {
    // What came out as another map than was meant.
    if (operands[i].type == ZYDIS_OPERAND_TYPE_MEMORY &&
        (operands[i].mem.base != ZYDIS_REGISTER_RBX || operands[i].mem.disp.value % 32 != 0))
      return std::nullopt;
    if (operands[i].type != ZYDIS_OPERAND_TYPE_REGISTER) continue;
    switch (ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, operands[i].reg.value)) {
      case ZYDIS_REGISTER_RSP:
      case ZYDIS_REGISTER_RBX:
      case ZYDIS_REGISTER_R15:
        return std::nullopt;
      default:
        break;
    }
    mmx = mmx || ZydisRegisterGetClass(operands[i].reg.value) == ZYDIS_REGCLASS_MMX;
  }
  b.resize(instruction.length);
  return Candidate{b, instruction.mnemonic, mmx};
}

/// An instruction of AMD's SSE4A leaves the rest of its register as it pleases; these are compared anyhow, on the
/// processor that runs both.
TEST(JitVectorNative, RandomInstructionsDoWhatTheHostDoes) {
  FloatNative native;
  FloatNumbers random(1);
  std::map<ZydisMnemonic, unsigned> seen;
  unsigned failures = 0, done = 0;
  const char* wish = std::getenv("MACHINA_TEST_VECTORS");
  const unsigned wanted = wish ? static_cast<unsigned>(std::atoi(wish)) : 20000;
  while (done < wanted && failures < 20) {
    const auto candidate = random_instruction(random);
    if (!candidate) continue;
    // Rare ones count as much as those with many encodings.
    if (seen[candidate->mnemonic] > 40 + wanted / 400 && random.below(8)) continue;
    ++seen[candidate->mnemonic];
    ++done;
    NativeState start = random.state();
    if (candidate->mmx) start.x87.status &= 0x7f7f;
    const std::string difference = native.compare(candidate->bytes, start);
    if (!difference.empty()) {
      ++failures;
      ADD_FAILURE() << difference;
    }
  }
  EXPECT_GT(seen.size(), 500U);
  std::printf("%u instructions of %zu mnemonics\n", done, seen.size());
}

TEST(JitVectorNative, GathersDoWhatTheHostDoes) {
  FloatNative native;
  FloatNumbers random(2);
  for (unsigned i = 0; i < 3000; ++i) {
    // VEX.66.0F38.Wx 90 to 93 with [RBX + register of indices * 1]
    const auto op = static_cast<std::uint8_t>(0x90 + random.below(4));
    const bool wide = random.below(2), w = random.below(2);
    const auto destination = random.below(8), index = random.below(8), mask = random.below(8);
    const std::vector<std::uint8_t> code{0xc4,
                                         0xe2,
                                         static_cast<std::uint8_t>(w << 7 | (~mask & 0xf) << 3 | wide << 2 | 1),
                                         op,
                                         static_cast<std::uint8_t>(destination << 3 | 4),
                                         static_cast<std::uint8_t>(index << 3 | 3)};
    NativeState start = random.state();
    for (unsigned e = 0; e < 8; ++e) {  // small indices, of either width
      const std::int64_t value = static_cast<std::int64_t>(random.below(400)) - 200;
      std::memcpy(start.ymm[index].data() + ((op & 1) ? 8 * (e & 3) : 4 * e), &value, (op & 1) ? 8 : 4);
    }
    const std::string difference = native.compare(code, start);
    ASSERT_EQ(difference, "");
  }
}

TEST(JitVectorNative, MaskedStoresDoWhatTheHostDoes) {
  FloatNative native;
  FloatNumbers random(3);
  for (unsigned i = 0; i < 2000; ++i) {
    const unsigned a = random.below(8), b = random.below(8);
    const auto modrm = static_cast<std::uint8_t>(0xc0 | a << 3 | b);
    // mov rdi, rbx; then MASKMOVDQU, VMASKMOVDQU or MASKMOVQ
    std::vector<std::uint8_t> code{0x48, 0x89, 0xdf};
    switch (random.below(3)) {
      case 0:
        code.insert(code.end(), {0x66, 0x0f, 0xf7, modrm});
        break;
      case 1:
        code.insert(code.end(), {0xc5, 0xf9, 0xf7, modrm});
        break;
      default:
        code.insert(code.end(), {0x0f, 0xf7, modrm});
    }
    code.insert(code.end(), {0x31, 0xff});  // xor edi, edi: it differs
    NativeState start = random.state();
    ASSERT_EQ(native.compare(code, start, kArithmetic), "");
  }
}

}  // namespace
}  // namespace machina::jit
