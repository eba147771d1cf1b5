#pragma once
/// What -vnc and -display vnc= say: where clients find the screen, and which of them may.

#include <cstdint>
#include <string>

#include "core/config/config_tree.h"

namespace machina {

struct VncSpec {
  static constexpr unsigned kFirstPort = 5900;  ///< of display 0

  std::string host;        ///< empty: any address
  std::string path;        ///< of a unix socket, instead of host and port
  std::uint16_t port = 0;  ///< 0: the host picks one
  unsigned to = 0;         ///< further ports that may be tried
  bool password = false;   ///< clients are asked for one, which the monitor sets
  std::string password_file;
  enum class Share : std::uint8_t { AllowExclusive, ForceShared, Ignore } share = Share::AllowExclusive;

  /// Reads the address from key "vnc" ("HOST:D", "unix:PATH", or "HOST" beside port=P) and the rest from to=N,
  /// password=on, password-file=FILE, share=allow-exclusive|force-shared|ignore. HOST may be empty; an address of IPv6
  /// stands in brackets. Throws Error.
  static VncSpec of(ConfigNode option);
};

}  // namespace machina
