#pragma once
/// Dates of the Gregorian calendar, without time zones and daylight saving.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace machina {

struct CivilTime {
  int year = 1970;
  int month = 1;  ///< 1 to 12
  int day = 1;    ///< 1 to 31
  int hour = 0, minute = 0, second = 0;
  friend bool operator==(const CivilTime&, const CivilTime&) = default;
};

/// Seconds since 1970-01-01 00:00:00. Fields beyond their range carry over into the next one.
std::int64_t to_seconds(const CivilTime& t);
CivilTime to_civil(std::int64_t seconds);
/// 0 is Sunday.
int weekday(std::int64_t seconds);

/// "2026-11-21" or "2026-11-21T21:26:00"; empty when it is neither, or no such day.
std::optional<std::int64_t> parse_iso(std::string_view text);
std::string format_iso(std::int64_t seconds);

}  // namespace machina
