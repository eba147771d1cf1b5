#pragma once
/// Messages to the user, and the log that -d switches on and -D sends to a file.
///
/// Any thread. What a guest can trigger goes through guest_error() and unimp(), which are off unless asked for and
/// limited for each place in the code, so that a guest can neither flood the log nor slow the machine with it.

#include <fmt/core.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <source_location>
#include <string>
#include <string_view>
#include <type_traits>

namespace machina::log {

enum class Level { Info, Warning, Error };

/// Items of -d, named as QEMU names them; one bit each.
enum class Category : std::uint32_t {
  GuestErrors = 1U << 0,  ///< guest_errors: the guest does what its hardware's datasheet forbids
  Unimp = 1U << 1,        ///< unimp: the guest uses what is not modelled
  Int = 1U << 2,          ///< int: interrupts and exceptions
  Exit = 1U << 3,         ///< exit: each exit of a vCPU from guest mode
  CpuReset = 1U << 4,     ///< cpu_reset: why a CPU ended in a triple fault
  Mmu = 1U << 5,          ///< mmu: page faults, flushes, changes of the memory map
  InAsm = 1U << 6,        ///< in_asm: guest code as it is decoded
};

namespace detail {

extern std::atomic<std::uint32_t> enabled;

void message(Level level, fmt::string_view format, fmt::format_args args);
void category(fmt::string_view format, fmt::format_args args);
void limited(std::string_view device, const char* kind, const std::source_location& where, fmt::string_view format,
             fmt::format_args args);

/// A format string that knows the place in the code where it stands.
template <class... Args>
struct PlacedFormat {
  template <class S>
  consteval PlacedFormat(const S& s, std::source_location place = std::source_location::current())  // NOLINT
      : text(s), where(place) {}
  fmt::format_string<Args...> text;
  std::source_location where;
};

}  // namespace detail

inline bool on(Category c) {
  return (detail::enabled.load(std::memory_order_relaxed) & static_cast<std::uint32_t>(c)) != 0;
}

/// Adds the items of one -d option: "guest_errors,int,trace:ide_*"; the last kind is what -trace takes. Throws Error
/// with the nearest name.
void enable(std::string_view items);
/// The same, instead of all that was enabled before, but for trace events: those that are on stay on. An empty list
/// enables nothing.
void enable_only(std::string_view items);
/// All items with a line of help each: -d help.
std::string help();
/// Everything that categories log goes to this file, which starts empty, instead of stderr: -D. Throws Error when it
/// cannot be written. Messages to the user stay on stderr.
void set_file(const std::string& path);
/// Gets each line instead of stderr and the file; for tests. An empty sink restores them. `logged` is true for what
/// belongs to a category.
void set_sink(std::function<void(Level level, bool logged, std::string_view line)> sink);
/// Nothing enabled, no file, no limits used up, nothing warned about yet.
void reset();

// --- messages to the user: "machine-run: warning: …" on stderr
template <class... Args>
void info(fmt::format_string<Args...> format, const Args&... args) {
  detail::message(Level::Info, format, fmt::make_format_args(args...));
}
template <class... Args>
void warning(fmt::format_string<Args...> format, const Args&... args) {
  detail::message(Level::Warning, format, fmt::make_format_args(args...));
}
template <class... Args>
void error(fmt::format_string<Args...> format, const Args&... args) {
  detail::message(Level::Error, format, fmt::make_format_args(args...));
}
/// A warning that is given once for each key: "msr-0x10a". Keys beyond the thousandth are not warned about.
void warn_once(std::string_view key, std::string_view text);

// --- the log
template <class... Args>
void write(Category c, fmt::format_string<Args...> format, const Args&... args) {
  if (on(c)) detail::category(format, fmt::make_format_args(args...));
}
/// "i8042: guest error: command 0xd7 is not known". At most ten lines a second from one place in the code; then one
/// that says how many were left out.
template <class... Args>
void guest_error(std::string_view device, detail::PlacedFormat<std::type_identity_t<Args>...> format,
                 const Args&... args) {
  if (on(Category::GuestErrors))
    detail::limited(device, "guest error", format.where, format.text, fmt::make_format_args(args...));
}
/// As guest_error(), for what the guest may do but Machina does not model.
template <class... Args>
void unimp(std::string_view device, detail::PlacedFormat<std::type_identity_t<Args>...> format, const Args&... args) {
  if (on(Category::Unimp))
    detail::limited(device, "not modelled", format.where, format.text, fmt::make_format_args(args...));
}
/// Lines, each with its newline, that are wanted in the log whatever its categories: those of trace events.
void write_lines(std::string_view lines);

/// So many events in each period, and a count of what was left out.
class RateLimit {
 public:
  explicit RateLimit(unsigned events, std::int64_t period_ns) : events_(events), period_ns_(period_ns) {}
  struct Verdict {
    bool pass;
    std::uint64_t left_out;  ///< since the last event that passed in an earlier period; to be reported now
  };
  /// `now_ns` is any monotonic time.
  Verdict admit(std::int64_t now_ns);

 private:
  unsigned events_;
  std::int64_t period_ns_;
  std::int64_t started_ = 0;
  bool any_ = false;
  unsigned passed_ = 0;
  std::uint64_t left_out_ = 0;
};

}  // namespace machina::log
