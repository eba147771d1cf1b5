#pragma once
/// Keeps two programs from using one image in ways that do not go together: locks on bytes of the file that are never
/// read or written, at the places that QEMU uses, so that the two also see each other.

#include <string>

namespace machina {

/// Locks the image open as `fd`: one writer, or any number of readers. The lock goes with the open file. Throws Error
/// when another holds it. False when the host's file system has no such locks.
bool lock_image(int fd, bool writer, const std::string& filename);

}  // namespace machina
