#pragma once
/// Descriptors that were handed to the process, for it to open by name: "/dev/fdset/N" is the set with that number, and
/// opening it takes the member whose access mode fits. So a program that may not open a file itself can be given it.
///
/// A process has one table, as it has one table of descriptors. Any thread.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/chardev/fd_stream.h"

namespace machina {

class FdSets {
 public:
  static FdSets& global();

  struct Member {
    int fd = -1;  ///< its number in this process
    std::string opaque;
  };
  struct Set {
    std::int64_t id = 0;
    std::vector<Member> members;
  };

  /// Puts `fd` into the set `id`, which is made when it is not there, or into a new one. Throws Error: a negative id.
  std::pair<std::int64_t, int> add(OwnedFd fd, std::optional<std::int64_t> id, std::string opaque);
  /// Takes one member out, or all. What was opened from it stays open. False: there is no such set or member.
  bool remove(std::int64_t id, std::optional<int> fd);
  std::vector<Set> list() const;
  /// A duplicate of the member that may do what `flags` (O_RDONLY, O_WRONLY, O_RDWR) ask; -1 and errno.
  int open(std::int64_t id, int flags) const;
};

/// As open(2), for files that users name.
int open_path(const char* path, int flags, unsigned mode = 0);

}  // namespace machina
