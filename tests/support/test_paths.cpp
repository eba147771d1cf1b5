#include "tests/support/test_paths.h"

#include <string>

namespace machina::test {

std::filesystem::path source_dir() { return MACHINA_SOURCE_DIR; }

std::filesystem::path binary_dir() { return MACHINA_BINARY_DIR; }

std::filesystem::path guest_image(std::string_view name) {
  return binary_dir() / "guests" / (std::string(name) + ".bin");
}

}  // namespace machina::test
