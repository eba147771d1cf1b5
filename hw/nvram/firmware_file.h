#pragma once
/// Firmware images and option ROMs, found by name.

#include <cstdint>
#include <string>
#include <vector>

namespace machina {

struct FirmwareFile {
  std::string path;  ///< where it was found
  std::vector<std::uint8_t> bytes;
};

/// Reads `name` as it stands or, unless it has a slash, the first of that name in `dirs`. Throws Error when there is
/// none, when it cannot be read, when it is empty, or when it has more than `max_size` bytes.
FirmwareFile load_firmware_file(const std::string& name, const std::vector<std::string>& dirs, std::uint64_t max_size);

}  // namespace machina
