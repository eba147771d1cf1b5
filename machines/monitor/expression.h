#pragma once
/// Expressions as people type them at the human monitor: numbers (10, 0x1f, 017, 'c'), registers ($rip), + - ~ as
/// signs,
/// * / % before & | ^ before + -, as QEMU's monitor ranks them, and parentheses. 64-bit, wrapping.

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

namespace machina {

/// The value of a register by its name without '$'; nothing when there is none of that name.
using RegisterLookup = std::function<std::optional<std::uint64_t>(std::string_view name)>;

/// Reads one expression from the front of `text` and takes it off. Throws Error: "division by zero", "unknown
/// register", "unexpected end of expression", …
std::uint64_t parse_expression(std::string_view& text, const RegisterLookup& registers);

struct X86State;
/// rax, eax, r8, rip, pc, sp, fp, eflags, cs, cr0, efer, … of a CPU.
std::optional<std::uint64_t> register_value(const X86State& state, std::string_view name);

}  // namespace machina
