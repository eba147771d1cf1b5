#pragma once
/// A Linux kernel in the form that boot loaders load: real-mode setup code with the setup header, then the
/// protected-mode kernel.
///
/// Not read: kernels from before boot protocol 2.02 (Linux 2.4) and those that load below 1 MiB ("zImage").

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace machina::boot {

struct BzImage {
  std::vector<std::uint8_t> file;
  std::string release;         ///< "6.1.0-13-amd64", as far as the kernel says
  std::uint16_t protocol = 0;  ///< 20Fh: 2.15
  std::size_t setup_size = 0;  ///< bytes of `file` before the protected-mode kernel
  std::size_t header_end = 0;  ///< behind the last byte of the setup header
  std::uint16_t xloadflags = 0;
  static constexpr std::uint32_t kLoadAddress = 0x100000;  ///< of the protected-mode kernel
  std::uint32_t code32_start = 0;                          ///< the 32-bit entry; 0: there is none
  std::uint32_t initrd_addr_max = 0;                       ///< the highest address that a byte of the initrd may have
  std::uint32_t cmdline_max = 0;                           ///< characters, without the final zero
  /// Memory that the kernel needs for itself when it starts, before it looks at the memory map.
  std::uint64_t runtime_start = 0, runtime_size = 0;

  bool has_64bit_entry() const;
  std::span<const std::uint8_t> setup() const { return std::span(file).first(setup_size); }
  std::span<const std::uint8_t> kernel() const { return std::span(file).subspan(setup_size); }
};

/// Whether there is a setup header, however faulty.
bool is_bzimage(std::span<const std::uint8_t> file);
/// Throws Error that names the field, what it holds and what it may; `name` is the file's.
BzImage parse_bzimage(std::vector<std::uint8_t> file, const std::string& name);

}  // namespace machina::boot
