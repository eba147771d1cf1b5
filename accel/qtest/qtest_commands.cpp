#include "accel/qtest/qtest_commands.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "core/base64.h"
#include "core/error.h"

namespace machina {
namespace {

/// The line is malformed: answered by ERR. What cannot be done is an Error, answered by FAIL.
struct Malformed {
  std::string reason;
};

std::vector<std::string_view> split(std::string_view line) {
  std::vector<std::string_view> words;
  for (std::size_t at = 0;;) {
    at = line.find_first_not_of(" \t", at);
    if (at == std::string_view::npos) return words;
    const std::size_t end = std::min(line.find_first_of(" \t", at), line.size());
    words.push_back(line.substr(at, end - at));
    at = end;
  }
}

/// What a message shows of a word that a client has sent.
std::string_view shown(std::string_view word) { return word.substr(0, 64); }

// Numbers are C's: 0x…, 0… (octal), decimal.
std::uint64_t unsigned_number(std::string_view word, std::string_view what) {
  int base = 10;
  std::string_view digits = word;
  if (digits.starts_with("0x") || digits.starts_with("0X")) {
    base = 16;
    digits.remove_prefix(2);
  } else if (digits.size() > 1 && digits.front() == '0') {
    base = 8;
    digits.remove_prefix(1);
  }
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  if (error != std::errc() || end != digits.data() + digits.size() || digits.empty())
    throw Malformed{fmt::format("{} is not a number: '{}'", what, shown(word))};
  return value;
}

std::int64_t signed_number(std::string_view word, std::string_view what) {
  const bool negative = word.starts_with('-');
  const std::uint64_t magnitude = unsigned_number(word.substr(negative ? 1 : 0), what);
  if (magnitude > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
    throw Malformed{fmt::format("{} is too large: '{}'", what, shown(word))};
  return negative ? -static_cast<std::int64_t>(magnitude) : static_cast<std::int64_t>(magnitude);
}

std::uint64_t size_at(std::uint64_t address, std::string_view word, std::uint64_t limit) {
  const std::uint64_t size = unsigned_number(word, "size");
  if (size == 0) throw Malformed{"size is 0"};
  if (size > limit) throw Malformed{fmt::format("size is more than {}", limit)};
  if (address + (size - 1) < address) throw Malformed{"the range goes beyond the address space"};
  return size;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  throw Malformed{"data is not hexadecimal"};
}

}  // namespace

const std::vector<QtestCommands::Command>& QtestCommands::table() {
  using Q = QtestCommands;
  static const std::vector<Command> commands = {
      {"clock_step", 1, 2, &Q::clock_step, 0},
      {"clock_set", 2, 2, &Q::clock_set, 0},
      {"irq_intercept_in", 2, 3, &Q::intercept_in, 0},
      {"irq_intercept_out", 2, 3, &Q::intercept_out, 0},
      {"set_irq_in", 5, 5, &Q::set_irq_in, 0},
      {"outb", 3, 3, &Q::port_out, 1},
      {"outw", 3, 3, &Q::port_out, 2},
      {"outl", 3, 3, &Q::port_out, 4},
      {"inb", 2, 2, &Q::port_in, 1},
      {"inw", 2, 2, &Q::port_in, 2},
      {"inl", 2, 2, &Q::port_in, 4},
      {"writeb", 3, 3, &Q::store, 1},
      {"writew", 3, 3, &Q::store, 2},
      {"writel", 3, 3, &Q::store, 4},
      {"writeq", 3, 3, &Q::store, 8},
      {"readb", 2, 2, &Q::load, 1},
      {"readw", 2, 2, &Q::load, 2},
      {"readl", 2, 2, &Q::load, 4},
      {"readq", 2, 2, &Q::load, 8},
      {"read", 3, 3, &Q::read, 0},
      {"write", 4, 4, &Q::write, 0},
      {"memset", 4, 4, &Q::fill, 0},
      {"b64read", 3, 3, &Q::read_base64, 0},
      {"b64write", 4, 4, &Q::write_base64, 0},
      {"endianness", 1, 1, &Q::endianness, 0},
      {"module_load", 3, 3, &Q::refuse_module, 0},
  };
  return commands;
}

std::vector<std::string_view> QtestCommands::names() {
  std::vector<std::string_view> all;
  for (const Command& c : table()) all.push_back(c.name);
  return all;
}

QtestCommands::QtestCommands(System& system, qom::Object& root, std::function<void(std::string)> message)
    : system_(system), root_(root), message_(std::move(message)), ports_(system.io) {}

QtestCommands::~QtestCommands() { release(); }

std::string QtestCommands::run(std::string_view line) {
  const Words words = split(line);
  if (words.empty()) return {};
  const auto& commands = table();
  const auto command =
      std::find_if(commands.begin(), commands.end(), [&](const Command& c) { return c.name == words[0]; });
  if (command == commands.end()) return fmt::format("FAIL Unknown command '{}'", shown(words[0]));
  if (words.size() < command->min_words) return fmt::format("ERR {}: arguments are missing", words[0]);
  if (words.size() > command->max_words) return fmt::format("ERR {}: too many arguments", words[0]);
  try {
    return (this->*command->answer)(words, command->width);
  } catch (const Malformed& e) {
    return fmt::format("ERR {}: {}", words[0], e.reason);
  } catch (const Error& e) {
    return "FAIL " + e.message();
  }
}

// --- time -----------------------------------------------------------------------------------------------------------

// Host time, which the RTC starts from, keeps step with virtual time, timer by timer.
std::string QtestCommands::step_clocks(std::int64_t ns) {
  Clock& clock = system_.clock;
  Clock& host = system_.host_clock;
  const std::int64_t ahead = host.now_ns() - clock.now_ns();
  const auto next = [&] {
    const std::int64_t of_host = host.next_deadline();
    return std::min(clock.next_deadline(), of_host == Clock::kNever ? Clock::kNever : of_host - ahead);
  };
  const std::int64_t end = std::max(ns, clock.now_ns());
  for (std::int64_t at = next(); at < end; at = next()) {
    clock.step_to(at);
    host.step_to(at + ahead);
  }
  clock.step_to(end);
  host.step_to(end + ahead);
  return fmt::format("OK {}", clock.now_ns());
}

std::string QtestCommands::clock_step(const Words& words, Width) {
  if (!system_.clock.manual()) throw Error("the accelerator has its own time; -accel qtest lets a test step it");
  const std::int64_t now = system_.clock.now_ns();
  std::int64_t distance = 0;
  if (words.size() == 2) {
    distance = signed_number(words[1], "time");
    if (distance < 0) throw Malformed{"time goes forward only"};
  } else {
    const std::int64_t next = system_.clock.next_deadline();
    distance = next == Clock::kNever ? 0 : std::max<std::int64_t>(0, next - now);
  }
  return step_clocks(distance > std::numeric_limits<std::int64_t>::max() - now ? Clock::kNever - 1 : now + distance);
}

std::string QtestCommands::clock_set(const Words& words, Width) {
  if (!system_.clock.manual()) throw Error("the accelerator has its own time; -accel qtest lets a test step it");
  return step_clocks(signed_number(words[1], "time"));
}

// --- interrupts -----------------------------------------------------------------------------------------------------

Device& QtestCommands::device(std::string_view path) {
  auto* found = qom::cast<Device>(qom::resolve_path(root_, path));
  if (!found) throw Error("Unknown device");
  return *found;
}

void QtestCommands::irq_changed(std::size_t number, bool level) {
  if ((levels_[number] != 0) == level) return;
  levels_[number] = level ? 1 : 0;
  message_(fmt::format("IRQ {} {}", level ? "raise" : "lower", number));
}

std::string QtestCommands::intercept_in(const Words& words, Width) {
  Device& d = device(words[1]);
  if (intercepted_) {
    if (intercepted_.get() != &d || inputs_.empty()) throw Error("IRQ intercept already enabled");
    return "OK";
  }
  IrqInBank* bank = d.input_bank(words.size() > 2 ? words[2] : std::string_view());
  if (!bank) throw Error(words.size() > 2 ? "the device has no inputs of that name" : "the device has no inputs");
  intercepted_ = qom::Ref<Device>(&d);
  for (unsigned n = 0; n < bank->size(); ++n) {
    IrqIn* const pin = &(*bank)[n];
    inputs_.push_back(pin);
    levels_.push_back(pin->level() ? 1 : 0);
    // The device still gets its interrupts: a test looks on.
    pin->intercept([this, pin, n](unsigned, bool level) {
      pin->pass_on();
      irq_changed(n, level);
    });
  }
  return "OK";
}

std::string QtestCommands::intercept_out(const Words& words, Width) {
  Device& d = device(words[1]);
  if (intercepted_) {
    if (intercepted_.get() != &d || outputs_.empty()) throw Error("IRQ intercept already enabled");
    return "OK";
  }
  const auto& declared = d.device_class().outputs();
  const auto named = words.size() > 2 ? std::find_if(declared.begin(), declared.end(),
                                                     [&](const DeviceClass::Output& o) { return o.name == words[2]; })
                                      : declared.begin();
  if (named == declared.end())
    throw Error(words.size() > 2 ? "the device has no outputs of that name" : "the device has no outputs");
  intercepted_ = qom::Ref<Device>(&d);
  outputs_ = named->pins(d);
  for (std::size_t n = 0; n < outputs_.size(); ++n) {
    IrqOut* const pin = outputs_[n];
    levels_.push_back(pin->level() ? 1 : 0);
    pin->intercept([this, pin, n](bool level) {
      pin->pass_on();
      irq_changed(n, level);
    });
  }
  return "OK";
}

std::string QtestCommands::set_irq_in(const Words& words, Width) {
  Device& d = device(words[1]);
  const std::string_view bank = words[2] == "unnamed-gpio-in" ? std::string_view() : words[2];
  const std::uint64_t number = unsigned_number(words[3], "number");
  const bool level = signed_number(words[4], "level") != 0;
  IrqIn* const pin = number <= 0xffff ? d.input(bank, static_cast<unsigned>(number)) : nullptr;
  if (!pin) throw Error("the device has no such input");
  auto [at, fresh] = driven_.try_emplace(pin);
  if (fresh) {
    at->second = {qom::Ref<Device>(&d), std::make_unique<IrqOut>()};
    at->second.wire->connect(*pin);
  }
  at->second.wire->set(level);
  return "OK";
}

void QtestCommands::release() {
  for (IrqIn* pin : inputs_) pin->intercept({});
  for (IrqOut* pin : outputs_) pin->intercept({});
  inputs_.clear();
  outputs_.clear();
  levels_.clear();
  driven_.clear();
  intercepted_ = nullptr;
}

// --- ports and memory -----------------------------------------------------------------------------------------------

std::string QtestCommands::port_out(const Words& words, Width width) {
  const std::uint64_t port = unsigned_number(words[1], "port");
  if (port > 0xffff) throw Malformed{"port is more than 0xffff"};
  const std::uint64_t value = unsigned_number(words[2], "value");
  ports_.write(port, width, value & (~std::uint64_t{0} >> (64 - 8 * width)));
  return "OK";
}

std::string QtestCommands::port_in(const Words& words, Width width) {
  const std::uint64_t port = unsigned_number(words[1], "port");
  if (port > 0xffff) throw Malformed{"port is more than 0xffff"};
  return fmt::format("OK {:#06x}", ports_.read(port, width));
}

std::string QtestCommands::store(const Words& words, Width width) {
  const std::uint64_t address = unsigned_number(words[1], "address");
  const std::uint64_t value = unsigned_number(words[2], "value");
  if (address + (width - 1) < address) throw Malformed{"the range goes beyond the address space"};
  system_.memory.store(address, width, value & (~std::uint64_t{0} >> (64 - 8 * width)));
  return "OK";
}

std::string QtestCommands::load(const Words& words, Width width) {
  const std::uint64_t address = unsigned_number(words[1], "address");
  if (address + (width - 1) < address) throw Malformed{"the range goes beyond the address space"};
  return fmt::format("OK {:#018x}", system_.memory.load(address, width));
}

std::vector<std::uint8_t> QtestCommands::fetch(std::string_view address, std::string_view size) {
  const std::uint64_t from = unsigned_number(address, "address");
  std::vector<std::uint8_t> bytes(size_at(from, size, kMaxTransfer));
  (void)system_.memory.read(from, bytes);  // what does not answer reads as 0xff
  return bytes;
}

std::string QtestCommands::read(const Words& words, Width) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  const std::vector<std::uint8_t> bytes = fetch(words[1], words[2]);
  std::string answer = "OK 0x";
  answer.reserve(answer.size() + 2 * bytes.size());
  for (const std::uint8_t b : bytes) {
    answer += kDigits[b >> 4];
    answer += kDigits[b & 15];
  }
  return answer;
}

std::string QtestCommands::write(const Words& words, Width) {
  const std::uint64_t to = unsigned_number(words[1], "address");
  std::vector<std::uint8_t> bytes(size_at(to, words[2], kMaxTransfer));
  std::string_view data = words[3];
  if (!data.starts_with("0x") || data.size() < 4) throw Malformed{"data is not 0x and two digits for each byte"};
  data.remove_prefix(2);
  // Data may be shorter than the size: the rest is zeros. What is longer is ignored.
  for (std::size_t i = 0; i < bytes.size() && 2 * i + 1 < data.size(); ++i)
    bytes[i] = static_cast<std::uint8_t>(hex_digit(data[2 * i]) << 4 | hex_digit(data[2 * i + 1]));
  (void)system_.memory.write(to, bytes);
  return "OK";
}

std::string QtestCommands::fill(const Words& words, Width) {
  const std::uint64_t to = unsigned_number(words[1], "address");
  const std::uint64_t size = size_at(to, words[2], kMaxFill);
  std::array<std::uint8_t, 64 * 1024> chunk;
  chunk.fill(static_cast<std::uint8_t>(unsigned_number(words[3], "value")));
  for (std::uint64_t done = 0; done < size; done += chunk.size())
    (void)system_.memory.write(to + done, std::span(chunk).first(std::min<std::uint64_t>(chunk.size(), size - done)));
  return "OK";
}

std::string QtestCommands::read_base64(const Words& words, Width) {
  return "OK " + base64_encode(fetch(words[1], words[2]));
}

std::string QtestCommands::write_base64(const Words& words, Width) {
  const std::uint64_t to = unsigned_number(words[1], "address");
  const std::uint64_t size = size_at(to, words[2], kMaxTransfer);
  const auto bytes = base64_decode(words[3]);
  if (!bytes) throw Malformed{"data is not base64"};
  if (bytes->size() != size) throw Malformed{fmt::format("size is {}, but data has {} bytes", size, bytes->size())};
  (void)system_.memory.write(to, *bytes);
  return "OK";
}

// --- the rest -------------------------------------------------------------------------------------------------------

std::string QtestCommands::endianness(const Words&, Width) { return "OK little"; }

std::string QtestCommands::refuse_module(const Words&, Width) {
  throw Error("there are no modules; plugins are loaded by -plugin, at the start");
}

}  // namespace machina
