#pragma once
/// Generators of system cases, a family for each kind of instruction. The same seed and number make the same case.

#include <span>

#include "tests/support/oracle/system_builder.h"

namespace machina::jit {

struct SystemFamily {
  const char* name;
  unsigned weight;  ///< how many of the cases are of this family, relative to the others
  void (*make)(SystemBuilder& b);
};

// Each sets up where it starts, memory, and the instruction.
void make_segment_load(SystemBuilder& b);
void make_far_transfer(SystemBuilder& b);
void make_interrupt_return(SystemBuilder& b);
void make_interrupt(SystemBuilder& b);
void make_system_register(SystemBuilder& b);
void make_descriptor_query(SystemBuilder& b);
void make_control_register(SystemBuilder& b);
void make_debug_register(SystemBuilder& b);
void make_msr(SystemBuilder& b);
void make_fast_call(SystemBuilder& b);
void make_flags(SystemBuilder& b);
void make_ports(SystemBuilder& b);
void make_paging(SystemBuilder& b);
void make_limits(SystemBuilder& b);
void make_delivery(SystemBuilder& b);

std::span<const SystemFamily> system_families();

/// `only`: the name of a family, or empty.
void make_case(std::uint64_t seed, std::uint64_t number, std::string_view only, const SystemAbilities& abilities,
               SystemCase& out);

}  // namespace machina::jit
