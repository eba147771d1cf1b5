#pragma once
/// Files of the host that commands write and read, where a client says. None is waited for: the machine stands still
/// meanwhile.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/chardev/fd_stream.h"

namespace machina {

/// Opens it for writing, empty; `/dev/fdset/N` is a descriptor that the client has sent. A FIFO that nobody reads is
/// refused, not waited for. Throws QmpError.
OwnedFd create_file(const std::string& path);

/// All that is in it, from its beginning; a pipe's until it is closed at the other end, or empty. Throws QmpError: it
/// cannot be read, or has more than `most` bytes.
std::vector<std::uint8_t> read_host_file(const std::string& path, std::size_t most);

/// All of `bytes`, behind what was written before. Throws QmpError, which names `path`.
void write_file(const OwnedFd& file, std::span<const std::uint8_t> bytes, const std::string& path);

}  // namespace machina
