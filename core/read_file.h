#pragma once
/// Files that are read as a whole when a machine is built: firmware, kernels.

#include <cstdint>
#include <string>
#include <vector>

namespace machina {

/// Throws Error, with the system's reason, when it cannot be read; when it is not a regular file, is empty or has more
/// than `max_size` bytes.
std::vector<std::uint8_t> read_file(const std::string& path, std::uint64_t max_size);

}  // namespace machina
