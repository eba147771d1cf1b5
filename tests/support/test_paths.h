#pragma once

#include <filesystem>
#include <string_view>

namespace machina::test {

/// Root of the source tree the test binary was built from.
std::filesystem::path source_dir();

/// Build directory of the preset the test binary belongs to: `machine-run` lies directly in it.
std::filesystem::path binary_dir();

/// Image `NAME.bin` of the assembly guest `tests/guest/asm/NAME.S`: 64 KiB, to be used as firmware.
std::filesystem::path guest_image(std::string_view name);

}  // namespace machina::test
