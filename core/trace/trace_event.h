#pragma once
/// Named, typed trace events: what a device or an accelerator would say of its work, if somebody asked.
///
///     const TraceEvent<std::uint64_t, std::uint64_t> i8042_write{"i8042_write", "addr={:#x} value={:#x}"};
///     …
///     i8042_write(port, value);
///
/// An event is an object of static storage in the .cpp that reports it. It is off until somebody names it (-trace, the
/// monitor); then each report is a line with the time, the thread and the arguments. Off, a report is one relaxed load:
/// nothing is formatted, and an argument that is a callable is not called. Any thread may report.
///
/// The format names each argument: "name={spec}". That names and format specifications fit the types, and that the
/// event's own name is in lower_snake, is checked when it is compiled.

#include <fmt/core.h>

#include <atomic>
#include <cstdint>
#include <string_view>
#include <type_traits>

namespace machina {

namespace trace::detail {

constexpr bool is_word(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; }

/// The event's name, once it has been looked at. What is thrown here, the compiler shows.
struct Name {
  consteval Name(const char* name) : text(name) {  // NOLINT(google-explicit-constructor): "name" becomes one
    bool parts = false;
    for (const char c : text) {
      if (!is_word(c)) throw "the name of an event is lower_snake";
      parts = parts || c == '_';
    }
    if (!parts || text[0] < 'a') throw "the name of an event begins with that of its device: device_what";
  }
  std::string_view text;
};

template <class... Args>
struct Format {
  template <class S>
  consteval Format(const S& s) : text(s) {  // NOLINT(google-explicit-constructor): "a={}" becomes one
    const std::string_view format = s;
    std::size_t arguments = 0;
    for (std::size_t i = 0; i < format.size(); ++i) {
      if (format[i] != '{') continue;
      if (i + 1 < format.size() && format[i + 1] == '{') throw "a trace event's format has no braces of its own";
      if (i < 2 || format[i - 1] != '=' || !is_word(format[i - 2])) throw "each argument has a name: name={}";
      ++arguments;
    }
    if (arguments != sizeof...(Args)) throw "each argument is shown";
  }
  fmt::format_string<Args...> text;
};

template <class T>
constexpr const char* type_name() {
  if constexpr (std::is_same_v<T, bool>) {
    return "bool";
  } else if constexpr (std::is_integral_v<T>) {
    constexpr bool kSigned = std::is_signed_v<T>;
    return sizeof(T) == 1   ? (kSigned ? "int8" : "uint8")
           : sizeof(T) == 2 ? (kSigned ? "int16" : "uint16")
           : sizeof(T) == 4 ? (kSigned ? "int32" : "uint32")
                            : (kSigned ? "int64" : "uint64");
  } else {
    static_assert(std::is_same_v<T, std::string_view>, "an argument is a number, a bool or a std::string_view");
    return "str";
  }
}

template <class... Args>
inline constexpr const char* kTypes[] = {type_name<Args>()..., nullptr};

/// What a report passes: a value, or a callable that is only asked when the event is on.
template <class T>
decltype(auto) resolve(const T& given) {
  if constexpr (std::is_invocable_v<const T&>) {
    return given();
  } else {
    return (given);
  }
}

template <class T, class Given>
T as(const Given& given) {
  return given;
}

}  // namespace trace::detail

/// Whether an event belongs to one vCPU, so that it can be asked for of that one alone.
enum class TraceScope { Machine, Vcpu };

/// An event without its types: what lists, patterns and monitors see. Made and destroyed with the program or with the
/// plugin that has it.
class TracePoint {
 public:
  TracePoint(const TracePoint&) = delete;
  TracePoint& operator=(const TracePoint&) = delete;

  bool on() const { return sinks_.load(std::memory_order_relaxed) != 0; }
  std::string_view name() const { return name_; }
  std::string_view format() const { return {format_.data(), format_.size()}; }
  /// Of the arguments, ended by null.
  const char* const* types() const { return types_; }
  TraceScope scope() const { return scope_; }

 protected:
  TracePoint(std::string_view name, fmt::string_view format, const char* const* types, TraceScope scope);
  ~TracePoint();

  void report(fmt::format_args args) const;

 private:
  friend class TraceRegistry;

  // Zero before the constructor runs, as all of static storage: a report that comes so early is off.
  std::atomic<std::uint32_t> sinks_;  ///< who wants it: bits of TraceSinkId
  std::atomic<std::uint64_t> vcpus_;  ///< of a vCPU's event: which of the first 64
  std::string_view name_;
  fmt::string_view format_;
  const char* const* types_;
  TraceScope scope_;
  TracePoint* next_ = nullptr;
  TracePoint* previous_ = nullptr;
};

template <class... Args>
class TraceEvent final : public TracePoint {
 public:
  TraceEvent(trace::detail::Name name, trace::detail::Format<std::type_identity_t<Args>...> format,
             TraceScope scope = TraceScope::Machine)
      : TracePoint(name.text, fmt::string_view(format.text), trace::detail::kTypes<Args...>, scope) {}

  /// Each is what the event's type says or becomes it without loss, or is a callable that returns such a value.
  template <class... Given>
  void operator()(const Given&... given) const {
    static_assert(sizeof...(Given) == sizeof...(Args));
    if (on()) [[unlikely]]
      tell(given...);
  }

 private:
  template <class... Given>
  [[gnu::noinline, gnu::cold]] void tell(const Given&... given) const {
    using trace::detail::as;
    using trace::detail::resolve;
    report(fmt::make_format_args(as<Args>(resolve(given))...));
  }
};

namespace trace {

/// The thread that calls this runs that vCPU: its lines say "cpu0", and events of scope Vcpu belong to it.
void this_thread_runs_vcpu(unsigned index);

/// Events of this thread are left out while it lives: for who passes lines on, since what that causes would be passed
/// on as well.
class Quiet {
 public:
  Quiet();
  ~Quiet();
  Quiet(const Quiet&) = delete;
  Quiet& operator=(const Quiet&) = delete;

 private:
  bool before_;
};

}  // namespace trace

}  // namespace machina
