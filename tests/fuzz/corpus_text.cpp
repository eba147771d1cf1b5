#include "tests/fuzz/corpus_text.h"

#include <fmt/format.h>

#include <charconv>
#include <fstream>
#include <iterator>

#include "core/error.h"
#include "tests/fuzz/target.h"

namespace machina::fuzz {

namespace {

constexpr std::size_t kLine = 100;
constexpr std::string_view kInput = "input";

std::string_view next_line(std::string_view& text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

}  // namespace

std::string quote(std::span<const std::uint8_t> bytes) {
  std::string text, line;
  const auto end_line = [&] {
    text += fmt::format("  \"{}\"\n", line);
    line.clear();
  };
  for (const std::uint8_t byte : bytes) {
    const auto c = static_cast<char>(byte);
    if (c == '\n') {
      line += "\\n";
    } else if (c == '"' || c == '\\') {
      line += {'\\', c};
    } else {
      line += byte >= 0x20 && byte <= 0x7e ? std::string(1, c) : fmt::format("\\x{:02x}", byte);
    }
    if (c == '\n' || line.size() > kLine) end_line();
  }
  if (!line.empty()) end_line();
  return text;
}

std::vector<std::uint8_t> unquote(std::string_view text) {
  std::vector<std::uint8_t> bytes;
  while (!text.empty()) {
    const std::string_view whole = next_line(text);
    std::string_view line = whole;
    const auto bad = [&] { return Error(fmt::format("not a string literal: '{}'", whole)); };
    const std::size_t begin = line.find_first_not_of(' ');
    if (begin == std::string_view::npos) continue;
    line.remove_prefix(begin);
    if (line.size() < 2 || line.front() != '"' || line.back() != '"') throw bad();
    line = line.substr(1, line.size() - 2);
    while (!line.empty()) {
      std::uint8_t byte = static_cast<std::uint8_t>(line.front());
      line.remove_prefix(1);
      if (byte == '\\') {
        if (line.empty()) throw bad();
        byte = static_cast<std::uint8_t>(line.front());
        line.remove_prefix(1);
        if (byte == 'n') byte = '\n';
        if (byte == 'x') {
          const char* const end = line.data() + std::min<std::size_t>(2, line.size());
          if (std::from_chars(line.data(), end, byte, 16).ptr != line.data() + 2) throw bad();
          line.remove_prefix(2);
        }
      }
      bytes.push_back(byte);
    }
  }
  return bytes;
}

std::vector<std::vector<std::uint8_t>> read_corpus(const Target& target, const std::string& file) {
  std::ifstream stream(file, std::ios::binary);
  if (!stream) throw Error(fmt::format("cannot read '{}'", file));
  const std::string all{std::istreambuf_iterator<char>(stream), {}};
  std::vector<std::string> texts;
  for (std::string_view rest = all; !rest.empty();) {
    const std::string_view line = next_line(rest);
    if (line.starts_with('#')) continue;
    if (line == kInput) {
      texts.emplace_back();
    } else if (texts.empty()) {
      throw Error(fmt::format("'{}' does not begin with a line '{}'", file, kInput));
    } else {
      texts.back().append(line).append("\n");
    }
  }
  std::vector<std::vector<std::uint8_t>> inputs;
  for (const std::string& text : texts) inputs.push_back(target.from_text(text));
  return inputs;
}

void write_corpus(const Target& target, const std::vector<std::vector<std::uint8_t>>& inputs, const std::string& file) {
  std::ofstream stream(file, std::ios::binary);
  for (const auto& input : inputs) stream << kInput << '\n' << target.to_text(input);
  if (!stream.flush()) throw Error(fmt::format("cannot write '{}'", file));
}

}  // namespace machina::fuzz
