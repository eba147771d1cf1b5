#pragma once
/// Inputs as text: tests/fuzz/corpus/TARGET.txt has them one below the other, each after a line "input". What follows
/// is the target's to say (Target::to_text). A '#' begins a comment.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace machina::fuzz {

class Target;

std::vector<std::vector<std::uint8_t>> read_corpus(const Target& target, const std::string& file);
void write_corpus(const Target& target, const std::vector<std::vector<std::uint8_t>>& inputs, const std::string& file);

/// Bytes as string literals of C, a line each.
std::string quote(std::span<const std::uint8_t> bytes);
std::vector<std::uint8_t> unquote(std::string_view text);

}  // namespace machina::fuzz
