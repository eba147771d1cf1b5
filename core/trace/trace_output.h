#pragma once
/// Where the lines of trace events go that nobody in particular asked for: the log, or a file of their own.
///
/// A reader that is slow or gone neither stops the machine nor ends the program: each destination has a queue of its
/// own and a thread that writes. Lines that find the queue full, or that cannot be written, are dropped, and the next
/// that gets through is preceded by a line that says how many.

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

namespace machina::trace {

class Writer {
 public:
  /// Of lines that wait.
  static constexpr std::size_t kQueueLimit = 8 * 1024 * 1024;
  /// Writes whole lines; false: they are lost. Called by the writer's thread, may block for ever.
  using Write = std::function<bool(std::string_view lines)>;

  explicit Writer(Write write, std::size_t limit = kQueueLimit);
  /// What waits is still written, if the reader reads it; nobody waits for that.
  ~Writer();
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  /// Any thread; does not block. Without its newline.
  void line(std::string_view text);
  /// Waits until all that came before is written, or lost. False: not within that time.
  bool flush(int timeout_ms);
  std::uint64_t dropped() const;

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;
};

/// Lines go to this file (which is emptied) instead of the log. Throws Error when it cannot be opened; then nothing
/// changes.
void set_file(const std::string& path);
/// Back to the log.
void set_log();
/// Off: lines for the output are forgotten, and the file stays open.
void set_output_enabled(bool on);
bool output_enabled();
/// Empty: the log.
std::string file();
/// Lines that the current destination has lost.
std::uint64_t dropped();
/// Waits until the destination has all lines, at most so long; at exit, and for tests.
bool flush(int timeout_ms);

namespace detail {
void output_line(std::string_view text);
}

}  // namespace machina::trace
