/// x87 instructions against this processor, one at a time and in runs.

#include <Zydis/Zydis.h>
#include <gtest/gtest.h>

#include <map>

#include "tests/unit/accel/jit/float_native.h"

namespace machina::jit {
namespace {

bool is_excluded(ZydisMnemonic mnemonic) {
  switch (mnemonic) {
    // Addresses are in their images.
    case ZYDIS_MNEMONIC_FNSTENV:
    case ZYDIS_MNEMONIC_FNSAVE:
      return true;
    default:
      return false;
  }
}

std::optional<std::vector<std::uint8_t>> random_instruction(FloatNumbers& random, ZydisMnemonic& mnemonic) {
  const auto opcode = static_cast<std::uint8_t>(0xd8 + random.below(8));
  auto modrm = static_cast<std::uint8_t>(random.next());
  std::vector<std::uint8_t> b{opcode};
  if ((modrm & 0xc0) != 0xc0) {
    modrm = static_cast<std::uint8_t>((modrm & 0x38) | 0x43);
    b.push_back(modrm);
    b.push_back(static_cast<std::uint8_t>(random.below(200) - 100));
  } else {
    b.push_back(modrm);
  }
  ZydisDecoder decoder;
  ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
  ZydisDecodedInstruction instruction;
  if (!ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&decoder, nullptr, b.data(), b.size(), &instruction)) ||
      is_excluded(instruction.mnemonic))
    return std::nullopt;
  mnemonic = instruction.mnemonic;
  b.resize(instruction.length);
  return b;
}

TEST(JitX87Native, RandomInstructionsDoWhatTheHostDoes) {
  FloatNative native;
  FloatNumbers random(4);
  std::map<ZydisMnemonic, unsigned> seen;
  unsigned failures = 0;
  const char* wish = std::getenv("MACHINA_TEST_VECTORS");
  const unsigned wanted = wish ? static_cast<unsigned>(std::atoi(wish)) : 20000;
  for (unsigned done = 0; done < wanted && failures < 20;) {
    // Now and then several in a row: what one leaves in the unit the next finds there.
    std::vector<std::uint8_t> code;
    for (unsigned n = random.below(3) ? 1 : 1 + random.below(8); n > 0;) {
      ZydisMnemonic mnemonic{};
      const auto one = random_instruction(random, mnemonic);
      if (!one) continue;
      ++seen[mnemonic];
      code.insert(code.end(), one->begin(), one->end());
      --n;
      ++done;
    }
    const std::string difference = native.compare(code, random.state());
    if (!difference.empty()) {
      ++failures;
      ADD_FAILURE() << difference;
    }
  }
  EXPECT_GT(seen.size(), 80U);
}

}  // namespace
}  // namespace machina::jit
