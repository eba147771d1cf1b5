#pragma once
/// What a user is told when something cannot be done: what, where, why, what to do.
///
/// `Error` is thrown while a machine is configured, built and realized, and by monitor commands. It never crosses into
/// guest-driven code: what a guest does wrong is answered by the device, not thrown.

#include <exception>
#include <string>
#include <string_view>
#include <vector>

namespace machina {

/// A place that a value came from: a line of a file, an option of the command line, a monitor command.
/// Empty when unknown.
struct Origin {
  std::string place;      ///< file name, or the option as the user typed it: "-device isa-serial,irq=x"
  int line = 0;           ///< 1-based; 0 when the place has no lines
  int column = 0;         ///< 1-based, counted in bytes; within the place itself when that has no lines
  int length = 0;         ///< bytes to underline; 0 when unknown
  std::string line_text;  ///< the line itself, for the caret picture

  bool known() const { return !place.empty(); }
  /// "file.yaml:11:20", or just the place.
  std::string brief() const;
};

class Error : public std::exception {
 public:
  explicit Error(std::string message) : message_(std::move(message)) {}

  /// Each of these replaces an empty field only, so that the innermost, most exact place wins.
  Error& at(const Origin& origin);
  Error& object(std::string_view path);  ///< path of the object concerned
  Error& why(std::string_view cause);
  Error& hint(std::string_view advice);  ///< what to do; the nearest right name

  const std::string& message() const { return message_; }
  const Origin& origin() const { return origin_; }
  const std::string& object_path() const { return object_; }
  const std::string& cause() const { return why_; }
  const std::string& advice() const { return hint_; }

  /// All of it, as shown to the user; several lines when there is a line to show or an option to point into. It starts
  /// with the place, below which carets may stand: print it at the start of a line.
  const char* what() const noexcept override;

 private:
  std::string message_, object_, why_, hint_;
  Origin origin_;
  mutable std::string text_;
};

/// The nearest of `candidates` to `name` by edit distance, or empty when none is near enough to be meant.
std::string nearest_name(std::string_view name, const std::vector<std::string>& candidates);

/// "did you mean 'x'?" or empty.
std::string did_you_mean(std::string_view name, const std::vector<std::string>& candidates);

}  // namespace machina
