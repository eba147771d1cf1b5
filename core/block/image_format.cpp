#include "core/block/image_format.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace machina {
namespace {

using namespace std::string_view_literals;

struct Magic {
  std::string_view bytes;
  std::size_t offset;
  const char* format;
};

constexpr Magic kMagics[] = {
    {"QFI\xfb"sv, 0, "qcow2"},  // docs/interop/qcow2.txt
    {"QED\0"sv, 0, "qed"},      // docs/interop/qed_spec.txt
    {"KDMV"sv, 0, "vmdk"},      // Virtual Disk Format 5.0, sparse extent header
    {"COWD"sv, 0, "vmdk"},      // the same, ESX server sparse extent
    {"# Disk DescriptorFile"sv, 0, "vmdk"},
    {"\x7f\x10\xda\xbe"sv, 0x40, "vdi"},  // VirtualBox image signature, little endian
    {"conectix"sv, 0, "vpc"},             // Virtual Hard Disk Image Format Specification, dynamic disk: copy of footer
    {"vhdxfile"sv, 0, "vhdx"},            // [MS-VHDX] 2.2.1
    {"LUKS\xba\xbe"sv, 0, "luks"},        // LUKS on-disk format 1.2.3, 2.1
};

constexpr std::array kFormats = {"raw", "qcow2", "qed", "vmdk", "vdi", "vpc", "vhdx", "luks"};

}  // namespace

std::string image_format(std::span<const unsigned char> head) {
  for (const Magic& m : kMagics) {
    if (head.size() < m.offset + m.bytes.size()) continue;
    const auto at = head.begin() + static_cast<std::ptrdiff_t>(m.offset);
    if (std::equal(m.bytes.begin(), m.bytes.end(), at,
                   [](char a, unsigned char b) { return static_cast<unsigned char>(a) == b; })) {
      return m.format;
    }
  }
  return "raw";
}

std::span<const char* const> known_image_formats() { return kFormats; }

}  // namespace machina
