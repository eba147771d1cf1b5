#pragma once
/// x87, SSE and AVX registers as gdb knows them, in an XSAVE image of the standard form (SDM vol. 1, 13.4). A component
/// that the image says to be in its initial state reads as that, whatever stands in its place.

#include <cstdint>
#include <span>

#include "hw/x86/x86_state.h"

namespace machina::gdb_float {

/// gdb's control registers of the x87, in its order.
enum Control : unsigned { kFctrl, kFstat, kFtag, kFiseg, kFioff, kFoseg, kFooff, kFop };

inline constexpr unsigned kStBytes = 10, kVectorBytes = 16;

/// `to` and `from` have kStBytes, or kVectorBytes. A register that the image has no room for reads as zero, and writing
/// it is refused with false.
void read_st(const X86State& state, unsigned n, std::span<std::uint8_t> to);
bool write_st(X86State& state, unsigned n, std::span<const std::uint8_t> from);
std::uint32_t read_control(const X86State& state, Control which);
bool write_control(X86State& state, Control which, std::uint32_t value);
void read_xmm(const X86State& state, unsigned n, std::span<std::uint8_t> to);
bool write_xmm(X86State& state, unsigned n, std::span<const std::uint8_t> from);
/// The upper halves.
void read_ymmh(const X86State& state, unsigned n, std::span<std::uint8_t> to);
bool write_ymmh(X86State& state, unsigned n, std::span<const std::uint8_t> from);
std::uint32_t read_mxcsr(const X86State& state);
bool write_mxcsr(X86State& state, std::uint32_t value);

}  // namespace machina::gdb_float
