/// Registers, memory and breakpoints for a client of the gdb stub.

#include "core/error.h"
#include "core/log.h"
#include "machines/gdb/packet.h"
#include "machines/gdb/session.h"

namespace machina {
namespace {

constexpr const char* kInvalid = "E22";  // EINVAL
constexpr const char* kFault = "E14";    // EFAULT: gdb says that it cannot access memory there
constexpr const char* kOk = "OK";

struct Range {
  std::uint64_t address = 0, size = 0;
};

/// "ADDR,LENGTH".
std::optional<Range> take_range(std::string_view& text) {
  const auto address = take_hex(text);
  if (!address || !take(text, ",")) return std::nullopt;
  const auto size = take_hex(text);
  if (!size) return std::nullopt;
  return Range{*address, *size};
}

/// "TYPE,ADDR,KIND". Conditions are not announced, so none follow.
std::optional<Breakpoint> take_breakpoint(std::string_view& text) {
  const auto type = take_hex(text);
  if (!type || *type > 4 || !take(text, ",")) return std::nullopt;
  const auto range = take_range(text);
  if (!range) return std::nullopt;
  Breakpoint b;
  b.kind = static_cast<BreakpointKind>(*type);
  b.linear = range->address;
  if (!b.is_code()) {
    constexpr std::uint64_t kMostWatched = std::uint64_t{1} << 32;
    if (range->size == 0 || range->size > kMostWatched || b.linear + (range->size - 1) < b.linear) return std::nullopt;
    b.size = range->size;
  }
  return b;
}

}  // namespace

GdbSession::Answer GdbSession::read_registers(std::string_view) {
  X86Cpu* const c = current();
  if (!c) return kInvalid;
  return gdb_hex(registers_->read(state(*c)));
}

GdbSession::Answer GdbSession::write_registers(std::string_view rest) {
  X86Cpu* const c = current();
  const auto bytes = gdb_unhex(rest);
  if (!c || !bytes) return kInvalid;
  const bool done =
      change_state(*c, [&](X86State& s) { return registers_->write(s, std::string_view(*bytes), memory_.memory()); });
  return done ? kOk : kInvalid;
}

GdbSession::Answer GdbSession::read_register(std::string_view rest) {
  X86Cpu* const c = current();
  const auto number = take_hex(rest);
  if (!c || !number || *number >= registers_->all().size()) return kInvalid;
  return gdb_hex(registers_->read(state(*c), static_cast<std::size_t>(*number)));
}

GdbSession::Answer GdbSession::write_register(std::string_view rest) {
  X86Cpu* const c = current();
  const auto number = take_hex(rest);
  if (!c || !number || !take(rest, "=")) return kInvalid;
  const auto bytes = gdb_unhex(rest);
  if (!bytes) return kInvalid;
  const bool done = change_state(*c, [&](X86State& s) {
    return registers_->write(s, static_cast<std::size_t>(*number), *bytes, memory_.memory());
  });
  return done ? kOk : kInvalid;
}

GdbSession::Answer GdbSession::read_memory(std::string_view rest) {
  X86Cpu* const c = current();
  const auto range = take_range(rest);
  if (!c || !range || range->size > GdbPacketReader::kMost / 2) return kInvalid;
  const std::string bytes = memory_.read(state(*c), range->address, static_cast<std::size_t>(range->size));
  if (bytes.empty() && range->size > 0) return kFault;
  return gdb_hex(bytes);
}

GdbSession::Answer GdbSession::write_bytes(std::uint64_t address, std::string_view bytes) {
  X86Cpu* const c = current();
  if (!c) return kInvalid;
  if (bytes.empty()) return kOk;  // gdb asks so whether it is known
  if (!memory_.write(state(*c), address, bytes)) return kFault;
  return kOk;
}

GdbSession::Answer GdbSession::write_memory(std::string_view rest) {
  const auto range = take_range(rest);
  if (!range || !take(rest, ":")) return kInvalid;
  const auto bytes = gdb_unhex(rest);
  if (!bytes || bytes->size() != range->size) return kInvalid;
  return write_bytes(range->address, *bytes);
}

GdbSession::Answer GdbSession::write_binary(std::string_view rest) {
  const auto range = take_range(rest);
  if (!range || !take(rest, ":") || rest.size() != range->size) return kInvalid;
  return write_bytes(range->address, rest);
}

GdbSession::Answer GdbSession::insert_breakpoint(std::string_view rest) {
  const auto breakpoint = take_breakpoint(rest);
  if (!breakpoint || memory_.physical()) return kInvalid;  // CPUs know linear addresses
  run_.insert(*breakpoint);
  return kOk;
}

GdbSession::Answer GdbSession::remove_breakpoint(std::string_view rest) {
  const auto breakpoint = take_breakpoint(rest);
  if (!breakpoint) return kInvalid;
  run_.remove(*breakpoint);
  return kOk;
}

}  // namespace machina
