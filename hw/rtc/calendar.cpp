#include "hw/rtc/calendar.h"

#include <fmt/format.h>

#include <chrono>

namespace machina {

namespace {

constexpr std::int64_t kDay = 86400;

std::int64_t floor_div(std::int64_t a, std::int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

/// Exactly `digits` digits at `at`, or -1.
int number(std::string_view text, std::size_t at, std::size_t digits) {
  int value = 0;
  for (std::size_t i = at; i < at + digits; ++i) {
    if (i >= text.size() || text[i] < '0' || text[i] > '9') return -1;
    value = value * 10 + (text[i] - '0');
  }
  return value;
}

}  // namespace

std::int64_t to_seconds(const CivilTime& t) {
  namespace chrono = std::chrono;
  const int month0 = t.month - 1;
  const int year = t.year + static_cast<int>(floor_div(month0, 12));
  const auto month = static_cast<unsigned>(month0 - floor_div(month0, 12) * 12 + 1);
  const chrono::sys_days first = chrono::year{year} / chrono::month{month} / chrono::day{1};
  const std::int64_t days = first.time_since_epoch().count() + t.day - 1;
  return days * kDay + t.hour * std::int64_t{3600} + t.minute * std::int64_t{60} + t.second;
}

CivilTime to_civil(std::int64_t seconds) {
  namespace chrono = std::chrono;
  const std::int64_t days = floor_div(seconds, kDay);
  const auto rest = static_cast<int>(seconds - days * kDay);
  const chrono::year_month_day date{chrono::sys_days{chrono::days{static_cast<int>(days)}}};
  return {static_cast<int>(date.year()),
          static_cast<int>(static_cast<unsigned>(date.month())),
          static_cast<int>(static_cast<unsigned>(date.day())),
          rest / 3600,
          rest / 60 % 60,
          rest % 60};
}

int weekday(std::int64_t seconds) {
  const std::int64_t days = floor_div(seconds, kDay) + 4;  // 1970-01-01 was a Thursday
  return static_cast<int>(days - floor_div(days, 7) * 7);
}

std::optional<std::int64_t> parse_iso(std::string_view text) {
  CivilTime t;
  if (text.size() != 10 && text.size() != 19) return {};
  if (text[4] != '-' || text[7] != '-') return {};
  t.year = number(text, 0, 4), t.month = number(text, 5, 2), t.day = number(text, 8, 2);
  if (text.size() == 19) {
    if (text[10] != 'T' || text[13] != ':' || text[16] != ':') return {};
    t.hour = number(text, 11, 2), t.minute = number(text, 14, 2), t.second = number(text, 17, 2);
  }
  if (t.year < 0 || t.month < 1 || t.hour < 0 || t.minute < 0 || t.second < 0) return {};
  // What comes back different was no such day or hour.
  const std::int64_t seconds = to_seconds(t);
  if (to_civil(seconds) != t) return {};
  return seconds;
}

std::string format_iso(std::int64_t seconds) {
  const CivilTime t = to_civil(seconds);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", t.year, t.month, t.day, t.hour, t.minute, t.second);
}

}  // namespace machina
