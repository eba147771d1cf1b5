#include "core/block/image_lock.h"

#include <fcntl.h>

#include <cerrno>

#include "qom/error.h"

namespace machina {
namespace {

// block/file-posix.c of QEMU: byte 100 + n is locked by who uses permission n, byte 200 + n by who does not let others
// use it. Permission 0 is reading what stays consistent, 1 is writing. All locks are shared ones; a conflict is found
// by asking whether an exclusive one would be possible.
constexpr off_t kUses = 100;
constexpr off_t kDenies = 200;
constexpr off_t kRead = 0;
constexpr off_t kWrite = 1;

bool shared_lock(int fd, off_t byte) {
  struct flock lock {};
  lock.l_type = F_RDLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = byte;
  lock.l_len = 1;
  return fcntl(fd, F_OFD_SETLK, &lock) == 0;
}

bool others_hold(int fd, off_t byte) {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = byte;
  lock.l_len = 1;
  return fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

}  // namespace

bool lock_image(int fd, bool writer, const std::string& filename) {
  // First take, then look: of two that start at the same time at least one sees the other.
  if (!shared_lock(fd, kUses + kRead) || !shared_lock(fd, kDenies + kWrite) ||
      (writer && !shared_lock(fd, kUses + kWrite))) {
    // Only an exclusive lock, which no program of this protocol holds, stands in the way of a shared one.
    if (errno != EAGAIN && errno != EACCES) return false;
    throw Error("image '" + filename + "' is locked by another process");
  }
  if (others_hold(fd, kUses + kWrite))
    throw Error("image '" + filename + "' is being written by another process, or by another drive of this machine")
        .hint("let one write at a time; the others can have copies");
  if (writer && others_hold(fd, kDenies + kWrite))
    throw Error("image '" + filename + "' is in use by another process that must not see it change")
        .hint("stop the other one, or open it with readonly=on or snapshot=on");
  return true;
}

}  // namespace machina
