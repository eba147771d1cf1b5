#pragma once
/// Images of the extended state: FXSAVE's, XSAVE's standard and compacted forms. SDM vol. 1, chapter 13.

#include <cstdint>
#include <span>
#include <vector>

#include "accel/jit/cpu.h"

namespace machina::jit {

/// State components as bits of XCR0 and XSTATE_BV: SDM vol. 1, 13.1.
inline constexpr std::uint64_t kStateX87 = 1, kStateSse = 2, kStateAvx = 4, kStatePkru = 1U << 9;
/// Those of AVX-512, which go together: opmasks, the upper halves of ZMM0 to ZMM15, and ZMM16 to ZMM31.
inline constexpr std::uint64_t kStateMasks = 1U << 5, kStateZmmHigh = 1U << 6, kStateZmm16 = 1U << 7;
inline constexpr std::uint64_t kStateAvx512 = kStateMasks | kStateZmmHigh | kStateZmm16;

/// All that this CPU has.
inline std::uint64_t known_components(const Cpu& cpu) {
  return kStateX87 | kStateSse | kStateAvx | kStatePkru | (cpu.avx512 ? kStateAvx512 : 0);
}

inline constexpr unsigned kLegacyRegion = 512, kXsaveHeader = 64, kExtendedRegion = kLegacyRegion + kXsaveHeader;

/// Where the components of an area are: by CPUID leaf 0Dh, or the places that AVX and PKRU have on processors without
/// AVX-512 where there is no such leaf.
struct XsaveLayout {
  unsigned avx = kExtendedRegion, pkru = 832;
  unsigned masks = 0, zmm_high = 0, zmm16 = 0;
  unsigned size = 840;  ///< of the whole area

  /// Of one component beyond the legacy region, by its bit; nothing for others.
  struct Place {
    unsigned offset = 0, size = 0;
  };
  Place place(std::uint64_t component) const;
  /// Where the last of these ends.
  unsigned end(std::uint64_t components) const;
};
XsaveLayout standard_layout(const Cpu& cpu);
/// SDM vol. 1, 13.4.3: components follow one another; none of them is aligned beyond that.
XsaveLayout compacted_layout(std::uint64_t components);

/// FIP and FDP of 64 bits (FXSAVE64, XSAVE64), or of 32 with selectors. SDM vol. 1, 10.5.1.
enum class PointerFormat : bool { Wide, WithSelectors };
/// What the mode makes of an image: outside of 64-bit code it holds eight registers, and others' room is left alone.
struct XsaveForm {
  PointerFormat pointers = PointerFormat::Wide;
  unsigned registers = 16;
};

/// Components that are not in their initial configuration. SDM vol. 1, 13.6.
std::uint64_t components_in_use(const Cpu& cpu);
/// Writes components into an area that is big enough; MXCSR and its mask with SSE.
void put_components(const Cpu& cpu, std::uint64_t components, const XsaveLayout& layout, XsaveForm form,
                    std::uint8_t* area);
/// Loads them. No check of MXCSR.
void take_components(Cpu& cpu, std::uint64_t components, const XsaveLayout& layout, XsaveForm form,
                     const std::uint8_t* area);
/// Gives them their initial configuration.
void initialize_components(Cpu& cpu, std::uint64_t components, XsaveForm form);

/// For X86State::xsave: all of the extended state in standard form. Not while the CPU runs.
void store_xsave(const Cpu& cpu, std::vector<std::uint8_t>& area);
/// Takes over such an area. What it is too short for, or says is in its initial configuration, gets that; reserved bits
/// of MXCSR are dropped. Not while the CPU runs.
void load_xsave(Cpu& cpu, std::span<const std::uint8_t> area);

}  // namespace machina::jit
