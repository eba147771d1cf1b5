// Operations as lines: "write4! r2 c0 +1c =ff": what, the bytes of an access, '!' where the main loop waits, and the
// fields that are not zero, in hexadecimal. Records that are data of the one before: "data" and 16 bytes.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <sstream>

#include "core/error.h"
#include "tests/fuzz/operation.h"

namespace machina::fuzz {

namespace {

constexpr const char* kSetUp = "set-up";
constexpr const char* kData = "data";

std::string data_line(const Operation& o) {
  std::array<std::uint8_t, kRecord> bytes{};
  std::memcpy(bytes.data(), &o, kRecord);
  return fmt::format("  {} {:02x}\n", kData, fmt::join(bytes, ""));
}

template <class T>
bool read_hex(std::string_view text, T& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  return error == std::errc() && end == text.data() + text.size();
}

bool read_data(std::string_view text, Operation& o) {
  std::array<std::uint8_t, kRecord> bytes{};
  if (text.size() != 2 * kRecord) return false;
  for (std::size_t i = 0; i < kRecord; ++i)
    if (!read_hex(text.substr(2 * i, 2), bytes[i])) return false;
  std::memcpy(&o, bytes.data(), kRecord);
  return true;
}

bool read_name(std::string_view word, Operation& o) {
  if (word == kSetUp) return true;
  if (word.ends_with('!')) {
    o.width |= 0x80;
    word.remove_suffix(1);
  }
  constexpr std::string_view kWidths = "1248";
  if (const std::size_t width = kWidths.find(word.empty() ? '\0' : word.back()); width != std::string_view::npos) {
    o.width |= static_cast<std::uint8_t>(width);
    word.remove_suffix(1);
  }
  for (; o.op < static_cast<std::uint8_t>(Op::Count_); ++o.op)
    if (word == op_name(o.kind())) return true;
  return false;
}

bool read_field(std::string_view word, Operation& o) {
  if (word.empty()) return false;
  const std::string_view number = word.substr(1);
  switch (word.front()) {
    case 'r':
      return read_hex(number, o.region);
    case 'c':
      return read_hex(number, o.count);
    case '+':
      return read_hex(number, o.offset);
    case '=':
      return read_hex(number, o.value);
    default:
      return false;
  }
}

}  // namespace

std::string operations_to_text(std::span<const std::uint8_t> input,
                               const std::function<std::string(const Operation&)>& comment) {
  const std::vector<Operation> list = decode(input);
  std::string text;
  for (std::size_t i = 0; i < list.size(); ++i) {
    const Operation& o = list[i];
    if (i == 0) {
      text += fmt::format("  {} +{:x}\n", kSetUp, o.offset);
      continue;
    }
    if (o.kind() >= Op::Count_) continue;
    text += fmt::format("  {}{}{}", op_name(o.kind()), o.bytes(), o.width & 0x80 ? "!" : "");
    if (o.region) text += fmt::format(" r{:x}", o.region);
    if (o.count) text += fmt::format(" c{:x}", o.count);
    if (o.offset) text += fmt::format(" +{:x}", o.offset);
    if (o.value) text += fmt::format(" ={:x}", o.value);
    if (const std::string more = comment ? comment(o) : std::string(); !more.empty()) text += "  # " + more;
    text += '\n';
    for (unsigned n = o.data_records(); n > 0 && i + 1 < list.size(); --n) text += data_line(list[++i]);
  }
  return text;
}

std::vector<std::uint8_t> operations_from_text(std::string_view text) {
  std::vector<std::uint8_t> input;
  std::istringstream lines{std::string(text)};
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line.substr(0, line.find('#')));
    Operation o;
    std::string word;
    if (!(words >> word)) continue;
    bool good = true;
    if (word == kData) {
      good = words >> word && read_data(word, o);
    } else {
      good = read_name(word, o);
      while (good && words >> word) good = read_field(word, o);
    }
    if (!good)
      throw Error(fmt::format("not an operation: '{}'", line)).why(fmt::format("'{}' is not understood", word));
    std::array<std::uint8_t, kRecord> bytes{};
    std::memcpy(bytes.data(), &o, kRecord);
    input.insert(input.end(), bytes.begin(), bytes.end());
  }
  return input;
}

}  // namespace machina::fuzz
