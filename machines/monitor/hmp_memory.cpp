/// The human monitor's view of memory and ports: x, xp, print, i, o, sum, and where addresses lead.

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstring>
#include <optional>

#include "machines/monitor/guest_memory.h"
#include "machines/monitor/human_command.h"
#include "machines/monitor/qmp_command.h"

namespace machina {
namespace {

constexpr unsigned kMaxCount = 65'536;
constexpr std::size_t kLongestInstruction = 15;  // SDM vol. 2, 2.3.11

/// "/4xb": how many, in which form (x d u o c i), of which size (b h w g).
struct Format {
  unsigned count = 1;
  char form = 'x';
  unsigned size = 4;
};

Format format_of(const QmpArguments& arguments, Format f) {
  const std::string text = arguments.string_or("fmt", "");
  std::size_t i = 0;
  if (i < text.size() && std::isdigit(static_cast<unsigned char>(text[i]))) {
    f.count = 0;
    for (; i < text.size() && std::isdigit(static_cast<unsigned char>(text[i])); ++i)
      f.count = std::min(f.count * 10 + static_cast<unsigned>(text[i] - '0'), kMaxCount);
  }
  bool sized = false;
  for (; i < text.size(); ++i) {
    switch (text[i]) {
      case 'x':
      case 'd':
      case 'u':
      case 'o':
      case 'c':
      case 'i':
        f.form = text[i];
        break;
      case 'b':
        f.size = 1, sized = true;
        break;
      case 'h':
        f.size = 2, sized = true;
        break;
      case 'w':
        f.size = 4, sized = true;
        break;
      case 'g':
      case 'L':
        f.size = 8, sized = true;
        break;
      default:
        generic_error(fmt::format("invalid char in format: '{}'", text[i]));
    }
  }
  if (f.form == 'c' && !sized) f.size = 1;
  return f;
}

std::string character(std::uint64_t value) {
  const auto c = static_cast<unsigned char>(value);
  switch (c) {
    case '\'':
      return "'\\''";
    case '\\':
      return "'\\\\'";
    case '\n':
      return "'\\n'";
    case '\r':
      return "'\\r'";
    default:
      return c >= 0x20 && c < 0x7f ? fmt::format("'{}'", static_cast<char>(c)) : fmt::format("'\\x{:02x}'", c);
  }
}

std::int64_t sign_extend(std::uint64_t value, unsigned size) {
  const unsigned shift = 64 - 8 * size;
  return static_cast<std::int64_t>(value << shift) >> shift;
}

std::string number(const Format& f, std::uint64_t value) {
  switch (f.form) {
    case 'd':
      return fmt::format("{:{}}", sign_extend(value, f.size),
                         f.size == 1   ? 4
                         : f.size == 2 ? 6
                         : f.size == 4 ? 11
                                       : 20);
    case 'u':
      return fmt::format("{:{}}", value, f.size == 1 ? 3 : f.size == 2 ? 5 : f.size == 4 ? 10 : 20);
    case 'o':
      return fmt::format("{:#0{}o}", value, (f.size * 8 + 2) / 3 + 1);
    case 'c':
      return character(value);
    default:
      return fmt::format("0x{:0{}x}", value, f.size * 2);
  }
}

/// What both x and xp are, but for how memory is read.
template <class Read>
void dump(HumanContext& c, const Format& f, std::uint64_t address, Read&& read) {
  const unsigned in_line = f.form == 'c' ? 8 : f.size == 1 ? 8 : f.size == 2 ? 8 : f.size == 4 ? 4 : 2;
  for (unsigned i = 0; i < f.count; ++i, address += f.size) {
    std::uint64_t value = 0;
    if (i % in_line == 0) c.print("{}{:016x}:", i ? "\n" : "", address);
    if (!read(address, std::span(reinterpret_cast<std::uint8_t*>(&value), f.size))) {
      c.write(" Cannot access memory\n");
      return;
    }
    c.print(" {}", number(f, value));
  }
  c.write("\n");
}

template <class Read>
void disassemble(HumanContext& c, const X86State& state, unsigned count, std::uint64_t address, Read&& read) {
  for (unsigned i = 0; i < count; ++i) {
    std::uint8_t bytes[kLongestInstruction];
    std::size_t there = 0;
    while (there < sizeof bytes && read(address + there, std::span(bytes + there, 1))) ++there;
    if (there == 0) return c.print("0x{:08x}: unable to read memory\n", address);
    const Instruction instruction = decode_instruction(state, address, std::span(bytes, there));
    std::string hex;
    const std::size_t length = instruction.length ? instruction.length : 1;
    for (std::size_t b = 0; b < length; ++b) hex += fmt::format("{:02x} ", bytes[b]);
    c.print("0x{:08x}:  {:<24} {}\n", address, hex, instruction.length ? instruction.text : "(bad)");
    address += length;
  }
}

X86State state_of(HumanContext& c) {
  X86Cpu* cpu = c.session().cpu();
  if (!cpu || !cpu->vcpu()) generic_error("No CPU available");
  return cpu->state();
}

void x(HumanContext& c, const QmpArguments& arguments) {
  const Format f = format_of(arguments, {});
  const CpusAside aside(c.machine());
  const X86State state = state_of(c);
  const GuestMemory memory(c.machine());
  const std::uint64_t address = arguments.unsigned_integer("addr");
  // Whoever looks for instructions reads further than he shows, and they stand in memory.
  if (f.form == 'i')
    return disassemble(c, state, f.count, address,
                       [&](std::uint64_t at, std::span<std::uint8_t> to) { return memory.read_linear(state, at, to); });
  dump(c, f, address,
       [&](std::uint64_t at, std::span<std::uint8_t> to) { return memory.access_linear(state, at, to); });
}

void xp(HumanContext& c, const QmpArguments& arguments) {
  const Format f = format_of(arguments, {});
  const CpusAside aside(c.machine());
  const GuestMemory memory(c.machine());
  const std::uint64_t address = arguments.unsigned_integer("addr");
  X86Cpu* const cpu = c.session().cpu();
  std::optional<X86State> state;
  if (cpu && cpu->vcpu()) state = cpu->state();
  if (f.form == 'i')
    return disassemble(c, state ? *state : state_of(c), f.count, address,
                       [&](std::uint64_t at, auto to) { return memory.read_physical(at, to); });
  dump(c, f, address, [&](std::uint64_t at, std::span<std::uint8_t> to) {
    return memory.access_physical(at, to, state ? &*state : nullptr);
  });
}

void print(HumanContext& c, const QmpArguments& arguments) {
  Format f = format_of(arguments, {1, 'd', 8});
  const std::uint64_t value = arguments.unsigned_integer("expr");
  switch (f.form) {
    case 'x':
      return c.print("0x{:x}\n", value);
    case 'u':
      return c.print("{}\n", value);
    case 'o':
      return c.print("{:#o}\n", value);
    case 'c':
      return c.print("{}\n", character(value));
    case 'd':
      return c.print("{}\n", static_cast<std::int64_t>(value));
    default:
      generic_error(fmt::format("invalid char in format: '{}'", f.form));
  }
}

// --- ports: as a CPU's access, with all effects ---

const char* port_name(unsigned size) { return size == 1 ? "b" : size == 2 ? "w" : "l"; }

unsigned port_size(const QmpArguments& arguments) {
  const unsigned size = format_of(arguments, {1, 'x', 1}).size;
  if (size > 4) generic_error("ports have at most 32 bits");
  return size;
}

void port_in(HumanContext& c, const QmpArguments& arguments) {
  const unsigned size = port_size(arguments);
  const std::uint64_t port = arguments.unsigned_integer("addr") & 0xffff;
  const std::uint64_t value = c.machine().system().io.load(port, size);
  c.print("port{}[0x{:04x}] = 0x{:0{}x}\n", port_name(size), port, value, size * 2);
}

void port_out(HumanContext& c, const QmpArguments& arguments) {
  const unsigned size = port_size(arguments);
  c.machine().system().io.store(arguments.unsigned_integer("addr") & 0xffff, size, arguments.unsigned_integer("val"));
}

// --- addresses ---

/// As the BSD program `sum` does it: rotate right by one, add the byte, 16 bits.
void sum(HumanContext& c, const QmpArguments& arguments) {
  const GuestMemory memory(c.machine());
  const std::uint64_t start = arguments.unsigned_integer("start"), size = arguments.unsigned_integer("size");
  if (size > c.machine().ram().size + (std::uint64_t{1} << 32)) generic_error("there is less memory than that");
  const CpusAside aside(c.machine());
  std::uint32_t total = 0;
  std::uint8_t piece[4096];
  for (std::uint64_t at = start; at < start + size;) {
    const auto n =
        static_cast<std::size_t>(std::min<std::uint64_t>(start + size - at, sizeof piece - at % sizeof piece));
    // Where there is no memory nothing is driven on the bus.
    if (!memory.read_physical(at, std::span(piece, n))) std::memset(piece, 0xff, n);
    for (std::size_t i = 0; i < n; ++i) total = ((total >> 1 | total << 15) + piece[i]) & 0xffff;
    at += n;
  }
  c.print("{:05}\n", total);
}

void gva2gpa(HumanContext& c, const QmpArguments& arguments) {
  const CpusAside aside(c.machine());
  const auto physical = GuestMemory(c.machine()).to_physical(state_of(c), arguments.unsigned_integer("addr"));
  if (physical) {
    c.print("gpa: {:#x}\n", *physical);
  } else {
    c.write("Unmapped\n");
  }
}

void gpa2hva(HumanContext& c, const QmpArguments& arguments) {
  const std::uint64_t address = arguments.unsigned_integer("addr");
  const auto view = c.machine().system().memory.view();
  const FlatRange* range = view->find(address);
  if (!range || !range->is_ram()) generic_error(fmt::format("No memory is mapped at address 0x{:x}", address));
  c.print("Host virtual address for 0x{:x} ({}) is {}\n", address, range->ram->name(),
          fmt::ptr(range->host + (address - range->first)));
}

void add(MonitorTable& t) {
  t.human({.name = "x",
           .arguments = "fmt: format, addr: int",
           .doc = "memory at a linear address: /COUNT, form x d u o c i, size b h w g",
           .run = x});
  t.human({.name = "xp", .arguments = "fmt: format, addr: int", .doc = "memory at a physical address", .run = xp});
  t.human({.name = "print|p",
           .arguments = "fmt: format, expr: int",
           .doc = "value of an expression; $NAME is a register",
           .run = print});
  t.human({.name = "i", .arguments = "fmt: format, addr: int", .doc = "reads a port", .run = port_in});
  t.human({.name = "o", .arguments = "fmt: format, addr: int, val: int", .doc = "writes a port", .run = port_out});
  t.human({.name = "sum",
           .arguments = "start: int, size: int",
           .doc = "checksum of physical memory, as the program sum computes it",
           .run = sum});
  t.human({.name = "gva2gpa", .arguments = "addr: int", .doc = "where a linear address leads", .run = gva2gpa});
  t.human(
      {.name = "gpa2hva", .arguments = "addr: int", .doc = "where physical memory is in this process", .run = gpa2hva});
}

const MonitorFamily kFamily{"Memory: a closer look", add};

}  // namespace
}  // namespace machina
