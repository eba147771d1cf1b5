#pragma once
/// Values of properties and of the monitor as JSON text, and back. The only place that knows the JSON library.

#include <string>
#include <string_view>

#include "qom/value.h"

namespace machina {

/// One line, ASCII only, members in their order. What is not UTF-8 in a string becomes U+FFFD; a double that JSON
/// cannot say (infinity) becomes null.
std::string to_json(const qom::Value& value);
/// The same over several lines, indented by four a level.
std::string to_pretty_json(const qom::Value& value);

/// A whole JSON text. Numbers become int64, uint64 where they do not fit, double for the rest. Throws Error: no JSON, a
/// member twice, nested deeper than kMaxJsonDepth.
qom::Value parse_json(std::string_view text);

inline constexpr unsigned kMaxJsonDepth = 128;

/// The member of that name, or null when it is no object or has none.
const qom::Value* member(const qom::Value& object, std::string_view name);

}  // namespace machina
