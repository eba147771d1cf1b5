#include "qom/error.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <numeric>

namespace machina {

namespace {

/// As wide on a terminal as the first `bytes` of the text. Tabs are kept, and of a character of UTF-8 only its first
/// byte counts, so that a caret behind it stands under the right column.
std::string padding_below(std::string_view text, int bytes) {
  std::string padding;
  for (const char c : text.substr(0, static_cast<std::size_t>(std::max(0, bytes))))
    if ((c & 0xc0) != 0x80) padding += c == '\t' ? '\t' : ' ';
  return padding;
}

std::string carets_below(std::string_view text, int column, int length) {
  const auto from = std::min(static_cast<std::size_t>(column - 1), text.size());
  const auto width = padding_below(text.substr(from), length).size();
  return std::string(std::max<std::size_t>(1, width), '^');
}

}  // namespace

std::string Origin::brief() const { return line > 0 ? fmt::format("{}:{}:{}", place, line, column) : place; }

Error& Error::at(const Origin& origin) {
  if (!origin_.known()) origin_ = origin;
  return *this;
}

Error& Error::object(std::string_view path) {
  if (object_.empty()) object_ = path;
  return *this;
}

Error& Error::why(std::string_view cause) {
  if (why_.empty()) why_ = cause;
  return *this;
}

Error& Error::hint(std::string_view advice) {
  if (hint_.empty()) hint_ = advice;
  return *this;
}

const char* Error::what() const noexcept {
  try {
    std::string text;
    if (origin_.known()) text += origin_.brief() + ": ";
    if (!object_.empty()) text += object_ + ": ";
    text += message_;
    if (!why_.empty()) text += ": " + why_;
    if (origin_.line > 0 && !origin_.line_text.empty()) {
      text += fmt::format("\n{:5} | {}\n      | {}{}", origin_.line, origin_.line_text,
                          padding_below(origin_.line_text, origin_.column - 1),
                          carets_below(origin_.line_text, origin_.column, origin_.length));
      if (!hint_.empty()) text += " " + hint_;
    } else if (origin_.known() && origin_.line == 0 && origin_.column > 0) {
      // An option: the message starts with it, so the carets go right below.
      text += "\n" + padding_below(origin_.place, origin_.column - 1) +
              carets_below(origin_.place, origin_.column, origin_.length);
      if (!hint_.empty()) text += " " + hint_;
    } else if (!hint_.empty()) {
      text += "\n  " + hint_;
    }
    text_ = std::move(text);
    return text_.c_str();
  } catch (...) {
    return "out of memory while reporting an error";
  }
}

namespace {

/// Insertions, deletions, replacements and swaps of neighbours (the optimal string alignment distance), whatever the
/// case of the letters.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  const auto same = [](char x, char y) {
    return std::tolower(static_cast<unsigned char>(x)) == std::tolower(static_cast<unsigned char>(y));
  };
  std::vector<std::size_t> before(b.size() + 1), row(b.size() + 1), next(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    next[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      next[j] = std::min({row[j] + 1, next[j - 1] + 1, row[j - 1] + (same(a[i - 1], b[j - 1]) ? 0 : 1)});
      const bool swapped = i > 1 && j > 1 && same(a[i - 1], b[j - 2]) && same(a[i - 2], b[j - 1]);
      if (swapped) next[j] = std::min(next[j], before[j - 2] + 1);
    }
    before.swap(row);
    row.swap(next);
  }
  return row[b.size()];
}

}  // namespace

std::string nearest_name(std::string_view name, const std::vector<std::string>& candidates) {
  std::string best;
  std::size_t best_distance = std::max<std::size_t>(2, name.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    const std::size_t distance = edit_distance(name, candidate);
    if (distance < best_distance && distance < std::max(name.size(), candidate.size())) {
      best_distance = distance;
      best = candidate;
    }
  }
  return best;
}

std::string did_you_mean(std::string_view name, const std::vector<std::string>& candidates) {
  const std::string nearest = nearest_name(name, candidates);
  return nearest.empty() ? std::string() : fmt::format("did you mean '{}'?", nearest);
}

}  // namespace machina
