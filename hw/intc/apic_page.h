#pragma once
/// The registers of a local APIC in the form of its page, which kernels and snapshots keep: 32 bits at each multiple of
/// 16. SDM vol. 3A, table 11-1. The ID is that of the mode: bits 31-24 in xAPIC mode, all 32 in x2APIC mode.
///
/// What a page has no place for: IA32_APIC_BASE, the TSC deadline (an MSR), the LINT levels, a waiting ExtINT, and
/// errors that ESR does not show yet.

#include <array>
#include <cstdint>

namespace machina {

struct ApicState;

using ApicPage = std::array<std::uint8_t, 1024>;

/// `current_count` is what the timer's current count register reads.
ApicPage apic_page_of(const ApicState& state, std::uint32_t current_count = 0);
/// What the page says, over what `state` has; its `base` tells the mode. timer_start is left alone.
void apply_apic_page(ApicState& state, const ApicPage& page);
std::uint32_t apic_page_register(const ApicPage& page, std::uint32_t offset);
void set_apic_page_register(ApicPage& page, std::uint32_t offset, std::uint32_t value);

}  // namespace machina
