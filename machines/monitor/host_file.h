#pragma once
/// Files of the host that commands write, where a client says. None is waited for: the machine stands still meanwhile.

#include <cstdint>
#include <span>
#include <string>

#include "core/chardev/fd_stream.h"

namespace machina {

/// Opens it for writing, empty; `/dev/fdset/N` is a descriptor that the client has sent. A FIFO that nobody reads is
/// refused, not waited for. Throws QmpError.
OwnedFd create_file(const std::string& path);

/// All of `bytes`, behind what was written before. Throws QmpError, which names `path`.
void write_file(const OwnedFd& file, std::span<const std::uint8_t> bytes, const std::string& path);

}  // namespace machina
