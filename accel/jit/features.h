#pragma once
/// The feature bits that this CPU asks for while it runs, by their place in a FeatureSet: a look at one is a load and a
/// mask, where has_feature() searches a table of names.

#include "hw/x86/cpu_features.h"

namespace machina::jit {

/// Words of a FeatureSet: see feature_words().
enum FeatureWordIndex : std::size_t {
  kWord1Edx,
  kWord1Ecx,
  kWord7Ebx,
  kWord7Ecx,
  kWord7Edx,
  kWord71Eax,
  kWordD1Eax,
  kWord6Eax,
  kWord80000001Edx,
  kWord80000001Ecx,
  kWord80000007Edx,
  kWord80000008Ebx,
  kWord8000000aEdx,
  kWord80000021Eax,
  kWord40000001Eax,
};

constexpr bool has(const FeatureSet& set, FeatureBit f) { return (set[f.word] >> f.bit & 1) != 0; }
constexpr void set(FeatureSet& features, FeatureBit f, bool on) {
  const std::uint32_t bit = std::uint32_t{1} << f.bit;
  features[f.word] = on ? features[f.word] | bit : features[f.word] & ~bit;
}

namespace feature {

inline constexpr FeatureBit kFpu{kWord1Edx, 0}, kVme{kWord1Edx, 1}, kDe{kWord1Edx, 2}, kPse{kWord1Edx, 3},
    kTsc{kWord1Edx, 4}, kMsr{kWord1Edx, 5}, kPae{kWord1Edx, 6}, kMce{kWord1Edx, 7}, kCx8{kWord1Edx, 8},
    kApic{kWord1Edx, 9}, kSep{kWord1Edx, 11}, kMtrr{kWord1Edx, 12}, kPge{kWord1Edx, 13}, kMca{kWord1Edx, 14},
    kCmov{kWord1Edx, 15}, kPat{kWord1Edx, 16}, kPse36{kWord1Edx, 17}, kClflush{kWord1Edx, 19}, kMmx{kWord1Edx, 23},
    kFxsr{kWord1Edx, 24}, kSse{kWord1Edx, 25}, kSse2{kWord1Edx, 26};
inline constexpr FeatureBit kSse3{kWord1Ecx, 0}, kPclmulqdq{kWord1Ecx, 1}, kMonitor{kWord1Ecx, 3}, kSsse3{kWord1Ecx, 9},
    kFma{kWord1Ecx, 12}, kCx16{kWord1Ecx, 13}, kPcid{kWord1Ecx, 17}, kSse41{kWord1Ecx, 19}, kSse42{kWord1Ecx, 20},
    kX2apic{kWord1Ecx, 21}, kMovbe{kWord1Ecx, 22}, kPopcnt{kWord1Ecx, 23}, kTscDeadline{kWord1Ecx, 24},
    kAes{kWord1Ecx, 25}, kXsave{kWord1Ecx, 26}, kAvx{kWord1Ecx, 28}, kF16c{kWord1Ecx, 29}, kRdrand{kWord1Ecx, 30},
    kHypervisor{kWord1Ecx, 31};
inline constexpr FeatureBit kFsgsbase{kWord7Ebx, 0}, kTscAdjust{kWord7Ebx, 1}, kBmi1{kWord7Ebx, 3}, kAvx2{kWord7Ebx, 5},
    kSmep{kWord7Ebx, 7}, kBmi2{kWord7Ebx, 8}, kInvpcid{kWord7Ebx, 10}, kAvx512f{kWord7Ebx, 16}, kRdseed{kWord7Ebx, 18},
    kAdx{kWord7Ebx, 19}, kSmap{kWord7Ebx, 20}, kClflushopt{kWord7Ebx, 23}, kClwb{kWord7Ebx, 24}, kSha{kWord7Ebx, 29};
inline constexpr FeatureBit kUmip{kWord7Ecx, 2}, kPku{kWord7Ecx, 3}, kGfni{kWord7Ecx, 8}, kVaes{kWord7Ecx, 9},
    kVpclmulqdq{kWord7Ecx, 10}, kLa57{kWord7Ecx, 16}, kRdpid{kWord7Ecx, 22}, kMovdiri{kWord7Ecx, 27},
    kMovdir64b{kWord7Ecx, 28};
inline constexpr FeatureBit kSerialize{kWord7Edx, 14}, kSpecCtrl{kWord7Edx, 26}, kStibp{kWord7Edx, 27},
    kArchCapabilities{kWord7Edx, 29}, kSsbd{kWord7Edx, 31};
inline constexpr FeatureBit kXsaveopt{kWordD1Eax, 0}, kXsavec{kWordD1Eax, 1}, kXgetbv1{kWordD1Eax, 2},
    kXsaves{kWordD1Eax, 3};
inline constexpr FeatureBit kSyscall{kWord80000001Edx, 11}, kNx{kWord80000001Edx, 20}, kMmxext{kWord80000001Edx, 22},
    kFxsrOpt{kWord80000001Edx, 25}, kPdpe1gb{kWord80000001Edx, 26}, kRdtscp{kWord80000001Edx, 27},
    kLm{kWord80000001Edx, 29};
inline constexpr FeatureBit kLahfLm{kWord80000001Ecx, 0}, kAbm{kWord80000001Ecx, 5}, kSse4a{kWord80000001Ecx, 6},
    kPrefetchw{kWord80000001Ecx, 8};
inline constexpr FeatureBit kClzero{kWord80000008Ebx, 0}, kIbpb{kWord80000008Ebx, 12}, kIbrs{kWord80000008Ebx, 14},
    kAmdStibp{kWord80000008Ebx, 15}, kAmdSsbd{kWord80000008Ebx, 24};
inline constexpr FeatureBit kAutoIbrs{kWord80000021Eax, 8};
inline constexpr FeatureBit kKvmclockOld{kWord40000001Eax, 0}, kKvmclock{kWord40000001Eax, 3};

}  // namespace feature

}  // namespace machina::jit
