#include "hw/nvram/firmware_file.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>

#include "core/error.h"
#include "core/read_file.h"

namespace machina {
FirmwareFile load_firmware_file(const std::string& name, const std::vector<std::string>& dirs, std::uint64_t max_size) {
  std::vector<std::string> tried{name};
  if (name.find('/') == std::string::npos)
    for (const std::string& dir : dirs) tried.push_back(dir + "/" + name);
  for (const std::string& path : tried) {
    struct stat info {};
    // A directory of that name in the working directory is not what is meant by a bare name.
    if (::stat(path.c_str(), &info) != 0 || (S_ISDIR(info.st_mode) && tried.size() > 1)) continue;
    return {path, read_file(path, max_size)};
  }
  throw Error(fmt::format("no such firmware file: '{}'", name))
      .why(fmt::format("there is no {}", fmt::join(tried, ", ")))
      .hint("install the package 'seabios', or name the file with its path");
}

}  // namespace machina
