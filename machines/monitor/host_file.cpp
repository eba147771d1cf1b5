#include "machines/monitor/host_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "core/fd_sets.h"
#include "machines/monitor/qmp_command.h"

namespace machina {

OwnedFd create_file(const std::string& path) {
  OwnedFd fd(open_path(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0666));
  if (!fd) generic_error(fmt::format("Could not open '{}': {}", path, std::strerror(errno)));
  return fd;
}

std::vector<std::uint8_t> read_host_file(const std::string& path, std::size_t most) {
  const OwnedFd fd(open_path(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd) generic_error(fmt::format("Could not open '{}': {}", path, std::strerror(errno)));
  // A descriptor of a set stands where its last user left it.
  (void)::lseek(fd.get(), 0, SEEK_SET);
  std::vector<std::uint8_t> bytes;
  std::array<std::uint8_t, 4096> piece;
  for (;;) {
    const ssize_t n = ::read(fd.get(), piece.data(), piece.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) generic_error(fmt::format("reading '{}' failed: {}", path, std::strerror(errno)));
    if (n == 0) return bytes;
    if (bytes.size() + static_cast<std::size_t>(n) > most)
      generic_error(fmt::format("'{}' has more than {} bytes", path, most));
    bytes.insert(bytes.end(), piece.begin(), piece.begin() + n);
  }
}

void write_file(const OwnedFd& file, std::span<const std::uint8_t> bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(file.get(), bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) generic_error(fmt::format("writing '{}' failed: {}", path, std::strerror(n < 0 ? errno : ENOSPC)));
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
}

}  // namespace machina
