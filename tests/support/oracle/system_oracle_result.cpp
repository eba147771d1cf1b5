#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <sstream>

#include "tests/support/oracle/system_differences.h"
#include "tests/support/oracle/system_oracle.h"

namespace machina::jit {

namespace {

std::vector<Explanation> all_rows() {
  std::vector<Explanation> rows(explanations().begin(), explanations().end());
  rows.push_back(accessed_flags());
  rows.push_back(flags_of_delivery());
  return rows;
}

}  // namespace

void SystemOracleResult::add(const SystemOracleResult& o) {
  const auto add_map = [](auto& to, const auto& from) {
    for (const auto& [name, count] : from) to[name] += count;
  };
  cases += o.cases, equal += o.equal, endless += o.endless, strayed += o.strayed, unexplained += o.unexplained;
  shutdowns += o.shutdowns;
  add_map(refused, o.refused);
  add_map(explained, o.explained);
  add_map(kinds, o.kinds);
  add_map(unexplained_kinds, o.unexplained_kinds);
  add_map(vectors, o.vectors);
  for (const auto& [name, f] : o.families) {
    Family& to = families[name];
    to.cases += f.cases, to.succeeded += f.succeeded, to.equal += f.equal, to.refused += f.refused;
    to.explained += f.explained;
  }
  kvm_seconds += o.kvm_seconds, software_seconds += o.software_seconds;
  report += o.report;
}

SystemOracleOptions from_environment(SystemOracleOptions o) {
  const auto number = [](const char* name, auto& value) {
    if (const char* text = std::getenv(name))
      value = static_cast<std::remove_reference_t<decltype(value)>>(std::strtoull(text, nullptr, 0));
  };
  if (const char* text = std::getenv("MACHINA_ORACLE_SEED")) {
    o.seeds.clear();
    std::istringstream list(text);
    for (std::string seed; std::getline(list, seed, ',');) o.seeds.push_back(std::strtoull(seed.c_str(), nullptr, 0));
  }
  number("MACHINA_ORACLE_CASES", o.cases);
  number("MACHINA_ORACLE_FIRST", o.first);
  number("MACHINA_ORACLE_THREADS", o.threads);
  number("MACHINA_ORACLE_DIFFERENCES", o.differences);
  if (const char* family = std::getenv("MACHINA_ORACLE_FAMILY")) o.family = family;
  if (const char* rule = std::getenv("MACHINA_ORACLE_RULE")) o.rule = rule;
  o.verbose = std::getenv("MACHINA_ORACLE_VERBOSE") != nullptr;
  return o;
}

std::string summary(const SystemOracleResult& r) {
  const auto percent = [](std::uint64_t part, std::uint64_t whole) {
    return whole == 0 ? 0.0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
  };
  std::uint64_t refused = 0, explained = 0;
  for (const auto& [name, count] : r.refused) refused += count;
  for (const auto& [name, count] : r.explained) explained += count;
  std::string text = fmt::format(
      "{} cases in {:.1f} s ({:.0f} a second; KVM {:.1f} s, software CPU {:.1f} s): {} equal ({:.2f} %), {} refused, "
      "{} explained, {} endless, {} strayed, {} unexplained\n",
      r.cases, r.seconds, r.seconds > 0 ? static_cast<double>(r.cases) / r.seconds : 0.0, r.kvm_seconds,
      r.software_seconds, r.equal, percent(r.equal, r.cases), refused, explained, r.endless, r.strayed, r.unexplained);
  text += "family       cases  carried out by KVM   equal  explained  instruction succeeds\n";
  for (const auto& [name, f] : r.families)
    text += fmt::format("  {:<10} {:>7}  {:>18} {:>7}  {:>9}  {:.1f} %\n", name, f.cases, f.cases - f.refused, f.equal,
                        f.explained, percent(f.succeeded, f.cases));
  text += "first event of the instruction:";
  for (const auto& [vector, count] : r.vectors)
    text += vector < 0 ? fmt::format(" none {}", count) : fmt::format(", #{} {}", vector, count);
  text += fmt::format("; shutdowns {}\nrefused by KVM:\n", r.shutdowns);
  for (const auto& [name, count] : r.refused) text += fmt::format("  {:<40} {}\n", name, count);
  if (!r.unexplained_kinds.empty()) text += "unexplained:\n";
  for (const auto& [name, count] : r.unexplained_kinds) text += fmt::format("  {:>6} {}\n", count, name);
  for (const auto& [name, count] : r.kinds) text += fmt::format("{}|{}\n", count, name);
  text += "explained:\n";
  for (const auto& [name, count] : r.explained) {
    const std::vector<Explanation> rows = all_rows();
    const auto e =
        std::find_if(rows.begin(), rows.end(), [&name = name](const Explanation& x) { return name == x.name; });
    text += fmt::format("  {:<28} {:>7}  {} ({})\n", name, count, e->text, e->manual);
  }
  return text;
}

std::string list_of_differences() {
  std::string text = "| name | what KVM does | what decides |\n| --- | --- | --- |\n";
  for (const Explanation& e : all_rows()) text += fmt::format("| {} | {} | {} |\n", e.name, e.text, e.manual);
  return text;
}

}  // namespace machina::jit
