#pragma once
/// Universally unique identifiers: RFC 4122, with the two orders of their 16 bytes.

#include <array>
#include <cstdint>
#include <string>

namespace machina {

/// In the order of the text.
using Uuid = std::array<std::uint8_t, 16>;

/// "550e8400-e29b-41d4-a716-446655440000", in either case. Throws Error.
Uuid parse_uuid(const std::string& text);
/// The same form, in lower case.
std::string format_uuid(const Uuid& uuid);
/// RFC 4122, 4.4: a random one, version 4.
Uuid random_uuid();
/// As a GUID lies in memory: the first three fields are little-endian numbers.
Uuid guid_bytes(const Uuid& uuid);

}  // namespace machina
