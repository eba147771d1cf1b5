#pragma once
/// KVM as an oracle of what user mode never sees: random system cases must end in the same state of the CPU and of
/// memory under KVM and in the software CPU, but for differences that are explained.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace machina::jit {

struct SystemOracleOptions {
  std::vector<std::uint64_t> seeds = {1};
  std::uint64_t cases = 20000;  ///< of each seed
  std::uint64_t first = 0;      ///< number of the first case
  unsigned threads = 1;         ///< that share the cases; each has a VM
  unsigned differences = 10;    ///< so many kinds that nobody has explained are told of in full
  std::string family;           ///< only this one
  std::string rule;             ///< whose cases are told of by kind: an explanation's name, or "all"
  bool verbose = false;         ///< tells of every case
};

struct SystemOracleResult {
  std::uint64_t cases = 0, equal = 0, endless = 0;
  std::uint64_t strayed = 0;  ///< differ, after more than the instruction under test and HLTs was carried out
  std::map<std::string, std::uint64_t> refused;    ///< by mnemonic and reason
  std::map<std::string, std::uint64_t> explained;  ///< by the explanation's name
  std::map<std::string, std::uint64_t> kinds;      ///< of SystemOracleOptions::rule
  std::uint64_t unexplained = 0;
  std::map<std::string, std::uint64_t> unexplained_kinds;  ///< by instruction and what differs
  struct Family {
    std::uint64_t cases = 0, succeeded = 0, equal = 0, refused = 0, explained = 0;
  };
  std::map<std::string, Family> families;
  std::map<int, std::uint64_t> vectors;  ///< that instructions under test raised
  std::uint64_t shutdowns = 0;
  double seconds = 0, kvm_seconds = 0, software_seconds = 0;  ///< the latter of all threads
  std::string report;                                         ///< of what is unexplained

  void add(const SystemOracleResult& other);  ///< but for `seconds`
};

/// Throws Error where KVM cannot be used.
SystemOracleResult compare_with_kvm(const SystemOracleOptions& options);
/// MACHINA_ORACLE_SEED (one, or several: 1,2,3), _CASES, _FIRST, _THREADS, _FAMILY, _RULE, _DIFFERENCES, _VERBOSE.
SystemOracleOptions from_environment(SystemOracleOptions options);
/// All figures, for people.
std::string summary(const SystemOracleResult& result);
/// Every explained difference with its citation, as a table in Markdown.
std::string list_of_differences();

}  // namespace machina::jit
