#pragma once
/// Runs the same random instructions on the host's processor and in the software CPU, and tells the first difference.

#include <cstdint>
#include <string>
#include <vector>

#include "tests/support/oracle/instruction_generator.h"

namespace machina::jit {

struct OracleResult {
  std::uint64_t instructions = 0;  ///< carried out by both
  std::uint64_t faults = 0;        ///< of them, instructions that faulted
  std::string difference;          ///< empty: none. Else instructions and both states, one for each mnemonic
};

struct OracleOptions {
  std::uint64_t seed = 1;
  std::uint64_t instructions = 100000;  ///< about as many
  unsigned length = 50;                 ///< of a sequence
  unsigned rounds = 4;                  ///< with a sequence, each with other values
  bool compatibility = false;           ///< 32-bit code
  unsigned differences = 1;             ///< after so many it gives up
};

OracleResult compare_with_host(std::vector<InstructionFamily> families, const OracleOptions& options);

/// MACHINA_ORACLE_SEED, _INSTRUCTIONS and _DIFFERENCES, where they are set, instead of what is given.
OracleOptions from_environment(OracleOptions options);

}  // namespace machina::jit
