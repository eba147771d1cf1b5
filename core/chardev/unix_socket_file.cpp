#include "core/chardev/unix_socket_file.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/chardev/fd_stream.h"
#include "qom/error.h"

namespace machina {

sockaddr_un unix_address(const std::string& path) {
  sockaddr_un un{};
  un.sun_family = AF_UNIX;
  if (path.size() >= sizeof un.sun_path)
    throw Error("socket path '" + path + "' is too long")
        .why("a unix socket's path has at most " + std::to_string(sizeof un.sun_path - 1) + " bytes");
  std::memcpy(un.sun_path, path.data(), path.size());
  return un;
}

bool bind_unix_socket(int fd, const std::string& path) {
  const sockaddr_un un = unix_address(path);
  const auto* const address = reinterpret_cast<const sockaddr*>(&un);
  if (bind(fd, address, sizeof un) == 0) return true;
  if (errno != EADDRINUSE) return false;
  struct stat st {};
  const OwnedFd probe(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (lstat(path.c_str(), &st) == 0 && S_ISSOCK(st.st_mode) && connect(probe.get(), address, sizeof un) != 0 &&
      errno == ECONNREFUSED) {
    unlink(path.c_str());
    return bind(fd, address, sizeof un) == 0;
  }
  errno = EADDRINUSE;
  return false;
}

UnixSocketFile::UnixSocketFile(const std::string& path) {
  struct stat st {};
  std::error_code error;
  if (lstat(path.c_str(), &st) != 0) return;
  path_ = std::filesystem::absolute(path, error);
  device_ = st.st_dev;
  inode_ = st.st_ino;
}

void UnixSocketFile::remove() {
  struct stat st {};
  if (!path_.empty() && lstat(path_.c_str(), &st) == 0 && st.st_dev == device_ && st.st_ino == inode_)
    unlink(path_.c_str());
  path_.clear();
}

}  // namespace machina
