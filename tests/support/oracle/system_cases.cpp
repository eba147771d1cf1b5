#include "tests/support/oracle/system_cases.h"

namespace machina::jit {

namespace {

constexpr SystemFamily kFamilies[] = {
    {"segment", 12, make_segment_load},
    {"far", 10, make_far_transfer},
    {"iret", 8, make_interrupt_return},
    {"int", 6, make_interrupt},
    {"table", 8, make_system_register},
    {"query", 2, make_descriptor_query},
    {"control", 10, make_control_register},
    {"debug", 4, make_debug_register},
    {"msr", 6, make_msr},
    {"fastcall", 6, make_fast_call},
    {"flags", 8, make_flags},
    {"port", 6, make_ports},
    {"paging", 16, make_paging},
    {"limit", 10, make_limits},
    {"delivery", 12, make_delivery},
};

}  // namespace

const std::vector<std::uint32_t>& system_msrs() {
  // SYSENTER_CS, _ESP, _EIP, PAT, STAR, LSTAR, CSTAR, SFMASK, KERNEL_GS_BASE
  static const std::vector<std::uint32_t> kIndices = {0x174,      0x175,      0x176,      0x277,     0xc0000081,
                                                      0xc0000082, 0xc0000083, 0xc0000084, 0xc0000102};
  return kIndices;
}

const char* name_of(SystemEnd end) {
  constexpr const char* kNames[] = {"halted", "shutdown", "endless", "refused"};
  return kNames[static_cast<unsigned>(end)];
}

std::span<const SystemFamily> system_families() { return kFamilies; }

void make_case(std::uint64_t seed, std::uint64_t number, std::string_view only, const SystemAbilities& abilities,
               SystemCase& out) {
  std::mt19937_64 random(seed * 0x9e3779b97f4a7c15 + number);
  unsigned total = 0;
  for (const SystemFamily& f : kFamilies) total += only.empty() || only == f.name ? f.weight : 0;
  if (total == 0) return;
  auto draw = static_cast<unsigned>(random() % total);
  for (const SystemFamily& f : kFamilies) {
    if (!only.empty() && only != f.name) continue;
    if (draw >= f.weight) {
      draw -= f.weight;
      continue;
    }
    out.number = number;
    out.family = f.name;
    SystemBuilder builder(random, out, abilities);
    f.make(builder);
    builder.finish();
    return;
  }
}

}  // namespace machina::jit
