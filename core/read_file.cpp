#include "core/read_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/error.h"

namespace machina {
namespace {

struct File {
  ~File() {
    if (fd >= 0) ::close(fd);
  }
  int fd = -1;
};

}  // namespace

std::vector<std::uint8_t> read_file(const std::string& path, std::uint64_t max_size) {
  // Not blocking, so that a pipe by that name is found out instead of waited for.
  const File file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (file.fd < 0) throw Error(fmt::format("cannot open '{}'", path)).why(std::strerror(errno));
  struct stat info {};
  if (::fstat(file.fd, &info) != 0) throw Error(fmt::format("cannot read '{}'", path)).why(std::strerror(errno));
  if (!S_ISREG(info.st_mode)) throw Error(fmt::format("'{}' is not a regular file", path));
  if (info.st_size == 0) throw Error(fmt::format("'{}' is empty", path));
  const auto size = static_cast<std::uint64_t>(info.st_size);
  if (size > max_size) {
    throw Error(fmt::format("'{}' is too large", path))
        .why(fmt::format("it has {} bytes, and at most {} fit", size, max_size));
  }
  std::vector<std::uint8_t> bytes(size);
  std::uint64_t done = 0;
  while (done < size) {
    const ::ssize_t n = ::read(file.fd, bytes.data() + done, size - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw Error(fmt::format("cannot read '{}'", path)).why(std::strerror(errno));
    if (n == 0) throw Error(fmt::format("'{}' got shorter while it was read", path));
    done += static_cast<std::uint64_t>(n);
  }
  return bytes;
}

}  // namespace machina
