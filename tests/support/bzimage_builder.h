#pragma once
/// A Linux kernel's file, made of nothing but a setup header that a test may change.

#include <cstdint>
#include <string>
#include <vector>

#include "core/byte_order.h"
#include "hw/x86/boot/linux_header.h"

namespace machina::test {

/// Boot protocol 2.15, two setup sectors, relocatable, with a 64-bit entry; the kernel's bytes are 90h.
inline std::vector<std::uint8_t> make_bzimage(std::size_t kernel_size = 0x1000) {
  using namespace boot::linux_header;
  constexpr std::size_t kSetupSize = 3 * 512;
  std::vector<std::uint8_t> f(kSetupSize);
  store_le<std::uint8_t>(f, kSetupSects, 2);
  store_le<std::uint32_t>(f, kSyssize, static_cast<std::uint32_t>((kernel_size + 15) / 16));
  store_le<std::uint16_t>(f, kBootFlag, kBootFlagValue);
  store_le<std::uint16_t>(f, kJump, 0x6aeb);  // the header ends at 26Ch
  store_le<std::uint32_t>(f, kHeader, kMagic);
  store_le<std::uint16_t>(f, kVersion, 0x20f);
  store_le<std::uint16_t>(f, kKernelVersion, 0x100);
  store_le<std::uint8_t>(f, kLoadflags, kLoadedHigh);
  store_le<std::uint32_t>(f, kCode32Start, 0x100000);
  store_le<std::uint32_t>(f, kInitrdAddrMax, 0x7fffffff);
  store_le<std::uint32_t>(f, kKernelAlignment, 0x200000);
  store_le<std::uint8_t>(f, kRelocatable, 1);
  store_le<std::uint16_t>(f, kXloadflags, kXlfKernel64);
  store_le<std::uint32_t>(f, kCmdlineSize, 2047);
  store_le<std::uint64_t>(f, kPrefAddress, 0x1000000);
  store_le<std::uint32_t>(f, kInitSize, 0x100000);
  const std::string release = "6.1.0-test (me@here) #1";
  std::copy(release.begin(), release.end(), f.begin() + 0x300);
  f.insert(f.end(), kernel_size, 0x90);
  return f;
}

}  // namespace machina::test
