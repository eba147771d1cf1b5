#include "machines/monitor/expression.h"

#include <fmt/format.h>

#include <cctype>
#include <charconv>
#include <limits>
#include <string>

#include "core/error.h"
#include "hw/x86/x86_state.h"

namespace machina {
namespace {

constexpr unsigned kMaxDepth = 64;  // of parentheses and signs

class Reader {
 public:
  Reader(std::string_view& text, const RegisterLookup& registers) : text_(text), registers_(registers) { skip(); }

  std::uint64_t sum() {
    std::uint64_t value = logic();
    for (;;) {
      if (take('+')) {
        value += logic();
      } else if (take('-')) {
        value -= logic();
      } else {
        return value;
      }
    }
  }

 private:
  std::uint64_t logic() {
    std::uint64_t value = product();
    for (;;) {
      if (take('&')) {
        value &= product();
      } else if (take('|')) {
        value |= product();
      } else if (take('^')) {
        value ^= product();
      } else {
        return value;
      }
    }
  }

  std::uint64_t product() {
    std::uint64_t value = unary();
    for (;;) {
      const char c = text_.empty() ? '\0' : text_.front();
      if (c != '*' && c != '/' && c != '%') return value;
      take(c);
      const std::uint64_t right = unary();
      if (c == '*') {
        value *= right;
        continue;
      }
      if (right == 0) throw Error("division by zero");
      // Signed, as numbers are shown; the one quotient that does not fit wraps.
      const auto a = static_cast<std::int64_t>(value), b = static_cast<std::int64_t>(right);
      if (b == -1) {
        value = c == '/' ? 0 - value : 0;
      } else {
        value = static_cast<std::uint64_t>(c == '/' ? a / b : a % b);
      }
    }
  }

  std::uint64_t unary() {
    if (++depth_ > kMaxDepth) throw Error("expression is nested too deep");
    const std::uint64_t value = term();
    --depth_;
    return value;
  }

  std::uint64_t term() {
    if (text_.empty()) throw Error("unexpected end of expression");
    if (take('+')) return unary();
    if (take('-')) return 0 - unary();
    if (take('~')) return ~unary();
    if (take('(')) {
      const std::uint64_t value = sum();
      if (!take(')')) throw Error("')' expected");
      return value;
    }
    if (text_.front() == '\'') return character();
    if (text_.front() == '$') return reg();
    return number();
  }

  std::uint64_t character() {
    if (text_.size() < 3 || text_[2] != '\'') throw Error("missing terminating ' character");
    const auto value = static_cast<unsigned char>(text_[1]);
    text_.remove_prefix(3);
    skip();
    return value;
  }

  std::uint64_t reg() {
    std::size_t end = 1;
    while (end < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[end])) || text_[end] == '_')) ++end;
    const auto value = registers_(text_.substr(1, end - 1));
    if (!value) throw Error("unknown register");
    text_.remove_prefix(end);
    skip();
    return *value;
  }

  std::uint64_t number() {
    int base = 10;
    std::size_t from = 0;
    if (text_.starts_with("0x") || text_.starts_with("0X")) {
      base = 16, from = 2;
    } else if (text_.size() > 1 && text_[0] == '0' && std::isdigit(static_cast<unsigned char>(text_[1]))) {
      base = 8, from = 1;
    }
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text_.data() + from, text_.data() + text_.size(), value, base);
    if (error == std::errc::result_out_of_range) throw Error("number too large");
    if (error != std::errc()) throw Error(fmt::format("invalid char '{}' in expression", text_.front()));
    text_.remove_prefix(static_cast<std::size_t>(end - text_.data()));
    skip();
    return value;
  }

  bool take(char c) {
    if (text_.empty() || text_.front() != c) return false;
    text_.remove_prefix(1);
    skip();
    return true;
  }
  void skip() {
    while (!text_.empty() && std::isspace(static_cast<unsigned char>(text_.front()))) text_.remove_prefix(1);
  }

  std::string_view& text_;
  const RegisterLookup& registers_;
  unsigned depth_ = 0;
};

}  // namespace

std::uint64_t parse_expression(std::string_view& text, const RegisterLookup& registers) {
  return Reader(text, registers).sum();
}

std::optional<std::uint64_t> register_value(const X86State& s, std::string_view name) {
  static constexpr std::string_view kShort[] = {"ax", "cx", "dx", "bx", "sp", "bp", "si", "di"};
  if (name == "pc") return s.segment[kCs].base * !(s.efer & 0x400 && s.segment[kCs].l) + s.rip;
  if (name == "sp") return s.gpr[kRsp];
  if (name == "fp") return s.gpr[kRbp];
  if (name == "rip") return s.rip;
  if (name == "eip") return s.rip & 0xffffffff;
  if (name == "eflags" || name == "rflags") return s.rflags;
  if (name.size() == 3 && (name[0] == 'r' || name[0] == 'e')) {
    for (unsigned i = 0; i < 8; ++i)
      if (name.substr(1) == kShort[i]) return name[0] == 'r' ? s.gpr[i] : s.gpr[i] & 0xffffffff;
  }
  if (name.size() >= 2 && name[0] == 'r') {
    unsigned n = 0;
    const auto [end, error] = std::from_chars(name.data() + 1, name.data() + name.size(), n);
    if (error == std::errc() && end == name.data() + name.size() && n >= 8 && n < 16) return s.gpr[n];
  }
  static constexpr std::string_view kSegments[] = {"es", "cs", "ss", "ds", "fs", "gs"};
  for (unsigned i = 0; i < 6; ++i)
    if (name == kSegments[i]) return s.segment[i].selector;
  const std::pair<std::string_view, std::uint64_t> others[] = {{"tr", s.tr.selector},
                                                               {"ldt", s.ldt.selector},
                                                               {"gdt", s.gdt.base},
                                                               {"idt", s.idt.base},
                                                               {"cr0", s.cr0},
                                                               {"cr2", s.cr2},
                                                               {"cr3", s.cr3},
                                                               {"cr4", s.cr4},
                                                               {"cr8", s.cr8},
                                                               {"efer", s.efer},
                                                               {"dr6", s.dr6},
                                                               {"dr7", s.dr7},
                                                               {"fs_base", s.segment[kFs].base},
                                                               {"gs_base", s.segment[kGs].base}};
  for (const auto& [n, value] : others)
    if (name == n) return value;
  return std::nullopt;
}

}  // namespace machina
