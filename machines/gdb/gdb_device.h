#pragma once
/// Where gdb connects to: the argument of -gdb and of the monitor's `gdbserver`.

#include <string>
#include <string_view>

namespace machina {

/// The backend that is meant, in the form of core/chardev/char_spec.h: a socket listens, does not wait for its client,
/// and sends a second one away meanwhile, unless its options say otherwise. Throws Error.
std::string gdb_device(std::string_view device);

/// Of -s, and of `gdbserver` without an argument. Not on all of the host's addresses, as QEMU's: who can connect reads
/// and changes all of the guest, and what the monitor reaches.
inline constexpr const char* kDefaultGdbDevice = "tcp:127.0.0.1:1234";

}  // namespace machina
