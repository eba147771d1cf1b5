#pragma once
/// Where a unix socket listens in the file system. Any thread; an object belongs to one.

#include <sys/types.h>
#include <sys/un.h>

#include <filesystem>
#include <string>

namespace machina {

/// Throws Error when the path is too long for a unix socket.
sockaddr_un unix_address(const std::string& path);

/// Binds the socket `fd`. A socket that nobody listens to, left behind by a process that was killed, makes room;
/// nothing else does. False, and errno says why, when that cannot be: EADDRINUSE where somebody listens, or it is no
/// socket.
bool bind_unix_socket(int fd, const std::string& path);

/// The file that bind_unix_socket() has made.
class UnixSocketFile {
 public:
  UnixSocketFile() = default;
  explicit UnixSocketFile(const std::string& path);
  /// Removes it, also from another working directory; but not what somebody has put there meanwhile.
  void remove();

 private:
  std::filesystem::path path_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

}  // namespace machina
